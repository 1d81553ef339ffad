"""A model that starts at a mixture of normals is that mixture: scikit-learn and scipy know it."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from skvae import VAEDensity
from skvae.fit.mixture_start import ColumnMixture, chosen_mixture, start_at_mixture
from skvae.fit.mixtures import Candidate
from skvae.priors import Mixture

RNG = np.random.default_rng(0)


def clusters(n, c=4, k=3, noise=0.05, seed=0):
    """Return standardised rows of clusters in which columns nearly determine each other."""
    rng = np.random.default_rng(seed)
    shapes, centers = rng.normal(size=(k, c, 2)), 2 * rng.normal(size=(k, c))
    of = rng.integers(k, size=n)
    X = centers[of] + np.einsum("nij,nj->ni", shapes[of], rng.normal(size=(n, 2)))
    X = X + noise * rng.normal(size=(n, c))
    return (X - X.mean(0)) / X.std(0)


def at_mixture(X, k, n_draws=1024):
    """Return a density that is not trained, and scikit-learn's mixture that it starts at."""
    mixture = Candidate(k, reg_covar=1e-6).fit(X, 0)
    density = VAEDensity(X.shape[1], prior=Mixture(k), init="linear", max_epochs=0, random_state=0)
    density = density.fit(X).set_params(n_draws=n_draws)
    start_at_mixture(density.vae_, ColumnMixture.fitted(Candidate(k, reg_covar=1e-6), X, 0))
    return density, mixture


def test_the_start_has_the_density_of_the_mixture():
    X = clusters(400)
    density, mixture = at_mixture(X, 3)
    gap = density.score_samples(X[:60]) - mixture.score_samples(X[:60])
    assert np.sqrt(np.mean(gap**2)) < 0.01


def test_the_start_has_the_density_of_what_is_left_of_a_row_with_holes():
    # A row with holes may belong to several clusters: as many modes.
    X = clusters(400)
    density, mixture = at_mixture(X, 3)
    seen = [0, 2]
    holes = np.full_like(X[:60], np.nan)
    holes[:, seen] = X[:60, seen]
    parts = [
        np.log(weight)
        + multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(X[:60, seen])
        for weight, mean, covariance in zip(
            mixture.weights_, mixture.means_, mixture.covariances_, strict=True
        )
    ]
    gap = density.score_samples(holes) - logsumexp(parts, axis=0)
    assert np.sqrt(np.mean(gap**2)) < 0.03


def test_the_floor_of_noise_is_kept_where_a_column_is_another_one():
    X = clusters(300)
    X[:, 3] = X[:, 0]
    density, mixture = at_mixture(X, 2)
    score = density.score_samples(X[:30])
    assert np.isfinite(score).all()
    # The floor of 1e-3 is as wide as the regularisation of scikit-learn's: no more is won by it.
    assert np.abs(score - mixture.score_samples(X[:30])).max() < 1.0


def test_a_mixture_is_chosen_by_rows_that_it_has_not_seen():
    X = clusters(600)
    assert chosen_mixture(X, Mixture(), 0)[:2] == (3, "full")
    assert chosen_mixture(X, Mixture(7), 0).n_components == 7
    noise = RNG.normal(size=(60, 8))
    assert chosen_mixture(noise, Mixture(), 0)[:2] == (1, "diag")


@pytest.mark.slow
@pytest.mark.parametrize("n", [150, 700])
def test_where_columns_nearly_determine_each_other_no_mixture_is_ahead(n):
    X = clusters(n + 500, c=10, k=2)
    density = VAEDensity(random_state=0).fit(X[:n])
    mixture = max(
        (GaussianMixture(k, random_state=0).fit(X[:n]) for k in (1, 2, 3)),
        key=lambda mixture: mixture.score(X[n:]),
    )
    assert density.score(X[n:]) > mixture.score(X[n:]) - 0.1


def test_where_training_is_far_ahead_of_a_mixture_none_is_kept():
    angle = RNG.uniform(0, 2 * np.pi, size=300)
    X = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.02 * RNG.normal(size=(300, 2))
    density = VAEDensity(prior=Mixture(1), random_state=0).fit(X)
    assert density.init_ in ("linear", "random")


def test_where_rows_are_fewer_than_components_there_is_no_mixture_to_start_at():
    X = RNG.normal(size=(15, 2))
    assert VAEDensity(prior=Mixture(20), max_epochs=2, random_state=0).fit(X).init_ != "mixture"
