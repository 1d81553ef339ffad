"""Completion: the missing values of rows, drawn or expected given the observed ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.batch import Batch, in_chunks
from ..core.ensemble import AnyVAE
from ..core.importance import effective_sample_size, pareto_k
from ..core.inference.resampling import complete, expectation
from ..core.noise import FreshNoise
from ..table.codecs import Float
from ..table.table import Table
from .conditions import Condition, allowed
from .result import CompletionQuality
from .rows import as_rows
from .scoring import Scoring, place

Rows = NDArray[np.intp]

#: Proposals a requested draw, at least; and the effective sample size, a requested draw and at
#: least, below which a row gets more.
PROPOSALS_A_DRAW = 10
SUFFICIENT_A_DRAW = 2
SUFFICIENT = 16
#: The same for expectations, whose squared error is that of a draw over the effective sample size:
#: draws for each that a score has.
EXPECTED_DRAWS = 4
SUFFICIENT_TO_EXPECT = 64
#: Draws that a median or a mode is taken of.
SUMMARISED = 255
#: What a row gets at first and then, as long as its weights are uneven: so many times as many
#: proposals, at least so many, and rounds that adapt to them.
STAGES = ((1, 1, 0), (4, 256, 1), (16, 1_024, 3))
#: Values tried for cells under a condition, a requested draw and at least; draws of z for each.
TRIES_A_DRAW = 4
MIN_TRIES = 64
DRAWS_A_TRY = 8
#: Rows of tries weighed at a time.
MAX_TRIES = 8_192


@dataclasses.dataclass(frozen=True)
class Completing:
    """How rows are completed by a model.

    Attributes
    ----------
    vae : VAE or Ensemble
        In the dtype to score with, see :func:`skvae.model.scoring.precise`.
    table : Table
    scoring : Scoring
        Whose proposal and number of draws are used, and whose noise for what is expected.
    seed : int
        Of what is drawn.
    """

    vae: AnyVAE
    table: Table
    scoring: Scoring
    seed: int

    @torch.no_grad()
    def expect(self, values: Float) -> Float:
        """Return values (n, c) with missing ones at their posterior mean, or mode."""
        completed = values.copy()
        n_draws = EXPECTED_DRAWS * self.scoring.n_draws
        for index, batch, z, log_w in self._weighed(values, n_draws, SUFFICIENT_TO_EXPECT):
            at_once = self.at_once(len(batch))
            found = self.table.expect(expectation(self.vae, batch, z, log_w, at_once))
            completed[index] = np.where(np.isnan(values[index]), found, values[index])
        return completed

    @torch.no_grad()
    def complete_keyed(self, values: Float, n_samples: int) -> Float:
        """Return completed values (n * n_samples, c) that do not depend on a row's company.

        As :meth:`complete`, but every row has random streams of its own, that follow from its
        observed cells and the seed.
        """
        completed = np.repeat(values, n_samples, axis=0)
        n_draws = max(self.scoring.n_draws, PROPOSALS_A_DRAW * n_samples)
        for row, drawn in self._keyed(values, n_samples, n_draws, SUFFICIENT_A_DRAW * n_samples):
            where = slice(row * n_samples, (row + 1) * n_samples)
            completed[where] = np.where(np.isnan(values[row]), drawn, values[row])
        return completed

    @torch.no_grad()
    def summarise(self, values: Float, of: Callable[[Float], Float]) -> Float:
        """Return values (n, c) with missing numbers at a function of draws (K, c) -> (c,).

        Each is of draws for its row alone, from p(missing | observed); other cells as
        :meth:`expect` has them.
        """
        completed = self.expect(values)
        numbers = [c.position for c in self.table.columns if not c.field.is_category]
        n_draws = EXPECTED_DRAWS * self.scoring.n_draws
        for row, drawn in self._keyed(values, SUMMARISED, n_draws, SUFFICIENT_TO_EXPECT):
            j = [j for j in numbers if np.isnan(values[row, j])]
            completed[row, j] = of(drawn[:, j])
        return completed

    def _keyed(
        self, values: Float, n_samples: int, n_draws: int, sufficient: float
    ) -> Iterator[tuple[int, Float]]:
        """Yield the position of a row with a missing cell and draws of it (n_samples, c).

        Again, by more proposals, where its effective sample size is not sufficient.
        """
        for index, batch, z, log_w in self._weighed(values, n_draws, sufficient):
            keys = batch.with_nan().cpu().numpy()
            for i, row in enumerate(index.tolist()):
                one = slice(i, i + 1)
                yield (
                    row,
                    self._draw_one(keys[i], batch[one], z[:, one], log_w[:, one], n_samples),
                )

    def _draw_one(
        self, key: Float, batch: Batch, z: Tensor, log_w: Tensor, n_samples: int
    ) -> Float:
        """Return draws for one row by a random stream of its own."""
        random = np.random.RandomState(np.random.MT19937(seed_of(key, self.seed)))
        generator = torch.Generator(self.scoring.device).manual_seed(random.randint(2**31 - 1))
        cells, _ = complete(self.vae, batch, z, log_w, n_samples, generator, self.at_once(1))
        return self.table.decode(cells[:, 0].double().cpu().numpy(), random)

    def at_once(self, n_rows: int) -> int:
        """Return how many draws of so many rows are decoded at a time."""
        return self.scoring.tile(self.vae).draws(n_rows)

    def _weighed(
        self, values: Float, n_draws: int, sufficient: float
    ) -> Iterator[tuple[Rows, Batch, Tensor, Tensor]]:
        """Yield rows with a missing cell, tile by tile, with draws of z and their log-weights.

        Those whose effective sample size is not sufficient come again, by more proposals.
        """
        todo = self.incomplete(values)
        for _, scoring in stages(self.scoring, n_draws):
            if not len(todo):
                break
            uneven = [np.empty(0, dtype=np.intp)]
            rows, _ = as_rows(self.table, values[todo])
            for index, z, log_w in scoring.draw(self.vae, rows):
                some, batch = todo[index.numpy()], place(rows[index], scoring.device)
                yield some, batch, z.to(batch.x), log_w.to(batch.x)
                uneven.append(some[effective_sample_size(log_w).numpy() < sufficient])
            todo = np.concatenate(uneven)

    @torch.no_grad()
    def complete(
        self, values: Float, n_samples: int, conditions: list[Condition]
    ) -> tuple[Float, CompletionQuality]:
        """Return completed values (n * n_samples, c), and how good their weights are."""
        for condition in conditions:
            condition.check(values[:, condition.column.position])
        completed = np.repeat(values, n_samples, axis=0)
        ess, k = np.full((2, len(values)), np.nan)
        n_proposals = np.zeros(len(values), dtype=np.int64)
        drawing = Drawing(self, n_samples)
        for drawn in drawing.run(values, self.incomplete(values), conditions):
            where = (drawn.rows[:, None] * n_samples + np.arange(n_samples)).ravel()
            known = np.repeat(values[drawn.rows], n_samples, axis=0)
            completed[where] = np.where(np.isnan(known), drawn.values, known)
            ess[drawn.rows] = drawn.quality.effective_sample_size
            k[drawn.rows] = drawn.quality.pareto_k
            n_proposals[drawn.rows] = drawn.quality.n_proposals
        return completed, CompletionQuality(ess, k, n_proposals, n_samples)

    def incomplete(self, values: Float) -> Rows:
        """Return the rows with a missing cell.

        None may be missing of what is conditioned on, and no row may hold what a column cannot.
        """
        self.table.check(values)
        self.table.given(values)
        known = [column.position for column in self.table.columns]
        return np.flatnonzero(np.isnan(values[:, known]).any(1))


class Drawn(NamedTuple):
    """Values drawn for some rows."""

    rows: Rows  # which, (m,)
    values: Float  # of all columns, the draws of a row together, (m * n_samples, c)
    quality: CompletionQuality  # of the proposals they were chosen from


class Drawing:
    """One call of :meth:`Completing.complete`: its random streams, and how rows are drawn."""

    def __init__(self, completing: Completing, n_samples: int):
        self.of, self.n_samples = completing, n_samples
        seed, device = completing.seed, completing.scoring.device
        self.random = np.random.RandomState(seed)
        noise = partial(FreshNoise, torch.Generator().manual_seed(seed))
        self.scoring = dataclasses.replace(completing.scoring, noise=noise, pad=False)
        self.cells = torch.Generator(device).manual_seed(seed)

    def run(self, values: Float, todo: Rows, conditions: list[Condition]) -> Iterator[Drawn]:
        """Yield draws for rows; those whose weights are uneven come again, by more proposals."""
        sufficient = max(SUFFICIENT_A_DRAW * self.n_samples, SUFFICIENT)
        n_draws = max(self.of.scoring.n_draws, PROPOSALS_A_DRAW * self.n_samples)
        n_tries = max(TRIES_A_DRAW * self.n_samples, MIN_TRIES)
        for times, scoring in stages(self.scoring, n_draws):
            if not len(todo):
                break
            uneven = [np.empty(0, dtype=np.intp)]
            if conditions:
                found = self._under(conditions, values, todo, times * n_tries)
            else:
                found = self._known(values, todo, scoring)
            for drawn in found:
                yield drawn
                few = drawn.quality.effective_sample_size < sufficient
                uneven.append(drawn.rows[few | drawn.quality.decided_by_few])
            todo = np.concatenate(uneven)

    def _known(self, values: Float, todo: Rows, scoring: Scoring) -> Iterator[Drawn]:
        """Draw for rows of which nothing is known but their observed cells."""
        rows, _ = as_rows(self.of.table, values[todo])
        for index, z, log_w in scoring.draw(self.of.vae, rows):
            drawn, _ = self._draw(rows[index], z, log_w)
            yield Drawn(todo[index.numpy()], drawn, self._quality(log_w))

    def _quality(self, log_w: Tensor) -> CompletionQuality:
        """Return how good weights (K, m) are to choose from."""
        ess, k = (f(log_w).numpy() for f in (effective_sample_size, pareto_k))
        return CompletionQuality(ess, k, np.full(len(k), len(log_w)), self.n_samples)

    def _draw(self, rows: Batch, z: Tensor, log_w: Tensor) -> tuple[Float, Tensor]:
        """Return values (m * n_samples, c), and which draw of z each is from (n_samples, m)."""
        batch = place(rows, self.of.scoring.device)
        vae, z, log_w = self.of.vae, z.to(batch.x), log_w.to(batch.x)
        at_once = self.of.at_once(len(batch))
        cells, chosen = complete(vae, batch, z, log_w, self.n_samples, self.cells, at_once)
        flat = cells.transpose(0, 1).flatten(0, 1).double().cpu()
        return self.of.table.decode(flat.numpy(), self.random), chosen.cpu()

    def _under(
        self, conditions: list[Condition], values: Float, todo: Rows, n_tries: int
    ) -> Iterator[Drawn]:
        """Draw for rows whose missing cells are under conditions.

        These cells are tried at values v that are allowed, from a distribution r that has nothing
        to do with the other columns; rows with them have weights p(x, v, z) / (q(z) r(v)).
        """
        for some in in_chunks(todo, MAX_TRIES // n_tries):
            yield self._tried(conditions, values[some], n_tries, some)

    def _tried(
        self, conditions: list[Condition], values: Float, n_tries: int, index: Rows
    ) -> Drawn:
        n, table, vae = len(values), self.of.table, self.of.vae
        tried, of_tried, n_distinct = allowed(
            conditions, vae.cells, table, n * n_tries, self.random
        )
        known = np.repeat(values, n_tries, axis=0)
        tried[~np.isnan(known)] = np.nan
        rows, log_det = as_rows(table, np.where(np.isnan(tried), known, tried))
        log_r = torch.as_tensor(np.where(np.isnan(tried), 0.0, of_tried).sum(1) - log_det)
        n_draws = DRAWS_A_TRY * len(vae.members)
        z = torch.empty(n_draws, len(rows), vae.n_latent, dtype=torch.float64)
        log_w = torch.empty(n_draws, len(rows), dtype=torch.float64)
        scoring = dataclasses.replace(self.scoring, n_draws=DRAWS_A_TRY)
        for some, of_z, of_log_w in scoring.draw(vae, rows):
            z[:, some], log_w[:, some] = of_z.double(), of_log_w - log_r[some]
        # All draws for all tries of a row are proposals for it.
        z, log_w = (x.unflatten(1, (n, n_tries)).transpose(1, 2).flatten(0, 1) for x in (z, log_w))
        drawn, chosen = self._draw(rows[::n_tries], z, log_w)
        of_try = (torch.arange(n) * n_tries + chosen % n_tries).T.flatten()
        tried = tried[of_try]
        quality = self._quality(log_w).among(n_distinct)
        return Drawn(index, np.where(np.isnan(tried), drawn, tried), quality)


def stages(scoring: Scoring, n_draws: int) -> Iterator[tuple[int, Scoring]]:
    """Yield how rows are weighed at first, and how those are whose weights are uneven.

    Also by how much there are more proposals.
    """
    for times, at_least, rounds in STAGES:
        more = max(times * n_draws, at_least)
        yield times, dataclasses.replace(scoring, n_draws=more, rounds=rounds)


def seed_of(key: Float, seed: int) -> np.random.SeedSequence:
    """Return what a row's random stream starts from: its cells (c,) and a seed."""
    words = np.frombuffer((key + 0.0).tobytes(), dtype=np.uint32)  # -0.0 is 0.0
    return np.random.SeedSequence([seed, *words.tolist()])
