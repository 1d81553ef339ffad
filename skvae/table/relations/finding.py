"""Finding: which relations hold between the columns of a table.

A relation counts where it holds in nearly all of at least :data:`MIN_ROWS` rows, and would not if a
column were shuffled. With a share v of exceptions in shuffled rows and one of e in the n rows there
are, the chance of so few is at most ``exp(-n KL(e || v))`` (Chernoff's bound, which holds for draws
without replacement too). That chance, times the number of relations looked at, is to be below
:data:`CHANCE`: of tables without any, one in a hundred has an invented one.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ..codecs import Bool, Float, step_of
from ..container import Container, Field
from .empty import EmptyWhen
from .function import Function
from .keeping import Relations
from .order import Order
from .sums import Sum

#: Rows, at least; the largest share of exceptions, and of those that chance would have.
MIN_ROWS = 200
EXCEPTIONS = 0.01
OF_CHANCE = 0.05
#: The chance that a table without relations is said to have one.
CHANCE = 0.01
#: Rows that are looked at first.
FIRST = 2_000
#: Numbers determine another column if they have at most so many values, each in so many rows.
MAX_VALUES, ROWS_A_VALUE = 1_000, 5
#: Rows whose distances are compared with normal ones.
NEAR_ROWS = 50
#: Columns that are looked at together for sums, and those for sums of three.
MAX_TOGETHER, MAX_FOR_THREE = 40, 16
#: Values that say that a cell is missing.
MAX_SAYING = 20


def find_relations(
    container: Container, values: Float, usable: Collection[int] | None = None
) -> Relations:
    """Return the relations between columns that rows of values (n, c) have, learned from them.

    Only columns at ``usable`` positions are looked at, by default all.
    """
    search = Search(container, np.where(np.isinf(values), np.nan, values), usable)
    if len(values) < MIN_ROWS:
        return Relations([], container)
    functions = search.functions()
    same = [{f.of, f.column} for f in functions if f.when is None]
    sums = search.sums(same)
    orders = search.orders([*same, *({*s.columns} for s in sums)])
    return Relations([*functions, *orders, *sums, *search.empties()], container)


class Search:
    """One search: the columns, and how many relations are looked at."""

    def __init__(self, container: Container, values: Float, usable: Collection[int] | None = None):
        self.container, self.values = container, values
        self.fields: list[Field] = container.fields
        seen = ~np.isnan(values)
        self.used = [
            j
            for j in range(values.shape[1])
            if (usable is None or j in usable) and seen[:, j].any() and np.nanstd(values[:, j]) > 0
        ]
        # Of every pair three kinds, and sums.
        self.log_tests = np.log(4.0 * max(len(self.used), 2) ** 2)
        self.some = np.random.RandomState(0).permutation(len(values))[:FIRST]

    def is_beyond_chance(self, n: float, exceptions: float, by_chance: float) -> bool:
        """Whether so many exceptions of n rows are few, and far fewer than by chance."""
        if n < MIN_ROWS or exceptions > EXCEPTIONS * n:
            return False
        e = exceptions / n
        if e > OF_CHANCE * by_chance or by_chance <= 0.0:
            return False
        return bool(n * _divergence(e, by_chance) - self.log_tests > -np.log(CHANCE))

    # ---------------------------------------------------------------- functions

    def functions(self) -> list[Function]:
        """Return columns that are functions of others, wholly or for some of their values."""
        codes = {j: self._codes(j) for j in self.used}
        determine = [j for j in self.used if self._can_determine(j, codes[j])]
        whole = {
            (i, j)
            for i in determine
            for j in self.used
            if i != j and self._is_function(codes[i], codes[j])
        }
        kept, alike = _reduced(whole, self.used)
        found = [Function(self.fields[i].name, self.fields[j].name) for i, j in kept]
        for i, j in itertools.permutations(determine, 2):
            if (i, j) in whole or i in alike or j in alike or not self._are_levels(i, j):
                continue
            when = self._when(codes[i], codes[j], self.fields[i])
            if when:
                found.append(Function(self.fields[i].name, self.fields[j].name, when))
        return [relation.learned(self.container, self.values) for relation in found]

    def _codes(self, j: int) -> NDArray[np.intp]:
        """Return a column as codes from 0, -1 where missing."""
        column = self.values[:, j]
        codes = np.full(len(column), -1, dtype=np.intp)
        seen = ~np.isnan(column)
        codes[seen] = np.unique(column[seen], return_inverse=True)[1]
        return codes

    def _can_determine(self, j: int, codes: NDArray[np.intp]) -> bool:
        n, n_values = (codes >= 0).sum(), codes.max() + 1
        if n - n_values < MIN_ROWS:
            return False
        few = n_values <= min(MAX_VALUES, n / ROWS_A_VALUE)
        return self.fields[j].is_category or bool(few)

    def _are_levels(self, *columns: int) -> bool:
        return all(self.fields[j].is_category or self.fields[j].role == "boolean" for j in columns)

    def _is_function(self, of: NDArray[np.intp], column: NDArray[np.intp]) -> bool:
        few_of, few = of[self.some], column[self.some]
        n, exceptions, _ = _agreement(few_of, few)
        if n and exceptions > 3 * EXCEPTIONS * n + 2:
            return False
        n, exceptions, mode = _agreement(of, column)
        return self.is_beyond_chance(n, exceptions, 1.0 - mode)

    def _when(
        self, of: NDArray[np.intp], column: NDArray[np.intp], field: Field
    ) -> tuple[object, ...]:
        """Return the values of one column that determine the other."""
        both = (of >= 0) & (column >= 0)
        shape = (of.max() + 1, column.max() + 1)
        if shape[0] * shape[1] > 10**6:
            return ()
        table = np.bincount(of[both] * shape[1] + column[both], minlength=shape[0] * shape[1])
        table = table.reshape(shape)
        n, top = table.sum(1), table.argmax(1)
        exceptions = n - table.max(1)
        by_chance = 1.0 - table.sum(0)[top] / max(table.sum(), 1)
        rows = [self.is_beyond_chance(*each) for each in zip(n, exceptions, by_chance, strict=True)]
        seen = self.values[:, self.fields.index(field)]
        distinct = np.unique(seen[~np.isnan(seen)])
        return tuple(field.values(distinct[np.flatnonzero(rows)]))

    # ---------------------------------------------------------------- orders

    def orders(self, leave: Sequence[set[object]]) -> list[Order]:
        """Return pairs of columns of which one is never above the other, but those that follow.

        Pairs within a set of columns in ``leave`` are related otherwise.
        """
        pairs = [
            (i, j)
            for i, j in itertools.permutations(self.used, 2)
            if not any({self.fields[i].name, self.fields[j].name} <= some for some in leave)
        ]
        found = {
            (i, j): order
            for i, j in pairs
            if self._may_compare(i, j) and (order := self._order(i, j)) is not None
        }
        known = set(found)
        return [
            order
            for (i, j), order in found.items()
            if not any((i, k) in known and (k, j) in known for k in self.used)
        ]

    def _may_compare(self, i: int, j: int) -> bool:
        """Whether two columns are numbers, or times, of which the first may never be above."""
        one, two = self.fields[i], self.fields[j]
        numbers = {one.role, two.role} <= {"number", "integer"}
        times = one.clock is not None and two.clock is not None
        if times and one.clock.is_duration == two.clock.is_duration:  # type: ignore[union-attr]
            return True
        if not numbers:
            return False
        low, high = self.values[self.some, i], self.values[self.some, j]
        both = ~np.isnan(low) & ~np.isnan(high)
        return bool((low[both] > high[both]).sum() <= 3 * EXCEPTIONS * both.sum() + 2)

    def _order(self, i: int, j: int) -> Order | None:
        order = Order(self.fields[i].name, self.fields[j].name)
        at = order.positions(self.container)
        cells = self.values[:, at]
        cells = cells[~np.isnan(cells).any(1)]
        if len(cells) < MIN_ROWS:
            return None
        order._to_common([self.fields[k] for k in at])
        high, low = order._common(cells)
        exceptions = int((low > high).sum())
        by_chance = float(np.searchsorted(np.sort(high), low, side="left").mean() / len(high))
        if not self.is_beyond_chance(len(low), exceptions, by_chance):
            return None
        # The least number there is cannot be above another.
        low, high = (column[low > low.min()] for column in (low, high))
        if len(low) < MIN_ROWS:
            return None
        if not self.is_beyond_chance(len(low), exceptions, _broken_if_normal(low, high)):
            return None
        return order.learned(self.container, self.values)

    # ---------------------------------------------------------------- sums

    def sums(self, leave: Sequence[set[object]]) -> list[Sum]:
        """Return numbers that are sums of others, none of which needs what it determines."""
        columns = [j for j in self.used if self.fields[j].role in ("number", "integer")]
        columns, rows = self._whole_rows(columns)
        if len(columns) < 2 or len(rows) < MIN_ROWS:
            return []
        found: list[tuple[int, int, tuple[int, ...], tuple[float, ...]]] = []
        for support, signs in sorted(set(self._candidates(columns, rows))):
            cells = self.values[:, support]
            cells = cells[~np.isnan(cells).any(1)]
            exceptions = self._exceptions(cells, signs, support)
            if exceptions is not None:
                found.append((int(exceptions > 0), len(support), support, signs))
        return self._acyclic(sorted(found), leave)

    def _whole_rows(self, columns: list[int]) -> tuple[list[int], NDArray[np.intp]]:
        """Return columns, and the rows without a hole in them: without those of most holes."""
        holes = np.isnan(self.values[:, columns])
        order = np.argsort(holes.sum(0), kind="stable")
        for n in range(len(columns), 1, -1):
            rows = np.flatnonzero(~holes[:, order[:n]].any(1))
            if len(rows) >= max(MIN_ROWS, len(holes) // 10):
                return sorted(columns[k] for k in order[:n]), rows
        return [], np.empty(0, dtype=np.intp)

    def _candidates(
        self, columns: list[int], rows: NDArray[np.intp]
    ) -> Iterator[tuple[tuple[int, ...], tuple[float, ...]]]:
        """Yield supports and signs of sums in the null space of the numbers.

        That of all rows, and of some rows at a time, where a few exceptions would hide it.
        """
        numbers = self.values[rows][:, columns]
        scale = np.sqrt((numbers**2).mean(0))
        numbers = numbers / scale
        steps = np.array([step_of(column)[0] for column in numbers.T[:, :FIRST]])
        noise = max(1e-7, float(min(steps.max(), 1e-2)))
        random = np.random.RandomState(0)
        far = np.argsort(-np.abs(numbers - np.median(numbers, 0)), axis=0, kind="stable")
        for n in (len(rows), 3 * len(columns) + 30, 3 * len(columns) + 30, 3 * len(columns) + 30):
            some = random.permutation(len(rows))[: min(n, 4 * FIRST)]
            far_ones = far[random.randint(0, max(len(rows) // 50, 8), 6).clip(0, len(rows) - 1)]
            some = np.unique([*some, *far_ones.ravel()])
            for together in _together(numbers[some], noise):
                tried = numbers[random.choice(some, 64)][:, together] * scale[together]
                for support, signs in _signed(tried):
                    yield tuple(columns[together[k]] for k in support), signs

    def _exceptions(
        self, cells: Float, signs: tuple[float, ...], support: tuple[int, ...]
    ) -> int | None:
        """Return how many rows do not add up to 0 with these signs; None if it is no relation."""
        relation = self._sum(support, signs, int(np.argmax(cells.var(0))))
        try:
            learned = relation.learned(self.container, self.values)
        except ValueError:
            return None
        cells = self.values[:, relation.positions(self.container)]
        cells = cells[~np.isnan(cells).any(1)]
        by_chance = 1.0
        for j in range(cells.shape[1]):  # no column may be one that hardly matters
            shuffled = cells.copy()
            shuffled[:, j] = np.random.RandomState(j).permutation(cells[:, j])
            by_chance = min(by_chance, float(learned.broken(shuffled).mean()))
        exceptions = learned.n_exceptions_
        return exceptions if self.is_beyond_chance(len(cells), exceptions, by_chance) else None

    def _sum(self, support: tuple[int, ...], signs: Sequence[float], total: int) -> Sum:
        sign = signs[total]
        rest = [k for k in range(len(support)) if k != total]
        names = [self.fields[j].name for j in support]
        parts = tuple(names[k] for k in rest if signs[k] != sign)
        minus = tuple(names[k] for k in rest if signs[k] == sign)
        return Sum(names[total], parts, minus)

    def _acyclic(
        self,
        found: list[tuple[int, int, tuple[int, ...], tuple[float, ...]]],
        leave: Sequence[set[object]],
    ) -> list[Sum]:
        """Return sums of which none follows from others, in the order in which they compute."""
        chosen: list[tuple[tuple[int, ...], tuple[float, ...]]] = []
        rows: list[Float] = []
        exact: list[set[int]] = []
        for has_exceptions, _, support, signs in found:
            row = np.zeros(self.values.shape[1])
            row[list(support)] = signs
            names = {self.fields[j].name for j in support}
            if any(names <= some for some in leave) or not _is_new(rows, row):
                continue
            if has_exceptions and any({*support} <= some for some in exact):
                continue
            chosen.append((support, signs))
            rows.append(row)
            exact += [] if has_exceptions else [{*support}]
        return _parts_first(self._with_totals(chosen))

    def _with_totals(self, sums: list[tuple[tuple[int, ...], tuple[float, ...]]]) -> list[Sum]:
        """Return sums each of which computes a column, the longest first, none in a circle."""
        below: dict[int, set[int]] = {}
        kept: list[Sum] = []
        for support, signs in sorted(sums, key=lambda each: -len(each[0])):
            for k in self._totals(support, signs):
                total, rest = support[k], {*support} - {support[k]}
                if total in below or any(total in _reach(below, j) for j in rest):
                    continue
                below[total] = rest
                kept.append(self._sum(support, signs, k).learned(self.container, self.values))
                break
        return kept

    def _totals(self, support: tuple[int, ...], signs: Sequence[float]) -> list[int]:
        """Return the places of columns that may be the total, the likeliest first.

        That is the one against all others, or else the one that varies least.
        """
        alone = [k for k in range(len(signs)) if list(signs).count(signs[k]) == 1]
        spread = [float(np.nanvar(self.values[:, j])) for j in support]
        by_spread = sorted(range(len(signs)), key=lambda k: spread[k])
        first = sorted(alone, key=lambda k: -spread[k]) if len(alone) else []
        return [*first, *(k for k in by_spread if k not in first)]

    # ---------------------------------------------------------------- empty cells

    def empties(self) -> list[EmptyWhen]:
        """Return columns whose cells are missing exactly where another says so."""
        holes = np.isnan(self.values)
        some = [j for j in self.used if 0 < holes[:, j].sum() < len(holes)]
        found: list[EmptyWhen] = []
        same: set[int] = set()
        for j in some:
            # Of several that say so the first is taken, one with values before one with holes.
            others = sorted((i for i in self.used if i != j), key=lambda i: holes[:, i].any())
            for i in others:
                if j in same or (says := self._saying(i, holes[:, j])) is None:
                    continue
                found.append(EmptyWhen(self.fields[j].name, self.fields[i].name, says))
                same |= {j} if says != (None,) else {i, j}
        return [relation.learned(self.container, self.values) for relation in found]

    def _saying(self, i: int, empty: Bool) -> tuple[object, ...] | None:
        """Return the values of a column where cells are empty, and nowhere else; None of others."""
        column = self.values[:, i]
        missing = np.isnan(column)
        if empty.sum() < missing.sum() and missing.any() and not (~empty[missing]).all():
            return None
        values = np.unique(column[empty & ~missing])
        of_missing = bool((missing & empty).any())
        if len(values) + of_missing > MAX_SAYING:
            return None
        says = np.isin(column, values) | (missing & of_missing)
        if not np.array_equal(says, empty):
            return None
        n, n_empty = len(empty), int(empty.sum())
        n_codes = len(np.unique(column[~missing])) + 1
        # Of all ways to shuffle the holes, those with the values for it.
        log_ways = _log_choose(n_codes, len(values) + of_missing) - _log_choose(n, n_empty)
        if n < MIN_ROWS or log_ways + self.log_tests > np.log(CHANCE):
            return None
        return (*self.fields[i].values(values), *[None] * of_missing)


def _divergence(e: float, v: float) -> float:
    """Return KL(e || v) of two probabilities of an exception."""
    v = min(v, 1.0 - 1e-12)
    none = (1.0 - e) * np.log((1.0 - e) / (1.0 - v))
    return float(none + (e * np.log(e / v) if e else 0.0))


def _log_choose(n: int, k: int) -> float:
    return float(np.log(np.arange(n - k + 1, n + 1) / np.arange(1, k + 1)).sum())


def _agreement(of: NDArray[np.intp], column: NDArray[np.intp]) -> tuple[int, int, float]:
    """Return the rows beyond the first of each value, the exceptions and the share of the mode."""
    both = (of >= 0) & (column >= 0)
    of, column = of[both], column[both]
    if not len(of):
        return 0, 0, 1.0
    n_columns = column.max() + 1
    mode = np.bincount(column).max() / len(column)
    size = (of.max() + 1) * n_columns
    if size <= 4 * len(of) + 10_000:
        table = np.bincount(of * n_columns + column, minlength=size).reshape(-1, n_columns)
        top, n_values = table.max(1).sum(), int((table.sum(1) > 0).sum())
    else:
        joint, counts = np.unique(of * n_columns + column, return_counts=True)
        keys, first = np.unique(joint // n_columns, return_index=True)
        top, n_values = np.maximum.reduceat(counts, first).sum(), len(keys)
    return len(of) - n_values, int(len(of) - top), float(mode)


def _reduced(
    whole: set[tuple[int, int]], columns: Sequence[int]
) -> tuple[list[tuple[int, int]], set[int]]:
    """Return functions without those that follow from others, and columns that another stands for.

    Of columns that determine one another the first stands for all.
    """
    first = {
        j: min([j, *(i for i in columns if (i, j) in whole and (j, i) in whole)]) for j in columns
    }
    alike = [(first[j], j) for j in columns if first[j] != j and (first[j], j) in whole]
    between = {(i, j) for i, j in whole if first[i] == i and first[j] == j}
    kept = [
        (i, j)
        for i, j in sorted(between)
        if not any((i, k) in between and (k, j) in between for k in columns)
    ]
    return [*kept, *alike], {j for _, j in alike}


def _broken_if_normal(low: Float, high: Float) -> float:
    """Return in which share of rows the first would be above the second were distances normal.

    Two columns that go up together on different levels are in an order by that alone. Distances
    are compared with those of rows near them, in the units of the columns and as normal scores,
    which are as good for columns whose distances grow with them.
    """
    near = np.argsort(_scores(low, low) + _scores(high, high), kind="stable")
    parts = np.array_split(near, max(len(near) // NEAR_ROWS, 1))
    step, is_step = step_of(high - low)
    if is_step:  # the first is above where it is by a whole step, and rounding adds to distances
        high = high + step / 2
    rounding = step**2 / 6 if is_step else 0.0
    both = np.concatenate([low, high])
    as_scores = _scores(high, both) - _scores(low, both)
    return min(_broken(high - low, parts, rounding), _broken(as_scores, parts, 0.0))


def _broken(gaps: Float, parts: Sequence[NDArray[np.intp]], rounding: float) -> float:
    """Return which share of normal distances is below 0, by parts of rows.

    ``rounding`` is what it adds to their variance.
    """
    n_broken = 0.0
    for rows in parts:
        reach, spread = gaps[rows].mean(), max(gaps[rows].var() - rounding, 0.0) ** 0.5
        share = ndtr(-reach / spread) if spread > 0.0 else reach < 0.0
        n_broken += float(share) * len(rows)
    return n_broken / len(gaps)


def _scores(values: Float, of: Float) -> Float:
    """Return the normal scores of values among those of a column, of equal ones the same."""
    ordered = np.sort(of)
    ranks = np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")
    return np.asarray(ndtri(ranks / 2 / len(of)))


def _together(numbers: Float, noise: float) -> Iterator[list[int]]:
    """Yield sets of columns (n, c) of which some combination is 0, as far as noise lets see."""
    _, s, vt = np.linalg.svd(numbers, full_matrices=False)
    null = vt[s < noise * np.sqrt(len(numbers))]
    if not len(null):
        return
    linked = np.abs(null.T @ null) > 1e-4
    left = [j for j in range(len(linked)) if linked[j, j]]
    while left:
        some, new = {left[0]}, [left[0]]
        while new:
            near = {int(k) for j in new for k in np.flatnonzero(linked[j])} - some
            some |= near
            new = list(near)
        left = [j for j in left if j not in some]
        if 2 <= len(some) <= MAX_TOGETHER:
            yield sorted(some)


def _signed(numbers: Float) -> Iterator[tuple[tuple[int, ...], tuple[float, ...]]]:
    """Yield which columns (n, c) add up to 0 with which signs, in nearly all rows."""
    c = numbers.shape[1]
    scale = np.abs(numbers).max(0)
    for k in range(2, min(c, 4 if c <= MAX_FOR_THREE else 3) + 1):
        supports = np.array(list(itertools.combinations(range(c), k)), dtype=np.intp)
        signs = np.array([(1.0, *rest) for rest in itertools.product((1.0, -1.0), repeat=k - 1)])
        for some in np.array_split(supports, -(-len(supports) // 2_000) or 1):
            off = np.abs(numbers[:, some] @ signs.T)  # (n, supports, signs)
            near = off <= 1e-2 * scale[some].max(1)[:, None]
            for row, of_signs in np.argwhere(near.mean(0) >= 0.95):
                yield tuple(some[row].tolist()), tuple(signs[of_signs].tolist())


def _is_new(chosen: list[Float], row: Float) -> bool:
    """Whether a relation does not follow from those that there are."""
    return bool(np.linalg.matrix_rank(np.array([*chosen, row])) > len(chosen))


def _reach(below: dict[int, set[int]], j: int) -> set[int]:
    """Return the columns that one is computed from, through others too."""
    found = {j}
    for k in below.get(j, ()):
        found |= _reach(below, k)
    return found


def _parts_first(sums: list[Sum]) -> list[Sum]:
    """Return sums in an order in which no total is needed before it is computed."""
    ordered: list[Sum] = []
    left = list(sums)
    while left:
        totals = {s.total for s in left}
        ready = [s for s in left if not ({*s.columns[1:]} & totals)]
        ordered += ready
        left = [s for s in left if s not in ready]
    return ordered
