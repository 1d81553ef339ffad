"""Privacy: whether drawn rows are copies, and whether they tell who was in the real table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .tables import Compared, Float, check_rows, random_rows, read_tables

#: Drawn rows whose closest record is searched, and real rows of either kind that are attacked.
SEARCHED, ATTACKED = 5_000, 2_000
FEWEST_ROWS = 20
#: Distances of so many pairs of rows are held at a time.
PAIRS = 2_000_000


class ClosestRecords(NamedTuple):
    """What the real rows that are closest to drawn ones say.

    Attributes
    ----------
    share : float
        Share of drawn rows that are closer to a row of ``real`` than to any of as many held-out
        rows; a tie counts one half. 0.5: no closer to the rows of ``fit`` than to others. 1: they
        are copies, or near them.
    standard_error : float
        Of ``share``, as if drawn rows were all there is by chance: ``0.5 / sqrt(n)``.
    copies : float
        Share of drawn rows that are equal to a row of ``real`` in every cell.
    copies_held_out : float
        Share of held-out rows that are: what a table repeats by itself.
    """

    share: float
    standard_error: float
    copies: float
    copies_held_out: float


def closest_records(
    real: Any, synthetic: Any, holdout: Any, *, categorical_features: Any = "from_dtype"
) -> ClosestRecords:
    """Return whether drawn rows are closer to the rows of ``fit`` than to other real ones.

    The distance of two rows is the mean over columns (Gower's): of numbers and times
    ``|a - b|`` over the range of the real rows, beyond which values count as at its end; of others
    0 if they are equal and else 1. A missing cell is at distance 1 from any that is not.

    Parameters
    ----------
    real : DataFrame or array of shape (n_rows, n_columns)
        The rows that the model was fitted to.
    synthetic : DataFrame or array
        Drawn rows. Where there are more, 5,000 random ones are looked at for ``share``.
    holdout : DataFrame or array
        Real rows of the same origin that the model has not seen. The search is among as many
        random rows of the one as of the other.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers: names, positions or a mask.

    Returns
    -------
    found : ClosestRecords

    Raises
    ------
    ValueError, TypeError
        If a table has fewer than 20 rows, or other columns.

    Notes
    -----
    It finds copies, and nothing else: a share of 0.5 does not say that the table is private, as
    "The Inadequacy of Similarity-based Privacy Metrics" (Ganev and De Cristofaro, 2025) shows. With
    copies of a part of ``real`` the share is below 1 where only a part of it is searched. The
    score of SDMetrics, ``DCROverfittingProtection``, is ``min(2 (1 - share), 1)``.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import closest_records
    >>> real, holdout, drawn = np.random.default_rng(0).normal(size=(3, 500, 4))
    >>> closest_records(real, real, holdout).share
    1.0
    >>> 0.45 < closest_records(real, drawn, holdout).share < 0.55
    True
    """
    columns = read_tables(categorical_features, real=real, synthetic=synthetic, holdout=holdout)
    check_rows(columns, FEWEST_ROWS, "a search", real=0, synthetic=1, holdout=2)
    copies, copies_held_out = (
        _share_in([column.of(k) for column in columns], [column.of(0) for column in columns])
        for k in (1, 2)
    )
    space = Space(columns, real=(0, 2))
    n_real, n_drawn, n_held_out = (len(part) for part in columns[0].parts)
    n = min(n_real, n_held_out)
    queries = space.rows(1, random_rows(n_drawn, SEARCHED))
    seen, unseen = (
        space.closest(queries, space.rows(k, random_rows(n_of, n)))
        for k, n_of in ((0, n_real), (2, n_held_out))
    )
    tie = np.isclose(seen, unseen, rtol=1e-9, atol=1e-12)
    share = float(np.where(tie, 0.5, seen < unseen).mean())
    return ClosestRecords(share, 0.5 / len(seen) ** 0.5, copies, copies_held_out)


def membership_advantage(
    real: Any, synthetic: Any, holdout: Any, *, categorical_features: Any = "from_dtype"
) -> float:
    """Return by how much an attacker who has the drawn rows tells who was in the real table.

    The attacker calls a row a member if a drawn row is within some distance of it. The advantage
    is the share of members so called less that of others (Yeom et al., 2018): 0 is a guess, 1 is
    certainty, and below 0 is chance. The distance is that of :func:`closest_records`, and the
    threshold the one that is best on half of the rows, judged on the other half.

    Parameters
    ----------
    real : DataFrame or array of shape (n_rows, n_columns)
        Members: the rows that the model was fitted to.
    synthetic : DataFrame or array
        Drawn rows, all that the attacker has; the more there are, the more is told.
    holdout : DataFrame or array
        Real rows of the same origin that the model has not seen. As many random rows of either
        kind are attacked, at most 2,000.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers: names, positions or a mask.

    Returns
    -------
    advantage : float
        Chance alone moves it by about ``0.7 / sqrt(n)`` with n rows of either kind.

    Raises
    ------
    ValueError, TypeError
        If a table has fewer than 20 rows, or other columns.

    Notes
    -----
    The attack is the one without a model of "GAN-Leaks" (Chen et al., 2020). Others do better,
    above all those that have the fitted model itself or train many like it, and an average over
    rows hides the few that stick out: the figure bounds what leaks from below, never from above.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import membership_advantage
    >>> real, holdout, drawn = np.random.default_rng(0).normal(size=(3, 500, 4))
    >>> membership_advantage(real, real, holdout)
    1.0
    >>> abs(membership_advantage(real, drawn, holdout)) < 0.1
    True
    """
    columns = read_tables(categorical_features, real=real, synthetic=synthetic, holdout=holdout)
    check_rows(columns, FEWEST_ROWS, "an attack", real=0, synthetic=1, holdout=2)
    space = Space(columns, real=(0, 2))
    n_real, _, n_held_out = (len(part) for part in columns[0].parts)
    n = min(n_real, n_held_out, ATTACKED)
    drawn = space.rows(1)
    members, others = (
        space.closest(space.rows(k, shuffled_rows(n_of, n)), drawn)
        for k, n_of in ((0, n_real), (2, n_held_out))
    )
    return advantage(members, others)


def advantage(members: Float, others: Float) -> float:
    """Return the advantage of calling those with a small number members.

    Numbers in random order: the threshold that is best on the even ones is judged on the odd ones,
    and the other way round.
    """
    halves = [(x[::2], x[1::2]) for x in (members, others)]
    found = []
    for learn, judge in ((0, 1), (1, 0)):
        at = np.unique(np.concatenate([halves[0][learn], halves[1][learn]]))
        threshold = at[np.argmax(_called(halves[0][learn], at) - _called(halves[1][learn], at))]
        found.append(_called(halves[0][judge], threshold) - _called(halves[1][judge], threshold))
    return float(np.mean(found))


def _called(x: Float, threshold: Any) -> Any:
    """Return the share of numbers up to each threshold."""
    return np.searchsorted(np.sort(x), threshold, "right") / len(x)


def shuffled_rows(n_all: int, n: int) -> NDArray[Any]:
    """Return n of all rows, in random order."""
    return np.random.default_rng(0).permutation(n_all)[:n]


class Space:
    """Rows of several tables, with Gower's distance.

    Parameters
    ----------
    columns : list of Compared
    real : tuple of int
        The tables whose range is the unit of numbers.
    """

    def __init__(self, columns: Sequence[Compared], real: Sequence[int]):
        self.n_columns, n_tables = len(columns), len(columns[0].parts)
        numbers = [_in_unit(column, real) for column in columns if not column.is_discrete]
        levels = [column.parts for column in columns if column.is_discrete]
        whole = [not any(np.isnan(part).any() for part in parts) for parts in numbers]
        self._tables = [
            (
                _stacked([p[k] for p, w in zip(numbers, whole, strict=True) if w], n),
                _stacked([p[k] for p, w in zip(numbers, whole, strict=True) if not w], n),
                _stacked([np.nan_to_num(p[k], nan=-1.0) for p in levels], n),
            )
            for k, n in zip(range(n_tables), map(len, columns[0].parts), strict=True)
        ]

    def rows(self, table: int, which: Any = slice(None)) -> tuple[Float, ...]:
        """Return some rows of a table."""
        return tuple(part[which] for part in self._tables[table])

    def closest(self, queries: tuple[Float, ...], rows: tuple[Float, ...]) -> Float:
        """Return the distance of each query to the closest of the rows."""
        n = max(PAIRS // len(rows[0]), 1)
        starts = range(0, len(queries[0]), n)
        parts = (tuple(part[i : i + n] for part in queries) for i in starts)
        return np.concatenate([self._distances(part, rows).min(1) for part in parts])

    def _distances(self, queries: tuple[Float, ...], rows: tuple[Float, ...]) -> Float:
        """Return the distances of all queries to all rows."""
        from scipy.spatial.distance import cdist

        total = np.zeros((len(queries[0]), len(rows[0])))
        for (a, b), metric in zip(
            ((queries[0], rows[0]), (queries[2], rows[2])), ("cityblock", "hamming"), strict=True
        ):
            if a.shape[1]:
                total += cdist(a, b, metric) * (a.shape[1] if metric == "hamming" else 1.0)
        for a, b in zip(queries[1].T, rows[1].T, strict=True):
            apart = np.abs(a[:, None] - b)
            of_missing = (np.isnan(a)[:, None] != np.isnan(b)).astype(float)
            total += np.where(np.isnan(apart), of_missing, apart)
        return total / self.n_columns


def _in_unit(column: Compared, real: Sequence[int]) -> tuple[Float, ...]:
    """Return numbers from 0 to 1, the smallest and the largest real one."""
    seen = np.concatenate([column.parts[k] for k in real])
    seen = seen[~np.isnan(seen)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    if low == high:  # those that differ from the only value are at its other end
        return tuple(np.where(np.isnan(x), x, (x != low).astype(float)) for x in column.parts)
    return tuple(((x - low) / (high - low)).clip(0.0, 1.0) for x in column.parts)


def _stacked(parts: Sequence[Float], n: int) -> Float:
    return np.stack(parts, axis=1) if parts else np.empty((n, 0))


def _share_in(some: Sequence[Compared], others: Sequence[Compared]) -> float:
    """Return the share of rows that are among others, cell by cell."""
    rows, known = (
        np.stack([np.nan_to_num(column.parts[0], nan=np.inf) + 0.0 for column in columns], axis=1)
        for columns in (some, others)
    )
    known_rows = {row.tobytes() for row in known}
    return float(np.mean([row.tobytes() in known_rows for row in rows]))
