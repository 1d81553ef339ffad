"""Rows: values of a table as rows of cells for a model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..core.batch import Batch
from ..table.codecs import Float
from ..table.table import Table

#: Largest cell, in standard deviations or what the codec has in their place.
FAR = 1e37


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
