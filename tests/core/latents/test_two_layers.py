"""Two stochastic layers: one vector to the rest of the core, whose parts depend on each other."""

import pytest
import torch

from skvae.core import Columns, build_vae
from skvae.core.latents.distributions import DiagonalNormal
from skvae.core.latents.two_layers import Chain
from skvae.likelihoods import Gaussian
from skvae.posteriors import FullGaussian
from skvae.priors import Mixture


def chain(first_comes_last, n_first=2, n_second=3):
    """Return a linear Chain and the same as one normal distribution."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    loc, log_scale, weight, bias = randn(n_first), 0.3 * randn(n_first), randn(3, 2), randn(3)
    noise = 0.3 * randn(n_second)

    def then(z):
        mean = z @ weight.T + bias
        return DiagonalNormal(mean, noise.expand_as(mean))

    first = torch.diag(torch.exp(2 * log_scale))
    cross = first @ weight.T
    second = weight @ cross + torch.diag(torch.exp(2 * noise))
    mean, joint = [loc, weight @ loc + bias], [[first, cross], [cross.T, second]]
    if first_comes_last:
        mean, joint = mean[::-1], [row[::-1] for row in joint[::-1]]
    oracle = torch.distributions.MultivariateNormal(
        torch.cat(mean), torch.cat([torch.cat(row, 1) for row in joint])
    )
    return Chain(DiagonalNormal(loc, log_scale), then, n_second, first_comes_last), oracle


@pytest.mark.parametrize("first_comes_last", [False, True])
def test_a_linear_chain_is_a_normal_distribution(first_comes_last, generator):
    p, oracle = chain(first_comes_last)
    z, log_p = p.draw(torch.randn(50_000, 5, generator=generator, dtype=torch.float64))
    torch.testing.assert_close(log_p, oracle.log_prob(z))
    torch.testing.assert_close(p.log_prob(z), log_p)
    torch.testing.assert_close(p.curvature(z[0]), oracle.precision_matrix)
    torch.testing.assert_close(torch.cov(z.T), oracle.covariance_matrix, rtol=0.05, atol=0.1)
    # 64 quasi-random draws.
    assert ((p.mean - oracle.mean).abs() < 0.1 * oracle.stddev).all()
    torch.testing.assert_close(p.variance, oracle.variance, rtol=0.2, atol=0)


def model(prior=None, n_latent=(3, 2), n_context=0):
    """Return an untrained model with two layers in float64."""
    vae = build_vae(
        [Columns(Gaussian(scale="column"), range(4))],
        n_latent,
        n_context=n_context,
        prior=prior,
        posterior=FullGaussian(),
        hidden_layer_sizes=(8,),
        generator=torch.Generator().manual_seed(0),
    )
    return vae.double().eval()


def test_rows_depend_on_the_upper_layer_by_the_lower_one_alone():
    vae = model()
    assert vae.n_latent == 5
    z = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).double()
    moved = torch.cat([z[:, :3] + 1, z[:, 3:]], 1)
    assert vae.decode(z)[0].equal(vae.decode(moved)[0])
    assert not vae.prior(None).log_prob(z).equal(vae.prior(None).log_prob(moved))


def test_a_context_moves_both_layers():
    vae = model(Mixture(2), (2, 2), n_context=3)
    with torch.no_grad():
        vae.prior.linear.bias += 1.0
    context = torch.zeros(5, 3)
    z = vae.prior(context.double()).mean
    assert z.shape == (5, 4)
    assert not torch.allclose(z[0], vae.prior.unmoved()(None).mean)
