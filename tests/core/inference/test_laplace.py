"""Laplace's method: exact where the posterior is normal, and safe where it is not."""

import math

import pytest
import torch

from skvae.core import (
    Batch,
    Columns,
    build_vae,
    effective_sample_size,
    log_marginal,
    standard_error,
)
from skvae.core.inference.climb import find_mode, fisher
from skvae.core.inference.laplace import laplace
from skvae.core.inference.peaks import Quadratic, likely_peaks
from skvae.core.inference.proposals import draws_from
from skvae.core.latents.distributions import TriangularNormal
from skvae.core.latents.mixtures import components
from skvae.core.latents.priors import MixtureModule
from skvae.core.noise import KeyedNoise
from skvae.likelihoods import (
    Bernoulli,
    Beta,
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
from skvae.proposals import (
    AISProposal,
    DefensiveProposal,
    EncoderProposal,
    LaplaceProposal,
    PriorProposal,
)

from ..models import exact_log_prob, linear_model, rows_of, spoil

SIZES = [(5, 2), (12, 8), (60, 50)]


def half_masked(x):
    """Return a mask that leaves a different pattern of cells for every row."""
    generator = torch.Generator().manual_seed(5)
    return torch.rand(x.shape, generator=generator) < 0.6


def marginal_log_prob(covariance, x, mask):
    """Return log N of the observed cells of each row."""
    return torch.stack(
        [exact_log_prob(covariance[m][:, m], row[m]) for row, m in zip(x, mask, strict=True)]
    )


def linear_case(n_cells, n_latent, masked):
    """Return a linear model with a bad encoder, rows of it, and their log-likelihoods."""
    vae, covariance = linear_model(n_cells, n_latent)
    x = rows_of(covariance)
    mask = half_masked(x) if masked else torch.ones_like(x, dtype=torch.bool)
    return spoil(vae, 0.7), Batch(x, mask), marginal_log_prob(covariance, x, mask)


def curved_model(family, n_cells=6, n_latent=2, seed=0):
    """Return an untrained model in float64 with a decoder far from linear, and rows of it."""
    generator = torch.Generator().manual_seed(seed)
    levels = [3] * n_cells if family.kind in ("categorical", "ordinal") else None
    columns = [Columns(family, range(n_cells), levels)]
    vae = build_vae(columns, n_latent, hidden_layer_sizes=(16,), generator=generator).double()
    with torch.no_grad():
        for parameter in vae.decoder.parameters():
            parameter *= 3.0
    x = vae.sample(24, generator)[1].detach()
    return vae.eval(), Batch(x)


@torch.no_grad()
def log_w(proposal, vae, batch, n_draws, seed=0):
    source = proposal.build(vae, batch)
    return source(KeyedNoise(seed, batch.x, n_draws).of())[1]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("n_cells", "n_latent"), SIZES)
@torch.no_grad()
def test_a_normal_proposal_at_the_mode_is_exact_for_linear_models(n_cells, n_latent, masked):
    vae, batch, expected = linear_case(n_cells, n_latent, masked)
    found = laplace(vae, batch, vae.posterior(batch).mean)
    assert (found.part == 1.0).all()
    precision = found.distribution.precision_tril @ found.distribution.precision_tril.mT
    tril = torch.linalg.cholesky(torch.linalg.inv(precision))
    log_diagonal = torch.diagonal(tril, dim1=-2, dim2=-1).log()
    normal = TriangularNormal(found.distribution.loc, log_diagonal, tril.tril(-1))
    _, weights = draws_from(normal, vae, batch)(KeyedNoise(0, batch.x, 9).of())
    torch.testing.assert_close(weights, expected.expand(9, -1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("n_cells", "n_latent"), SIZES)
def test_default_tails_waste_few_draws_on_linear_models(n_cells, n_latent, masked):
    vae, batch, expected = linear_case(n_cells, n_latent, masked)
    weights = log_w(LaplaceProposal(), vae, batch, 1000)
    assert (effective_sample_size(weights) >= 800).all()
    error = (log_marginal(weights) - expected).abs() / standard_error(weights)
    assert (error < 4).all()


@pytest.mark.parametrize("family", [Gaussian(), Gaussian(scale="shared"), Bernoulli()], ids=repr)
def test_modes_are_found_and_curved_as_they_are(family):
    vae, batch = curved_model(family)
    with torch.no_grad():
        _, decrement = find_mode(vae, batch, vae.posterior(batch).mean, 1e-9)
        found = laplace(vae, batch, vae.posterior(batch).mean)
    assert (decrement < 1e-6).all()
    for i in range(4):
        one = batch[i : i + 1]
        hessian = torch.autograd.functional.hessian(
            lambda z, one=one: -vae.log_px(one, z[None, None]).sum(), found.distribution.loc[i]
        )
        values, vectors = torch.linalg.eigh(hessian)
        expected = torch.eye(2).double() + vectors @ values.clamp_min(0.0).diag() @ vectors.T
        tril = found.distribution.precision_tril[i]
        torch.testing.assert_close(tril @ tril.T, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(30, 8), (12, 4)])
