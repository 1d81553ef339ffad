"""What finds outliers: ours with its options, and detectors to compare with.

Each is a function of the rows to fit and a seed, and returns an object whose ``score_samples`` is
larger for more normal rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import skew
from sklearn.base import clone
from sklearn.covariance import EmpiricalCovariance
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from benchmarks.peers.densities import OF_FEW, kernel_density, mixture_by_validation, quietly
from skvae import VAEDensity
from skvae.likelihoods import Gaussian, StudentT

Rows = np.ndarray
Fit = Callable[[Rows, int], Any]

Detector = VAEDensity
#: Factors and noise of each column, as they are in closed form. What defaults may change is named.
LINEAR: dict[str, Any] = {
    "latent_dim": 4,
    "likelihood": Gaussian(scale="column"),
    "prior": "standard_normal",
    "posterior": "full_gaussian",
    "objective": "iwae",
    "init": "linear",
    "max_epochs": 0,
    "n_draws": 16,
}
#: Training, for a short time; 8 latents, where it is not said otherwise.
TRAINED = LINEAR | {"latent_dim": 8, "max_epochs": 40}
#: Clusters of latents, for clean rows.
CLUSTERS = TRAINED | {"latent_dim": 4, "prior": "mixture"}

#: Rows on which a mixture and a kernel density are chosen, before they are fitted to all.
CHOSEN_ON = 2_500
#: Columns from which on the validated mixtures are fewer, and their covariances diagonal.
WIDE, VERY_WIDE = 40, 200
OF_WIDE = (("full", "diag"), (1e-3, 1e-1), (1, 3, 8))
OF_VERY_WIDE = (("diag",), (1e-3, 1e-1), (1, 3, 8))


# ------------------------------------------------------------------ ours


class Asinh:
    """Columns as asinh((x - median) / s), s being ``knee`` robust standard deviations.

    A line near the median and a logarithm far from it: a normal distribution of what comes out has
    heavy tails in x.
    """

    def __init__(self, X: Rows, knee: float):
        self.median = np.median(X, 0)
        low, high = np.quantile(X, [0.25, 0.75], axis=0)
        robust = (high - low) / 1.35
        # Of a column that is mostly one value the quartiles say nothing.
        self.scale = knee * np.where(robust > 1e-3, robust, X.std(0) + 1e-9)

    def transform(self, X: Rows) -> Rows:
        """Return what comes out."""
        return np.arcsinh(self.standard(X))

    def log_det(self, X: Rows) -> Rows:
        """Return the log-Jacobian of each row, by which densities are of X again."""
        return -(np.log(self.scale) + 0.5 * np.log1p(self.standard(X) ** 2)).sum(1)

    def standard(self, X: Rows) -> Rows:
        """Return rows in units of the scale."""
        return (X - self.median) / self.scale


class Robust:
    """A density of asinh columns, fitted again without the share of rows that was least likely.

    Parameters
    ----------
    model : estimator
    X : ndarray of shape (n, c)
        In standard deviations.
    trimmed : float
        The share.
    knee : float
        Of :class:`Asinh`.
    """

    def __init__(self, model: Any, X: Rows, trimmed: float, knee: float):
        self.units = Asinh(X, knee)
        self.model = clone(model).fit(self.units.transform(X))
        if trimmed:
            scores = self.score_samples(X)
            kept = X[scores >= np.quantile(scores, trimmed)]
            self.model = clone(model).fit(self.units.transform(kept))

    def score_samples(self, X: Rows) -> Rows:
        """Return the log-density of each row."""
        return self.model.score_samples(self.units.transform(X)) + self.units.log_det(X)


def plain(options: dict[str, Any]) -> Fit:
    """Return how ours is fitted with some options."""
    return lambda X, seed: Detector(random_state=seed).set_params(**options).fit(X)


def robust(options: dict[str, Any], trimmed: float, knee: float = 1.0) -> Fit:
    """Return how ours is fitted to asinh columns and trimmed rows."""

    def fit(X: Rows, seed: int) -> Robust:
        return Robust(Detector(random_state=seed).set_params(**options), X, trimmed, knee)

    return fit


#: The first was chosen for rows of which some are outliers, the second for clean ones.
OURS: dict[str, Fit] = {
    "skvae, robust": robust(LINEAR | {"latent_dim": 1}, 0.4, knee=0.5),
    "skvae, clusters": plain(CLUSTERS),
}
#: What these two were chosen among, and some of what was tried on the way.
CANDIDATES: dict[str, Fit] = {
    **OURS,
    "trained, scale of a cell": plain(TRAINED | {"likelihood": Gaussian()}),
    "trained, scale of a column": plain(TRAINED),
    "trained, Student's t, 3 degrees": plain(TRAINED | {"likelihood": StudentT("column", 3.0)}),
    "linear, 1 latent": plain(LINEAR | {"latent_dim": 1}),
    "linear, 4 latents": plain(LINEAR),
    "linear, 16 latents": plain(LINEAR | {"latent_dim": 16}),
    "linear, mixture prior": plain(LINEAR | {"prior": "mixture"}),
    "linear, asinh": robust(LINEAR, 0.0),
    "linear, asinh, 20 % trimmed": robust(LINEAR, 0.2),
    "linear, asinh, 30 % trimmed": robust(LINEAR, 0.3),
    "linear, asinh at 0.5, 30 % trimmed": robust(LINEAR, 0.3, knee=0.5),
    "linear, asinh at 0.5, 40 % trimmed": robust(LINEAR, 0.4, knee=0.5),
    "linear, asinh at 0.5, 50 % trimmed": robust(LINEAR, 0.5, knee=0.5),
}


# ------------------------------------------------------------------ peers


class Factors:
    """A LocalOutlierFactor whose scores of its own training rows leave each row itself out."""

    def __init__(self, X: Rows):
        self.X = X
        self.model = LocalOutlierFactor(novelty=True).fit(X)

    def score_samples(self, X: Rows) -> Rows:
        """Return the negative factor of each row."""
        if np.array_equal(X, self.X):
            return self.model.negative_outlier_factor_
        return self.model.score_samples(X)


class OneGaussian(EmpiricalCovariance):
    """A normal distribution with a ridge of 0.001; the score is its log-density but for a constant.

    The ridge leaves constant and duplicated columns a covariance.
    """

    def fit(self, X: Rows, y: Any = None) -> OneGaussian:
        """Take the mean and the covariance."""
        super().fit(X)
        self._set_covariance(self.covariance_ + 1e-3 * np.eye(X.shape[1]))
        return self

    def score_samples(self, X: Rows) -> Rows:
        """Return half the negative squared Mahalanobis distance of each row."""
        return -0.5 * self.mahalanobis(X)


class Empirical:
    """ECOD: minus logs of empirical tail probabilities, summed over columns (Li et al., 2022).

    The largest of three sums: of left tails, of right ones, of that on the side a column is skewed
    to.
    """

    def __init__(self, X: Rows):
        self.sorted = np.sort(X, axis=0)
        self.left = skew(X) < 0.0

    def score_samples(self, X: Rows) -> Rows:
        """Return the negative outlier score of each row."""
        n = len(self.sorted)
        pairs = [*zip(self.sorted.T, X.T, strict=True)]
        below = np.stack([np.searchsorted(known, x, "right") for known, x in pairs], 1)
        above = np.stack([n - np.searchsorted(known, x, "left") for known, x in pairs], 1)
        left, right = (-np.log(np.maximum(count, 1) / n) for count in (below, above))
        sums = [part.sum(1) for part in (left, right, np.where(self.left, left, right))]
        return -np.max(sums, axis=0)


def mixture(X: Rows) -> Any:
    """GaussianMixture by validation; the candidates of wide sets are fewer."""
    width = X.shape[1]
    grid = OF_VERY_WIDE if width > VERY_WIDE else OF_WIDE if width > WIDE else OF_FEW
    return refitted(mixture_by_validation(some(X), grid), X)


def kernels(X: Rows) -> Any:
    """KernelDensity, bandwidth by cross-validation."""
    return refitted(kernel_density(some(X)), X)


def some(X: Rows) -> Rows:
    """Return the rows to choose by."""
    if len(X) <= CHOSEN_ON:
        return X
    return np.random.default_rng(0).choice(X, CHOSEN_ON, replace=False)


def refitted(model: Any, X: Rows) -> Any:
    """Return a model fitted to all rows, if it has not been."""
    return model if len(X) <= CHOSEN_ON else clone(model).fit(X)


PEERS: dict[str, Fit] = {
    "IsolationForest": lambda X, seed: IsolationForest(random_state=seed).fit(X),
    "LocalOutlierFactor": lambda X, seed: Factors(X),
    "One Gaussian": lambda X, seed: OneGaussian().fit(X),
    "GaussianMixture, by validation": lambda X, seed: quietly(mixture, X),
    "KernelDensity": lambda X, seed: quietly(kernels, X),
    "ECOD": lambda X, seed: Empirical(X),
}
#: Those that are the same for every seed, given the rows.
SEEDLESS = tuple(name for name in PEERS if name != "IsolationForest")
