"""Objectives: what training maximises, row by row."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from .batch import Batch
from .importance import log_marginal
from .recipe import Recipe
from .vae import VAE


class Bound(NamedTuple):
    """An objective's value on a batch, with the two terms a training curve is split into."""

    value: Tensor  # to maximise, (n,)
    penalty: Tensor | None  # to minimise beside the mean of value, (), None where there is none
    log_px: Tensor  # reconstruction, mean over draws of log p(x | z), (n,)
    kl: Tensor  # divergence of q(z | x) from the prior, (n,)


class Objective(Recipe, ABC):
    """A recipe for a bound of log p(x)."""

    def validate(self) -> None:
        """Raise ValueError where a field has no meaning."""

    @abstractmethod
    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        """Return the objective of ``vae``, which is to be trained on ``n_train`` rows."""


class ObjectiveModule(nn.Module, ABC):
    """An objective bound to a model; it may own parameters, which are trained too."""

    def __init__(self, vae: VAE):
        super().__init__()
        self.vae = vae

    @abstractmethod
    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        """Evaluate the objective on a batch, with noise from ``generator``."""

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return what early stopping watches, (n,): the importance-weighted bound."""
        return log_marginal(self.vae.draw(batch, noise).log_w)

    def noise(self, batch: Batch, n_draws: int, generator: torch.Generator | None) -> Tensor:
        """Return standard normal noise (n_draws, n, d)."""
        shape = (n_draws, len(batch), self.vae.n_latent)
        x = batch.x
        return torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)


@dataclasses.dataclass
class ELBO(Objective):
    """The evidence lower bound, E_q[log p(x | z)] - KL(q(z | x) || p(z)).

    Parameters
    ----------
    n_draws : int, default=1
        Draws of z a row. The divergence is taken in closed form where there is one for the
        posterior and prior in use, else from the same draws.

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014), equation 10.
    """

    n_draws: int = 1

    def validate(self) -> None:
        _check_draws(self)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _ELBO(vae, self.n_draws)


class _ELBO(ObjectiveModule):
    def __init__(self, vae: VAE, n_draws: int):
        super().__init__(vae)
        self.n_draws = n_draws

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        q = self.vae.posterior(batch)
        noise = self.noise(batch, self.n_draws, generator)
        try:
            kl = kl_divergence(q, self.vae.prior_of(batch))
        except NotImplementedError:
            draw = self.vae.weigh(batch, *q.draw(noise))
            log_px, kl = draw.log_px.mean(0), (draw.log_qz - draw.log_pz).mean(0)
        else:
            log_px = self.vae.log_px(batch, q.rsample(noise)).mean(0)
        return Bound(log_px - kl, None, log_px, kl)


@dataclasses.dataclass
class IWAE(Objective):
    """The importance-weighted bound, E log (1/K) sum_k p(x, z_k) / q(z_k | x).

    Parameters
    ----------
    n_draws : int, default=5
        K, draws of z a row; with 1 it is the ELBO.

    References
    ----------
    "Importance Weighted Autoencoders" (Burda et al., 2016), equation 8.
    """

    n_draws: int = 5

    def validate(self) -> None:
        _check_draws(self)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _IWAE(vae, self.n_draws)


class _IWAE(ObjectiveModule):
    def __init__(self, vae: VAE, n_draws: int):
        super().__init__(vae)
        self.n_draws = n_draws

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        draw = self.vae.draw(batch, self.noise(batch, self.n_draws, generator))
        kl = (draw.log_qz - draw.log_pz).mean(0)
        return Bound(log_marginal(draw.log_w), None, draw.log_px.mean(0), kl)


def _check_draws(recipe: ELBO | IWAE) -> None:
    if not isinstance(recipe.n_draws, int) or recipe.n_draws < 1:
        raise ValueError(
            f"{type(recipe).__name__}(n_draws={recipe.n_draws!r}): expected an integer >= 1."
        )