@torch.no_grad()
def test_modes_of_rows_far_from_all_others_are_found(size):
    vae, batch = curved_model(Gaussian(), *size)
    x = batch.x.clone()
    x[:, 0] += 20.0 * x[:, 0].std()
    x[:, 1] -= 20.0 * x[:, 1].std()
    far = Batch(x)
    _, decrement = find_mode(vae, far, vae.posterior(far).mean, 1e-9)
    assert (decrement < 1e-6).all()


def test_fisher_information_of_a_linear_model_is_its_posterior_precision():
    vae, covariance = linear_model(6, 3)
    batch = Batch(rows_of(covariance, n=3))
    with torch.no_grad():
        precision = fisher(vae, batch, torch.zeros(3, 3).double())
        torch.testing.assert_close(
            torch.diagonal(precision, dim1=-2, dim2=-1), 1 / vae.posterior(batch).variance
        )


def mixture_case(n_components, n_latent=2, n_cells=5):
    """Return a linear model with a mixture for a prior, rows of it, and their log-likelihoods."""
    vae, covariance = linear_model(n_cells, n_latent)
    zero = torch.zeros(1, n_latent).double()
    offset = vae.decode(zero, None)[0][0, :, 0]
    loadings = vae.decode(torch.eye(n_latent).double(), None)[0][..., 0].T - offset[:, None]
    noise = covariance - loadings @ loadings.T
    generator = torch.Generator().manual_seed(3)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    module = MixtureModule(n_components, n_latent).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += randn(*parameter.shape)
        module.means *= 3.0
    vae.prior = module
    prior = module()
    x = vae.sample(40, generator)[1].detach()
    of_z = torch.linalg.inv(prior.root.mT @ prior.root)
    marginal = torch.distributions.MultivariateNormal(
        prior.means @ loadings.T + offset, loadings @ of_z @ loadings.T + noise
    )
    expected = torch.logsumexp(prior.log_weight + marginal.log_prob(x[:, None]), -1)
    return vae, Batch(x), expected.detach()


@pytest.mark.parametrize("proposal", [LaplaceProposal(), DefensiveProposal()], ids=repr)
@pytest.mark.parametrize(("n_components", "n_latent"), [(1, 2), (3, 2), (4, 8), (12, 2)])
def test_a_row_has_a_peak_for_each_component_that_may_have_made_it(
    proposal, n_components, n_latent
):
    vae, batch, expected = mixture_case(n_components, n_latent)
    weights = log_w(proposal, spoil(vae, 0.7), batch, 1000)
    at_least = 750 if proposal == LaplaceProposal() else 600
    assert (effective_sample_size(weights) >= at_least).all()
    error = (log_marginal(weights) - expected).abs() / standard_error(weights)
    assert (error < 4).all()


@torch.no_grad()
def test_peaks_of_a_linear_model_weigh_what_its_components_do():
    vae, batch, expected = mixture_case(3)
    cells = Quadratic.near(vae, batch, torch.zeros(40, 2).double())
    peaks, part = likely_peaks(vae, batch, cells, components(vae.prior_of(batch), cells.at))
    torch.testing.assert_close(part, torch.ones_like(part))
    log_mass = peaks.log_mass.view(40, 3).logsumexp(-1) + math.log(2.0 * math.pi)
    torch.testing.assert_close(log_mass, expected, rtol=0, atol=1e-8)


def test_derivatives_that_are_not_finite_make_a_row_without_a_peak():
    vae, batch = curved_model(Gaussian())
    z = torch.zeros(24, 2).double()
    z[3] = torch.nan
    with torch.no_grad():
        cells = Quadratic.near(vae, batch, z)
    assert cells.are_known.sum() == 23
    assert not cells.are_known[3]
    assert cells.gradient.isfinite().all()
    assert (torch.linalg.eigvalsh(cells.precision) > -1e-9).all()


def test_a_mode_does_not_depend_on_the_company():
    vae, batch = curved_model(Gaussian())
    with torch.no_grad():
        start = vae.posterior(batch).mean
        whole = find_mode(vae, batch, start)[0]
        for i in range(5):
            alone = find_mode(vae, batch[i : i + 1], start[i : i + 1])[0]
            torch.testing.assert_close(alone[0], whole[i], rtol=0, atol=1e-9)


