"""Annealed importance sampling on models whose likelihood is known."""

import pytest
import torch

from skvae.core import Batch, bidirectional, log_marginal, standard_error
from skvae.core.inference.ais import Annealing, schedule
from skvae.core.noise import KeyedNoise
from skvae.proposals import AISProposal

from ..models import exact_log_prob, linear_model, rows_of, spoil


def test_chains_reach_the_likelihood_of_a_linear_model():
    vae, covariance = linear_model(5, 2)
    x = rows_of(covariance, n=20)
    with torch.no_grad():
        source = AISProposal(n_temperatures=100).build(spoil(vae), Batch(x))
        z, log_w = source(KeyedNoise(0, x, 64).of())
    error = (log_marginal(log_w) - exact_log_prob(covariance, x)).abs() / standard_error(log_w)
    # Weights are skewed and 64 chains few: of 20 rows some are two errors off, none five.
    assert (error < 5).all()
    assert error.median() < 1.5
    # The end of a chain is a draw from the posterior, whatever the encoder says.
    exact = linear_model(5, 2)[0].posterior(Batch(x))
    shift = (z.mean(0) - exact.mean).abs() / exact.variance.sqrt()
    assert shift.max() < 4.5 / 8  # of 64 chains


@pytest.mark.slow
def test_the_two_sides_meet_on_rows_of_the_model():
    vae, covariance = linear_model(5, 2)
    generator = torch.Generator().manual_seed(0)
    seen = []
    sample = type(vae).sample

    def spy(self, *args):
        seen.append(sample(self, *args))
        return seen[-1]

    type(vae).sample = spy
    try:
        lower, upper = bidirectional(vae, 40, n_temperatures=200, generator=generator)
    finally:
        type(vae).sample = sample
    exact = exact_log_prob(covariance, seen[0][1].detach())
    assert (lower - exact).mean().abs() < 0.05
    assert (upper - exact).mean().abs() < 0.05
    assert ((upper - lower) > -0.5).all()


@pytest.mark.slow
def test_a_short_way_is_loose_on_both_sides():
    vae, _ = linear_model(5, 2)
    gaps = []
    for n_temperatures in (3, 30, 300):
        generator = torch.Generator().manual_seed(0)
        lower, upper = bidirectional(
            vae, 60, n_chains=4, n_temperatures=n_temperatures, generator=generator
        )
        gaps.append((upper - lower).mean().item())
    assert gaps[0] > gaps[1] > 0.1
    # In expectation never negative; 60 rows leave an error of 0.03.
    assert abs(gaps[2]) < 0.1


def test_moves_leave_the_posterior_as_it_is():
    vae, covariance = linear_model(5, 2)
    batch = Batch(rows_of(covariance, n=4))
    generator = torch.Generator().manual_seed(0)

    def noise(n_noise):
        return torch.randn(5000, 4, n_noise, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        q = vae.posterior(batch)
        way = Annealing.tuned(vae, batch, 20, 5)
        state = way.at(q.rsample(noise(2)))
        moved, accepted = way.move(state, way.betas[-1], way.step_sizes[-1], noise)
    assert ((accepted > 0.3) & (accepted < 0.98)).all()
    assert (moved.z != state.z).any()
    error = (moved.z.mean(0) - q.mean).abs() / q.variance.sqrt()
    assert error.max() < 4 / 5000**0.5
    torch.testing.assert_close(moved.z.var(0), q.variance, rtol=0.1, atol=0)


def test_the_way_runs_from_the_prior_to_the_posterior():
    betas = schedule(10)
    assert betas[0] == 0
    assert betas[-1] == 1
    assert (betas.diff() > 0).all()


@pytest.mark.parametrize("field", ["n_temperatures", "n_leapfrog"])
def test_lengths_are_checked(field):
    with pytest.raises(ValueError, match=rf"AISProposal\({field}=0\)"):
        AISProposal(**{field: 0}).validate()
