"""Bins: the codec of columns with repeated values, many modes and heavy tails."""

from __future__ import annotations

from typing import Any

import numpy as np

from .codecs import Codec, Float, step_of
from .ends import Ends, ends_of

#: A bin needs so many training rows, and an atom at least this many.
MIN_BIN_ROWS = 10
MIN_ATOM_ROWS = 5
#: Share of a code that is beyond a bound no training row crossed: integers outside their range or
#: in its gaps, numbers below 0 where none was. No sample has one, and yet none is impossible.
BEYOND = 1e-6


class Bins(Codec):
    """Atoms for repeated values, and bins for all the others.

    Codes 0 .. m - 1 are atoms, in order, the next ones are bins. In a bin values are spread evenly;
    on a column with steps, over the steps in it that are no atoms. What a code may stand for comes
    in pieces: an atom or the inside of a bin and, at either end of the column, an exponential tail.
    A tail is as probable as a new extreme is, 1 / (rows + 2), where the column goes on; beyond the
    ends of a column (see :func:`~skvae.table.ends.ends_of`, for an integer, or where all values are
    one, its range) the last tail is next to impossible. So every finite number has a density, and
    these integrate to one.

    Parameters
    ----------
    atoms : ndarray of shape (m,)
    edges : ndarray of shape (b + 1,)
        Of the bins, from the smallest value to the largest; without bins, the two of the gap
        between atoms.
    counts : ndarray of shape (m + b,)
        Training rows of each code.
    step : float
        The resolution: mass on an atom counts as mass over this.
    on_grid : bool
        Whether values are multiples of ``step``; edges are then half a step from them.
    bounds : tuple of two floats
        The ends of the column, half a step farther on a grid; infinite where it is open.
    """

    def __init__(
        self,
        atoms: Float,
        edges: Float,
        counts: Float,
        step: float,
        on_grid: bool,
        bounds: tuple[float, float],
    ):
        self.atoms, self.edges, self.step, self.on_grid = atoms, edges, step, on_grid
        self.counts, self.bounds = counts, bounds
        self._n_atoms, self._n_bins = len(atoms), len(counts) - len(atoms)
        widths = np.diff(edges)
        self._tail_scale = np.maximum(0.5 * widths[[0, -1]], step)
        lengths = np.array([edges[0] - bounds[0], bounds[1] - edges[-1]])
        # What is less than half a step is rounding.
        self._lengths = np.where(lengths < (0.5 * step if on_grid else 0.0), 0.0, lengths)
        self._free = self._free_steps(edges)
        self._set_pieces(counts)
        means = self._piece_means()
        # As in draws, what is next to impossible is the main piece of its code instead.
        means = np.where(self._is_beyond, means[self._owner], means)
        self.means = np.bincount(self._owner, self._share * means)

    @classmethod
    def learn(
        cls,
        values: Float,
        role: str,
        *,
        n_bins: int,
        min_share: float,
        atoms: bool,
        ends: Ends | None = None,
    ) -> Bins:
        """Learn atoms and bins from the values of the training rows of an integer, a number, ...

        The ends of the column are those of its numbers, if no others are given.
        """
        step, on_grid = step_of(values, role)
        if on_grid:
            values = multiples(np.round(values / step), step)
        distinct, counts = np.unique(values, return_counts=True)
        repeated = counts >= max(min_share * len(values), MIN_ATOM_ROWS)
        is_atom = repeated & (atoms or role == "integer")
        rest = values[~np.isin(values, distinct[is_atom])]
        half = 0.5 * step if on_grid else 0.0
        low, high = distinct[0] - half, distinct[-1] + half
        if low == high:
            high = np.nextafter(high, np.inf)
        wanted = min(round(n_bins * len(rest) / len(values)), len(rest) // MIN_BIN_ROWS)
        edges = _quantile_edges(rest, low, high, max(wanted, 1), step if on_grid else 0.0)
        in_bins = np.histogram(rest, edges)[0] if len(rest) else np.empty(0, dtype=int)
        return cls(
            distinct[is_atom],
            edges,
            np.concatenate([counts[is_atom], in_bins]).astype(float),
            step,
            on_grid,
            (low, high)
            if role == "integer" or len(distinct) == 1
            else _bounds(values, ends or ends_of(values), step if on_grid else 0.0),
        )

    @property
    def n_levels(self) -> int:  # type: ignore[override]
        """Atoms and bins."""
        return self._n_atoms + self._n_bins

    @property
    def mass_over(self) -> float | None:
        return self.step if self._n_atoms else None

    def encode(self, values: Float) -> tuple[Float, Float]:
        snapped = self._snapped(values)
        piece = self._inside_piece(snapped)
        at = np.searchsorted(self.atoms, snapped).clip(0, max(self._n_atoms - 1, 0))
        if self._n_atoms:
            piece = np.where(self._is_atom(snapped, at), at, piece)
        with np.errstate(divide="ignore"):
            log_share = np.log(self._share[piece])
        return self._owner[piece].astype(float), log_share + self._log_density(snapped, piece)

    def span(self, values: Float) -> tuple[Float, Float]:
        """Return between which values the others of their codes are; infinite at open ends."""
        codes, m = self.encode(values)[0].astype(int), self._n_atoms
        edges = np.concatenate([[-np.inf], self.edges[1:-1], [np.inf]])
        inside = (codes - m).clip(0, len(edges) - 2)
        at = (self.atoms if m else np.zeros(1))[codes.clip(0, max(m - 1, 0))]
        is_atom = codes < m
        return np.where(is_atom, at, edges[inside]), np.where(is_atom, at, edges[inside + 1])

    def decode(self, cells: Float, u: Float) -> Float:
        target = cells + np.minimum(u, 1.0 - 1e-12)  # or the sum may be the next code
        piece = np.searchsorted(self._upper[self._by_code], target, side="right")
        piece = self._by_code[piece.clip(0, len(self._by_code) - 1)]
        # What is next to impossible is never drawn, but the main piece of its code instead.
        piece = np.where(self._is_beyond[piece], self._owner[piece], piece)
        share = np.maximum(self._share[piece], np.finfo(float).tiny)
        inner = ((target - self._upper[piece]) / share + 1.0).clip(0.0, 1.0 - 1e-12)
        return self._draw(piece, inner)

    def expect(self, distribution: Any) -> Float:
        """Return the mean of a distribution of codes, in the user's units."""
        probs = np.asarray(distribution.probs.double().cpu())
        mean: Float = probs[..., : self.n_levels] @ self.means
        return mean.clip(self.means.min(), self.means.max())  # whatever the rounding

    # ------------------------------------------------------------------ pieces
    #
    # In this order: atoms, the inside of bins (or of the gap), and at the lower and at the upper
    # end a tail within the bounds and one beyond them.

    def _set_pieces(self, counts: Float) -> None:
        m, n_inside = self._n_atoms, len(self.edges) - 1
        inside = m + np.arange(n_inside) if self._n_bins else np.zeros(n_inside, dtype=int)
        ends = [self._end(self.edges[0], first=True), self._end(self.edges[-1], first=False)]
        self._owner = np.concatenate([np.arange(m), inside, np.repeat(ends, 2)])
        share = np.ones(len(self._owner))
        if not self._n_bins:
            share[m:-4] = BEYOND if self._free[-1] > self._free[0] else 0.0
        # By the rule of succession: of a single row, too, both tails leave something.
        tails = 1.0 / (counts[ends] + 2.0)
        share[-4:] = np.ravel([self._tail_shares(i, tail) for i, tail in enumerate(tails)])
        # The main piece of a code has what the others leave.
        others = share.copy()
        main = np.arange(m + self._n_bins)
        others[main] = 0.0
        share[main] = 1.0 - np.bincount(self._owner, others)[main]
        self._share = share
        self._is_beyond = np.zeros(len(share), dtype=bool)
        self._is_beyond[[-3, -1]] = True
        self._is_beyond[len(main) : -4] = True  # the gap
        self._by_code = np.argsort(self._owner, kind="stable")
        cumulative = np.empty_like(share)
        cumulative[self._by_code] = np.cumsum(share[self._by_code])
        # The end of a code is exact, or its last number would be the first of the next.
        whole = np.round(cumulative)
        cumulative = np.where(np.abs(cumulative - whole) < 1e-9, whole, cumulative)
        self._upper = cumulative  # in units of codes, as every code has the share 1

    def _end(self, edge: float, *, first: bool) -> int:
        """Return the code at an end of the column: an atom or a bin."""
        half = 0.5 * self.step if self.on_grid else 0.0
        outermost = np.array(edge + half if first else edge - half)
        # Half a step and back may have rounded, so that only nearly the atom is found.
        at = 0 if first else self._n_atoms - 1
        if self._n_atoms and self._is_atom(outermost, at):
            return at
        return self._n_atoms + (0 if first else self._n_bins - 1)

    def _tail_shares(self, end: int, tail: float) -> tuple[float, float]:
        """Return the share within the bound and beyond it."""
        length = self._lengths[end]
        bounded = bool(np.isfinite(length))
        return (tail if length > 0 else 0.0), (BEYOND if bounded else 0.0)

    def _inside_piece(self, values: Float) -> Any:
        m, n_inside = self._n_atoms, len(self.edges) - 1
        inside = np.searchsorted(self.edges, values, side="right") - 1
        inside = np.where(values == self.edges[-1], n_inside - 1, inside)
        below, above = values < self.edges[0], values > self.edges[-1]
        piece = m + inside.clip(0, n_inside - 1)
        piece = np.where(below, m + n_inside + (values < self.bounds[0]), piece)
        return np.where(above, m + n_inside + 2 + (values > self.bounds[1]), piece)

    def _is_atom(self, values: Float, at: Any) -> Any:
        tolerance = 0.25 * self.step if self.on_grid else 0.0
        return np.abs(self.atoms[at] - values) <= tolerance

    def _free_steps(self, values: Float) -> Float:
        """Return how many steps are below each edge, atoms left out; lengths without a grid."""
        if not self.on_grid:
            return values
        return np.round(values / self.step + 0.5) - np.searchsorted(self.atoms, values)

    def _log_density(self, values: Float, piece: Any) -> Float:
        """Return the log-density of values within their piece."""
        m, n_inside = self._n_atoms, len(self.edges) - 1
        unit = self.step if self.on_grid else 1.0
        inside = (piece - m).clip(0, n_inside - 1)
        with np.errstate(divide="ignore"):
            log_density = -np.log(np.diff(self._free)[inside] * unit)
        log_density = np.where(piece < m, -np.log(self.step), log_density)
        tail = (piece - m - n_inside).clip(0, 3)
        return np.where(piece >= m + n_inside, self._log_tail(values, tail), log_density)

    def _log_tail(self, values: Float, tail: Any) -> Float:
        start, scale, length = self._tail(tail)
        # However far, a float can hold the log-density.
        away = np.minimum(np.abs(values - start), 1e300 * np.minimum(scale, 1.0))
        log_all = np.log(-np.expm1(-length / scale))
        if not self.on_grid:
            return -away / scale - np.log(scale) - log_all
        # Steps beyond the start have geometric probabilities.
        n_steps = np.floor(away / self.step)
        log_first = np.log(-np.expm1(-self.step / scale)) - np.log(self.step)
        return -n_steps * self.step / scale + log_first - log_all

    def _tail(self, tail: Any) -> tuple[Float, Float, Float]:
        """Return where each of the four tails starts, its scale and its length."""
        starts = np.array([self.edges[0], self.bounds[0], self.edges[-1], self.bounds[1]])
        lengths = np.array([self._lengths[0], np.inf, self._lengths[1], np.inf])
        # Tails without length or share are never reached, but evaluated beside the others.
        starts = np.where(np.isfinite(starts), starts, 0.0)
        lengths = np.where(lengths > 0, lengths, np.inf)
        return starts[tail], self._tail_scale[tail // 2], lengths[tail]

    def _draw(self, piece: Any, u: Float) -> Float:
        """Return values at quantiles u of their pieces."""
        m, n_inside = self._n_atoms, len(self.edges) - 1
        inside = (piece - m).clip(0, n_inside - 1)
        low, n_free = self._free[inside], np.diff(self._free)[inside]
        if self.on_grid:
            free = low + np.floor(u * n_free)
            # The step with so many others below it that are no atoms.
            taken = np.round(self.atoms / self.step) - np.arange(m)
            values = self._multiples(free + np.searchsorted(taken, free, side="right"))
        else:
            # Far from 0 the sum may round to the edge, which is the next bin's.
            values = np.minimum(low + u * n_free, np.nextafter(self.edges[1:][inside], -np.inf))
        tail = (piece - m - n_inside).clip(0, 3)
        values = np.where(piece >= m + n_inside, self._draw_tail(tail, u), values)
        atoms = self.atoms if m else np.zeros(1)
        return np.where(piece < m, atoms[piece.clip(0, max(m - 1, 0))], values)

    def _draw_tail(self, tail: Any, u: Float) -> Float:
        start, scale, length = self._tail(tail)
        away = -scale * np.log1p(u * np.expm1(-length / scale))
        if self.on_grid:
            away = self.step * (np.floor(away / self.step) + 0.5)
        values = np.where(tail < 2, start - away, start + away)
        return self._multiples(values / self.step) if self.on_grid else values

    def _snapped(self, values: Float) -> Float:
        """Return the multiples nearest to values; so far out that steps overflow, themselves."""
        if not self.on_grid:
            return values
        with np.errstate(over="ignore", invalid="ignore"):
            n_steps = values / self.step
            return np.where(np.abs(n_steps) < 4e15, self._multiples(n_steps), values)

    def _multiples(self, n_steps: Float) -> Float:
        return multiples(np.round(n_steps), self.step)

    def _piece_means(self) -> Float:
        m = self._n_atoms
        middle = 0.5 * (self.edges[1:] + self.edges[:-1])
        if self.on_grid and m:
            at = np.digitize(self.atoms, self.edges) - 1
            n_steps = np.round(np.diff(self.edges) / self.step)
            sums = n_steps * middle - np.bincount(at, self.atoms, len(middle))[: len(middle)]
            free = np.diff(self._free)
            middle = np.where(free > 0, sums / np.maximum(free, 1.0), middle)
        start, scale, length = self._tail(np.arange(4))
        with np.errstate(over="ignore", invalid="ignore"):
            cut = np.where(np.isfinite(length), length / np.expm1(length / scale), 0.0)
        tails = start + np.array([-1.0, -1.0, 1.0, 1.0]) * (scale - cut)
        return np.concatenate([self.atoms, middle, tails])


def multiples(n_steps: Float, step: float) -> Float:
    """Return so many steps; three tenths are 0.3 and not 3 * 0.1."""
    return n_steps * step if step >= 1.0 else n_steps / round(1.0 / step)


def _bounds(values: Float, ends: Ends, step: float) -> Ends:
    """Return the ends of a column; on a grid half a step beyond the last multiples within them."""
    low, high = ends
    if not step:
        return low, high
    with np.errstate(over="ignore"):
        # No rounding may leave the outermost value out.
        n_low = min(np.ceil(low / step - 1e-9), np.round(values.min() / step))
        n_high = max(np.floor(high / step + 1e-9), np.round(values.max() / step))
    return step * (n_low - 0.5), step * (n_high + 0.5)


def _levels(n_bins: int, n_rows: int) -> Float:
    """Return the probabilities of the edges of bins: equal ones, the outer ones halved on.

    Halved as long as there are rows enough, so that what is spread evenly in the outermost bin is
    a small share, however long the tails.
    """
    equal = np.arange(1, n_bins) / n_bins
    n_halves = int(np.log2(max(n_rows / (n_bins * MIN_BIN_ROWS), 1.0)))
    outer = 0.5 ** np.arange(n_halves, 0, -1) / n_bins
    return np.concatenate([outer, equal, 1.0 - outer[::-1]])


def _quantile_edges(rest: Float, low: float, high: float, n_bins: int, step: float) -> Float:
    """Return the edges of bins of equal counts of the rest, from low to high.

    On a grid they are half a step from values. A bin that held nothing is merged with the next.
    """
    if not len(rest):
        return np.array([low, high])
    inner = np.quantile(rest, _levels(n_bins, len(rest)))
    if step:
        inner = step * (np.floor(inner / step) + 0.5)
    inner = np.unique(inner[(inner > low) & (inner < high)])
    edges = np.concatenate([[low], inner, [high]])
    while len(edges) > 2:
        empty = np.flatnonzero(np.histogram(rest, edges)[0] == 0)
        if not len(empty):
            break
        edges = np.delete(edges, min(int(empty[0]) + 1, len(edges) - 2))
    return edges
