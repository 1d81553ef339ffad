"""Ends: what the values of a column keep to."""

from __future__ import annotations

import numpy as np

from .codecs import Float

#: Ends that columns without negative numbers often have, as shares and percentages do.
NATURAL = (1.0, 100.0)
#: Of this many rows, new ones go twice as far beyond those seen as is allowed of many.
FEW_ROWS = 10

Ends = tuple[float, float]


def ends_of(values: Float) -> Ends:
    """Return the ends of a column of numbers, by its values.

    They are as far beyond the outermost values as these are from the median, and farther where
    rows are few; or 0, 1 or 100 where that is nearer and no value is beyond it: 1 and 100 of
    columns without negative numbers alone.
    """
    low, high = _on_one_side(values, 0.0)
    return low, _natural(values, high) if values.min() >= 0.0 else high


def ends_of_times(values: Float, zero: float | None) -> Ends:
    """Return the ends of a column of times: of durations, 0 is a natural one, at ``zero``."""
    return with_margin(values) if zero is None else _on_one_side(values, zero)


def ends_of_positive(values: Float) -> Ends:
    """Return the ends of a column of positive numbers, with distances taken of logarithms."""
    low, high = np.exp(with_margin(np.log(values))).tolist()
    return low, _natural(values, high)


def with_margin(values: Float) -> Ends:
    """Return the ends of a column without natural ones, dates for example."""
    low, middle, high = (float(x) for x in np.quantile(values, (0.0, 0.5, 1.0)))
    times = 1.0 + FEW_ROWS / len(values)
    # Of a single value its own size stands for the distance.
    alone = max(abs(middle), 1.0) if low == high else 0.0
    return low - times * (middle - low) - alone, high + times * (high - middle) + alone


def _on_one_side(values: Float, zero: float) -> Ends:
    """Return the ends of a column that does not cross zero, if none of its values is beyond it."""
    low, high = with_margin(values)
    return (
        max(low, zero) if values.min() >= zero else low,
        min(high, zero) if values.max() <= zero else high,
    )


def _natural(values: Float, high: float) -> float:
    return min([high, *(end for end in NATURAL if end >= values.max())])
