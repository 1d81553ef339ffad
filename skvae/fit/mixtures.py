"""Mixtures of normals, chosen by rows that they were not fitted to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence, Set
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from ..table.codecs import Float

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

#: Below this many rows candidates are compared fold by fold, on all of them.
FEW_ROWS, N_FOLDS = 1_000, 3
#: Share of the rows that is held out where there are more.
HELD_OUT = 0.2
#: A component of its own covariance has at least so many rows.
ROWS_A_COMPONENT = 5


class Candidate(NamedTuple):
    """What a mixture is fitted with."""

    n_components: int
    covariance_type: str = "full"
    reg_covar: float = 1e-3

    def fit(self, x: Float, seed: int) -> GaussianMixture:
        """Fit the mixture to rows (n, d)."""
        from sklearn.mixture import GaussianMixture  # imports much

        mixture = GaussianMixture(**self._asdict(), random_state=seed)
        # A user's array API is for arrays of theirs; k-means, which starts the mixture, has none.
        with warnings.catch_warnings(), config_context(array_api_dispatch=False):
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(x)


def chosen(candidates: Sequence[Candidate], x: Float, seed: int) -> Candidate | None:
    """Return the candidate that says most of rows (n, d) it has not seen; None if none can be."""
    scores = np.zeros(len(candidates))
    for fit, held_out in _folds(len(x), seed):
        scores += [_score(candidate, x[fit], x[held_out], seed) for candidate in candidates]
    return candidates[int(scores.argmax())] if scores.max() > -np.inf else None


def log_prob(
    candidates: Sequence[Candidate], fit: Float, held_out: Float, logs: Set[int], seed: int
) -> Float:
    """Return log-densities of held-out rows (n, d), some columns by their logarithm.

    They are those of the candidate that says most of them.
    """
    j = sorted(logs)
    log_det = -np.log(held_out[:, j]).sum(1)
    fit, held_out = fit.copy(), held_out.copy()
    for x in (fit, held_out):
        x[:, j] = np.log(x[:, j])
    center, scale = fit.mean(0), fit.std(0)
    scale[scale == 0.0] = 1.0
    fit, held_out = (fit - center) / scale, (held_out - center) / scale
    if not np.isfinite([fit.sum(), held_out.sum()]).all():
        return np.full(len(held_out), -np.inf)  # numbers too large to be squared
    found = [
        of.fit(fit, seed).score_samples(held_out)
        for of in candidates
        if of.n_components <= len(fit)
    ]
    best: Float = max(found, key=np.mean)
    return best + log_det - np.log(scale).sum()


def _score(candidate: Candidate, fit: Float, held_out: Float, seed: int) -> float:
    if ROWS_A_COMPONENT * (candidate.n_components - 1) > len(fit):
        return -np.inf
    try:
        return float(candidate.fit(fit, seed).score(held_out)) * len(held_out)
    except ValueError:  # a covariance that is not positive definite
        return -np.inf


def _folds(n: int, seed: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    order = np.random.RandomState(seed).permutation(n)
    parts = np.array_split(order, N_FOLDS) if n < FEW_ROWS else [order[: int(HELD_OUT * n)]]
    for held_out in parts:
        yield np.setdiff1d(order, held_out), held_out
