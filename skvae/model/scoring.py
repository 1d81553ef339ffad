"""Scoring: tiles of rows by tiles of draws, so that a row's score depends on the row alone."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..core.batch import Batch, filled
from ..core.ensemble import AnyVAE
from ..core.importance import effective_sample_size, log_marginal, pareto_k, standard_error
from ..core.inference.peaks import PEAKS
from ..core.inference.proposals import (
    DefensiveProposal,
    DirectProposal,
    EncoderProposal,
    PriorProposal,
    Proposal,
    Source,
    adapted,
)
from ..core.inference.surprise import log_with_and_without
from ..core.latents.distributions import PriorDistribution
from ..core.latents.usage import active_units, kl_per_unit
from ..core.noise import FreshNoise, KeyedNoise, Noise
from ..core.vae import VAE
from ..table.telling import progress_bar

#: Rows are scored in tiles of at most so many, whose climbs share their calls: a row that is done
#: leaves. In float64, whose rounding no score can tell; of networks in float32 a tile is small and
#: its last one is filled up, for arithmetic of one shape hardly depends on a row's company.
TILE_ROWS = 1024
FILLED_ROWS = 64
#: Pairs of a row and a draw that are handled at a time, and draws of a row alone.
TILE_PAIRS = 4096
TILE_DRAWS = 64
#: Draws from the encoder for the ELBO.
ELBO_DRAWS = 64
#: Arrays of the size of all parameters of the cells that live at once while a tile is scored.
LIVE_ARRAYS = 8
#: Such an array should fit in a processor's cache: at 784 columns it is 1.5 times as fast, as long
#: as there are pairs enough for one call.
CACHED_BYTES = 2**23
MIN_CACHED_PAIRS = 512
#: Share of the working memory for the draws of a tile, and matrices by latents of a row: some for
#: each of its peaks.
SHARE_OF_DRAWS = 1 / 8
MATRICES = 6 * PEAKS


#: Rows of which a bar shows how many are done: they take some seconds.
MANY_ROWS = 5_000

#: A function of log-weights, (K, n) -> (n,).
Summary = Callable[[Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class Tile:
    """How many rows are scored together, and how many pairs of row and draw at a time."""

    rows: int
    pairs: int
    filled: bool

    @classmethod
    def within(cls, vae: AnyVAE, n_draws: int, working_memory: float) -> Tile:
        """Return the largest tile that fits in so many bytes: powers of two, at least 1."""
        d, filled = vae.n_latent, vae.dtype != torch.float64
        n_bytes = 8 * (vae.cells.n_parameters + vae.decoder.body.n_live)  # of one row and draw
        in_memory = working_memory / (LIVE_ARRAYS * n_bytes)
        in_cache = max(CACHED_BYTES / n_bytes, MIN_CACHED_PAIRS)
        pairs = min(TILE_PAIRS, _power_of_two(min(in_memory, in_cache)))
        # Of a row all draws of z, and what a climb knows of the derivative by every latent.
        of_row = 8 * (n_draws * (d + 4) + MATRICES * d * d) / SHARE_OF_DRAWS
        at_most = min(FILLED_ROWS if filled else TILE_ROWS, pairs, in_memory / d)
        rows = _power_of_two(min(at_most, working_memory / of_row))
        return cls(rows, max(pairs, rows), filled)

    def draws(self, n_rows: int) -> int:
        """Return how many draws of so many rows are handled at a time."""
        return max(self.pairs // (self.rows if self.filled else n_rows), 1)

    def padded(self, index: Tensor) -> Tensor:
        """Return the positions of a tile's rows, the last one repeated where it is to be filled."""
        return filled(index, self.rows) if self.filled else index


def _power_of_two(x: float) -> int:
    return 2 ** max(int(x).bit_length() - 1, 0)


