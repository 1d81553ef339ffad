"""The closed-form start: a linear VAE is factor analysis.

With loadings W and noise Psi such that W^T Psi^-1 W is diagonal, the exact posterior of z is a
diagonal Gaussian, linear in x: S = 1 / (1 + eigenvalues), A = S W^T Psi^-1. Networks whose last
layers are zero on their hidden part start there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .vae import VAE


class FactorModel(NamedTuple):
    """x = W z + noise, on standardised cells; W^T Psi^-1 W is diagonal."""

    loadings: Tensor  # W, (c, d)
    noise_variance: Tensor  # diagonal of Psi, (c,)

    def posterior(self) -> tuple[Tensor, Tensor]:
        """Return A (d, c) and the variances S (d,) of q(z | x) = N(A x, S)."""
        scaled = self.loadings / self.noise_variance.unsqueeze(-1)
        eigenvalues = (self.loadings * scaled).sum(0)
        variance = 1.0 / (1.0 + eigenvalues)
        return variance.unsqueeze(-1) * scaled.T, variance


def factor_analysis(
    covariance: Tensor,
    n_latent: int,
    floor: Tensor | None = None,
    isotropic: bool = False,
    tol: float = 1e-10,
    max_iter: int = 1000,
) -> FactorModel:
    """Fit factor analysis, or probabilistic PCA, to a covariance by maximum likelihood.

    Given Psi, the best W comes from the eigenvectors of Psi^-1/2 S Psi^-1/2; given W, the best
    Psi is the diagonal of S - W W^T. The two alternate.

    Parameters
    ----------
    covariance : Tensor of shape (c, c), float64
    n_latent : int
        Latents beyond what c columns can use get zero loadings.
    floor : Tensor of shape (c,), optional
        Smallest noise standard deviation.
    isotropic : bool
        One noise variance for all columns (probabilistic PCA).
    tol : float
        Stop when the mean log-likelihood gains less, in nats a row.

    References
    ----------
    "Bayesian Reasoning and Machine Learning" (Barber, 2012), algorithm 21.1;
    "Probabilistic Principal Component Analysis" (Tipping and Bishop, 1999).
    """
    smallest = torch.full_like(covariance[0], 1e-12) if floor is None else floor.square()
    psi = torch.maximum(covariance.diagonal(), smallest)
    if isotropic:
        return _probabilistic_pca(covariance, n_latent, smallest.min())
    before = -torch.inf
    for _ in range(max_iter):
        loadings, log_likelihood = _best_loadings(covariance, psi, n_latent)
        if log_likelihood - before < tol:
            break
        before = log_likelihood
        psi = torch.maximum(covariance.diagonal() - loadings.square().sum(-1), smallest)
    return FactorModel(_best_loadings(covariance, psi, n_latent)[0], psi)


def _best_loadings(covariance: Tensor, psi: Tensor, n_latent: int) -> tuple[Tensor, float]:
    """Return W given Psi, and the log-likelihood up to a constant."""
    root = psi.sqrt()
    eigenvalues, vectors = torch.linalg.eigh(covariance / root / root.unsqueeze(-1))
    kept = eigenvalues[-n_latent:].flip(0)
    excess = (kept - 1.0).clamp_min(0.0)
    loadings = root.unsqueeze(-1) * vectors[:, -n_latent:].flip(1) * excess.sqrt()
    used = kept.clamp_min(1.0)
    fit = (used.log() + kept / used - kept).sum() + eigenvalues.sum() + psi.log().sum()
    return _pad(loadings, n_latent), float(-0.5 * fit)


def _probabilistic_pca(covariance: Tensor, n_latent: int, smallest: Tensor) -> FactorModel:
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    n_columns = len(covariance)
    rest = eigenvalues[: max(n_columns - n_latent, 1)]
    variance = torch.maximum(rest.mean(), smallest)
    excess = (eigenvalues[-n_latent:].flip(0) - variance).clamp_min(0.0)
    loadings = vectors[:, -n_latent:].flip(1) * excess.sqrt()
    return FactorModel(_pad(loadings, n_latent), variance.expand(n_columns).clone())


def _pad(loadings: Tensor, n_latent: int) -> Tensor:
    spare = n_latent - loadings.shape[1]
    return torch.nn.functional.pad(loadings, (0, spare)) if spare else loadings


@torch.no_grad()
def start_linear(vae: VAE, model: FactorModel) -> None:
    """Set a model to a factor model of its standardised cells, which then is its density."""
    noise_scale = model.noise_variance.sqrt()
    for block in vae.cells.parts:
        at = block.index
        block.start(model.loadings[at], noise_scale[at], vae.decoder.body.n_hidden)
    weight, variance = model.posterior()
    vae.encoder.posterior.start(weight, 0.5 * variance.log(), vae.encoder.body.n_hidden)
