"""Noise: where the standard normal numbers come from that proposals turn into draws.

A proposal asks a :data:`Noise` for as many numbers a draw as it needs. For scores the numbers are
keyed: points that are good together (a scrambled Sobol sequence) are rotated by an amount that
depends on the row alone. So a row's score depends on the row alone, and the Monte Carlo errors of
different rows are independent: the error of a mean score falls with the number of rows.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

#: ``noise(m)`` gives standard normal numbers (K, n, m), new ones at every call.
Noise = Callable[[int], Tensor]

#: Minus the log-density of a standard normal number at 0.
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# Rotations should have nothing in common even for rows that are close: the random projection
# turns a difference of 1e-3 standard deviations into a full turn.
TURNS = 1000.0
#: Keeps the seeds of successive calls apart, whatever the seed of the first.
SEED_STEP = 0x9E3779B97F4A7C15
MAX_SEED = 2**63
ALL = slice(None)


class KeyedNoise:
    """Noise that is a pure function of a seed, a row and a draw.

    The numbers of the first call are quasi-random, where evenness pays most; those of later
    calls, of which a Markov chain takes thousands, are pseudo-random.

    Parameters
    ----------
    seed : int
    rows : Tensor of shape (n, c), float64
    n_draws : int
        Draws of each row.
    """

    def __init__(self, seed: int, rows: Tensor, n_draws: int):
        self.seed, self.n_draws = seed, n_draws
        # Draws may be wanted some at a time: the turn of a row is the same for all of them.
        self._turn = functools.lru_cache(maxsize=1)(functools.partial(_turn, rows))

    def of(self, draws: slice = ALL) -> Noise:
        """Return the noise of some draws."""
        call = itertools.count()

        def noise(n_noise: int) -> Tensor:
            quasi = (i := next(call)) == 0
            seed = (self.seed + i * SEED_STEP) % MAX_SEED
            points = _points(seed, self.n_draws, n_noise, quasi)[draws]
            return rotate(points, self._turn(seed, n_noise))

        return noise


class FreshNoise:
    """Noise that is new for every row, draw and call, for what is to be drawn and not scored.

    Parameters
    ----------
    generator : torch.Generator
        On the CPU.
    rows : Tensor of shape (n, c)
    n_draws : int
        Draws of each row.
    """

    def __init__(self, generator: torch.Generator, rows: Tensor, n_draws: int):
        self.generator, self.n_rows, self.n_draws = generator, len(rows), n_draws

    def of(self, draws: slice = ALL) -> Noise:
        """Return the noise of some draws."""
        n_draws = len(range(self.n_draws)[draws])

        def noise(n_noise: int) -> Tensor:
            shape = (n_draws, self.n_rows, n_noise)
            return torch.randn(shape, generator=self.generator, dtype=torch.float64)

        return noise


# The points of a call are the same for every tile of rows and of draws.
@functools.lru_cache(maxsize=4)
def _points(seed: int, n_draws: int, n_noise: int, quasi: bool) -> Tensor:
    """Return points in the unit cube, (n_draws, n_noise)."""
    if quasi:
        engine = SobolEngine(n_noise, scramble=True, seed=seed)
        return torch.as_tensor(engine.draw(n_draws, dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n_draws, n_noise, generator=generator, dtype=torch.float64)


def normal_points(n_draws: int, n_noise: int) -> Tensor:
    """Return standard normal numbers (n_draws, n_noise), quasi-random and always the same."""
    return rotate(_points(0, n_draws, n_noise, True), torch.zeros(1, n_noise).double())[:, 0]


def _turn(rows: Tensor, seed: int, n_noise: int) -> Tensor:
    """Return by how much the points of each row are rotated, (n, n_noise)."""
    generator = torch.Generator().manual_seed(seed)
    projection = torch.randn(rows.shape[-1], n_noise, generator=generator, dtype=torch.float64)
    # A sum over cells and not a matrix product, whose rounding may vary with the batch.
    return (rows.unsqueeze(-1) * (TURNS * projection)).sum(-2).frac()


def rotate(points: Tensor, turn: Tensor) -> Tensor:
    """Rotate points (K, m) in the unit cube by turn (n, m), to normal numbers (K, n, m)."""
    u = (points.unsqueeze(1) + turn).remainder(1.0)
    # Half a step of the Sobol grid keeps the quantile finite at 0.
    noise: Tensor = torch.special.ndtri(u.clamp(2.0**-32, 1.0 - 2.0**-32))
    return noise
