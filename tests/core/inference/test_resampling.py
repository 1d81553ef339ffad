"""Missing cells are completed as the closed form of a linear-Gaussian model says."""

import pytest
import torch

from skvae.core import (
    Batch,
    Columns,
    build_vae,
    complete,
    effective_sample_size,
    expectation,
    log_marginal,
    resample,
    standard_error,
)
from skvae.core.inference.proposals import adapted
from skvae.likelihoods import (
    Bernoulli,
    Beta,
    Binned,
    Categorical,
    DiscretizedLogistic,
    Gamma,
    Gaussian,
    LogisticMixture,
    LogNormal,
    NegativeBinomial,
    Ordinal,
    Poisson,
    StudentT,
)
from skvae.proposals import DefensiveProposal, PriorProposal

from ..models import exact_log_prob, linear_model, rows_of

FAMILIES = [
    Bernoulli(), Beta(), Binned(), Categorical(), DiscretizedLogistic(), Gamma(), Gaussian(),
    LogNormal(), LogisticMixture(), NegativeBinomial(), Ordinal(), Poisson(), StudentT(),
]  # fmt: skip


def holes(x, share=0.4, seed=5):
    """Return rows of which every one has an observed and a missing cell."""
    mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) > share
    mask[:, 0], mask[:, 1] = True, False
    return Batch(torch.where(mask, x, 0.0), mask)


def draws(vae, batch, n_draws, seed=7):
    generator = torch.Generator().manual_seed(seed)
    source = DefensiveProposal().build(vae, batch)
    shape = (n_draws, len(batch))
    with torch.no_grad():
        return source(lambda n: torch.randn(*shape, n, generator=generator, dtype=torch.float64))


def conditional(covariance, x, mask):
    """Return mean and covariance of the missing cells of a row of N(0, covariance)."""
    a = covariance[~mask][:, mask] @ torch.linalg.inv(covariance[mask][:, mask])
    return a @ x[mask], covariance[~mask][:, ~mask] - a @ covariance[mask][:, ~mask]


def test_expectations_are_the_gaussian_conditional_mean():
    vae, covariance = linear_model(6, 2)
    batch = holes(rows_of(covariance, n=30))
    z, log_w = draws(vae, batch, 8_000)
    with torch.no_grad():
        found = torch.stack([e.mean for e in expectation(vae, batch, z, log_w, 500)], -1)
    for row, x, mask in zip(found, batch.x, batch.mask, strict=True):
        mean, spread = conditional(covariance, x, mask)
        assert ((row[~mask] - mean).abs() < 0.06 * spread.diagonal().sqrt()).all()


def test_draws_have_the_mean_and_covariance_of_the_gaussian_conditional():
    vae, covariance = linear_model(5, 2)
    batch = holes(rows_of(covariance, n=6))
    z, log_w = draws(vae, batch, 4_000)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        x, chosen = complete(vae, batch, z, log_w, 20_000, generator, 1_000)
    assert x.shape == (20_000, 6, 5)
    assert chosen.shape == (20_000, 6)
    for i, mask in enumerate(batch.mask):
        mean, spread = conditional(covariance, batch.x[i], mask)
        of_row = x[:, i, ~mask]
        scale = spread.diagonal().sqrt()
        # 20,000 draws chosen from 4,000: five standard errors of what the latter alone have.
        assert ((of_row.mean(0) - mean).abs() < 0.08 * scale).all()
        correlation = (torch.atleast_2d(of_row.T.cov()) - spread) / scale.outer(scale)
        assert (correlation.abs() < 0.1).all()


def test_resampling_follows_the_weights():
    log_w = torch.tensor([[0.1, 0.0], [0.3, 1.0], [0.6, 0.0]], dtype=torch.float64).log()
    chosen = resample(log_w, 40_000, torch.Generator().manual_seed(0))
    share = torch.stack([(chosen == k).double().mean(0) for k in range(3)])
    torch.testing.assert_close(share, log_w.exp(), rtol=0, atol=0.01)
    assert set(chosen[:, 1].tolist()) == {1}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)
def test_what_a_missing_cell_holds_has_no_influence(family):
    """Neither on scores nor on gradients, whatever it is: also what no cell could be."""
    n_levels = [3, 3] if family.kind in ("categorical", "ordinal", "binned") else None
    found = []
    for value in (0.0, 1.0, -7.5, float("nan"), float("inf")):
        generator = torch.Generator().manual_seed(0)
        columns = [Columns(family, [0, 1], n_levels)]
        vae = build_vae(columns, 2, masked=True, generator=generator).double()
        x = torch.tensor([[1.0, value], [value, 1.0], [0.0, 1.0]], dtype=torch.float64)
        if family.kind == "unit":
            x = torch.where(x == 1.0, 0.5, x)
        mask = torch.tensor([[True, False], [False, True], [False, True]])
        noise = torch.randn(4, 3, 2, generator=generator, dtype=torch.float64)
        log_w = vae.draw(Batch(x, mask), noise).log_w
        log_w.sum().backward()
        found.append((log_w.detach(), [p.grad for p in vae.parameters() if p.grad is not None]))
    for log_w, gradients in found:
        assert log_w.isfinite().all()
        assert all(g.isfinite().all() for g in gradients)
        torch.testing.assert_close(log_w, found[0][0], rtol=0, atol=0)
        torch.testing.assert_close(gradients, found[0][1], rtol=0, atol=0)


def test_cells_that_are_nan_are_missing():
    x = torch.tensor([[1.0, torch.nan], [2.0, 3.0]])
    batch = Batch.of(x)
    assert batch.mask.tolist() == [[True, False], [True, True]]
    torch.testing.assert_close(batch.with_nan(), x, equal_nan=True)
    assert Batch.of(x[1:]).mask is None


def test_scores_of_a_row_without_an_observed_cell_are_zero_by_the_prior():
    vae, _ = linear_model()
    batch = Batch(torch.zeros(2, 5).double(), torch.zeros(2, 5, dtype=torch.bool))
    assert (vae.log_px(batch, torch.randn(3, 2, 2).double()) == 0).all()


def test_marginals_of_columns_are_what_apart_draws_have():
    vae, _ = linear_model(4, 2)
    x, log_prob = vae.cells.sample_apart(5_000, torch.Generator().manual_seed(0))
    assert x.shape == log_prob.shape == (5_000, 4)
    exact = exact_log_prob(torch.eye(1).double(), x[:, :1])
    torch.testing.assert_close(log_prob[:, 0], exact, rtol=0, atol=1e-5)


def test_adapted_proposals_stay_unbiased_and_gain_draws():
    """From a poor start: the prior, of which few draws are where the posterior is."""
    vae, covariance = linear_model(8, 3)
    x = rows_of(covariance, n=20)
    batch, generator = Batch(x), torch.Generator().manual_seed(0)

    def noise(n):
        return torch.randn(2_000, 20, n, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        z, log_w = PriorProposal().build(vae, batch)(noise)
        before = effective_sample_size(log_w)
        for _ in range(3):
            z, log_w = adapted(vae, batch, z, log_w)(noise)
    # A t with eight degrees of freedom has about 0.8 K on a normal target in three dimensions.
    assert (effective_sample_size(log_w) > 1_000).all()
    assert before.median() < 100
    exact = exact_log_prob(covariance, x)
    assert ((log_marginal(log_w) - exact).abs() < 5 * standard_error(log_w)).all()
