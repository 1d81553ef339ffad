"""Codecs: how the values of one column become numbers that a family can model, and back.

A codec is exact: a density of cells times ``exp(log_det)`` is one of values, and decoding draws
what a cell leaves open. The reference measure of every number is length in the user's units, on
which a value of a column with steps of h counts as h: mass on an integer is a probability (h = 1),
and mass on a repeated value of another column is divided by its resolution. That of a category is
a count.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .times import EXPLAINED, common_step

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: Steps of numbers are powers of ten, down to this share of their spread.
FINEST = 1e-9
#: The smallest gap between values is so many steps at most; and by so much of a step a gap may
#: differ from a multiple of it.
MOST_PARTS, OFF_GRID = 10, 0.01
#: No step is finer, as 10 to the power of its digits is to be a number: what is smaller is zero.
LEAST_EXPONENT = -300
#: Logarithm of the smallest cell of a positive column.
SMALLEST = -60.0
#: Mass of the categories that a column did not have in ``fit``. No sample has one, and yet none is
#: impossible.
UNSEEN = 1e-6
#: Relative error of a decimal in single precision: 20.1 is 20.1000004 there.
SINGLE = 2.0**-24


def step_of(values: Float, role: str = "number") -> tuple[float, bool]:
    """Return the resolution of a column, and whether its values are multiples of it.

    1 for integers, the step that nearly all times share, and else the largest power of ten that
    explains 95 % of the values and of the distinct ones (a power that explains nothing but one
    value repeated in most rows would round all others away). Where none does, values are
    continuous, or were rounded before they were moved and scaled: what all gaps between them are
    multiples of then stands for the resolution of repeated ones, or else the finest power.
    """
    if role == "integer":
        return 1.0, True
    if role == "time":
        return float(common_step(values)), True
    # The deviation of a constant may round to something other than 0.
    spread = float(np.std(values)) if np.ptp(values) else 0.0
    coarsest = int(np.floor(np.log10(spread or float(np.abs(values).max()) or 1.0)))
    coarsest += spread > 0.0
    distinct, counts = np.unique(values, return_counts=True)
    rounding = SINGLE if _are_single(values) else 0.0
    finest = max(coarsest + int(np.log10(FINEST)), LEAST_EXPONENT)
    for exponent in range(max(coarsest, LEAST_EXPONENT), finest - 1, -1):
        # Written so, 0.1 is the nearest float to a tenth.
        step = 10.0**exponent if exponent >= 0 else 1.0 / 10.0**-exponent
        steps = distinct / step
        if np.abs(steps).max() > 4e15:
            break  # so many steps from 0 any float is a whole number of them
        # Rounding of the values themselves, and of the division.
        tolerance = np.maximum(1e-6, 4e-16 * np.abs(steps))
        tolerance = np.maximum(tolerance, np.minimum(rounding * np.abs(steps), 0.01))
        explained = np.abs(steps - np.round(steps)) < tolerance
        if min(explained.mean(), counts @ explained / len(values)) >= EXPLAINED:
            return step, True
    return common_gap(distinct, rounding) or step, False


def common_gap(distinct: Float, rounding: float = 0.0) -> float:
    """Return what nearly all gaps between values, which ascend, are multiples of; 0 if nothing."""
    smallest = max(rounding, FINEST) * np.abs(distinct).max()
    gaps = np.diff(distinct)
    gaps = gaps[gaps > smallest]
    for parts in range(1, MOST_PARTS + 1 if len(gaps) else 0):
        steps = gaps / (gaps.min() / parts)
        whole = np.round(steps)
        # From small gaps to large ones the step gets sharper: the last word is that of the sum.
        if np.mean(np.abs(steps - whole) < OFF_GRID * np.maximum(whole, 1.0) ** 0.5) < EXPLAINED:
            continue
        step = float(gaps.sum() / whole.sum())
        if np.mean(np.abs(gaps / step - np.round(gaps / step)) < OFF_GRID) >= EXPLAINED:
            return step
    return 0.0


def _are_single(values: Float) -> bool:
    """Whether all values could have come in single precision."""
    with np.errstate(over="ignore"):
        return bool((values.astype(np.float32) == values).all())


class Codec(ABC):
    """The values of one column as cells."""

    #: Cells are codes below this many; 1 where they are numbers.
    n_levels: int = 1
    #: The ends of the column, in its units: infinite where it has none, or cells are codes.
    ends: tuple[float, float] = (-np.inf, np.inf)
    #: Units of the column in 1 of a cell, where cells are numbers on its line.
    scale: float = 1.0
    #: What is to be done about a value that it refuses, in words.
    remedy: ClassVar[str] = "Correct the row"

    @abstractmethod
    def encode(self, values: Float) -> tuple[Float, Any]:
        """Return cells (n,) and the log-Jacobian of each, (n,) or a number."""

    @abstractmethod
    def decode(self, cells: Float, u: Float) -> Float:
        """Return values (n,); uniform numbers u (n,) draw what a cell leaves open."""

    @abstractmethod
    def expect(self, distribution: Any) -> Float:
        """Return the mean of a number, the mode of a category, (n,), of a distribution of cells."""

    @property
    def support(self) -> str:
        """What values must be, in words."""
        return "numbers"

    @property
    def mass_over(self) -> float | None:
        """The resolution by which mass on a single value is divided; None where there is none."""
        return None

    def refuses(self, values: Float) -> Bool:
        """Return which values it has no cell for, (n,)."""
        return np.zeros(len(values), dtype=bool)


#: What a column must hold, by the name an error gives it.
SUPPORTS: dict[str, Callable[[Float], Bool]] = {
    "numbers": lambda x: np.ones(len(x), dtype=bool),
    "numbers > 0": lambda x: x > 0,
    "numbers strictly between 0 and 1": lambda x: (x > 0) & (x < 1),
    "integers >= 0": lambda x: (x >= 0) & (x == np.round(x)),
    "0 or 1": lambda x: (x == 0) | (x == 1),
}


@dataclasses.dataclass(frozen=True)
class Affine(Codec):
    """Numbers moved and scaled: cell = (value - location) / scale.

    Attributes
    ----------
    ends : tuple of two floats
        Of the column: no draw is beyond them.
    """

    location: float = 0.0
    scale: float = 1.0
    support: str = "numbers"
    ends: tuple[float, float] = (-np.inf, np.inf)

    def encode(self, values: Float) -> tuple[Float, Any]:
        return (values - self.location) / self.scale, -np.log(self.scale)

    def decode(self, cells: Float, u: Float) -> Float:
        return (cells * self.scale + self.location).clip(*self.ends)

    def expect(self, distribution: Any) -> Float:
        return self.decode(_numpy(distribution.mean), np.empty(0))

    def refuses(self, values: Float) -> Bool:
        return ~SUPPORTS[self.support](values)


@dataclasses.dataclass(frozen=True)
class Positive(Affine):
    """Positive numbers, scaled, that keep to ends; of what is below the lower one even negative.

    Logarithms of cells go on there as straight as they come in, so that every number has a cell:
    what is next to impossible is no error in a row to be judged.
    """

    def encode(self, values: Float) -> tuple[Float, Any]:
        low = self.ends[0]
        below = np.minimum(values - low, 0.0) / low
        log_cell = np.log(np.maximum(values, low) / self.scale) + below
        # A cell is a number in single precision, too; the rest of the way is in the Jacobian.
        cells = np.exp(log_cell.clip(SMALLEST))
        return cells, np.where(below < 0.0, log_cell - np.log(low), -np.log(self.scale))

    def refuses(self, values: Float) -> Bool:
        return np.zeros(len(values), dtype=bool)


@dataclasses.dataclass(frozen=True)
class Grid(Codec):
    """Numbers on an even grid, as the number of steps from its low end.

    Attributes
    ----------
    low, high : float
        Its ends.
    n : int
        Its points, both ends counted.
    """

    low: float
    high: float
    n: int
    remedy: ClassVar[str] = "Correct the row, name the grid that the column is on (low, high, step)"

    @property
    def scale(self) -> float:  # type: ignore[override]
        """Its step."""
        return (self.high - self.low) / (self.n - 1)

    def encode(self, values: Float) -> tuple[Float, Any]:
        codes = np.round((values - self.low) / self.scale)
        return codes.clip(0.0, self.n - 1.0), -np.log(self.scale)

    def decode(self, cells: Float, u: Float) -> Float:
        # Multiplied first: three of ten steps from 0 to 1 are 0.3, and not 3 * 0.1.
        return self.low + cells * (self.high - self.low) / (self.n - 1)

    def expect(self, distribution: Any) -> Float:
        return self.decode(_numpy(distribution.mean), np.empty(0))

    @property
    def support(self) -> str:
        return f"numbers from {self.low:g} to {self.high:g} in steps of {self.scale:g}"

    @property
    def mass_over(self) -> float | None:
        return self.scale

    def refuses(self, values: Float) -> Bool:
        steps = (values - self.low) / self.scale
        # A value may have been computed in single precision, which has four roundings at most.
        tolerance = np.minimum(1e-6 + 4.0 * SINGLE * np.abs(values) / self.scale, 0.01)
        near: Bool = np.abs(steps - np.round(steps).clip(0.0, self.n - 1.0)) <= tolerance
        return ~near


@dataclasses.dataclass(frozen=True)
class Levels(Codec):
    """A few distinct values, numbered in their order.

    Attributes
    ----------
    values : tuple of float
        The values of a column of numbers; those of categories are their numbers already.
    step : float
        Mass on one counts as mass over this.
    n_unseen : int
        Further categories that a column may have, but had not in ``fit``. Each has its part of a
        mass of :data:`UNSEEN`, whatever the rest of the row, and no cell: it counts as missing.
    """

    values: tuple[float, ...]
    step: float = 1.0
    n_unseen: int = 0
    remedy: ClassVar[str] = "Correct the row, set handle_unknown='floor'"

    @property
    def n_levels(self) -> int:  # type: ignore[override]
        """How many there are."""
        return len(self.values)

    def encode(self, values: Float) -> tuple[Float, Any]:
        codes = np.searchsorted(self.values, values).clip(0, self.n_levels - 1).astype(float)
        if not self.n_unseen:
            return codes, -np.log(self.step)
        seen = np.isin(values, self.values)
        log_det = np.where(seen, np.log1p(-UNSEEN), np.log(UNSEEN / self.n_unseen))
        return np.where(seen, codes, np.nan), log_det

    def decode(self, cells: Float, u: Float) -> Float:
        return np.asarray(self.values)[cells.astype(int)]

    def expect(self, distribution: Any) -> Float:
        return self.decode(_numpy(distribution.mode), np.empty(0))

    @property
    def mass_over(self) -> float | None:
        return self.step

    @property
    def support(self) -> str:
        return "one of " + ", ".join(f"{value:g}" for value in self.values)

    def refuses(self, values: Float) -> Bool:
        if self.n_unseen:
            return np.zeros(len(values), dtype=bool)
        return ~np.isin(values, self.values)


def _numpy(numbers: Any) -> Float:
    """Return a tensor of any device as float64."""
    return np.asarray(numbers.double().cpu(), dtype=np.float64)
