"""Latent distributions: draws, densities and divergences."""

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from skvae.core.distributions import DiagonalNormal, TriangularNormal


def distributions():
    generator = torch.Generator().manual_seed(0)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    loc, log_scale = randn(4, 3), 0.5 * randn(4, 3)
    return [
        DiagonalNormal(loc, log_scale),
        TriangularNormal(loc, log_scale, randn(4, 3, 3).tril(-1)),
    ]


def oracle(q):
    tril = q.scale_tril if hasattr(q, "scale_tril") else torch.diag_embed(q.log_scale.exp())
    return MultivariateNormal(q.loc, scale_tril=tril)


@pytest.mark.parametrize("q", distributions(), ids=lambda q: type(q).__name__)
def test_density_draws_and_divergence(q):
    noise = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z, log_q = q.draw(noise)
    torch.testing.assert_close(log_q, oracle(q).log_prob(z))
    torch.testing.assert_close(q.log_prob(z), log_q)
    torch.testing.assert_close(q.rsample(noise=noise), z)
    torch.testing.assert_close(q.variance, oracle(q).variance)
    prior = DiagonalNormal(
        torch.full((3,), 0.3, dtype=torch.float64), torch.full((3,), 0.2, dtype=torch.float64)
    )
    torch.testing.assert_close(kl_divergence(q, prior), kl_divergence(oracle(q), oracle(prior)))


def test_draws_have_the_covariance_of_the_triangular_factor(generator):
    q = distributions()[1]
    noise = torch.randn(200_000, 4, 3, generator=generator, dtype=torch.float64)
    z = q.rsample(noise=noise)[:, 0]
    expected = q.scale_tril[0] @ q.scale_tril[0].T
    # 200,000 draws: entries of the covariance have a standard error of about 0.01.
    torch.testing.assert_close(torch.cov(z.T), expected, rtol=0.02, atol=0.05)
