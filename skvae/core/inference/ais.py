"""Annealed importance sampling with Hamiltonian moves: an estimate that trusts no approximation.

Chains go from the prior to the posterior by way of p(z) p(x | z)^beta, beta rising from 0 to 1.
The weights of whole chains have the mean p(x), whatever the moves, and the same chains run
backwards from an exact posterior draw have weights whose inverse has the mean 1 / p(x): on rows of
the model itself the two hold log p(x) from both sides.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..batch import Batch
from ..importance import log_marginal
from ..noise import Noise
from ..vae import VAE

#: Chains of the run that tunes the step sizes, the share of moves it aims to accept, and by how
#: much sizes follow the difference from one temperature to the next.
TUNING_CHAINS = 16
TARGET_ACCEPTANCE = 0.65
TUNING_RATE = 0.3


class State(NamedTuple):
    """Chains (K, n): where they are, and both log-densities with their gradients there."""

    z: Tensor  # (K, n, d)
    log_pz: Tensor  # (K, n)
    log_px: Tensor  # (K, n)
    grad_pz: Tensor  # (K, n, d)
    grad_px: Tensor  # (K, n, d)

    def log_density(self, beta: Tensor) -> Tensor:
        """Return log p(z) + beta log p(x | z), (K, n)."""
        return self.log_pz + beta * self.log_px

    def gradient(self, beta: Tensor) -> Tensor:
        """Return its gradient, (K, n, d)."""
        return self.grad_pz + beta * self.grad_px


@dataclasses.dataclass(frozen=True)
class Annealing:
    """The way from prior to posterior for the rows of a batch.

    Attributes
    ----------
    vae : VAE
    batch : Batch
    betas : Tensor of shape (T + 1,)
        From 0 to 1.
    n_leapfrog : int
    step_sizes : Tensor of shape (T, n, d)
        Of the moves at every beta but the first, by row and latent.
    """

    vae: VAE
    batch: Batch
    betas: Tensor
    n_leapfrog: int
    step_sizes: Tensor

    @classmethod
    def tuned(cls, vae: VAE, batch: Batch, n_temperatures: int, n_leapfrog: int) -> Annealing:
        """Find step sizes by a run of its own, whose chains are then thrown away.

        Chains that tuned their own moves would no longer have weights with the mean p(x).
        """
        generator = torch.Generator().manual_seed(0)

        def noise(n_noise: int) -> Tensor:
            shape = (TUNING_CHAINS, 1, n_noise)
            shared = torch.randn(shape, generator=generator, dtype=torch.float64)
            return shared.expand(-1, len(batch), -1).to(batch.x)

        betas = schedule(n_temperatures).to(batch.x)
        sizes = batch.x.new_empty(n_temperatures, len(batch), vae.n_latent)
        way = cls(vae, batch, betas, n_leapfrog, sizes)
        state = way.start(noise)
        relative = batch.x.new_full((len(batch), 1), 0.5)
        for t, beta in enumerate(betas[1:]):
            sizes[t] = relative * state.z.std(0)
            state, accepted = way.move(state, beta, sizes[t], noise)
            rise = TUNING_RATE * (accepted - TARGET_ACCEPTANCE)
            relative = relative * torch.exp(rise).unsqueeze(-1)
        return way

    def start(self, noise: Noise) -> State:
        """Draw the first state of the chains from the prior."""
        prior = self.vae.prior_of(self.batch)
        return self.at(prior.rsample(noise(prior.n_noise)))

    def at(self, z: Tensor) -> State:
        """Evaluate both densities and their gradients at z (K, n, d)."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            log_pz = self.vae.prior_of(self.batch).log_prob(z)
            log_px = self.vae.log_px(self.batch, z)
            (grad_pz,) = torch.autograd.grad(log_pz.sum(), z)
            (grad_px,) = torch.autograd.grad(log_px.sum(), z)
        return State(z.detach(), log_pz.detach(), log_px.detach(), grad_pz, grad_px)

    def move(self, state: State, beta: Tensor, size: Tensor, noise: Noise) -> tuple[State, Tensor]:
        """Make a Hamiltonian move that leaves p(z) p(x | z)^beta as it is.

        Step sizes (n, d). Returns the new state and the share of chains that moved, (n,).

        References
        ----------
        "MCMC using Hamiltonian dynamics" (Neal, 2011).
        """
        numbers = noise(self.vae.n_latent + 1)
        momentum, log_u = numbers[..., :-1], torch.special.log_ndtr(numbers[..., -1])
        there, p = state, momentum
        for _ in range(self.n_leapfrog):
            p = p + 0.5 * size * there.gradient(beta)
            there = self.at(there.z + size * p)
            p = p + 0.5 * size * there.gradient(beta)
        kinetic = 0.5 * (momentum.square() - p.square()).sum(-1)
        accepted = log_u < there.log_density(beta) - state.log_density(beta) + kinetic
        kept = [
            torch.where(accepted.reshape(*accepted.shape, *[1] * (new.ndim - 2)), new, old)
            for new, old in zip(there, state, strict=True)
        ]
        return State(*kept), accepted.to(log_u).mean(0)


