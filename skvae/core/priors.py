"""Priors p(z), or p(z | context)."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .distributions import DiagonalNormal, PriorDistribution
from .recipe import Recipe


class Prior(Recipe, ABC):
    """A recipe for p(z)."""

    @abstractmethod
    def build(self, n_latent: int, n_context: int = 0) -> nn.Module:
        """Return a module: context (n, n_context) or None -> distribution over (n_latent,)."""


@dataclasses.dataclass
class StandardNormal(Prior):
    """p(z) = N(0, I), whatever the context."""

    def build(self, n_latent: int, n_context: int = 0) -> nn.Module:
        return _StandardNormal(n_latent)


class _StandardNormal(nn.Module):
    zero: Tensor

    def __init__(self, n_latent: int):
        super().__init__()
        self.register_buffer("zero", torch.zeros(n_latent), persistent=False)

    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        return DiagonalNormal(self.zero, self.zero)
