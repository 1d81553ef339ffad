"""What families of posteriors can reach: the best of each is known on a linear-Gaussian model."""

import math

import pytest
import torch

from skvae.core import Batch, Columns, build_vae, start_linear
from skvae.core.linear import FactorModel
from skvae.core.networks import initialize
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO
from skvae.posteriors import DiagonalGaussian, FullGaussian, IsotropicGaussian

from ..models import exact_log_prob, rows_of

N_LATENT = 3


def true_decoder(posterior):
    """Return a linear model at the truth but for its encoder, covariance of x, precision of z."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(6, N_LATENT, generator=generator).double()
    psi = 0.2 + torch.rand(6, generator=generator).double()
    columns = Columns(Gaussian("column"), range(6), floor=torch.full((6,), 1e-6).double())
    vae = build_vae([columns], N_LATENT, hidden_layer_sizes=(), posterior=posterior).double()
    start_linear(vae, FactorModel(w, psi))
    initialize(vae.encoder, generator)
    precision = torch.eye(N_LATENT).double() + w.T @ (w / psi.unsqueeze(-1))
    return vae, w @ w.T + torch.diag(psi), precision


def exact_elbo(vae, monkeypatch):
    """Return the ELBO without error: of z it is quadratic, so that 2 d points are enough.

    The points +-sqrt(d) e_j have the mean and the covariance of standard normal noise.
    """
    objective = ELBO(2 * N_LATENT).build(vae, 1)
    axes = math.sqrt(N_LATENT) * torch.eye(N_LATENT).double()
    points = torch.cat([axes, -axes]).unsqueeze(1)
    monkeypatch.setattr(objective, "noise", lambda batch, n_draws, generator: points)
    return objective


def train_encoder(vae, objective, batch, n_steps=600):
    """Climb the ELBO by the encoder alone, by Adam at a rate that falls to zero.

    The random start is 1,000 nats below, with gradients that Adam must soon forget: beta_2.
    """
    optimizer = torch.optim.Adam(vae.encoder.parameters(), lr=0.1, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(n_steps):
        optimizer.zero_grad()
        (-objective(batch).value.mean()).backward()
        optimizer.step()
        schedule.step()


# With the posterior N(m, P^-1), of z given x, and q = N(m', S) the gap of the ELBO is
#     KL(q || p(z | x)) = 1/2 [tr(P S) - d + (m - m')^T P (m - m') - log det P - log det S],
# in any family least at m' = m. For S = diag(s_j^2) what is left of s_j is P_jj s_j^2 - log s_j^2,
# least at s_j^2 = 1 / P_jj (mean field: precisions are those of z_j given all others, and not of
# z_j alone); for S = s^2 I it is tr(P) s^2 - d log s^2, least at s^2 = d / tr(P). Then tr(P S) = d.
BEST = [
    (FullGaussian(), torch.logdet),
    (DiagonalGaussian(), lambda p: p.diagonal().log().sum()),
    (IsotropicGaussian(), lambda p: N_LATENT * torch.log(p.trace() / N_LATENT)),
]


@pytest.mark.parametrize(("posterior", "log_det"), BEST, ids=["full", "diagonal", "isotropic"])
def test_training_finds_the_best_posterior_of_its_family(posterior, log_det, monkeypatch):
    vae, covariance, precision = true_decoder(posterior)
    batch = Batch(rows_of(covariance, 100))
    objective = exact_elbo(vae, monkeypatch)
    gap = 0.5 * (log_det(precision) - torch.logdet(precision))
    if not isinstance(posterior, FullGaussian):
        assert gap > 0.2  # the loadings are correlated enough for a family to matter
    log_p = exact_log_prob(covariance, batch.x)
    before = objective(batch).value.detach()
    assert (log_p - before).mean() > gap + 1
    train_encoder(vae, objective, batch)
    # The objective has no noise: what is left is the optimiser's, below 1e-9 where it was measured.
    value = objective(batch).value.detach()
    torch.testing.assert_close(log_p - value, gap.expand(100), rtol=0, atol=1e-6)
