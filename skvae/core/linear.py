"""The closed-form start: a linear VAE is factor analysis.

With loadings W and noise Psi such that W^T Psi^-1 W is diagonal, the exact posterior of z is a
diagonal Gaussian, linear in x: S = 1 / (1 + eigenvalues), A = S W^T Psi^-1. Networks whose last
layers are zero on their hidden part start there. What is linear are the features of cells: a number
a column, or an indicator for each of its levels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .cells import Cells
from .vae import VAE

#: Rows whose features are held at a time.
CHUNK_ROWS = 10_000


class FactorModel(NamedTuple):
    """x = W z + noise, on standardised features; W^T Psi^-1 W is diagonal."""

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
    max_iter: int = 300,
) -> FactorModel:
    """Fit factor analysis, or probabilistic PCA, to a covariance by maximum likelihood.

    Given Psi the best W is in closed form, from the eigenvectors of Psi^-1/2 S Psi^-1/2; what is
    left, a function of Psi alone, is minimised by a quasi-Newton method, in tens of steps where
    expectation-maximisation may take tens of thousands.

    Parameters
    ----------
    covariance : Tensor of shape (c, c), float64
    n_latent : int
        Latents beyond what c columns can use get zero loadings.
    floor : Tensor of shape (c,), optional
        Smallest noise standard deviation.
    isotropic : bool
        One noise variance for all columns (probabilistic PCA).
    max_iter : int
        Quasi-Newton steps.

    References
    ----------
    "Some contributions to maximum likelihood factor analysis" (Joereskog, 1967);
    "Probabilistic Principal Component Analysis" (Tipping and Bishop, 1999).
    """
    smallest = torch.full_like(covariance[0], 1e-12) if floor is None else floor.square()
    if isotropic:
        return _probabilistic_pca(covariance, n_latent, smallest.min())
    psi = _best_noise(covariance, smallest, n_latent, max_iter)
    return FactorModel(_best_loadings(covariance, psi, n_latent), psi)


@torch.enable_grad()
def _best_noise(covariance: Tensor, smallest: Tensor, n_latent: int, max_iter: int) -> Tensor:
    """Return the diagonal of Psi, above ``smallest``."""
    start = (0.5 * covariance.diagonal() - smallest).clamp_min(1e-12)
    excess = start.log().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [excess],
        max_iter=max_iter,
        max_eval=2 * max_iter,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        history_size=50,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimizer.zero_grad()
        value = _deviance(covariance, smallest + excess.exp(), n_latent)
        value.backward()
        return float(value.detach())

    optimizer.step(closure)
    psi: Tensor = smallest + excess.detach().exp()
    return psi


def _deviance(covariance: Tensor, psi: Tensor, n_latent: int) -> Tensor:
    """Return minus the mean log-likelihood given Psi and the best W, up to a constant."""
    root = psi.sqrt()
    eigenvalues = torch.linalg.eigvalsh(covariance / root / root.unsqueeze(-1))
    kept = eigenvalues[-n_latent:]
    used = kept.clamp_min(1.0)
    fit: Tensor = psi.log().sum() + eigenvalues.sum() + (used.log() + kept / used - kept).sum()
    return 0.5 * fit


def _best_loadings(covariance: Tensor, psi: Tensor, n_latent: int) -> Tensor:
    """Return W given Psi, (c, n_latent)."""
    root = psi.sqrt()
    eigenvalues, vectors = torch.linalg.eigh(covariance / root / root.unsqueeze(-1))
    excess = (eigenvalues[-n_latent:].flip(0) - 1.0).clamp_min(0.0)
    loadings = root.unsqueeze(-1) * vectors[:, -n_latent:].flip(1) * excess.sqrt()
    return _pad(loadings, n_latent)


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
def linear_model(vae: VAE, x: Tensor) -> FactorModel:
    """Fit a factor model to the features of cells x (n, c), float64, on the model's own device.

    Indicators of levels add up to one, a covariance that factor analysis would fit without limit:
    with them all features, in units of their deviation, share one noise.
    """
    cells = vae.cells
    covariance = feature_covariance(cells, x)
    if len(covariance) > cells.n_cells:
        deviation = covariance.diagonal().clamp_min(1e-12).sqrt()
        correlation = covariance / deviation / deviation.unsqueeze(-1)
        common = factor_analysis(correlation, vae.n_latent, isotropic=True)
        return FactorModel(
            common.loadings * deviation.unsqueeze(-1), common.noise_variance * deviation.square()
        )
    floor = torch.cat([block.floor / block.spread[:, 0] for block in cells.parts])
    isotropic = all(block.family.isotropic for block in cells.parts)
    return factor_analysis(covariance, vae.n_latent, floor[cells.order].to(x), isotropic)


def feature_covariance(cells: Cells, x: Tensor) -> Tensor:
    """Return the second moments of the features of cells x (n, c), (f, f)."""
    total = x.new_zeros(())
    for rows in x.split(CHUNK_ROWS):
        features = cells.plain_features(rows)
        total = total + features.T @ features
    return total / len(x)


@torch.no_grad()
def start_linear(vae: VAE, model: FactorModel) -> None:
    """Set a model to a factor model of its standardised features, which then is its density."""
    split = vae.cells.split_features
    noise_scale = model.noise_variance.sqrt()
    n_hidden = vae.decoder.body.n_hidden
    for block, loadings, noise in zip(
        vae.cells.parts, split(model.loadings), split(noise_scale), strict=True
    ):
        block.start(loadings, noise, n_hidden)
    weight, variance = model.posterior()
    vae.encoder.posterior.start(weight, 0.5 * variance.log(), vae.encoder.body.n_hidden)
