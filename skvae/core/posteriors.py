"""Posteriors q(z | x): heads on the encoder's features."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .distributions import DiagonalNormal, LatentDistribution, TriangularNormal
from .networks import Linear
from .recipe import Recipe

#: Bound on a posterior's log-scales: beyond it exp overflows, on rows far from any seen.
LOG_SCALE_LIMIT = 15.0


class Posterior(Recipe, ABC):
    """A recipe for q(z | x)."""

    @abstractmethod
    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        """Return a module: features (n, n_features) -> distribution over (n_latent,)."""


class PosteriorHead(nn.Module, ABC):
    """A linear layer whose output is read as a distribution.

    The first ``2 * n_latent`` outputs are the mean and the log-scales; whatever follows is the
    posterior's own business and starts at zero.
    """

    def __init__(self, n_features: int, n_latent: int, n_extra: int = 0):
        super().__init__()
        self.n_latent = n_latent
        self.linear = Linear(n_features, 2 * n_latent + n_extra)

    def forward(self, h: Tensor, dtype: torch.dtype | None = None) -> LatentDistribution:
        """Features (n, f) -> q(z | x), in ``dtype``."""
        return self.read(self.linear(h).to(dtype or h.dtype))

    @abstractmethod
    def read(self, raw: Tensor) -> LatentDistribution:
        """Read raw numbers (n, width) as a distribution."""

    def bounded(self, log_scale: Tensor) -> Tensor:
        """Bound log-scales when not training, where no row is that far and a step is cheaper."""
        if self.training:
            return log_scale
        return log_scale.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)

    @torch.no_grad()
    def start(self, weight: Tensor, bias: Tensor, log_scale: Tensor, n_hidden: int) -> None:
        """Set the mean to ``weight`` (d, f) times the input part of the features, and a bias."""
        d = len(log_scale)
        self.linear.weight.zero_()
        self.linear.bias.zero_()
        self.linear.weight[:d, n_hidden : n_hidden + weight.shape[1]] = weight.to(
            self.linear.weight
        )
        self.linear.bias[:d] = bias.to(self.linear.bias)
        self.linear.bias[d : 2 * d] = log_scale.to(self.linear.bias)


@dataclasses.dataclass
class DiagonalGaussian(Posterior):
    """q(z | x) = N(m(x), diag(s(x))^2).

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014).
    """

    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        return _DiagonalHead(n_features, n_latent)


class _DiagonalHead(PosteriorHead):
    def read(self, raw: Tensor) -> LatentDistribution:
        loc, log_scale = raw.chunk(2, -1)
        return DiagonalNormal(loc, self.bounded(log_scale))


@dataclasses.dataclass
class FullGaussian(Posterior):
    """q(z | x) = N(m(x), L(x) L(x)^T), L lower triangular with a positive diagonal.

    References
    ----------
    "An Introduction to Variational Autoencoders" (Kingma and Welling, 2019), section 2.5.1.
    """

    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        return _FullHead(n_features, n_latent)


class _FullHead(PosteriorHead):
    rows: Tensor
    columns: Tensor

    def __init__(self, n_features: int, n_latent: int):
        super().__init__(n_features, n_latent, n_latent * (n_latent - 1) // 2)
        rows, columns = torch.tril_indices(n_latent, n_latent, -1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def read(self, raw: Tensor) -> LatentDistribution:
        d = self.n_latent
        loc, log_diagonal, below = raw[..., :d], raw[..., d : 2 * d], raw[..., 2 * d :]
        strict = raw.new_zeros(*raw.shape[:-1], d, d)
        strict[..., self.rows, self.columns] = below
        return TriangularNormal(loc, self.bounded(log_diagonal), strict)