def schedule(n_temperatures: int) -> Tensor:
    """Return betas from 0 to 1, (n_temperatures + 1,), close together at both ends."""
    s = torch.sigmoid(torch.linspace(-4.0, 4.0, n_temperatures + 1, dtype=torch.float64))
    return (s - s[0]) / (s[-1] - s[0])


def annealed(way: Annealing, noise: Noise) -> tuple[Tensor, Tensor]:
    """Run chains from the prior to the posterior; return z (K, n, d) and log-weights (K, n)."""
    state = way.start(noise)
    log_w = torch.zeros_like(state.log_px)
    for t in range(len(way.step_sizes)):
        log_w = log_w + (way.betas[t + 1] - way.betas[t]) * state.log_px
        state, _ = way.move(state, way.betas[t + 1], way.step_sizes[t], noise)
    return state.z, log_w


def _reversed(way: Annealing, z: Tensor, noise: Noise) -> Tensor:
    """Run the chains backwards from posterior draws z (K, n, d); return log-weights (K, n)."""
    state = way.at(z)
    log_w = torch.zeros_like(state.log_px)
    for t in reversed(range(len(way.step_sizes))):
        state, _ = way.move(state, way.betas[t + 1], way.step_sizes[t], noise)
        log_w = log_w + (way.betas[t + 1] - way.betas[t]) * state.log_px
    return log_w


@torch.no_grad()
def bidirectional(
    vae: VAE,
    n_rows: int,
    *,
    n_chains: int = 16,
    n_temperatures: int = 1000,
    n_leapfrog: int = 5,
    context: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Hold log p(x) from both sides on rows drawn from the model.

    A row comes with the z it was drawn from, an exact draw of its posterior; chains from the
    prior bound log p(x) from below, chains back from that z from above, each in expectation. Where
    the two meet, the estimate is proved right for rows like the model's own.

    Parameters
    ----------
    vae : VAE
    n_rows : int
    n_chains : int
        Chains a row, each way.
    n_temperatures, n_leapfrog : int
    context : Tensor of shape (n_rows, m), optional
    generator : torch.Generator, optional

    Returns
    -------
    lower, upper : Tensors of shape (n_rows,)

    References
    ----------
    "On the Quantitative Analysis of Decoder-Based Generative Models" (Wu et al., 2017).
    """
    z, x = vae.sample(n_rows, generator, context)
    batch = Batch(x.double(), None, context)
    way = Annealing.tuned(vae, batch, n_temperatures, n_leapfrog)

    def noise(n_noise: int) -> Tensor:
        shape = (n_chains, n_rows, n_noise)
        numbers = torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)
        return numbers.to(batch.x)

    lower = log_marginal(annealed(way, noise)[1])
    backward = _reversed(way, z.to(batch.x).expand(n_chains, -1, -1), noise)
    return lower, -(torch.logsumexp(-backward, 0) - math.log(n_chains))
