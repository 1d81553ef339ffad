"""Floors: the smallest scales that noise may have, which fall while training begins."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.cells import Block, Cells

#: Where floors start, in standard deviations of a column: with less, the first hundred steps lose
#: what a start in closed form knows of columns that are nearly functions of the others.
HIGHEST = 0.1


class FallingFloors:
    """The floors of all cells whose scales are learned; buffers of the model, which they move.

    Parameters
    ----------
    cells : Cells
    """

    def __init__(self, cells: Cells):
        blocks = [block for block in cells.parts if block.family.has_floor]
        self.of_blocks = [(block.floor, block.floor.clone(), _highest(block)) for block in blocks]

    def set(self, share: float) -> None:
        """Set them to where they are when a share of their way down is done, 1 for the end."""
        for now, end, start in self.of_blocks:
            now.copy_(end if share >= 1.0 else start * (end / start).pow(share))


def _highest(block: Block) -> Tensor:
    of, _ = block.columns.known()
    return torch.maximum(HIGHEST * block.family.unit(of).to(block.floor), block.floor)
