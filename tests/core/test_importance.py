"""Functions of log-weights against weights whose answers are known."""

import math

import pytest
import torch
from scipy import stats

from skvae.core import effective_sample_size, log_marginal, pareto_k, standard_error


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_effective_sample_size_runs_from_one_to_all():
    log_w = torch.tensor([[0.0, 0.0, 1000.0], [0.0, -1000.0, 1000.0]], dtype=torch.float64)
    torch.testing.assert_close(effective_sample_size(log_w), torch.tensor([2.0, 1.0, 2.0]).double())
    w = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    assert effective_sample_size(w.log().unsqueeze(1)).item() == pytest.approx(100 / 30)


@pytest.mark.parametrize("n_draws", [16, 200, 2048])
def test_standard_errors_are_the_spread_of_the_estimate(n_draws):
    """Log-normal weights: by the delta method the error is sqrt((exp(s^2) - 1) / K)."""
    log_w = 0.5 * randn(n_draws, 4000)
    expected = math.sqrt((math.exp(0.25) - 1.0) / n_draws)
    assert standard_error(log_w).median().item() == pytest.approx(expected, rel=0.1)
    assert log_marginal(log_w).std().item() == pytest.approx(expected, rel=0.1)


def test_a_constant_weight_has_no_error_and_a_single_draw_none_to_tell():
    log_w = torch.full((64, 3), -4.0, dtype=torch.float64)
    assert (standard_error(log_w) < 1e-6).all()
    assert (pareto_k(log_w) == 0.0).all()
    assert standard_error(log_w[:1]).isnan().all()
    assert pareto_k(log_w[:24])[0] == 0.0 or pareto_k(log_w[:20]).isnan().all()


@pytest.mark.parametrize("k", [-0.2, 0.3, 0.7, 1.2])
def test_pareto_k_is_recovered(k):
    w = torch.tensor(stats.genpareto(k, loc=1.0).rvs((20_000, 20), random_state=0))
    found = pareto_k(w.log())
    # 425 tail draws a column: a standard error of (1 + k) / sqrt(425) each, 20 of them, and a
    # prior worth ten draws at 0.5.
    expected = (425 * k + 5.0) / 435
    assert found.mean().item() == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("scale", [0.6, 0.8])
def test_pareto_k_of_a_proposal_that_is_too_narrow(scale):
    """Target N(0, 1), proposal N(0, s^2): the weights' tail has shape 1 - s^2."""
    z = scale * randn(100_000, 10)
    log_w = -0.5 * z.square() * (1.0 - scale**-2)
    assert pareto_k(log_w).mean().item() == pytest.approx(1.0 - scale**2, abs=0.12)


@pytest.mark.parametrize("spread", [30.0, 3000.0])
def test_a_weight_that_is_all_there_is_has_a_heavy_tail(spread):
    k = pareto_k(spread * randn(1000, 10))
    assert (k > 0.7).all()
    assert k.isfinite().all()


def test_pareto_k_needs_draws():
    assert pareto_k(randn(20, 3)).isnan().all()
    assert pareto_k(randn(25, 3)).isfinite().all()
