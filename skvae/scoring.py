"""Scoring: tiles of rows by tiles of draws, so that a row's score depends on the row alone."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from .core.cells import Batch
from .core.importance import effective_sample_size, log_marginal, pareto_k, standard_error
from .core.latent import active_units, kl_per_unit
from .core.noise import KeyedNoise, Noise
from .core.proposals import EncoderProposal, Proposal
from .core.vae import VAE

#: Rows are scored in tiles of at most this many, the last one padded, by at most this many draws
#: at a time: arithmetic of one shape hardly depends on a row's company.
TILE_ROWS = 64
TILE_DRAWS = 64
#: Draws from the encoder for the ELBO.
ELBO_DRAWS = 64
#: Arrays of the size of all parameters of the cells that live at once while a tile is scored.
LIVE_ARRAYS = 8
#: Such an array should fit in a processor's cache: at 784 columns it is 1.5 times as fast, as long
#: as there are draws enough for one call.
CACHED_BYTES = 2**23
MIN_CACHED_DRAWS = 8


@dataclasses.dataclass(frozen=True)
class Tile:
    """How many rows and draws are handled at a time."""

    rows: int = TILE_ROWS
    draws: int = TILE_DRAWS

    @classmethod
    def within(cls, vae: VAE, working_memory: float) -> Tile:
        """Return the largest tile that fits in so many bytes: powers of two, at least 1."""
        n_bytes = 8 * (vae.cells.n_parameters + vae.decoder.body.n_out)  # of one row and draw
        in_memory = working_memory / (LIVE_ARRAYS * n_bytes)
        in_cache = max(CACHED_BYTES / n_bytes, MIN_CACHED_DRAWS * TILE_ROWS)
        draws = min(TILE_DRAWS, _power_of_two(min(in_memory, in_cache) / TILE_ROWS))
        # A mode needs the derivative by every latent of a row at once.
        rows = min(TILE_ROWS, _power_of_two(in_memory / max(draws, vae.n_latent)))
        return cls(rows, draws)

    def cut(self, rows: Batch) -> Iterator[tuple[Batch, int]]:
        """Cut rows into tiles, the last one padded; yield each with its true size."""
        for start in range(0, len(rows), self.rows):
            tile = rows[start : start + self.rows]
            yield tile[torch.arange(self.rows).clamp_max(len(tile) - 1)], len(tile)


def _power_of_two(x: float) -> int:
    return 2 ** max(int(x).bit_length() - 1, 0)


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How rows are scored.

    Attributes
    ----------
    proposal : Proposal
    n_draws : int
    seed : int
        Of the keyed noise.
    device : torch.device
        Where the model is.
    working_memory : float
        Bytes.
    """

    proposal: Proposal
    n_draws: int
    seed: int
    device: torch.device
    working_memory: float

    @torch.no_grad()
    def log_w(self, vae: VAE, rows: Batch) -> Iterator[Tensor]:
        """Yield the log-weights (n_draws, n) of one tile of rows after the other.

        Rows are on the CPU, in float64: that is the dtype in which densities are summed.
        """
        vae = precise(vae, self.device)
        one_row = Tile(rows=1)
        shape = one_row if self.proposal.row_by_row else Tile.within(vae, self.working_memory)
        for tile, n in shape.cut(rows):
            source = self.proposal.build(vae, place(tile, self.device))
            log_w = [source(noise)[1].cpu() for noise in self._noises(tile, shape.draws)]
            yield torch.cat(log_w)[:, :n].double()

    def _noises(self, tile: Batch, n_draws: int) -> Iterator[Noise]:
        """Return the noise of a tile, so many draws at a time."""
        dtype = place(tile, self.device).x.dtype
        keyed = KeyedNoise(self.seed, tile.x, self.n_draws)
        for start in range(0, self.n_draws, n_draws):
            noise = keyed.of(slice(start, start + n_draws))
            yield lambda n_noise, noise=noise: noise(n_noise).to(self.device, dtype)

    def log_marginal(self, vae: VAE, rows: Batch) -> Tensor:
        """Return the estimate of log p(cells), (n,)."""
        return torch.cat([log_marginal(log_w) for log_w in self.log_w(vae, rows)])

    def elbo(self, vae: VAE, rows: Batch) -> Tensor:
        """Return the evidence lower bound, (n,)."""
        encoder = dataclasses.replace(self, proposal=EncoderProposal(), n_draws=ELBO_DRAWS)
        return torch.cat([log_w.mean(0) for log_w in encoder.log_w(vae, rows)])

    def estimate(self, vae: VAE, rows: Batch) -> dict[str, Tensor]:
        """Return the estimate with everything that says how good it is, each (n,)."""
        functions = {
            "value": log_marginal,
            "standard_error": standard_error,
            "effective_sample_size": effective_sample_size,
            "pareto_k": pareto_k,
        }
        parts = [
            {name: f(log_w) for name, f in functions.items()} for log_w in self.log_w(vae, rows)
        ]
        found = {name: torch.cat([part[name] for part in parts]) for name in functions}
        return {**found, "elbo": self.elbo(vae, rows)}


@torch.no_grad()
def posterior_mean(vae: VAE, rows: Batch, device: torch.device) -> Tensor:
    """Return the mean of q(z | x), (n, d)."""
    vae = precise(vae, device)
    means = [vae.posterior(place(tile, device)).mean[:n].cpu() for tile, n in Tile().cut(rows)]
    return torch.cat(means).double()


@torch.no_grad()
def latent_use(vae: VAE, rows: Batch) -> tuple[Tensor, Tensor]:
    """Return which latents are active, (d,) bool, and the mean KL of each, (d,), on the device."""
    q = vae.posterior(rows)
    return active_units(q.mean), kl_per_unit(q, vae.prior_of(rows)).mean(0)


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
