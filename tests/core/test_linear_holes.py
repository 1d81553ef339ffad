"""The closed-form start with holes: expectation-maximisation against the observed likelihood."""

import pytest
import torch

from skvae.core import Batch, Columns, build_vae, linear, log_marginal, start_linear
from skvae.core import linear_model as fit_linear_model
from skvae.core.linear import expected_moments
from skvae.likelihoods import Categorical, Gaussian
from skvae.proposals import LaplaceProposal

from .models import linear_model, rows_of


def missing_at_random(x):
    """Hide cells of all columns but the first, most where the first is large."""
    generator = torch.Generator().manual_seed(2)
    chance = 0.6 * torch.sigmoid(2.0 * x[:, :1]).expand_as(x)
    mask = torch.rand(x.shape, generator=generator, dtype=x.dtype) > chance
    mask[:, 0] = True
    return Batch(torch.where(mask, x, 0.0), mask)


def observed_log_prob(w, psi, mean, batch):
    """Return the mean of log N(x_observed), row by row."""
    covariance = w @ w.T + torch.diag(psi)
    total = 0.0
    for x, seen in zip(batch.x, batch.mask, strict=True):
        if seen.any():
            total = total + torch.distributions.MultivariateNormal(
                mean[seen], covariance[seen][:, seen]
            ).log_prob(x[seen])
    return total / len(batch)


def iwae(log_w, n_draws=5):
    return log_marginal(log_w.unflatten(0, (n_draws, -1)).flatten(1)).mean()


def fresh(n_cells, n_latent, floor=1e-3):
    columns = Columns(
        Gaussian("column"), range(n_cells), floor=torch.full((n_cells,), floor).double()
    )
    generator = torch.Generator().manual_seed(0)
    return build_vae(
        [columns], n_latent, masked=True, hidden_layer_sizes=(8,), generator=generator
    ).double()


@pytest.fixture(scope="module")
def rows():
    _, covariance = linear_model(5, 2)
    return missing_at_random(rows_of(covariance, n=400) + 0.5)


def test_expected_moments_of_complete_rows_are_theirs():
    _, covariance = linear_model(5, 2)
    x = rows_of(covariance)
    vae, batch = fresh(5, 2), Batch(x, torch.ones_like(x).bool())
    model = fit_linear_model(vae, Batch(x))
    expected, log_likelihood = expected_moments(model, vae.cells, batch)
    covariance, mean = expected.regress()
    torch.testing.assert_close(mean[:, 0], x.mean(0))
    torch.testing.assert_close(covariance, x.T.cov(correction=0))
    exact = observed_log_prob(*model[:2], torch.zeros(5).double(), Batch(x, x < torch.inf))
    torch.testing.assert_close(log_likelihood, exact)


def test_the_fit_with_holes_is_where_the_observed_likelihood_is_highest(rows):
    model = fit_linear_model(fresh(5, 2), rows)
    w, psi, mean = (part.clone().requires_grad_() for part in model[:3])
    log_likelihood = observed_log_prob(w, psi, mean, rows)
    log_likelihood.backward()
    for part in (w, psi, mean):
        # It stops where a step gains less than 1e-4 nats; gradients at the start are about 0.1.
        assert part.grad.abs().max() < 0.02
    _, from_moments = expected_moments(model, fresh(5, 2).cells, rows)
    torch.testing.assert_close(from_moments, log_likelihood.detach())


def test_means_are_right_where_large_values_are_missing(rows):
    """The mean of what was observed is not: cells are missing by what the first column says."""
    model = fit_linear_model(fresh(5, 2), rows)
    seen = rows.with_nan().nanmean(0)
    assert (seen - 0.5).abs().max() > 0.3
    assert (model.mean - 0.5).abs().max() < 0.2


def test_a_start_with_holes_has_the_likelihood_of_its_factor_model(rows):
    vae = fresh(5, 2)
    model = fit_linear_model(vae, rows)
    start_linear(vae, model, rows)
    exact = observed_log_prob(*model[:3], rows).item()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        _, log_w = LaplaceProposal().build(vae, rows)(
            lambda n: torch.randn(500, len(rows), n, generator=generator, dtype=torch.float64)
        )
        noise = torch.randn(500, len(rows), 2, generator=generator).double()
        bound = iwae(vae.draw(rows, noise).log_w)
        start_linear(vae, model)
        as_if_complete = iwae(vae.draw(rows, noise).log_w)
    assert log_marginal(log_w).mean().item() == pytest.approx(exact, abs=2e-3)
    assert as_if_complete + 0.3 < bound < exact


def test_a_start_with_holes_is_exact_on_complete_rows():
    _, covariance = linear_model(5, 1)
    x = rows_of(covariance)
    vae = fresh(5, 1)
    mask = torch.ones_like(x).bool()
    model = fit_linear_model(vae, Batch(x))._replace(mean=torch.full((5,), 0.3).double())
    start_linear(vae, model)
    log_w = vae.draw(Batch(x, mask), torch.randn(3, len(x), 1).double()).log_w
    marginal = model.loadings @ model.loadings.T + torch.diag(model.noise_variance)
    exact = torch.distributions.MultivariateNormal(model.mean, marginal).log_prob(x)
    torch.testing.assert_close(log_w, exact.expand(3, -1), rtol=0, atol=1e-6)


def test_categories_with_holes_start_finite():
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 3, (60, 2), generator=generator).double()
    x[torch.rand(60, 2, generator=generator) < 0.3] = torch.nan
    columns = Columns.measure(Categorical(), [0, 1], x, n_levels=[3, 3])
    assert columns.of.frequency.sum(-1).tolist() == pytest.approx([1.0, 1.0])
    vae = build_vae([columns], 2, masked=True, generator=generator).double()
    batch = Batch.of(x)
    start_linear(vae, fit_linear_model(vae, batch), batch)
    with torch.no_grad():
        log_w = vae.draw(batch, torch.randn(4, 60, 2, generator=generator).double()).log_w
    assert log_w.isfinite().all()
    assert log_w.mean() > 60 * -2.3 / 60 - 1.0


def test_a_wide_table_takes_few_steps(rows, monkeypatch):
    calls = []
    take = linear.expected_moments
    monkeypatch.setattr(linear, "expected_moments", lambda *a: calls.append(1) or take(*a))
    monkeypatch.setattr(linear, "EM_TOLERANCE", -torch.inf)
    monkeypatch.setattr(linear, "MAX_EM_PRODUCTS", 0.0)
    fit_linear_model(fresh(5, 2), rows)
    assert len(calls) == 3
