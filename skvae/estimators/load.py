"""Load: the estimator that a file was saved of."""

from __future__ import annotations

from typing import Any

from . import saved
from .as_usual import torch_as_usual
from .classifier import VAEClassifier
from .density import VAEDensity
from .imputer import VAEImputer
from .outlier import VAEOutlierDetector
from .parameters import DeviceLike, PathLike
from .transformer import VAETransformer

ESTIMATORS = {
    estimator.__name__: estimator
    for estimator in (VAEDensity, VAETransformer, VAEOutlierDetector, VAEImputer, VAEClassifier)
}


def load(path: PathLike, *, device: DeviceLike | None = None) -> Any:
    """Return the estimator that ``save`` wrote to a file.

    The file is read as data: no code of it is run, and no class or module is looked up by a name in
    it. On the machine, versions and number of threads that it was saved with scores are equal to
    the bit; on other devices they differ by rounding.

    Parameters
    ----------
    path : str or path
    device : str, torch.device or None, default=None
        Takes the place of the parameter ``device``, by which the model is placed. Where that one
        is not there, the CPU is taken, with a warning.

    Returns
    -------
    estimator : VAEDensity, VAETransformer, VAEOutlierDetector, VAEImputer or VAEClassifier

    Raises
    ------
    ValueError
        If the file is not one of ``save``, is damaged or cut off, or of a later version.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> density = skvae.VAEDensity(2, max_epochs=5, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     density.save(Path(folder, "density.skvae"))
    ...     again = skvae.load(Path(folder, "density.skvae"))
    >>> bool((again.score_samples(X) == density.score_samples(X)).all())
    True
    """
    with torch_as_usual():
        return saved.load(path, ESTIMATORS, device)
