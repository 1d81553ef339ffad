"""Linear-Gaussian models whose likelihood and posterior are known in closed form."""

import torch

from skvae.core import Columns, build_vae, start_linear
from skvae.core.linear import FactorModel
from skvae.likelihoods import Gaussian


def linear_model(n_cells=5, n_latent=2, seed=0, posterior=None, scale="column", floor=1e-6):
    """Return a linear VAE in float64 with its exact posterior, and its marginal covariance."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(n_cells, n_latent, generator=generator, dtype=torch.float64)
    psi = 0.1 + torch.rand(n_cells, generator=generator, dtype=torch.float64)
    if scale in ("shared", "row"):
        psi = psi.mean().expand(n_cells).clone()
    # Rotate the loadings so that W^T Psi^-1 W is diagonal, as FactorModel wants.
    _, vectors = torch.linalg.eigh(w.T @ (w / psi.unsqueeze(-1)))
    model = FactorModel(w @ vectors, psi)
    columns = [
        Columns(Gaussian(scale), range(n_cells), floor=torch.full((n_cells,), floor).double())
    ]
    vae = build_vae(
        columns, n_latent, hidden_layer_sizes=(8,), posterior=posterior, generator=generator
    ).double()
    start_linear(vae, model)
    return vae, model.loadings @ model.loadings.T + torch.diag(psi)


def rows_of(covariance, n=40, seed=1):
    """Draw rows from N(0, covariance)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, len(covariance), generator=generator, dtype=torch.float64)
    return noise @ torch.linalg.cholesky(covariance).T


def exact_log_prob(covariance, x):
    """Return log N(x; 0, covariance)."""
    zero = torch.zeros(len(covariance), dtype=torch.float64)
    return torch.distributions.MultivariateNormal(zero, covariance).log_prob(x)


def spoil(vae, shift=0.3):
    """Make the posterior of a model inexact: moved, and wider than the truth."""
    with torch.no_grad():
        vae.encoder.posterior.linear.bias += shift
    return vae


@torch.no_grad()
def bent(module, generator, scale=0.25):
    """Move all parameters of a module by noise, such as a flow that starts as the identity."""
    for parameter in module.parameters():
        parameter += scale * torch.randn(parameter.shape, generator=generator).to(parameter)
    return module
