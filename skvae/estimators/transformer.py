"""VAETransformer: a table's latent representation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from ..fit.settings import Door
from ..table.container import with_index_of
from .base import BaseVAE
from .latents import Latents
from .manual import manual
from .scores import Scores


class VAETransformer(  # type: ignore[misc]  # noqa: D101
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, Scores, Latents, BaseVAE
):
    __doc__ = manual("""A variational autoencoder as a transformer to its latent space.

    ``transform`` gives the mean of q(z | x), ``inverse_transform`` the mean of p(x | z); the
    fitted model also scores and draws rows, as :class:`VAEDensity` does. With ``objective=``
    ``"autoencoder"``, ``"mmd"`` or ``"adversarial"`` there is no density: ``score_samples``,
    ``score``, ``log_likelihood`` and ``sample_conditional`` are not there, nor with the first is
    ``sample``, unless ``refit_prior`` fits a prior to the latents.

    Parameters
    ----------
    {PARAMETERS}

    Attributes
    ----------
    {ATTRIBUTES}

    See Also
    --------
    VAEDensity : The same model as a density.
    sklearn.decomposition.PCA : The best linear representation for reconstruction.

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import Pipeline
    >>> from skvae import VAETransformer
    >>> X, y = load_iris(return_X_y=True)
    >>> vae = VAETransformer(latent_dim=2, max_epochs=30, random_state=0)
    >>> pipeline = Pipeline([("vae", vae), ("clf", LogisticRegression())]).fit(X, y)
    >>> pipeline["vae"].transform(X).shape
    (150, 2)
    >>> pipeline.score(X, y) > 0.8
    True
    """)

    _door: ClassVar[Door] = Door(encodes=True, needs_density=False)

    @property
    def _n_features_out(self) -> int:
        return self.vae_.n_latent

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the mean of q(z | x) for each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray of shape (n_samples, latent_dim)
            Or a DataFrame with columns ``vaetransformer0``, ... after ``set_output``.
        """
        values = self._values(X)
        return self.model_.encode(values)

    def inverse_transform(self, Z: Any, *, context: Any = None) -> Any:
        """Return the mean of p(x | z) for each latent vector.

        Parameters
        ----------
        Z : array-like of shape (n_samples, latent_dim)
        context : DataFrame, dict or array-like of shape (n_samples or 1, n_context), default=None
            What the rows are given, as in :meth:`sample`: one row for each of Z, or for all.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            In the container, columns and units of the rows seen in ``fit``: means of numbers,
            the likeliest of categories and booleans.

        Raises
        ------
        ValueError
            If Z has another number of columns than ``latent_dim``, or the context another number
            of rows.
        """
        check_is_fitted(self)
        latents, Z = Z, check_array(Z, dtype=np.float64)
        if Z.shape[1] != self.vae_.n_latent:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but the model has latent_dim={self.vae_.n_latent}."
            )
        given = self._given(context)
        if len(given) not in (1, len(Z)):
            raise ValueError(f"context has {len(given)} rows, but Z has {len(Z)}.")
        decoded = self.model_.decode(Z, np.broadcast_to(given, (len(Z), given.shape[1])))
        return with_index_of(latents, self._rows_of(decoded))