class NoBar:
    """A progress bar that is not there."""

    def update(self, n: int) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Leave nothing."""


class Weighted(NamedTuple):
    """Draws of z for some rows, with their log-weights, on the CPU."""

    rows: Tensor  # which, (m,)
    z: Tensor  # (K, m, d)
    log_w: Tensor  # (K, m), float64


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How rows are scored, and completed, by a model in the dtype to score with.

    Attributes
    ----------
    proposal : Proposal
    n_draws : int
        Of each member, where they are several.
    noise : callable
        Rows (n, c) and a number of draws -> their noise: keyed, or fresh.
    device : torch.device
        Where the model is.
    working_memory : float
        Bytes.
    pad : bool
        Whether the last tile is filled up, so that no row's score depends on how many there are.
    rounds : int
        How often to draw again, each time by proposals adapted to the draws before.
    shown : bool
        Whether a bar shows how many rows are done, where they are many.
    """

    proposal: Proposal
    n_draws: int
    noise: Callable[[Tensor, int], KeyedNoise | FreshNoise]
    device: torch.device
    working_memory: float
    pad: bool = True
    rounds: int = 0
    shown: bool = False

    @torch.no_grad()
    def draw(self, vae: AnyVAE, rows: Batch) -> Iterator[Weighted]:
        """Yield weighted draws of z for one tile of rows after the other.

        Rows are on the CPU, in float64: that is the dtype in which densities are summed. Those
        without an observed cell have the prior for a posterior, and are drawn from it.
        """
        empty = ~rows.observed.any(-1)
        with contextlib.closing(self._bar(len(rows))) as bar:
            for proposal, which in ((self.proposal, ~empty), (PriorProposal(), empty)):
                index = which.nonzero().squeeze(-1)
                for weighted in self._draw(vae, rows, index, proposal) if len(index) else ():
                    yield weighted
                    bar.update(len(weighted.rows))

    def _bar(self, n_rows: int) -> Any:
        """Return what shows how many rows are done."""
        if not self.shown or n_rows < MANY_ROWS:
            return NoBar()
        return progress_bar(total=n_rows, unit="row", desc="rows")

    def _draw(
        self, vae: AnyVAE, rows: Batch, index: Tensor, proposal: Proposal
    ) -> Iterator[Weighted]:
        shape = self.tile(vae)
        if proposal.row_by_row:
            shape = dataclasses.replace(shape, rows=1, pairs=TILE_DRAWS)
        for some in index.split(shape.rows):
            tile = rows[shape.padded(some)]
            batch = place(tile, self.device)
            n_draws = shape.draws(len(some))
            parts = []
            for member in vae.members:  # all by the same noise
                noises = list(self._noises(tile, batch.x.dtype, n_draws))
                parts.append(self._draw_by(member, batch, proposal, noises))
            z, log_w = vae.pooled(parts)
            yield Weighted(some, z[:, : len(some)].cpu(), log_w[:, : len(some)].cpu().double())

    def _draw_by(
        self, vae: VAE, batch: Batch, proposal: Proposal, noises: list[Noise]
    ) -> tuple[Tensor, Tensor]:
        """Return draws of one model and their log-weights, on its device."""
        z, log_w = _joined(proposal.build(vae, batch), noises)
        for _ in range(self.rounds):
            z, log_w = _drawn_again(vae, batch, z, log_w, noises)
        return z, log_w

    def tile(self, vae: AnyVAE) -> Tile:
        """Return how many rows and draws of a model are handled at a time."""
        tile = Tile.within(vae, len(vae.members) * self.n_draws, self.working_memory)
        return tile if self.pad else dataclasses.replace(tile, filled=False)

    def _noises(self, tile: Batch, dtype: torch.dtype, n_draws: int) -> Iterator[Noise]:
        """Return the noise of a tile, so many draws at a time."""
        of_tile = self.noise(tile.x, self.n_draws)
        for start in range(0, self.n_draws, n_draws):
            yield self._placed(of_tile.of(slice(start, start + n_draws)), dtype)

    def _placed(self, noise: Noise, dtype: torch.dtype) -> Noise:
        return lambda n_noise: noise(n_noise).to(self.device, dtype)

    def summarise(self, vae: AnyVAE, rows: Batch, *functions: Summary) -> list[Tensor]:
        """Return functions of the log-weights of every row, each (n,)."""
        found = [rows.x.new_empty(len(rows), dtype=torch.float64) for _ in functions]
        for index, _, log_w in self.draw(vae, rows):
            for whole, function in zip(found, functions, strict=True):
                whole[index] = function(log_w)
        return found

    def log_marginal(self, vae: AnyVAE, rows: Batch) -> Tensor:
        """Return the estimate of log p(cells), (n,)."""
        return self.summarise(vae, rows, log_marginal)[0]

    @torch.no_grad()
    def log_given_rest(self, vae: AnyVAE, rows: Batch, column: Tensor) -> Tensor:
        """Return log p(x_j | other observed cells), (n,), of an observed column j of every row.

        A proposal whose density is not known at any z has the defensive one in its place.
        """
        is_cell = rows.observed.gather(1, column.unsqueeze(-1)).squeeze(-1)
        found = self.log_marginal(vae, rows[(lone := (rows.observed.sum(-1) == 1) & is_cell)])
        whole = rows.x.new_empty(len(rows), dtype=torch.float64).masked_scatter(lone, found)
        direct = self.proposal if isinstance(self.proposal, DirectProposal) else DefensiveProposal()
        shape, cell = self.tile(vae), one_hot(column, rows.x.shape[1]).bool()
        for some in (~lone).nonzero().squeeze(-1).split(shape.rows):
            if not len(some):
                break  # every row has but one cell
            tile = rows[shape.padded(some)]
            batch = place(tile, self.device)
            of_tile, n_draws = cell[shape.padded(some)].to(self.device), shape.draws(len(some))
            of_each = []
            for member in vae.members:
                noises = self._noises(tile, batch.x.dtype, n_draws)
                of_each.append(log_with_and_without(member, batch, of_tile, direct, noises))
            # That all members count alike cancels.
            with_cell, without = (torch.stack(x).logsumexp(0) for x in zip(*of_each, strict=True))
            log_p = with_cell - without
            whole[some] = log_p[: len(some)].cpu().double()
        return whole

    def elbo(self, vae: AnyVAE, rows: Batch) -> Tensor:
        """Return the evidence lower bound, (n,)."""
        encoder = dataclasses.replace(self, proposal=EncoderProposal(), n_draws=ELBO_DRAWS)
        return encoder.summarise(vae, rows, lambda log_w: log_w.mean(0))[0]

    def estimate(self, vae: AnyVAE, rows: Batch) -> dict[str, Tensor]:
        """Return the estimate with everything that says how good it is, each (n,)."""
        functions: dict[str, Summary] = {
            "value": log_marginal,
            "standard_error": standard_error,
            "effective_sample_size": effective_sample_size,
            "pareto_k": pareto_k,
        }
        found = self.summarise(vae, rows, *functions.values())
        return {**dict(zip(functions, found, strict=True)), "elbo": self.elbo(vae, rows)}


