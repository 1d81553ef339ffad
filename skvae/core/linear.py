"""The closed-form start: a linear VAE is factor analysis.

With loadings W and noise Psi such that W^T Psi^-1 W is diagonal, the exact posterior of z is a
diagonal Gaussian, linear in x: S = 1 / (1 + eigenvalues), A = S W^T Psi^-1. Networks whose last
layers are zero on their hidden part start there. What is linear are the features of cells: a number
a column, or an indicator for each of its levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .batch import Batch, in_chunks
from .cells import Cells
from .latents.posteriors import PosteriorHead
from .minimum import minimum
from .noise import HALF_LOG_2PI
from .vae import VAE

#: Rows whose features are held at a time.
CHUNK_ROWS = 10_000
#: With missing cells: rows that are looked at, and so many at a time; steps, and the gain in nats a
#: row below which no more are made.
MAX_EM_ROWS = 4_000
EM_CHUNK_ROWS = 250
MAX_EM_STEPS = 50
EM_TOLERANCE = 1e-4
#: Products that all steps may take together, n d f^2 each, but for the first three: levels make
#: features by the thousand, and fifty steps would take longer than training.
MAX_EM_PRODUCTS = 2e11
#: Gain of the deviance at which its minimum is found where there are as many latents as columns,
#: which explain any covariance: to go on drives noises to their floor, and what is trained from
#: there is worse (0.1 nat of two columns).
NO_GAIN = 1e-6
#: Of the encoder's regression on inputs, some of which may be constant.
RIDGE = 1e-6


class FactorModel(NamedTuple):
    """x = mean + B context + W z + noise, on standardised features; W^T Psi^-1 W is diagonal."""

    loadings: Tensor  # W, (c, d)
    noise_variance: Tensor  # diagonal of Psi, (c,)
    mean: Tensor | None = None  # (c,), None: zero
    slope: Tensor | None = None  # B, (c, m), None: no context

    def posterior(self) -> tuple[Tensor, Tensor]:
        """Return A (d, c) and the variances S (d,) of q(z | x) = N(A (x - center), S)."""
        scaled = self.loadings / self.noise_variance.unsqueeze(-1)
        eigenvalues = (self.loadings * scaled).sum(0)
        variance = 1.0 / (1.0 + eigenvalues)
        return variance.unsqueeze(-1) * scaled.T, variance

    def center(self, context: Tensor | None = None) -> Tensor:
        """Return the mean of x, (c,), or of every row given its context (n, m), (n, c)."""
        mean = torch.zeros_like(self.noise_variance) if self.mean is None else self.mean
        return mean if self.slope is None or context is None else mean + context @ self.slope.T


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


def _best_noise(covariance: Tensor, smallest: Tensor, n_latent: int, max_iter: int) -> Tensor:
    """Return the diagonal of Psi, above ``smallest``."""
    start = (0.5 * covariance.diagonal() - smallest).clamp_min(1e-12)

    def deviance(log_excess: Tensor) -> Tensor:
        return _deviance(covariance, smallest + log_excess.exp(), n_latent)

    no_gain = 1e-14 if n_latent < len(start) else NO_GAIN
    return smallest + minimum(deviance, start.log(), max_iter, no_gain).exp()


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

    With a context, to what its regression on the context leaves of them. With missing cells by
    expectation-maximisation, in which these alone are the latent data: each step fits anew to the
    moments expected of complete rows, so that it takes few.

    References
    ----------
    "Maximum Likelihood from Incomplete Data via the EM Algorithm" (Dempster et al., 1977).
    """
    model = _fit_moments(vae, *moments(vae.cells, batch).regress())
    if batch.mask is None:
        return model
    some = _some(batch)
    before = torch.tensor(-torch.inf)
    products = len(some) * vae.n_latent * len(vae.cells.owner) ** 2
    for _ in range(min(MAX_EM_STEPS, max(int(MAX_EM_PRODUCTS / products), 3))):
        expected, log_likelihood = expected_moments(model, vae.cells, some)
        if log_likelihood - before < EM_TOLERANCE:
            break
        before = log_likelihood
        model = _fit_moments(vae, *expected.regress())
    return model


