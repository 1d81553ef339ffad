"""Dtypes: the one that holds what two hold, and what a number becomes in it.

By kinds alone and never by values, so that no batch has other dtypes than the next:

==================================  ======================================
the columns of ``fit`` and of X     together
==================================  ======================================
of one dtype                        that dtype
numbers and booleans                as NumPy's ``result_type``
nullable and not                    nullable
decimals, also with integers        decimals of all digits of both
decimals and floats                 as in X
Python objects, and anything        Python objects
times                               the finer unit, the zone of ``fit``
categories and strings              as in ``fit``
categories that may be new          categories of both; strings where either
                                    is of strings
==================================  ======================================
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from narwhals.dtypes import DType
from numpy.typing import NDArray

from .native import (
    KINDS,
    NUMPY,
    Series,
    backend_of,
    dtype_of,
    empty,
    is_object,
    kind_of,
    new_column,
)

Float = NDArray[np.float64]

#: Up to this size every integer is a float.
EXACT = 2**53
#: Largest number of a table: sums of squares of larger ones are infinite.
LARGEST = 1e150
#: Digits that a decimal may have.
DIGITS = 38
UNITS = ("D", "s", "ms", "us", "ns")


def holding_both(fitted: Any, given: Series, backend: str, is_open: bool = False) -> Any:
    """Return the native dtype that holds what one of ``fit`` does and what a column does.

    It is of the library of ``fit``, ``backend``. A column of categories is open where it may have
    some that were not there in ``fit``.
    """
    of_fit = empty(fitted, backend)
    if is_open:
        of_fit = _opened(of_fit, given, backend)
    both = union(kind_of(of_fit), kind_of(given))
    wider = backend_of(given) == backend and is_nullable(given) and not is_nullable(of_fit)
    return _native(both, given if wider and is_like(both, given) else of_fit)


def _opened(of_fit: Series, given: Series, backend: str) -> Series:
    """Return a column of no rows with room for the categories of one of ``fit`` and of another."""
    if is_object(dtype_of(given)):
        return given[:0]
    declared, others = declared_by(of_fit), declared_by(given)
    if declared is None:
        return of_fit
    if others is None:
        return new_column(declared, backend)[:0]
    dtype = dtype_of(of_fit)
    more = [*declared, *(level for level in others if level not in declared)]
    ordered = {"ordered": dtype.ordered} if backend == "pandas" else {}
    return empty(type(dtype)(more, **ordered), backend)


def declared_by(series: Series) -> list[Any] | None:
    """Return the categories beside which a dtype has room for no other; None where it has."""
    declared: Any = getattr(dtype_of(series), "categories", None)
    return declared.to_list() if hasattr(declared, "to_list") else None


def is_like(kind: DType, series: Series) -> bool:
    """Whether a column, and what it is to be, are both numbers, or both are times."""
    other = kind_of(series)
    both_times = kind.is_temporal() and other.is_temporal()
    return both_times or (is_number(kind) and is_number(other))


def _native(kind: DType, like: Series) -> Any:
    """Return the native dtype of a kind, of the flavour of a column."""
    if kind == kind_of(like):
        return dtype_of(like)
    if isinstance(kind, nw.Object):
        return object if backend_of(like) != "polars" else dtype_of(like)
    return dtype_of(like.cast(kind))


def is_nullable(series: Series) -> bool:
    """Whether a column of pandas has a dtype of its own for numbers with missing ones."""
    return not isinstance(dtype_of(series), np.dtype)


def union(fitted: DType, given: DType) -> DType:
    """Return the kind that holds both; see the table above."""
    if fitted == given or isinstance(given, nw.Unknown):
        return fitted
    if isinstance(fitted, nw.Unknown):
        return given
    if is_text(fitted) or is_text(given):
        return fitted
    if nw.Object() in (fitted, given):
        return nw.Object()
    if is_number(fitted) and is_number(given):
        return _number(fitted, given)
    if fitted.is_temporal() and given.is_temporal():
        return _time(fitted, given)
    return fitted


def is_text(kind: DType) -> bool:
    """Whether a kind is of strings, or of categories."""
    return isinstance(kind, nw.String | nw.Categorical | nw.Enum)


def is_number(kind: DType) -> bool:
    """Whether a kind is of numbers, or of booleans."""
    return type(kind) in NUMPY or isinstance(kind, nw.Decimal)


def _number(fitted: DType, given: DType) -> DType:
    if isinstance(fitted, nw.Decimal) or isinstance(given, nw.Decimal):
        return given if fitted.is_float() or given.is_float() else _decimal(fitted, given)
    if fitted.is_integer() and given.is_integer():
        for wide in (nw.Int128(), nw.UInt128()):
            if wide in (fitted, given):
                return wide
    return KINDS[np.result_type(NUMPY[type(fitted)], NUMPY[type(given)]).name]()


def _decimal(fitted: DType, given: DType) -> DType:
    digits, scales = zip(*(_digits(kind) for kind in (fitted, given)), strict=True)
    return nw.Decimal(min(max(digits) + max(scales), DIGITS), max(scales))


def _digits(kind: DType) -> tuple[int, int]:
    """Return how many digits a kind has before and after the point."""
    if isinstance(kind, nw.Decimal):
        return kind.precision - kind.scale, kind.scale
    return (1 if kind == nw.Boolean() else len(str(np.iinfo(NUMPY[type(kind)]).max))), 0


def _time(fitted: DType, given: DType) -> DType:
    finest = max((getattr(kind, "time_unit", "D") for kind in (fitted, given)), key=UNITS.index)
    if finest == "D":
        return fitted
    if isinstance(fitted, nw.Duration):
        return nw.Duration(finest)  # type: ignore[arg-type]
    return nw.Datetime(finest, getattr(fitted, "time_zone", None))  # type: ignore[arg-type]


def within(values: Float, kind: DType) -> Float:
    """Return numbers as near as a kind has them: whole for integers, and not beyond its ends.

    What is drawn may be anywhere, but neither overflows nor is refused when it is read again.
    """
    if kind.is_integer():
        limits = np.iinfo(NUMPY[type(kind)])
        ends = max(float(limits.min), -float(EXACT)), min(float(limits.max), float(EXACT))
        return np.round(values).clip(*ends)
    if isinstance(kind, nw.Decimal):
        values, largest = np.round(values, kind.scale), 10.0 ** (kind.precision - kind.scale)
        return values.clip(-largest * (1 - 1e-15), largest * (1 - 1e-15))
    largest = float(np.finfo(NUMPY[type(kind)]).max) if kind.is_float() else np.inf
    return values.clip(-largest, largest)
