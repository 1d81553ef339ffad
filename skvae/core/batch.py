"""Batch: rows for a model, and which of their cells are observed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

#: Anything with a length that can be sliced.
Rows = TypeVar("Rows", bound=Any)


@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows for a model.

    Attributes
    ----------
    x : Tensor of shape (n, c)
        One number a cell. Its dtype is the one in which densities are summed.
    mask : Tensor of shape (n, c), bool, or None
        True where a cell is observed. None: all are.
    context : Tensor of shape (n, m) or None
        What is conditioned on, as numbers a network can see: columns, or the label.
    sets : Tensor of shape (n, 2), int, or None
        In training: the set that a row belongs to, -1 for none, and which group varies in it.
    """

    x: Tensor
    mask: Tensor | None = None
    context: Tensor | None = None
    sets: Tensor | None = None

    @classmethod
    def of(cls, cells: Tensor, context: Tensor | None = None) -> Batch:
        """Return rows of cells in which a missing one is NaN."""
        missing = cells.isnan()
        if not missing.any():
            return cls(cells, None, context)
        return cls(cells.nan_to_num(0.0), ~missing, context)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def observed(self) -> Tensor:
        """Which cells are, (n, c) bool."""
        return torch.ones_like(self.x, dtype=torch.bool) if self.mask is None else self.mask

    def with_nan(self) -> Tensor:
        """Return cells, NaN where missing, (n, c)."""
        return self.x if self.mask is None else torch.where(self.mask, self.x, torch.nan)

    def __getitem__(self, rows: slice | Tensor) -> Batch:
        return self._map(lambda part: part[rows])

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Batch:
        """Move everything to a device; x and context also to a dtype."""

        def move(part: Tensor) -> Tensor:
            return part.to(device, dtype if part.is_floating_point() else None)

        return self._map(move)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        parts = (self.x, self.mask, self.context, self.sets)
        return Batch(*(None if part is None else function(part) for part in parts))  # type: ignore[arg-type]


def filled(index: Tensor, size: int) -> Tensor:
    """Return positions of rows, the last one repeated until there are so many.

    >>> filled(torch.tensor([3, 4]), 4).tolist()
    [3, 4, 4, 4]
    """
    return index[torch.arange(size, device=index.device).clamp_max(len(index) - 1)]


def in_chunks(rows: Rows, size: int) -> Iterator[Rows]:
    """Cut rows, of whatever can be sliced, into chunks of at most so many, at least one.

    >>> list(in_chunks(range(15), 10))
    [range(0, 10), range(10, 15)]
    """
    size = max(size, 1)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
