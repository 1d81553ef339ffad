"""The closed-form start: a linear VAE is factor analysis.

With loadings W and noise Psi such that W^T Psi^-1 W is diagonal, the exact posterior of z is a
diagonal Gaussian, linear in x: S = 1 / (1 + eigenvalues), A = S W^T Psi^-1. Networks whose last
layers are zero on their hidden part start there. What is linear are the features of cells: a number
a column, or an indicator for each of its levels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .batch import Batch
from .cells import Cells
from .vae import VAE

#: Rows whose features are held at a time.
CHUNK_ROWS = 10_000
#: With missing cells: rows that are looked at, and so many at a time; steps, and the gain in nats a
#: row below which no more are made.
MAX_EM_ROWS = 4_000
EM_CHUNK_ROWS = 250
MAX_EM_STEPS = 50
EM_TOLERANCE = 1e-4
#: Of the encoder's regression on inputs, some of which may be constant.
RIDGE = 1e-6


class FactorModel(NamedTuple):
    """x = mean + W z + noise, on standardised features; W^T Psi^-1 W is diagonal."""

    loadings: Tensor  # W, (c, d)
    noise_variance: Tensor  # diagonal of Psi, (c,)
    mean: Tensor | None = None  # (c,), None: zero

    def posterior(self) -> tuple[Tensor, Tensor]:
        """Return A (d, c) and the variances S (d,) of q(z | x) = N(A (x - mean), S)."""
        scaled = self.loadings / self.noise_variance.unsqueeze(-1)
        eigenvalues = (self.loadings * scaled).sum(0)
        variance = 1.0 / (1.0 + eigenvalues)
        return variance.unsqueeze(-1) * scaled.T, variance

    @property
    def center(self) -> Tensor:
        """The mean, (c,)."""
        return torch.zeros_like(self.noise_variance) if self.mean is None else self.mean


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
def linear_model(vae: VAE, batch: Batch) -> FactorModel:
    """Fit a factor model to the features of rows, float64, on the model's own device.

    With missing cells by expectation-maximisation, in which these alone are the latent data: each
    step fits anew to the moments expected of complete rows, so that it takes few.

    References
    ----------
    "Maximum Likelihood from Incomplete Data via the EM Algorithm" (Dempster et al., 1977).
    """
    model = _fit_moments(vae, feature_covariance(vae.cells, batch))
    if batch.mask is None:
        return model
    some = _some(batch)
    x, seen = vae.cells.masked_features(some), some.observed[:, vae.cells.owner]
    before = torch.tensor(-torch.inf)
    for _ in range(MAX_EM_STEPS):
        mean, covariance, log_likelihood = expected_moments(model, x, seen)
        if log_likelihood - before < EM_TOLERANCE:
            break
        before = log_likelihood
        model = _fit_moments(vae, covariance)._replace(mean=mean)
    return model


def _fit_moments(vae: VAE, covariance: Tensor) -> FactorModel:
    """Fit a factor model to the covariance of all features (f, f).

    Indicators of levels add up to one, a covariance that factor analysis would fit without limit:
    with them all features, in units of their deviation, share one noise.
    """
    cells = vae.cells
    if len(covariance) > cells.n_cells:
        deviation = covariance.diagonal().clamp_min(1e-12).sqrt()
        correlation = covariance / deviation / deviation.unsqueeze(-1)
        common = factor_analysis(correlation, vae.n_latent, isotropic=True)
        return FactorModel(
            common.loadings * deviation.unsqueeze(-1), common.noise_variance * deviation.square()
        )
    floor = torch.cat([block.floor / block.spread[:, 0] for block in cells.parts])
    isotropic = all(block.family.isotropic for block in cells.parts)
    return factor_analysis(covariance, vae.n_latent, floor[cells.order].to(covariance), isotropic)


def feature_covariance(cells: Cells, batch: Batch) -> Tensor:
    """Return the second moments of the features of rows, (f, f); those of missing cells are 0."""
    total = batch.x.new_zeros(())
    for start in range(0, len(batch), CHUNK_ROWS):
        features = cells.masked_features(batch[start : start + CHUNK_ROWS])
        total = total + features.T @ features
    return total / len(batch)


def expected_moments(model: FactorModel, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what is expected of complete rows, given their observed features.

    Parameters
    ----------
    model : FactorModel
    x : Tensor of shape (n, f)
        Features; what they hold where they are not ``seen`` has no influence.
    seen : Tensor of shape (n, f), bool

    Returns
    -------
    mean : Tensor of shape (f,)
    covariance : Tensor of shape (f, f)
    log_likelihood : Tensor of shape ()
        Mean over the rows of log p(observed features) under ``model``.
    """
    first, second, log_likelihood = (x.new_zeros(()) for _ in range(3))
    for rows, of_rows in zip(x.split(EM_CHUNK_ROWS), seen.split(EM_CHUNK_ROWS), strict=True):
        moments = _sums(model, rows, of_rows)
        first, second, log_likelihood = (
            total + more
            for total, more in zip((first, second, log_likelihood), moments, strict=True)
        )
    mean = first / len(x)
    return mean, second / len(x) - mean.outer(mean), log_likelihood / len(x)


