"""Keyed noise: quasi-random points that belong to a row, whatever its company.

Points that are good together (a scrambled Sobol sequence) are rotated by an amount that depends
on the row alone. So a row's score depends on the row alone, and the Monte Carlo errors of
different rows are independent: the error of a mean score falls with the number of rows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

# Rotations should have nothing in common even for rows that are close: the random projection
# turns a difference of 1e-3 standard deviations into a full turn.
TURNS = 1000.0


class KeyedNoise:
    """Standard normal noise as a pure function of a seed and a row.

    Parameters
    ----------
    seed : int
    n_noise : int
        Numbers a draw takes.
    n_cells : int
        Numbers a row has.
    """

    def __init__(self, seed: int, n_noise: int, n_cells: int):
        self.seed, self.n_noise = seed, n_noise
        generator = torch.Generator().manual_seed(seed)
        self.projection = TURNS * torch.randn(
            n_cells, n_noise, generator=generator, dtype=torch.float64
        )

    def points(self, n_draws: int) -> Tensor:
        """Return the common points in the unit cube, (n_draws, n_noise)."""
        engine = SobolEngine(self.n_noise, scramble=True, seed=self.seed)
        return torch.as_tensor(engine.draw(n_draws, dtype=torch.float64))

    def __call__(self, points: Tensor, key: Tensor) -> Tensor:
        """Rotate points (K, n_noise) by key (n, n_cells), both float64. -> (K, n, n_noise)."""
        # A sum over cells and not a matrix product, whose rounding may vary with the batch.
        turn = (key.unsqueeze(-1) * self.projection).sum(-2).frac()  # (n, n_noise)
        u = (points.unsqueeze(1) + turn).remainder(1.0)
        # Half a step of the Sobol grid keeps the quantile finite at 0.
        noise: Tensor = torch.special.ndtri(u.clamp(2.0**-32, 1.0 - 2.0**-32))
        return noise
