"""The VAE: three conditional distributions and one operation, draws with their log-weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .batch import Batch
from .blueprint import Blueprint
from .cells import Cells
from .images import ImageDecoder
from .latents.distributions import PriorDistribution
from .latents.posteriors import Encoder, PointHead
from .latents.priors import PriorModule
from .networks import Body


class Draw(NamedTuple):
    """Draws of z for every row, with the three log-densities that weigh them."""

    z: Tensor  # (K, n, d)
    log_px: Tensor  # log p(x_observed | z)  (K, n)
    log_pz: Tensor  # log p(z)  (K, n)
    log_qz: Tensor  # log q(z | x), or of whatever z was drawn from  (K, n)

    @property
    def log_w(self) -> Tensor:
        """Log-weights log p(x, z) - log q(z | x), (K, n)."""
        return self.log_px + self.log_pz - self.log_qz


class Decoder(nn.Module):
    """p(x | z): latent vectors -> theta of the cells.

    Parameters
    ----------
    body : Body
        (n, inputs) -> (n, features).
    cells : Cells
    n_above : int
        Latents, the first ones, that cells do not depend on directly.
    """

    def __init__(self, body: Body, cells: Cells, n_above: int = 0):
        super().__init__()
        self.body, self.cells, self.n_above = body, cells, n_above

    @property
    def of_images(self) -> bool:
        """Whether it is convolutional."""
        return isinstance(self.body, ImageDecoder)

    def forward(self, z: Tensor, context: Tensor | None = None) -> list[Tensor]:
        """Latents (..., d) -> theta of every block of cells, each (..., c, p)."""
        thetas: list[Tensor] = self.cells(self.body(join(z[..., self.n_above :], context)))
        return thetas


class VAE(nn.Module):
    """Encoder q(z | x), decoder p(x | z) and prior p(z), each possibly given a context.

    Parameters
    ----------
    encoder : Encoder or None
        None: no q(z | x) is learned, the prior takes its place.
    decoder : Decoder
    prior : Module
        context or None -> distribution of z.
    n_latent : int

    Attributes
    ----------
    blueprint : Blueprint
        What it is built by.
    """

    blueprint: Blueprint

    def __init__(
        self, encoder: Encoder | None, decoder: Decoder, prior: PriorModule, n_latent: int
    ):
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.n_latent = n_latent

    @property
    def cells(self) -> Cells:
        """The table's cells, by family."""
        return self.decoder.cells

    @property
    def members(self) -> tuple[VAE, ...]:
        """The models whose mixture it is: itself, see :class:`skvae.core.ensemble.Ensemble`."""
        return (self,)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the networks."""
        return next(self.parameters()).dtype

    @property
    def deterministic(self) -> bool:
        """Whether z is a function of x, and q(z | x) has no spread."""
        return self.encoder is not None and isinstance(self.encoder.posterior, PointHead)

    @property
    def n_noise(self) -> int:
        """How many standard normal numbers a draw of q(z | x) takes."""
        return self.prior.unmoved()(None).n_noise if self.encoder is None else self.n_latent

    def inputs(self, batch: Batch) -> Tensor:
        """Return what the encoder is given: features of the cells and the context, (n, f)."""
        return join(self.cells.features(batch).to(self.dtype), self._given(batch.context))

    def posterior(self, batch: Batch) -> PriorDistribution:
        """Return q(z | x) for every row, in the dtype of ``batch.x``."""
        if self.encoder is None:
            unmoved = batch.x.new_zeros(len(batch), self.n_latent)
            return self.prior_of(batch).moved(unmoved, unmoved)
        q: PriorDistribution = self.encoder(self.inputs(batch), batch.x.dtype)
        return q

    def prior_of(self, batch: Batch) -> PriorDistribution:
        """Return p(z), given the batch's context where it has one."""
        prior: PriorDistribution = self.prior(self._given(batch.context))
        return prior

    def decode(self, z: Tensor, context: Tensor | None = None) -> list[Tensor]:
        """Return theta of p(x | z) for z (..., d)."""
        thetas: list[Tensor] = self.decoder(z.to(self.dtype), self._given(context))
        return thetas

    def draw(self, batch: Batch, noise: Tensor) -> Draw:
        """Draw z from q(z | x) by standard normal noise (K, n or 1, d), and weigh."""
        z, log_qz = self.posterior(batch).draw(noise)
        return self.weigh(batch, z, log_qz)

    def weigh(self, batch: Batch, z: Tensor, log_qz: Tensor) -> Draw:
        """Weigh draws z (K, n, d) that came with log-density log_qz (K, n)."""
        log_pz = self.prior_of(batch).log_prob(z)
        return Draw(z, self.log_px(batch, z), log_pz, log_qz)

    def log_px(self, batch: Batch, z: Tensor) -> Tensor:
        """Return log p(x_observed | z) for z (K, n, d). -> (K, n)."""
        thetas = self.decode(z, batch.context)
        # The one masked sum over cells: up to here log-probabilities stay per cell.
        return self.cells.log_prob(batch, thetas).sum(-1)

    def log_joint(self, batch: Batch, z: Tensor) -> Tensor:
        """Return log p(x_observed, z) for z (K, n, d). -> (K, n)."""
        return self.log_px(batch, z) + self.prior_of(batch).log_prob(z)

    def pooled(self, draws: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return the draws and log-weights of the only member."""
        (of_self,) = draws
        return of_self

    def average(self, z: Tensor, weight: Tensor, context: Tensor | None) -> list[Tensor]:
        """Return sum_k weight_k E[x | z_k] of each column for z (K, n, d), weight (K, n)."""
        return self.cells.average(self.decode(z, context), weight)

    def sample_given(
        self, z: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """Draw cells x (..., c) given z (..., d)."""
        return self.cells.sample(self.decode(z, context), generator)

    def sample(
        self, n: int, generator: torch.Generator | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw n rows of the model: z (n, d) from the prior, and cells x (n, c) given z."""
        device = next(self.parameters()).device
        prior: PriorDistribution = self.prior(self._given(context))
        shape = (n, prior.n_noise)
        noise = torch.randn(shape, generator=generator, dtype=self.dtype, device=device)
        z = prior.rsample(noise=noise)
        return z, self.sample_given(z, context, generator)

    def _given(self, context: Tensor | None) -> Tensor | None:
        return None if context is None else context.to(self.dtype)


def join(x: Tensor, context: Tensor | None) -> Tensor:
    """Return vectors (..., d) with the context (n, m), where there is one, behind."""
    if context is None:
        return x
    return torch.cat([x, context.expand(*x.shape[:-1], -1)], -1)
