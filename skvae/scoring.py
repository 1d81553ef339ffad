"""Scoring: tiles of rows by tiles of draws, so that a row's score depends on the row alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from .core.cells import Batch
from .core.importance import log_marginal
from .core.noise import KeyedNoise
from .core.proposals import Proposal
from .core.vae import VAE

#: Rows are scored in tiles of this many, the last one padded, by this many draws at a time:
#: arithmetic of one shape hardly depends on a row's company.
TILE_ROWS = 64
TILE_DRAWS = 64


def tiles(rows: Batch) -> Iterator[tuple[Batch, int]]:
    """Cut rows into tiles of TILE_ROWS, the last one padded; yield each with its true size."""
    for start in range(0, len(rows), TILE_ROWS):
        tile = rows[start : start + TILE_ROWS]
        yield tile[torch.arange(TILE_ROWS).clamp_max(len(tile) - 1)], len(tile)


@torch.no_grad()
def log_likelihood(
    vae: VAE, rows: Batch, proposal: Proposal, n_draws: int, seed: int, device: torch.device
) -> Tensor:
    """Return the importance-weighted estimate of log p(cells), (n,).

    Parameters
    ----------
    vae : VAE
    rows : Batch
        On the CPU, in float64: that is the dtype in which densities are summed.
    proposal : Proposal
    n_draws : int
    seed : int
        Of the keyed noise.
    device : torch.device
        Where the model is.
    """
    vae = precise(vae, device)
    keyed = KeyedNoise(seed, proposal.n_noise(vae.n_latent), rows.x.shape[1])
    points = keyed.points(n_draws).split(TILE_DRAWS)

    def log_w(tile: Batch) -> Tensor:
        there = place(tile, device)
        noises = (keyed(some, tile.x).to(there.x) for some in points)
        return torch.cat([proposal(vae, there, noise)[1] for noise in noises])

    return torch.cat([log_marginal(log_w(tile))[:n].cpu() for tile, n in tiles(rows)]).double()


@torch.no_grad()
def posterior_mean(vae: VAE, rows: Batch, device: torch.device) -> Tensor:
    """Return the mean of q(z | x), (n, d)."""
    vae = precise(vae, device)
    means = [vae.posterior(place(tile, device)).mean[:n].cpu() for tile, n in tiles(rows)]
    return torch.cat(means).double()


def precise(vae: VAE, device: torch.device) -> VAE:
    """Return the model to score with: on a CPU a copy in float64.

    Matrix products in float32 differ by 1e-6 with a row's place in a tile, those in float64 by
    1e-15. GPUs, where float64 may be sixty times slower, keep float32 networks; densities are
    summed in float64 there too.
    """
    return copy.deepcopy(vae).double() if device.type == "cpu" else vae


def place(rows: Batch, device: torch.device) -> Batch:
    """Move rows to a device, in float64 where it has it."""
    return rows.to(device, torch.float32 if device.type == "mps" else torch.float64)
