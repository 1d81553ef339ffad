"""Densities to compare with, each tuned inside its training rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from threadpoolctl import threadpool_limits

COMPONENTS = (1, 2, 3, 5, 8, 12, 20)
REGULARISATION = (1e-6, 1e-3, 1e-2, 1e-1)
#: From so many rows on the validated mixture may be larger, needs less regularisation, and full
#: covariances are ahead of diagonal ones.
MANY = 5000
OF_MANY = (("full",), (1e-6, 1e-3), (5, 12, 20, 40))
OF_FEW = (("full", "diag"), REGULARISATION, COMPONENTS)


class HistogramDensity(BaseEstimator):
    """Independent columns, each a histogram of equal bins with exponential tails.

    One pseudo-count goes to every bin and to both tails together, so that no row has density zero.

    Parameters
    ----------
    bins : int, default=10
    """

    def __init__(self, bins: int = 10):
        self.bins = bins

    def fit(self, X: np.ndarray, y: Any = None) -> HistogramDensity:
        """Count."""
        self.edges_ = [np.histogram_bin_edges(column, self.bins) for column in X.T]
        counts = [np.histogram(c, e)[0] for c, e in zip(X.T, self.edges_, strict=True)]
        total = len(X) + self.bins + 1
        self.log_density_ = [
            np.log((count + 1) / total / np.diff(edges))
            for count, edges in zip(counts, self.edges_, strict=True)
        ]
        self.log_tail_ = np.log(0.5 / total)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Return the log-density of each row."""
        return sum(self._column(j, column) for j, column in enumerate(X.T))

    def _column(self, j: int, x: np.ndarray) -> np.ndarray:
        edges = self.edges_[j]
        width = edges[1] - edges[0]
        inside = self.log_density_[j][
            np.clip(np.searchsorted(edges, x, "right") - 1, 0, self.bins - 1)
        ]
        beyond = np.maximum(edges[0] - x, x - edges[-1])
        tail = self.log_tail_ - np.log(width) - beyond / width
        return np.where(beyond > 0, tail, inside)

    def score(self, X: np.ndarray, y: Any = None) -> float:
        """Return the mean log-density."""
        return float(self.score_samples(X).mean())


class MeanKernelDensity(KernelDensity):
    """KernelDensity whose score is a mean, so that folds of different sizes compare."""

    def score(self, X: np.ndarray, y: Any = None) -> float:
        """Return the mean log-density."""
        return float(self.score_samples(X).mean())


def pca(X: np.ndarray) -> Any:
    """PCA, components by cross-validation."""
    return _search(PCA(svd_solver="full"), {"n_components": _sizes(X)}, X)


def factor_analysis(X: np.ndarray) -> Any:
    """FactorAnalysis, components by cross-validation."""
    return _search(FactorAnalysis(), {"n_components": _sizes(X)}, X)


def mixture_by_bic(X: np.ndarray) -> Any:
    """GaussianMixture with full covariances, components by BIC.

    A component needs five rows a column: BIC rewards singular covariances without limit.
    """
    largest = max(len(X) // (5 * X.shape[1]), 1)
    models = _mixtures(X, ("full",), (1e-6,), tuple(range(1, largest + 1)))
    return min(models, key=lambda model: model.bic(X))


def mixture_by_validation(X: np.ndarray, grid: tuple[Any, ...] | None = None) -> Any:
    """GaussianMixture; components, covariance and regularisation by a fifth held out."""
    rows, held_out = train_test_split(X, test_size=0.2, random_state=0)
    candidates = _mixtures(rows, *(grid or (OF_MANY if len(X) >= MANY else OF_FEW)))
    best = max(candidates, key=lambda model: model.score(held_out))
    return GaussianMixture(**best.get_params()).fit(X)


def histogram(X: np.ndarray) -> Any:
    """Histogram of independent columns, bins by cross-validation."""
    return _search(HistogramDensity(), {"bins": [3, 5, 8, 12, 20, 30, 50, 80]}, X)


def kernel_density(X: np.ndarray) -> Any:
    """KernelDensity, bandwidth by cross-validation."""
    return _search(MeanKernelDensity(), {"bandwidth": np.geomspace(0.05, 3, 15)}, X)


PEERS: dict[str, Callable[[np.ndarray], Any]] = {
    "PCA": pca,
    "FactorAnalysis": factor_analysis,
    "GaussianMixture, by BIC": mixture_by_bic,
    "GaussianMixture, by validation": mixture_by_validation,
    "Histogram": histogram,
    "KernelDensity": kernel_density,
}


def _mixtures(
    X: np.ndarray,
    covariances: tuple[str, ...],
    regularisations: tuple[float, ...],
    components: tuple[int, ...] = COMPONENTS,
) -> Iterator[GaussianMixture]:
    for covariance in covariances:
        for regularisation in regularisations:
            for n in components:
                model = GaussianMixture(
                    n, covariance_type=covariance, reg_covar=regularisation, random_state=0
                )
                try:
                    yield model.fit(X)
                except ValueError:
                    break  # a covariance that is not positive definite; more components are worse


def _search(model: Any, grid: dict[str, Any], X: np.ndarray) -> Any:
    return GridSearchCV(model, grid, cv=5).fit(X).best_estimator_


def _sizes(X: np.ndarray) -> list[int]:
    largest = min(X.shape[1] - 1, 40)
    return sorted({n for n in (1, 2, 3, 5, 8, 12, 16, 20, 30, 40) if n <= largest})


def quietly(fit: Callable[[np.ndarray], Any], X: np.ndarray) -> Any:
    """Fit a peer on one thread, which is faster here, without warnings of unchosen candidates."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        return fit(X)
