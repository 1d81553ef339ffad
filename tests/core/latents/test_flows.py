"""Flows of latents: densities, draws and what they leave untouched."""

import sys

import pytest
import torch
from torch.distributions import Distribution

from skvae.core import Batch
from skvae.core.latents.flows import FlowDistribution, FlowMap
from skvae.posteriors import FlowPosterior
from skvae.priors import FlowPrior

from ..models import bent, exact_log_prob, linear_model, rows_of


def flow(n_latent=2, n_features=0, coupling=False, seed=0):
    """Return a flow far from the identity, in float64."""
    generator = torch.Generator().manual_seed(seed)
    found = FlowMap(n_latent, 3, (16,), n_features, coupling)
    found.initialize(generator)
    return bent(found, generator).double()


@pytest.mark.parametrize("coupling", [False, True])
@pytest.mark.parametrize("n_latent", [1, 2, 5])
def test_a_flow_starts_as_the_standard_normal(n_latent, coupling):
    found = FlowMap(n_latent, 3, (16,), coupling=coupling).double()
    found.initialize(torch.Generator().manual_seed(0))
    z = torch.linspace(-6, 6, 5 * n_latent).double().view(5, n_latent)
    noise, log_det = found(z)
    torch.testing.assert_close(noise, z)
    torch.testing.assert_close(log_det, torch.zeros(5).double())


@pytest.mark.parametrize("coupling", [False, True])
@pytest.mark.parametrize("n_latent", [1, 2, 5])
def test_a_density_is_that_of_noise_times_the_jacobian(n_latent, coupling):
    found = flow(n_latent, coupling=coupling)
    p = FlowDistribution(found, n_latent)
    noise = torch.randn(6, n_latent, generator=torch.Generator().manual_seed(1)).double()
    z, log_p = p.draw(noise)
    torch.testing.assert_close(found(z)[0], noise)
    for one, of_one, value in zip(z, noise, log_p, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda z: found(z)[0], one)
        expected = torch.distributions.Normal(0, 1).log_prob(of_one).sum()
        torch.testing.assert_close(value, expected + torch.linalg.slogdet(jacobian)[1])
        torch.testing.assert_close(p.curvature(one), jacobian.T @ jacobian)


@torch.no_grad()
@pytest.mark.slow
def test_a_density_integrates_to_one():
    line = torch.linspace(-60, 60, 2401).double()  # its tails are heavy
    log_p = FlowDistribution(flow(), 2).log_prob(torch.cartesian_prod(line, line))
    total = log_p.exp().sum() * (line[1] - line[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


@torch.no_grad()
def test_moments_are_near_those_of_many_draws(generator):
    features = torch.randn(3, 4, generator=torch.Generator().manual_seed(2)).double()
    p = FlowDistribution(flow(2, 4, coupling=True), 2, features)
    z = p.rsample(torch.randn(50_000, 3, 2, generator=generator, dtype=torch.float64))
    # 64 quasi-random draws: some hundredths of a standard deviation.
    assert ((p.mean - z.mean(0)).abs() < 0.1 * z.std(0)).all()
    torch.testing.assert_close(p.variance, z.var(0), rtol=0.3, atol=0)
    assert p.mean.equal(p.mean)


@torch.no_grad()
def test_rows_of_a_batch_are_flows_of_their_own():
    features = torch.randn(3, 4, generator=torch.Generator().manual_seed(2)).double()
    p = FlowDistribution(flow(2, 4, coupling=True), 2, features)
    z = torch.zeros(1, 2).double()
    torch.testing.assert_close(p[torch.tensor([2])].log_prob(z), p.log_prob(z.expand(3, 2))[2:])


@pytest.mark.parametrize("posterior", [FlowPosterior(), FlowPosterior(1, ())], ids=repr)
@pytest.mark.slow
def test_a_bent_posterior_weighs_a_linear_model_rightly(posterior):
    vae, covariance = linear_model(posterior=posterior)
    bent(vae.encoder.posterior.flow, torch.Generator().manual_seed(3), 0.05)
    x = rows_of(covariance, n=20)
    noise = torch.randn(20_000, 20, 2, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        w = (vae.draw(Batch(x), noise).log_w - exact_log_prob(covariance, x)).exp()
    error = w.std(0) / len(w) ** 0.5
    assert w.std() > 0.05  # it is bent
    assert ((w.mean(0) - 1).abs() < 5 * error).all()


def test_building_a_flow_touches_no_global_state():
    state, validates = torch.get_rng_state(), Distribution._validate_args
    FlowPrior().build(3)
    assert torch.get_rng_state().equal(state)
    assert Distribution._validate_args is validates


def test_without_zuko_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(ImportError, match=r"pip install skvae\[flows\]"):
        FlowPrior().validate()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (FlowPrior(0), r"FlowPrior\(n_transforms=0\)"),
        (FlowPosterior(2, (0,)), r"FlowPosterior\(hidden_layer_sizes=\(0,\)\)"),
    ],
)
def test_flows_without_sense_are_refused(recipe, message):
    with pytest.raises(ValueError, match=message):
        recipe.validate()