class Moments(NamedTuple):
    """Means over rows of products: of features (f) and what they are regressed on (r)."""

    second: Tensor  # (f, f)
    cross: Tensor  # (f, r)
    gram: Tensor  # (r, r)

    def regress(self) -> tuple[Tensor, Tensor]:
        """Return the covariance that a regression leaves (f, f), and its coefficients (f, r)."""
        inverse = torch.linalg.pinv(self.gram, rtol=1e-10, hermitian=True)
        coefficients: Tensor = self.cross @ inverse
        return self.second - coefficients @ self.cross.T, coefficients


def _regressors(batch: Batch) -> Tensor:
    """Return what features are regressed on (n, r): 1 and the context.

    Nothing for complete rows without a context, whose features have the mean 0.
    """
    ones = torch.ones_like(batch.x[:, :1])
    if batch.context is not None:
        return torch.cat([ones, batch.context], 1)
    return ones[:, :0] if batch.mask is None else ones


def _fit_moments(vae: VAE, covariance: Tensor, coefficients: Tensor) -> FactorModel:
    """Fit a factor model to a covariance (f, f) and a mean by its coefficients (f, r)."""
    model = _fit_covariance(vae, covariance)
    if coefficients.shape[1] == 0:
        return model
    slope = coefficients[:, 1:]
    return model._replace(mean=coefficients[:, 0], slope=slope if slope.shape[1] else None)


def _fit_covariance(vae: VAE, covariance: Tensor) -> FactorModel:
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
    floor = noise_floor(cells).to(covariance)
    isotropic = all(block.family.isotropic for block in cells.parts)
    return factor_analysis(covariance, vae.n_latent, floor, isotropic)


def noise_floor(cells: Cells) -> Tensor:
    """Return the smallest scale of the noise of each column of numbers, standardised, (c,)."""
    floor = torch.cat([block.floor / block.spread[:, 0] for block in cells.parts])
    return floor[cells.order]


def moments(cells: Cells, batch: Batch) -> Moments:
    """Return the moments of the features of rows; those of missing cells are 0."""
    found = [
        _products(cells.masked_features(some), _regressors(some))
        for some in in_chunks(batch, CHUNK_ROWS)
    ]
    return Moments(*(total / len(batch) for total in _totals(found)))


def expected_moments(model: FactorModel, cells: Cells, batch: Batch) -> tuple[Moments, Tensor]:
    """Return the moments expected of complete rows, given their observed cells.

    Also the mean over the rows of log p(observed features | context) under the model, ().
    """
    found = [_expected_products(model, cells, some) for some in in_chunks(batch, EM_CHUNK_ROWS)]
    *products, log_likelihood = (total / len(batch) for total in _totals(found))
    return Moments(*products), log_likelihood


