"""Scores: draws, error bars, units, and what a score may depend on."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import FactorAnalysis
from sklearn.preprocessing import StandardScaler

from skvae import VAEDensity
from skvae.likelihoods import Gaussian
from skvae.proposals import AISProposal

from .models import CONVERGED, IRIS, quick, untrained


@pytest.mark.parametrize("n_draws", [1, 7, 64, 100])
def test_scores_use_the_draws_asked_for(n_draws, monkeypatch):
    density = quick(n_draws=n_draws).fit(IRIS)
    seen = []
    weigh = type(density.vae_).weigh

    def spy(vae, batch, z, log_qz):
        seen.append(len(z))
        return weigh(vae, batch, z, log_qz)

    monkeypatch.setattr(type(density.vae_), "weigh", spy)
    density.score_samples(IRIS[:3])
    assert sum(seen) == n_draws


def test_more_draws_tighten_the_bound():
    density = quick(max_epochs=30, proposal="prior").fit(IRIS)
    scores = [density.set_params(n_draws=k).score(IRIS) for k in (1, 8, 64, 1024)]
    gains = np.diff(scores)
    assert (gains > 0).all()
    assert gains[0] > gains[1]


@pytest.mark.slow
def test_prior_and_encoder_proposals_agree():
    # With a wide fixed scale the posterior is near the prior, so both are good proposals.
    density = quick(likelihood=Gaussian(scale=1.0), max_epochs=30, n_draws=4096).fit(IRIS)
    by_encoder = density.score_samples(IRIS)
    by_prior = density.set_params(proposal="prior").score_samples(IRIS)
    assert_allclose(by_prior, by_encoder, rtol=0, atol=0.05)


PROPOSALS = ["prior", "encoder", "laplace", "defensive", AISProposal(n_temperatures=60)]


@pytest.mark.parametrize("proposal", PROPOSALS, ids=str)
@pytest.mark.slow
def test_every_proposal_agrees_within_its_error_bars(proposal):
    # With a prior of one mode, as the encoder alone may miss the others.
    plain = {"prior": "standard_normal", "likelihood": Gaussian(scale=1.0)}
    density = quick(max_epochs=30, **plain).fit(IRIS)
    n_rows, n_draws = (8, 64) if proposal == PROPOSALS[-1] else (40, 2048)
    exact = density.log_likelihood(IRIS[:n_rows], n_draws=20_000, proposal="defensive")
    found = density.log_likelihood(IRIS[:n_rows], n_draws=n_draws, proposal=proposal)
    error = np.abs(found.value - exact.value)
    assert (error < 4 * np.hypot(found.standard_error, exact.standard_error)).all()
    assert (found.effective_sample_size <= n_draws * (1 + 1e-9)).all()


def test_log_likelihood_is_what_scores_are_and_says_how_good_they_are():
    density = quick(prior="standard_normal", max_epochs=30).fit(10 * IRIS)
    result = density.log_likelihood(10 * IRIS)
    assert_array_equal(result.value, density.score_samples(10 * IRIS))
    assert all(part.shape == (150,) for part in vars(result).values())
    assert (result.gap > -4 * result.standard_error - 0.02).all()
    assert result.gap.mean() > 0
    more = density.log_likelihood(10 * IRIS, n_draws=1024)
    assert np.median(more.standard_error) < 0.5 * np.median(result.standard_error)


def test_rows_that_a_few_draws_decide_are_warned_of_once():
    density = quick(max_epochs=30).fit(IRIS)
    with pytest.warns(UserWarning, match=r"\d+ of 150 rows have Pareto k > 0.7.*defensive") as seen:
        density.log_likelihood(IRIS, proposal="prior", n_draws=100)
    assert len(seen) == 1
    assert seen[0].filename == __file__


#: Ten temperatures hand rounding on as sixty do.
SHORT = AISProposal(n_temperatures=10)


@pytest.mark.parametrize("proposal", [*PROPOSALS[2:-1], SHORT], ids=str)
@pytest.mark.slow
def test_a_score_depends_on_neither_working_memory_nor_company(proposal):
    X = load_wine().data
    density = VAEDensity(3, max_epochs=5, random_state=0, proposal=proposal, n_draws=16).fit(X)
    X = X[:12] if proposal is SHORT else X
    scores = density.score_samples(X)
    # Rounding alone, which the way to the mode and the chains hand on: far below any error bar.
    exactly = {"rtol": 0, "atol": 1e-8}
    with config_context(working_memory=0.2):
        assert_allclose(density.score_samples(X), scores, **exactly)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(density.score_samples(X[order]), scores[order], **exactly)
    assert_allclose(density.score_samples(X[9:10]), scores[9:10], **exactly)


def test_a_linear_model_is_scored_exactly():
    """The untrained linear start is factor analysis, so every proposal has an answer to meet."""
    X = StandardScaler().fit_transform(load_wine().data)
    density = untrained(2, proposal="defensive", likelihood="gaussian", random_state=1).fit(X)
    expected = FactorAnalysis(2, **CONVERGED).fit(X).score_samples(X)
    found = density.log_likelihood(X)
    error = np.abs(found.value - expected)
    assert (error < 4 * found.standard_error + 1e-3).all()
    assert (found.effective_sample_size > 0.5 * density.n_draws).all()


def test_units_that_collapsed_are_named():
    """Two columns cannot use five latents; the linear start leaves the spare ones at the prior."""
    density = untrained(5).fit(IRIS[:, :2])
    assert density.active_units_.shape == density.kl_per_unit_.shape == (5,)
    assert 1 <= density.active_units_.sum() <= 2
    assert (density.kl_per_unit_[~density.active_units_] < 1e-3).all()
    assert (density.kl_per_unit_[density.active_units_] > 0.1).all()


@pytest.mark.parametrize("factor", [3.7, 1e-12, 1e12])
def test_scale_factors_move_scores_by_the_log_jacobian(factor):
    before = quick(likelihood="density").fit(IRIS).score_samples(IRIS)
    after = quick(likelihood="density").fit(factor * IRIS).score_samples(factor * IRIS)
    assert_allclose(after, before - 4 * np.log(factor), rtol=0, atol=1e-9)


def test_any_scale_and_shift_move_an_untrained_model_by_the_log_jacobian():
    X = load_wine().data
    scale, shift = np.geomspace(1e-3, 1e3, 13), np.linspace(-50, 50, 13)
    gaussian = {"likelihood": "gaussian", "max_epochs": 0}
    before = quick(**gaussian).fit(X).score_samples(X)
    after = quick(**gaussian).fit(scale * X + shift).score_samples(scale * X + shift)
    assert_allclose(after, before - np.log(scale).sum(), rtol=0, atol=1e-3)


@pytest.mark.slow
def test_a_score_depends_on_the_row_alone():
    X = load_breast_cancer().data
    density = quick().fit(X)
    scores = density.score_samples(X)
    order = np.random.default_rng(0).permutation(len(X))
    # In float64: a row's place in a tile changes the rounding of matrix products, no more.
    exactly = {"rtol": 0, "atol": 1e-10}
    assert_allclose(density.score_samples(X[order]), scores[order], **exactly)
    assert_allclose(density.score_samples(X[100:137]), scores[100:137], **exactly)
    assert_allclose(density.score_samples(X[5:6]), scores[5], **exactly)
    assert density.score(X) == pytest.approx(scores.mean())


def test_extreme_rows_score_finitely():
    scores = quick().fit(IRIS).score_samples(np.full((1, 4), 1e30) * [1, -1, 1, -1])
    assert np.isfinite(scores).all()
    assert scores[0] < -1e6
