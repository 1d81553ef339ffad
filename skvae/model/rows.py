"""Rows: values of a table as rows of cells for a model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..core.batch import Batch
from ..table.codecs import Float
from ..table.table import Table
from ..table.telling import much, warn

#: Largest cell, in standard deviations or what the codec has in their place.
FAR = 1e37
#: What drawing a row takes, measured on one processor core: bytes for each column, seconds for each
#: column, and for each number that describes the cells.
COLUMN_BYTES = 50.0
COLUMN_SECONDS = 2e-7
NUMBER_SECONDS = 1.5e-8


def tell_of_draws(n_rows: int, n_columns: int, n_numbers: int) -> None:
    """Warn of what it takes to draw so many rows, where it is much."""
    seconds = n_rows * (COLUMN_SECONDS * n_columns + NUMBER_SECONDS * n_numbers)
    if told := much(seconds, COLUMN_BYTES * n_rows * n_columns):
        in_a_gib = 10 ** int(np.log10(2**30 / (COLUMN_BYTES * n_columns)))
        warn(
            f"To draw {n_rows:,} rows of {n_columns} columns may take {told}. Draw {in_a_gib:,} at "
            "a time, and store them before the next."
        )


def as_rows(table: Table, values: Float) -> tuple[Batch, Float]:
    """Return values as rows of cells in float64, and their log-Jacobians (n,).

    Through float32, in which models are trained: rows that differ by rounding alone (another unit
    of measure) are the same row, to the bit.
    """
    cells, log_det = table.encode(values)
    return Batch.of(rounded(cells), context_of(table, values)), log_det


def context_of(table: Table, values: Float) -> Tensor | None:
    """Return what the model is conditioned on, (n, m); None where on nothing."""
    given = table.given(values)
    return None if given is None else rounded(given)


def rounded(numbers: Float) -> Tensor:
    """Return numbers in float64, rounded to float32; those far beyond it are held within."""
    return torch.as_tensor(numbers.clip(-FAR, FAR).astype(np.float32)).double()