def _totals(parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    """Add up what was found for chunks of rows, item by item."""
    return [torch.stack(of_item).sum(0) for of_item in zip(*parts, strict=True)]


def _products(x: Tensor, regressors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x.T @ x, x.T @ regressors, regressors.T @ regressors


def _expected_products(model: FactorModel, cells: Cells, batch: Batch) -> tuple[Tensor, ...]:
    """Return products summed over rows as expected, and log p(x_observed)."""
    w, psi = model.loadings, model.noise_variance
    seen = batch.observed[:, cells.owner]
    center = model.center(batch.context)
    residual = torch.where(seen, cells.masked_features(batch) - center, 0.0)
    z, root, projected = _posterior_of(model, residual, seen)
    filled = center + torch.where(seen, residual, z @ w.T)
    second, cross, gram = _products(filled, _regressors(batch))
    # What stays unknown of missing features: by z, whose covariance is L^-T L^-1, and by noise.
    spread = torch.linalg.solve_triangular(root, w.T.expand(len(filled), -1, -1), upper=False)
    spread = torch.where(seen.unsqueeze(1), 0.0, spread).flatten(0, 1)  # (n d, f)
    second = second + spread.T @ spread + torch.diag((~seen).sum(0) * psi)
    square = (residual.square() / psi).sum() - (projected * z).sum()
    log_det = 2.0 * root.diagonal(dim1=-2, dim2=-1).log().sum() + (seen * psi.log()).sum()
    log_likelihood = -0.5 * (square + log_det + seen.sum() * (2.0 * HALF_LOG_2PI))
    return second, cross, gram, log_likelihood


def _posterior_of(
    model: FactorModel, residual: Tensor, seen: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the posterior of z of each row by what is seen of it, less its center.

    Its mean (n, d), the root L of its precision L L^T (n, d, d), and that times the mean (n, d).
    """
    w, psi = model.loadings, model.noise_variance
    pairs = (w.unsqueeze(-1) * w.unsqueeze(-2) / psi[:, None, None]).flatten(1)
    eye = torch.eye(w.shape[1]).to(w)
    root = torch.linalg.cholesky((seen.to(residual) @ pairs).unflatten(-1, eye.shape) + eye)
    projected = (residual / psi) @ w
    return torch.cholesky_solve(projected.unsqueeze(-1), root).squeeze(-1), root, projected


@torch.no_grad()
def start_linear(vae: VAE, model: FactorModel, batch: Batch | None = None) -> None:
    """Set a model to a factor model of its standardised features, which then is its density.

    The encoder is the exact posterior of complete rows. Of a ``batch`` of rows with missing cells
    it is the best linear approximation.
    """
    cells, split = vae.cells, vae.cells.split_features
    slope = model.loadings[:, :0] if model.slope is None else model.slope
    of_decoder = torch.cat([model.loadings, slope], 1)  # z and context, as the decoder joins them
    parts = (split(x) for x in (of_decoder, model.noise_variance.sqrt(), model.center()))
    for block, loadings, noise_scale, center in zip(cells.parts, *parts, strict=True):
        block.start(loadings, noise_scale, vae.decoder.body.n_hidden, center)
    if vae.encoder is None:
        return
    if batch is None or batch.mask is None:
        weight, bias, variance = _exact_encoder(model, slope, cells.n_inputs)
    else:
        weight, bias, variance = _linear_encoder(vae, model, _some(batch))
    head = vae.encoder.posterior
    assert isinstance(head, PosteriorHead)  # one layer of latents
    head.start(weight, bias, 0.5 * variance.log(), vae.encoder.body.n_hidden)


def _exact_encoder(
    model: FactorModel, slope: Tensor, n_inputs: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the posterior of complete rows, as :func:`_linear_encoder` does."""
    weight, variance = model.posterior()
    unused = weight.new_zeros(len(weight), n_inputs - weight.shape[1])  # by the mask
    return torch.cat([weight, unused, -weight @ slope], 1), -weight @ model.center(), variance


def _linear_encoder(vae: VAE, model: FactorModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Regress the posterior means of rows on what the encoder sees of them.

    Returns a weight (d, inputs), a bias (d,) and the mean of the posteriors' variances, (d,).
    """
    cells = vae.cells
    seen = batch.observed[:, cells.owner]
    residual = torch.where(seen, cells.masked_features(batch) - model.center(batch.context), 0.0)
    z, root, _ = _posterior_of(model, residual, seen)
    design = torch.cat([_regressors(batch), cells.features(batch)], 1)
    gram = design.T @ design / len(design)
    gram.diagonal().add_(RIDGE)
    solved = torch.linalg.solve(gram, design.T @ z / len(design)).T  # (d, 1 + m + inputs)
    variance = torch.cholesky_inverse(root).diagonal(dim1=-2, dim2=-1).mean(0)
    bias, by_context, by_input = solved.tensor_split([1, design.shape[1] - cells.n_inputs], 1)
    return torch.cat([by_input, by_context], 1), bias[:, 0], variance


def _some(batch: Batch) -> Batch:
    return batch[:: -(-len(batch) // MAX_EM_ROWS)]
