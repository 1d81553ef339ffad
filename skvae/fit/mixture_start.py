"""The start at a mixture of normals: a latent for each column, which the decoder copies.

With little noise Psi left to the decoder, p(x | z) = N(W z, Psi), and W that makes W^T Psi^-1 W
diagonal, the encoder is exact as in factor analysis. The prior has the components of a mixture of
the columns themselves, less that noise: the untrained model is the mixture.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.families.base import Family
from ..core.families.normal import MayBeBounded
from ..core.latents.priors import Mixture, MixtureModule, Prior
from ..core.linear import FactorModel, noise_floor, start_linear
from ..core.vae import VAE
from ..table.codecs import Float
from .mixtures import Candidate, chosen

#: From so many rows there may be more components, which need less regularisation.
MANY_ROWS = 5_000
COMPONENTS_OF_FEW, COMPONENTS_OF_MANY = (1, 2, 3, 5, 8, 12, 20), (5, 12, 20, 40)
#: Types of covariance and regularisations that are compared; the last of them with few rows alone.
TYPES, REGULARISATIONS = ("full", "diag"), (1e-8, 1e-6, 1e-3, 1e-2, 1e-1)
#: Rows that candidates are compared by, and fitted to in the end.
MAX_ROWS = 20_000

#: Share of the least variance in any direction of any component that is left to the decoder.
NOISE = 0.25
#: What is left of a component at least in a direction where the decoder has all of its noise, in
#: variances of that noise.
LEAST = 1e-2


class ColumnMixture(NamedTuple):
    """A mixture of normals of standardised features, float64."""

    weights: Tensor  # (k,)
    means: Tensor  # (k, c)
    covariances: Tensor  # (k, c, c)

    @classmethod
    def fitted(cls, candidate: Candidate, x: Float, seed: int) -> ColumnMixture:
        """Fit a mixture to rows (n, c)."""
        mixture = candidate.fit(_some(x), seed)
        found = mixture.weights_, mixture.means_, mixture.covariances_
        weights, means, covariances = map(torch.as_tensor, found)
        is_full = candidate.covariance_type == "full"
        return cls(weights, means, covariances if is_full else torch.diag_embed(covariances))

    @property
    def covariance(self) -> Tensor:
        """Of all rows, (c, c)."""
        mean = self.weights @ self.means
        second = self.covariances + self.means.unsqueeze(-1) * self.means.unsqueeze(-2)
        total: Tensor = torch.einsum("k,kij->ij", self.weights, second) - mean.outer(mean)
        return total


def copies(family: Family) -> bool:
    """Whether the cells of a family, or what they are made to, can be copied with normal noise."""
    return isinstance(family, MayBeBounded) and family.scale == "cell"


def chosen_mixture(x: Float, prior: Prior, seed: int) -> Candidate | None:
    """Return what a mixture of rows (n, c) is best fitted with, with the components of a prior.

    None if rows are too few.
    """
    assert isinstance(prior, Mixture)
    few, n = len(x) < MANY_ROWS, prior.n_components
    components = (n,) if isinstance(n, int) else COMPONENTS_OF_FEW if few else COMPONENTS_OF_MANY
    grid = product(components, TYPES[: 1 + few], REGULARISATIONS[: 3 + 2 * few])
    return chosen([Candidate(*of) for of in grid], _some(x), seed)


@torch.no_grad()
def start_at_mixture(vae: VAE, mixture: ColumnMixture) -> None:
    """Set a model with a latent for each column to a mixture, which then is its density."""
    noise = _noise(mixture, noise_floor(vae.cells).to(mixture.means).square())
    root = noise.sqrt()
    # In units of the noise, turned to the axes of all rows: z = (y - mean) / spread.
    variance, axes = torch.linalg.eigh(_scaled(mixture.covariance, root))
    spread = (variance - 1.0).clamp_min(LEAST).sqrt()
    center = mixture.weights @ mixture.means
    loadings = root.unsqueeze(-1) * axes * spread
    start_linear(vae, FactorModel(loadings, noise, center))
    to_latents = (axes / spread).T / root  # (c, c)
    left = _less_noise(_scaled(mixture.covariances, root))
    turned = axes.T @ left @ axes / spread / spread.unsqueeze(-1)
    below = torch.linalg.cholesky(turned)
    roots = torch.linalg.solve_triangular(below, torch.eye(len(noise)).to(below), upper=False)
    prior = vae.prior.unmoved()
    assert isinstance(prior, MixtureModule)
    prior.start(mixture.weights, (mixture.means - center) @ to_latents.T, roots)


def _some(x: Float) -> Float:
    return x[:: -(-len(x) // MAX_ROWS)]


def _noise(mixture: ColumnMixture, smallest: Tensor) -> Tensor:
    """Return variances of the decoder's noise, (c,), of what no component knows of each column."""
    precisions = torch.linalg.inv(mixture.covariances)
    unknown = 1.0 / torch.diagonal(precisions, dim1=-2, dim2=-1).amax(0)
    root = unknown.sqrt()
    most = torch.linalg.eigvalsh(precisions * root * root.unsqueeze(-1)).amax()
    return torch.maximum(NOISE * unknown / most, smallest)


def _scaled(covariances: Tensor, root: Tensor) -> Tensor:
    """Return covariances in units of the noise."""
    scaled: Tensor = covariances / root / root.unsqueeze(-1)
    return scaled


def _less_noise(covariances: Tensor) -> Tensor:
    """Return what is left of covariances in units of the noise without that noise."""
    variance, axes = torch.linalg.eigh(covariances)
    left: Tensor = axes * (variance - 1.0).clamp_min(LEAST).unsqueeze(-2) @ axes.mT
    return left
