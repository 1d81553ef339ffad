"""Hints: columns that may be something else than their dtype says, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from typing import Any

import narwhals as nw
import numpy as np

from .codecs import Float
from .container import Container, Field, column_mask
from .native import empty, is_object, kind_of

#: Most integers of a column that are looked at, and fewest values that tell.
MAX_ROWS = 10_000
MIN_ROWS = 20
#: Share of the distinct values that decides what they are; and of a column's, where they are
#: distinct.
NEARLY_ALL = 0.95
DISTINCT = 0.9
#: Integers that may be years, which are distinct where rows are.
YEARS = (1500, 2100)
#: Pairs of rows that would be equal by chance, from which on it tells that none is.
MIN_PAIRS = 10.0
#: Strings that are whole numbers may be codes on purpose if these are fewer.
MIN_NUMBERS = 20
#: What codes are: numbers of three digits or more, each in so many rows or more, that fill no more
#: than this share of their range, and of which no more than this share are round.
LEAST_CODE = 100
ROWS_A_CODE = 5
MAX_FILLED = 0.05
MAX_ROUND = 0.3
#: Distinct values that must all read as dates.
MIN_DATES = 5

NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)?(?P<fraction>\.\d+)?(?P<exponent>[eE][-+]?\d+)?")
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([ T].*)?")

IDENTIFIER = "nearly all values are distinct, as of identifiers or texts: drop it"
ROW_NUMBERS = "all integers are distinct, as of identifiers or row numbers: drop it"
NUMBERS = "its strings are numbers: convert them"
CODES = "its integers look like codes: if they are, name it in categorical_features"
INTEGER_DATES = "its integers look like dates (20240131): convert them to times"
STRING_DATES = "its strings are dates: convert them to times"


def hints(
    values: Float, container: Container, categorical: Any, stated: Collection[Hashable]
) -> list[str]:
    """Return which columns (n, c) may be something else than their dtype says, in words.

    Of categories by dtype, or by the parameter ``categorical``, it is asked only whether they are
    identifiers; of columns whose likelihood is ``stated``, nothing.
    """
    named = None if isinstance(categorical, str) else categorical
    marked = column_mask(named, container.names, "categorical_features")
    found = []
    for j, field in enumerate(container.fields):
        declared = marked[j] or is_declared(container, j)
        hint = None if field.name in stated else _hint(field, values[:, j], declared)
        if hint is not None:
            found.append(f"{field.name!r}: {hint}")
    return found


def is_declared(container: Container, j: int) -> bool:
    """Whether the dtype of a column is for categories alone."""
    if container.backend is None or is_object(container.dtypes[j]):
        return False
    kind = kind_of(empty(container.dtypes[j], container.backend))
    return isinstance(kind, nw.Categorical | nw.Enum)


def _hint(field: Field, values: Float, declared: bool) -> str | None:
    """Return what is odd about a column."""
    seen = values[~np.isnan(values)]
    if len(seen) < MIN_ROWS:
        return None
    if field.role == "integer":
        return _of_integers(seen[:: -(-len(seen) // MAX_ROWS)])
    return of_categories(field, seen, declared) if field.role == "category" else None


def of_categories(field: Field, seen: Float, declared: bool) -> str | None:
    """Return what is odd about a column of categories, of which some are seen."""
    distinct = np.unique(seen)
    levels = [field.levels[int(code)] for code in distinct]
    if not declared and all(isinstance(level, str) for level in levels):
        if _share(DATE, levels) >= NEARLY_ALL or _are_dates_in_digits(levels):
            return STRING_DATES
        if _are_numbers(levels):
            return NUMBERS
    return IDENTIFIER if len(distinct) >= DISTINCT * len(seen) else None


def _of_integers(seen: Float) -> str | None:
    distinct, n = np.unique(seen), len(seen)
    if _are_dates(distinct):
        return INTEGER_DATES
    span = distinct[-1] - distinct[0] + 1.0
    may_be_years = YEARS[0] <= distinct[0] and distinct[-1] <= YEARS[1]
    if len(distinct) == n and n * (n - 1) / 2 >= MIN_PAIRS * span and not may_be_years:
        return ROW_NUMBERS
    return CODES if _are_codes(distinct, n, span) else None


def _are_codes(distinct: Float, n: int, span: float) -> bool:
    round_ = (distinct % 10 == 0).mean()
    sparse = len(distinct) <= min(MAX_FILLED * span, n / ROWS_A_CODE)
    return bool(distinct[0] >= LEAST_CODE and sparse and round_ <= MAX_ROUND)


def _are_dates(distinct: Float) -> bool:
    """Whether integers are dates, of four digits of the year, two of the month and of the day."""
    year, month, day = distinct // 10_000, distinct // 100 % 100, distinct % 100
    fits = (year >= 1900) & (year < 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return len(distinct) >= MIN_DATES and bool(fits.mean() >= NEARLY_ALL)


def _are_dates_in_digits(levels: list[str]) -> bool:
    digits = [level for level in levels if level.isdecimal() and len(level) == 8]
    return len(digits) == len(levels) and _are_dates(np.array(levels, dtype=float))


def _are_numbers(levels: list[str]) -> bool:
    texts = [level.strip(" $€£%").replace(",", "") for level in levels]
    if _share(NUMBER, texts) < NEARLY_ALL:
        return False
    found = [match for text in texts if (match := NUMBER.fullmatch(text))]
    return len(levels) >= MIN_NUMBERS or any(m["fraction"] or m["exponent"] for m in found)


def _share(pattern: re.Pattern[str], levels: list[str]) -> float:
    return sum(bool(pattern.fullmatch(level)) for level in levels) / len(levels)