@pytest.mark.parametrize("proposal", [LaplaceProposal(), DefensiveProposal()], ids=repr)
def test_rows_without_a_mode_fall_back_on_the_encoder(proposal, monkeypatch):
    vae, batch = curved_model(Bernoulli())

    def lost(vae, batch, start, close):
        z, decrement = find_mode(vae, batch, start, close)
        decrement[::2], z[::2] = torch.inf, torch.nan
        return z, decrement

    monkeypatch.setattr("skvae.core.inference.laplace.find_mode", lost)
    found = log_marginal(log_w(proposal, vae, batch, 4096))
    exact = log_marginal(log_w(PriorProposal(), vae, batch, 2**14))
    torch.testing.assert_close(found, exact, rtol=0, atol=0.1)


@pytest.mark.parametrize("n_draws", [1, 7, 64])
def test_draws_asked_for_are_draws_made(n_draws):
    vae, batch = curved_model(Gaussian())
    assert log_w(DefensiveProposal(), vae, batch, n_draws).shape == (n_draws, 24)


def test_a_quarter_of_defensive_draws_are_not_laplaces_and_a_quarter_of_the_rest_from_the_prior():
    vae, batch = curved_model(Bernoulli())
    with torch.no_grad():
        vae.encoder.posterior.linear.bias[:2] += 1000.0
        z, _ = DefensiveProposal().build(vae, batch)(KeyedNoise(0, batch.x, 64).of())
    assert ((z[..., 0] > 500).sum(0) - 12).abs().max() <= 2  # of the encoder


def test_what_is_missing_is_drawn_from_the_prior():
    vae, batch = curved_model(Bernoulli())
    mask = torch.ones_like(batch.x, dtype=torch.bool)
    mask[:, 1:] = False
    batch, share = Batch(batch.x, mask), 1 / mask.shape[1]
    with torch.no_grad():
        vae.encoder.posterior.linear.bias[:2] += 1000.0
        z, _ = DefensiveProposal().build(vae, batch)(KeyedNoise(0, batch.x, 64).of())
    assert ((z[..., 0] > 500).sum(0) - 16 * 0.75 * share).abs().max() <= 1.5


@pytest.mark.parametrize("family", [Gaussian(scale="shared"), Bernoulli()], ids=repr)
@pytest.mark.parametrize(
    ("proposal", "n_draws"),
    [
        (PriorProposal(), 2**14),
        (EncoderProposal(), 2**14),
        (LaplaceProposal(), 2**10),
        (DefensiveProposal(), 2**10),
        (AISProposal(n_temperatures=100), 2**7),
    ],
    ids=repr,
)
@pytest.mark.slow
def test_every_proposal_agrees_with_quadrature(proposal, n_draws, family):
    vae, batch = curved_model(family)
    some = batch[:6]
    # The sum over a grid is as good as exact for a smooth density that vanishes at the borders.
    line = torch.linspace(-7, 7, 701, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line).unsqueeze(1).expand(-1, len(some), -1)
    with torch.no_grad():
        exact = torch.logsumexp(vae.log_joint(some, grid), 0) + 2 * torch.log(line[1] - line[0])
    weights = log_w(proposal, vae, some, n_draws)
    error = (log_marginal(weights) - exact).abs()
    assert (error < 4 * standard_error(weights)).all()


FAMILIES = [
    Categorical(),
    Ordinal(),
    Poisson(),
    NegativeBinomial(),
    StudentT(),
    LogNormal("column"),  # scales that depend on z have modes that no encoder has learned
    Gamma(),
    Beta(),
    LogisticMixture(2),
    DiscretizedLogistic(high=16.0),
]


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@torch.no_grad()
def test_every_family_is_scored_as_by_quadrature(family):
    vae, batch = curved_model(family)
    some = batch[:3]
    _, decrement = find_mode(vae, some, vae.posterior(some).mean, 1e-9)
    assert (decrement < 1e-6).all()
    line = torch.linspace(-6, 6, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line).unsqueeze(1).expand(-1, 3, -1)
    exact = torch.logsumexp(vae.log_joint(some, grid), 0) + 2 * torch.log(line[1] - line[0])
    weights = log_w(DefensiveProposal(), vae, some, 2**10)
    assert ((log_marginal(weights) - exact).abs() < 4 * standard_error(weights)).all()


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_shares_are_checked(share):
    with pytest.raises(ValueError, match=r"DefensiveProposal\(share"):
        DefensiveProposal(share).validate()
