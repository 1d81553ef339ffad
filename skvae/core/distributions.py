"""The distributions that families, priors and posteriors return.

They differ from torch's own in three ways: scales are kept as logarithms, so that a density is
finite wherever its logarithm is; sampling takes a ``generator``, so that no draw touches the
global state; and arguments are never validated, which costs a synchronisation on a GPU.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.kl import register_kl

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def standard_normal_log_prob(noise: Tensor) -> Tensor:
    """Return log N(noise; 0, I) over the last axis. (..., d) -> (...)."""
    return -0.5 * noise.square().sum(-1) - noise.shape[-1] * HALF_LOG_2PI


class CellDistribution(Distribution, ABC):
    """A distribution of single cells, event shape ``()``, drawn with an explicit generator."""

    @abstractmethod
    def sample(  # type: ignore[override]
        self,
        sample_shape: torch.Size | tuple[int, ...] = (),
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw cells, (*sample_shape, *batch_shape)."""


class Normal(CellDistribution):
    """Univariate normal with a logarithmic scale."""

    def __init__(self, loc: Tensor, log_scale: Tensor):
        self.loc, self.log_scale = loc, log_scale
        super().__init__(loc.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        return torch.exp(2.0 * self.log_scale)

    def log_prob(self, value: Tensor) -> Tensor:
        standard = (value - self.loc) * torch.exp(-self.log_scale)
        return -0.5 * standard.square() - self.log_scale - HALF_LOG_2PI

    def sample(  # type: ignore[override]
        self,
        sample_shape: torch.Size | tuple[int, ...] = (),
        generator: torch.Generator | None = None,
    ) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = torch.randn(
            shape, generator=generator, dtype=self.loc.dtype, device=self.loc.device
        )
        return self.loc + torch.exp(self.log_scale) * noise


class BernoulliLogits(CellDistribution):
    """A 0/1 cell given its log-odds."""

    def __init__(self, logits: Tensor):
        self.logits = logits
        super().__init__(logits.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits)

    @property
    def variance(self) -> Tensor:
        return self.mean * torch.sigmoid(-self.logits)

    def log_prob(self, value: Tensor) -> Tensor:
        # log sigmoid((2 x - 1) logit), stable for any logit.
        return torch.nn.functional.logsigmoid((2.0 * value - 1.0) * self.logits)

    def sample(  # type: ignore[override]
        self,
        sample_shape: torch.Size | tuple[int, ...] = (),
        generator: torch.Generator | None = None,
    ) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        uniform = torch.rand(
            shape, generator=generator, dtype=self.logits.dtype, device=self.logits.device
        )
        return (uniform < self.mean).to(self.logits)


class LatentDistribution(Distribution, ABC):
    """A distribution of latent vectors, event shape ``(d,)``, a transform of standard noise."""

    loc: Tensor

    @property
    def mean(self) -> Tensor:
        return self.loc

    @abstractmethod
    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        """Turn standard normal noise (..., d) into draws (..., d)."""

    @abstractmethod
    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Turn noise (..., d) into draws (..., d) and their log-density (...)."""


class DiagonalNormal(LatentDistribution):
    """N(loc, diag(exp(log_scale))^2) over latent vectors."""

    def __init__(self, loc: Tensor, log_scale: Tensor):
        self.loc, self.log_scale = loc, log_scale
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def variance(self) -> Tensor:
        return torch.exp(2.0 * self.log_scale)

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        return self.loc + torch.exp(self.log_scale) * noise

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        return self.rsample(noise), standard_normal_log_prob(noise) - self.log_scale.sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        noise = (value - self.loc) * torch.exp(-self.log_scale)
        return standard_normal_log_prob(noise) - self.log_scale.sum(-1)


class TriangularNormal(LatentDistribution):
    """N(loc, L L^T) over latent vectors, L lower triangular with diagonal exp(log_diagonal)."""

    def __init__(self, loc: Tensor, log_diagonal: Tensor, strict: Tensor):
        # strict  # (..., d, d), strictly lower triangular
        self.loc, self.log_diagonal = loc, log_diagonal
        self.scale_tril = strict + torch.diag_embed(torch.exp(log_diagonal))
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def variance(self) -> Tensor:
        return self.scale_tril.square().sum(-1)

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        return self.loc + torch.einsum("...ij,...j->...i", self.scale_tril, noise)

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        return self.rsample(noise), standard_normal_log_prob(noise) - self.log_diagonal.sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        noise = torch.linalg.solve_triangular(
            self.scale_tril, (value - self.loc).unsqueeze(-1), upper=False
        ).squeeze(-1)
        return standard_normal_log_prob(noise) - self.log_diagonal.sum(-1)


@register_kl(DiagonalNormal, DiagonalNormal)  # type: ignore[untyped-decorator]
def _kl_diagonal(q: DiagonalNormal, p: DiagonalNormal) -> Tensor:
    shift = (q.loc - p.loc) * torch.exp(-p.log_scale)
    log_ratio = q.log_scale - p.log_scale
    return 0.5 * (torch.exp(2.0 * log_ratio) + shift.square() - 1.0).sum(-1) - log_ratio.sum(-1)


@register_kl(TriangularNormal, DiagonalNormal)  # type: ignore[untyped-decorator]
def _kl_triangular(q: TriangularNormal, p: DiagonalNormal) -> Tensor:
    shift = (q.loc - p.loc) * torch.exp(-p.log_scale)
    ratio = q.variance * torch.exp(-2.0 * p.log_scale)
    log_ratio = q.log_diagonal - p.log_scale
    return 0.5 * (ratio + shift.square() - 1.0).sum(-1) - log_ratio.sum(-1)
