"""Proposals: where draws of z come from when a row is scored."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

from torch import Tensor

from .cells import Batch
from .recipe import Recipe
from .vae import VAE


class Proposal(Recipe, ABC):
    """A recipe for draws with log-weights whose mean weight is an unbiased estimate of p(x)."""

    def n_noise(self, n_latent: int) -> int:
        """Return how many standard normal numbers a draw takes."""
        return n_latent

    @abstractmethod
    def __call__(self, vae: VAE, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (K, n, d) and log_w (K, n), given noise (K, n, n_noise)."""


@dataclasses.dataclass
class EncoderProposal(Proposal):
    """Draws from q(z | x)."""

    def __call__(self, vae: VAE, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        draw = vae.draw(batch, noise)
        return draw.z, draw.log_w


@dataclasses.dataclass
class PriorProposal(Proposal):
    """Draws from p(z): simple Monte Carlo, log_w = log p(x | z)."""

    def __call__(self, vae: VAE, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        z, log_pz = vae.prior_of(batch).draw(noise)
        draw = vae.weigh(batch, z, log_pz)
        return draw.z, draw.log_w
