"""Log-weights of a fitted model's rows under any proposal, number of draws and noise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skvae import VAEDensity
from skvae.core import Proposal, log_marginal, standard_error
from skvae.core.noise import KeyedNoise
from skvae.model.rows import as_rows

CHUNK = 64


class Weights:
    """The rows of a table under a proposal, prepared once and drawn from as often as wanted."""

    def __init__(self, density: VAEDensity, X: object, proposal: Proposal):
        self.rows, _ = as_rows(density.table_, density._values(X))
        with torch.no_grad():
            self.source = proposal.build(density.model_.precise, self.rows)

    @torch.no_grad()
    def draw(self, n_draws: int, seed: int, independent: bool = False) -> Tensor:
        """Return log-weights (n_draws, n), by quasi-random or independent noise."""
        generator = torch.Generator().manual_seed(seed)
        shape = (CHUNK, len(self.rows))
        keyed = KeyedNoise(seed, self.rows.x, n_draws)

        def randn(n_noise: int) -> Tensor:
            return torch.randn(*shape, n_noise, generator=generator, dtype=torch.float64)

        def noise(start: int) -> Callable[[int], Tensor]:
            return randn if independent else keyed.of(slice(start, start + CHUNK))

        chunks = [self.source(noise(start))[1] for start in range(0, n_draws, CHUNK)]
        return torch.cat(chunks)[:n_draws]

    def reference(self, n_draws: int = 20_000, seed: int = 12_345) -> tuple[Tensor, Tensor]:
        """Return the estimate by many draws, (n,), with its standard error."""
        log_w = self.draw(n_draws, seed)
        return log_marginal(log_w), standard_error(log_w)
