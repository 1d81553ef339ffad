"""Batches: the rows that are trained on, and those that early stopping watches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..core.batch import Batch, in_chunks
from ..core.objectives.bounds import ObjectiveModule


class TensorBatches:
    """Batches as slices of tensors, shuffled by one gather an epoch."""

    def __init__(self, rows: Batch, batch_size: int, generator: torch.Generator):
        self.rows, self.batch_size, self.generator = rows, batch_size, generator

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        device = self.rows.x.device
        order = torch.randperm(len(self.rows), generator=self.generator, device=device)
        if self.rows.sets is not None:
            order = self._set_by_set(self.rows.sets[:, 0], order)
        yield from in_chunks(self.rows[order], self.batch_size)

    def _set_by_set(self, member: Tensor, order: Tensor) -> Tensor:
        """Return rows in an order in which those of a set come together, sets at random."""
        _, number = torch.unique(member[order], return_inverse=True)
        n_sets = int(number.max()) + 1
        place = torch.randperm(n_sets, generator=self.generator, device=member.device)
        return order[torch.argsort(place[number], stable=True)]


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Rows that early stopping watches.

    Attributes
    ----------
    rows : Batch
    noise : callable
        (n_draws, n_noise) -> their own fixed noise (n_draws, n, n_noise).
    log_det : Tensor of shape (n,)
        Log-Jacobians of the rows, on the CPU.
    """

    rows: Batch
    noise: Callable[[int, int], Tensor]
    log_det: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def noise_for(self, module: ObjectiveModule) -> Tensor:
        """Return the noise that an objective is watched with, (K, n, n_noise)."""
        return self.noise(module.n_monitored, module.vae.n_noise)

    @torch.no_grad()
    def watched_by(self, module: ObjectiveModule, noise: Tensor) -> Tensor:
        """Return the bound of every row, in cells, (n,)."""
        rows: Tensor = module.monitor(self.rows, noise)
        return rows

    def map(self, function: Callable[[Batch], Batch]) -> HeldOut:
        """Return a function of the rows, held out in their place."""
        return dataclasses.replace(self, rows=function(self.rows))