def _drawn_again(
    vae: VAE, batch: Batch, z: Tensor, log_w: Tensor, noises: list[Noise]
) -> tuple[Tensor, Tensor]:
    """Return draws by proposals adapted to others, for rows where they are the better ones."""
    again, log_w_again = _joined(adapted(vae, batch, z, log_w), noises)
    better = effective_sample_size(log_w_again) > effective_sample_size(log_w)
    return torch.where(better.unsqueeze(-1), again, z), torch.where(better, log_w_again, log_w)


def _joined(source: Source, noises: list[Noise]) -> tuple[Tensor, Tensor]:
    """Return the draws of all noises, one after the other."""
    z, log_w = zip(*map(source, noises), strict=True)
    return torch.cat(z), torch.cat(log_w)


def posterior_mean(vae: VAE, rows: Batch, device: torch.device) -> Tensor:
    """Return the mean of q(z | x), (n, d)."""
    return of_posterior(vae, rows, device, lambda q: q.mean)


def posterior_std(vae: VAE, rows: Batch, device: torch.device) -> Tensor:
    """Return the standard deviation of every latent under q(z | x), (n, d); of a point it is 0."""
    if vae.deterministic:
        return rows.x.new_zeros(len(rows), vae.n_latent)
    return of_posterior(vae, rows, device, lambda q: q.stddev)


@torch.no_grad()
def of_posterior(
    vae: VAE, rows: Batch, device: torch.device, of: Callable[[PriorDistribution], Tensor]
) -> Tensor:
    """Return a function of q(z | x) -> (m, ...) for rows, a tile at a time, (n, ...)."""
    tile = Tile(FILLED_ROWS, FILLED_ROWS, filled=True)
    parts = [
        of(vae.posterior(place(rows[tile.padded(some)], device)))[: len(some)].cpu()
        for some in torch.arange(len(rows)).split(tile.rows)
    ]
    return torch.cat(parts).double()


@torch.no_grad()
def latent_use(vae: VAE, rows: Batch) -> tuple[Tensor, Tensor]:
    """Return which latents are active, (d,) bool, and the mean KL of each, (d,), on the device.

    A point has no divergence from a density: NaN.
    """
    q = vae.posterior(rows)
    prior = vae.prior_of(rows)
    kl = kl_per_unit(q, prior).mean(0)
    return active_units(q.mean - prior.mean), torch.nan * kl if vae.deterministic else kl


def precise(vae: VAE, device: torch.device) -> VAE:
    """Return the model to score with: on a CPU one in float64, a copy where it is not yet.

    Matrix products in float32 differ by 1e-6 with a row's place in a tile, those in float64 by
    1e-15. GPUs, where float64 may be sixty times slower, keep float32 networks, and so do
    convolutions, which take image by image (six times as fast, the same to 5e-5 nats an image of
    784 pixels); densities are summed in float64 there too.
    """
    if device.type != "cpu" or vae.dtype == torch.float64 or vae.decoder.of_images:
        return vae
    return copy.deepcopy(vae).double()


def place(rows: Batch, device: torch.device) -> Batch:
    """Move rows to a device, in float64 where it has it."""
    return rows.to(device, torch.float32 if device.type == "mps" else torch.float64)