def _sums(model: FactorModel, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sums over rows: of E[x], of E[x x^T] and of log p(x_observed)."""
    w, psi = model.loadings, model.noise_variance
    z, root, projected = _posterior_of(model, x, seen)
    filled = torch.where(seen, x, model.center + z @ w.T)
    # What stays unknown of missing features: by z, whose covariance is L^-T L^-1, and by noise.
    spread = torch.linalg.solve_triangular(root, w.T.expand(len(x), -1, -1), upper=False)
    spread = torch.where(seen.unsqueeze(1), 0.0, spread).flatten(0, 1)  # (n d, f)
    second = filled.T @ filled + spread.T @ spread + torch.diag((~seen).sum(0) * psi)
    residual = torch.where(seen, x - model.center, 0.0)
    square = (residual.square() / psi).sum() - (projected * z).sum()
    log_det = 2.0 * root.diagonal(dim1=-2, dim2=-1).log().sum() + (seen * psi.log()).sum()
    log_likelihood = -0.5 * (square + log_det + seen.sum() * math.log(2.0 * math.pi))
    return filled.sum(0), second, log_likelihood


def _posterior_of(model: FactorModel, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the posterior of z of each row given what is seen of it.

    Its mean (n, d), the root L of its precision L L^T (n, d, d), and that times the mean (n, d).
    """
    w, psi = model.loadings, model.noise_variance
    pairs = (w.unsqueeze(-1) * w.unsqueeze(-2) / psi[:, None, None]).flatten(1)
    eye = torch.eye(w.shape[1]).to(w)
    root = torch.linalg.cholesky((seen.to(x) @ pairs).unflatten(-1, eye.shape) + eye)
    projected = (torch.where(seen, x - model.center, 0.0) / psi) @ w
    return torch.cholesky_solve(projected.unsqueeze(-1), root).squeeze(-1), root, projected


@torch.no_grad()
def start_linear(vae: VAE, model: FactorModel, batch: Batch | None = None) -> None:
    """Set a model to a factor model of its standardised features, which then is its density.

    The encoder is the exact posterior of complete rows. Of a ``batch`` of rows with missing cells
    it is the best linear approximation.
    """
    cells, split = vae.cells, vae.cells.split_features
    n_hidden = vae.decoder.body.n_hidden
    parts = (split(x) for x in (model.loadings, model.noise_variance.sqrt(), model.center))
    for block, loadings, noise_scale, center in zip(cells.parts, *parts, strict=True):
        block.start(loadings, noise_scale, n_hidden, center)
    if batch is None or batch.mask is None:
        weight, variance = model.posterior()
        bias = -weight @ model.center
    else:
        weight, bias, variance = _linear_encoder(vae, model, _some(batch))
    vae.encoder.posterior.start(weight, bias, 0.5 * variance.log(), vae.encoder.body.n_hidden)


def _linear_encoder(vae: VAE, model: FactorModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Regress the posterior means of rows on what the encoder sees of them.

    Returns a weight (d, inputs), a bias (d,) and the mean of the posteriors' variances, (d,).
    """
    cells = vae.cells
    z, root, _ = _posterior_of(model, cells.masked_features(batch), batch.observed[:, cells.owner])
    inputs = cells.features(batch)
    design = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1)
    gram = design.T @ design / len(design)
    gram.diagonal().add_(RIDGE)
    solved = torch.linalg.solve(gram, design.T @ z / len(design))  # (inputs + 1, d)
    variance = torch.cholesky_inverse(root).diagonal(dim1=-2, dim2=-1).mean(0)
    return solved[:-1].T, solved[-1], variance


def _some(batch: Batch) -> Batch:
    return batch[:: -(-len(batch) // MAX_EM_ROWS)]
