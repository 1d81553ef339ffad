"""Reading: a user's X, checked, as numbers."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from .codecs import Bool, Float
from .container import (
    Container,
    Field,
    categorical_mask,
    check_exact,
    is_missing,
    refuse_beyond_boolean,
)
from .dtypes import LARGEST
from .known import Known, matched
from .native import as_array, as_frame
from .table import Table

NO_CONTEXT = "context has no rows: give a value, or one for each row, by column."


def read(
    estimator: Any,
    X: Any,
    fitted: Container | None,
    n_min: int = 1,
    open_to: Collection[int] = (),
) -> tuple[Float, Container]:
    """Return the values of X (n, c), NaN where missing, and the container they came in.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are checked, or set where nothing is
        ``fitted``.
    X : DataFrame or array-like
    fitted : Container or None
        What the rows of ``fit`` came in.
    n_min : int
        Rows needed.
    open_to : collection of int
        Positions of the columns that may have categories which were not there in ``fit``.

    Raises
    ------
    ValueError, TypeError
        If X is not what is wanted; the message names the column.
    """
    name = type(estimator).__name__
    X = _plain_array(X)
    if as_frame(X) is not None or _has_categories(estimator, fitted):
        if as_frame(X) is None:
            X = as_array(X)
            X = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=n_min)
        validate_data(estimator, X, reset=fitted is None, skip_check_array=True)
        if fitted is not None:
            _refuse_other_places(X, fitted)
        check_rows(len(X), n_min, name)
        container = fitted or Container.of(X, categorical_mask(estimator.categorical_features, X))
        values = container.values(X, open_to)
    else:
        values = validate_data(
            estimator,
            _numbers(X),
            reset=fitted is None,
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=n_min,
        )
        container = fitted or Container.of(X if hasattr(X, "dtype") else np.asarray(X))
    check_finite(values, container, name)
    return values, container


def read_partial(estimator: Any, X: Any, fitted: Container, open_to: Collection[int] = ()) -> Float:
    """Return the values of X (n, c), with NaN for columns that a DataFrame does not have.

    Raises
    ------
    ValueError, TypeError
        As :func:`read`, and if X has columns that were not there in ``fit``.
    """
    frame = as_frame(X)
    if frame is None:
        return read(estimator, X, fitted, open_to=open_to)[0]
    unknown = [name for name in frame.to_native().columns if name not in fitted.names]
    if unknown:
        raise ValueError(
            f"X has columns {unknown}, which were not there in fit. Known are {fitted.names}; "
            "those left out are completed."
        )
    check_rows(len(frame), 1, type(estimator).__name__)
    values = fitted.partial_values(X, open_to)
    check_finite(values, fitted, type(estimator).__name__)
    return values


def read_context(given: Any, table: Table) -> Float:
    """Return values (n, columns of the user) of the columns conditioned on, NaN for the others.

    Parameters
    ----------
    given : DataFrame, dict or array-like
        A dict has a value, or one for each row, by column. An array has the columns conditioned on
        alone; a DataFrame may have others.
    table : Table

    Raises
    ------
    ValueError, TypeError
        If it is not what the model is conditioned on; the message names the column.
    """
    context = table.context
    if context is None:
        raise ValueError("context is given, but the model has no context_features.")
    names = [field.name for field in context.fields]
    if given is None:
        raise ValueError(f"The model is conditioned on columns {names}: give them as context=.")
    given = _plain_array(given)
    part = table.container.subset(context.positions)
    if isinstance(given, dict):
        of_context = _of_dict(given, part)
    elif (frame := as_frame(given)) is not None:
        _refuse_absent([name for name in names if name not in frame.to_native().columns])
        if not len(frame):
            raise ValueError(NO_CONTEXT)
        of_context = part.partial_values(given)
    else:
        array = check_array(given, dtype=None, ensure_all_finite=False)
        if array.shape[1] != len(names):
            raise ValueError(
                f"context has {array.shape[1]} columns, but the model is conditioned on "
                f"{len(names)}: {names}."
            )
        of_context = part.values(array)
    if np.isinf(of_context).any():
        j = int(np.isinf(of_context).any(0).argmax())
        raise ValueError(f"context has infinity in column {names[j]!r}. Give a finite number.")
    values = np.full((len(of_context), len(table.container.fields)), np.nan)
    values[:, context.positions] = of_context
    return values


def known_context(given: Any, table: Table, n: int) -> Known | None:
    """Return the cells of n rows that are conditioned on, which ``given`` has; None for none.

    It was read before: as many of the rows were made of each of its rows.
    """
    if table.context is None:
        return None
    part, positions = table.container.subset(table.context.positions), table.context.positions
    if isinstance(given, dict):
        found = {j: _column_of(given[f.name], f) for j, f in enumerate(part.fields)}
    else:
        array = given if as_frame(given) is not None else as_array(given)
        of_all = array.shape[1] == len(table.container.fields) and as_frame(given) is None
        whole = table.container if of_all else part
        found = matched(whole, array)
        found = {k: found[j] for k, j in enumerate(positions)} if of_all else found
    n_given = max(map(len, found.values()))
    columns = {j: _to_length(found[k], n_given) for k, j in enumerate(positions)}
    cells = np.isin(np.arange(len(table.container.fields)), positions)
    rows = np.arange(n) // max(n // n_given, 1)
    return Known(columns, np.broadcast_to(cells, (n, len(cells))), rows)


def _to_length(column: Any, n: int) -> Any:
    """Return a column of n cells: its own, or its only one as often."""
    if len(column) == n:
        return column
    return column * n if isinstance(column, list) else np.resize(column, n)


def _column_of(given: Any, field: Field) -> Any:
    """Return what a dict has of a column: an array where it has a dtype, else a list."""
    values = _scalars(given)
    if field.clock is not None:
        ticks = np.array([field.clock.tick(value) for value in values])
        return field.clock.times(ticks)
    return given if hasattr(given, "dtype") and np.ndim(given) else values


def _of_dict(given: dict[Hashable, Any], container: Container) -> Float:
    _refuse_absent([name for name in container.names if name not in given])
    columns = [
        [
            np.nan if is_missing(value) else field.number(value)
            for value in _scalars(given[field.name])
        ]
        for field in container.fields
    ]
    for field, column in zip(container.fields, columns, strict=True):
        if field.role == "boolean":
            refuse_beyond_boolean(field, np.array(column, float))
    n = max(map(len, columns))
    if not all(columns):
        raise ValueError(NO_CONTEXT)
    wrong = [name for name, c in zip(container.names, columns, strict=True) if len(c) not in (1, n)]
    if wrong:
        raise ValueError(f"context has {n} rows, but column {wrong[0]!r} has another number.")
    return np.stack([np.resize(np.array(column, float), n) for column in columns], axis=1)


def _scalars(given: Any) -> list[Any]:
    """Return a value, or the values of an array-like, one by one."""
    array = np.asarray(given)
    if array.dtype.kind not in "mM":  # which as objects would be integers without a unit
        array = np.asarray(given, object)
    return list(np.atleast_1d(array))


def _refuse_absent(names: list[Hashable]) -> None:
    if names:
        raise ValueError(f"context lacks columns {names}, which the model is conditioned on.")


def _plain_array(X: Any) -> Any:
    """Return a masked array with NaN for what is masked; anything else as it is.

    Raises
    ------
    TypeError, ValueError
        If it is an array of records, or masked with an integer that no float is equal to.
    """
    if getattr(getattr(X, "dtype", None), "kind", "") == "V":
        raise TypeError(
            f"X is an array of {X.dtype}, but expected one of numbers. Of records make a "
            "DataFrame: pandas.DataFrame(X)."
        )
    if not isinstance(X, np.ma.MaskedArray):
        return X
    if X.dtype.kind in "iu":
        for j, column in enumerate(X.T):
            check_exact(j, column.compressed())
    return as_array(X)


def _numbers(X: Any) -> Any:
    """Return an array without categories with NaN where a value is missing.

    Raises
    ------
    TypeError, ValueError
        If it holds times, strings, or integers that no float is equal to.
    """
    X = _listed(X)
    if not isinstance(X, np.ndarray) or X.ndim != 2 or not X.size:
        return X
    if X.dtype.kind in "SUT":
        refuse_strings(X)  # which names the first that is no number
        raise TypeError(
            "X holds strings: give a DataFrame, whose columns have dtypes of their own, name the "
            "columns of categories (categorical_features=[...]), or convert X to numbers."
        )
    if X.dtype.kind in "mM":
        raise TypeError(
            f"X is an array of {X.dtype}: give times as columns of a DataFrame, which have a unit "
            "and a dtype to come back in."
        )
    if X.dtype.kind in "iu":
        for j, ends in enumerate(zip(X.min(0), X.max(0), strict=True)):
            check_exact(j, ends)
    if X.dtype.kind != "O":
        return X
    refuse_strings(X)
    missing = [is_missing(value) for value in X.flat]
    X = np.where(np.reshape(missing, X.shape), np.nan, X)
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        refuse_objects(X)
        raise


def _listed(rows: Any) -> Any:
    """Return rows in a list as an array; as they are where they make none."""
    if not isinstance(rows, list | tuple):
        return rows
    try:
        return np.asarray(rows)
    except ValueError:  # of several lengths
        return rows


def _has_categories(estimator: Any, container: Container | None) -> bool:
    if container is None:
        return not isinstance(estimator.categorical_features, str | None)
    return any(field.is_category for field in container.fields)


def _refuse_other_places(X: Any, fitted: Container) -> None:
    """Raise ValueError if columns of ``fit`` are elsewhere in X.

    scikit-learn looks at names that are strings; numbers, times and levels are names as well.
    """
    if fitted.backend is None or as_frame(X) is None:
        return
    # NaN, which is no name twice, is left out.
    names, of_fit = ([n for n in each if n == n] for each in (list(X.columns), fitted.names))
    if names != of_fit and {*names} & {*of_fit}:
        raise ValueError(
            f"X has the columns {names}, but those of fit are {of_fit}. Give them in that order."
        )


def check_rows(n_rows: int, n_min: int, estimator: str) -> None:
    """Raise ValueError if there are too few rows, in scikit-learn's words."""
    if n_rows < n_min:
        raise ValueError(
            f"Found array with {n_rows} sample(s) while a minimum of {n_min} is required by "
            f"{estimator}."
        )


def refuse_strings(X: NDArray[Any]) -> None:
    """Raise ValueError naming the column of the first string in an array of strings or objects."""
    for (row, j), value in np.ndenumerate(X):
        if isinstance(value, str | bytes) and not is_number(value):
            raise ValueError(
                f"Column {j} holds the string {str(value)!r} in row {row}, but columns of an "
                f"array must be numeric. Name it in categorical_features=[{j}], or give a "
                "DataFrame."
            )


def refuse_objects(X: NDArray[Any]) -> None:
    """Raise ValueError or TypeError naming the column of the first object that is no number."""
    for (row, j), value in np.ndenumerate(X):
        try:
            float(value)
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"Column {j} cannot have the value {value!r} of row {row}: {error}. Columns of an "
                "array must be numeric. Convert it, or give a DataFrame."
            ) from error


def is_number(text: str | bytes) -> bool:
    """Whether a string reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_finite(values: Float, container: Container, estimator: str) -> None:
    """Raise ValueError naming the column of the first value that is infinite, or near it."""
    with np.errstate(invalid="ignore"):
        infinite = (np.abs(values) > LARGEST) & ~_are_categories(container)
    if not infinite.any():
        return
    row, j = (int(i) for i in np.argwhere(infinite)[0])
    what = "infinity" if np.isinf(values[row, j]) else f"{values[row, j]:g}, beyond {LARGEST:g},"
    raise ValueError(
        f"Input X contains {what} in column {container.names[j]!r}, row {row}. {estimator} needs "
        "finite numbers: drop the row, or leave the cell missing (NaN)."
    )


def _are_categories(container: Container) -> Bool:
    return np.array([field.is_category for field in container.fields])


def positive_integer(value: Any, name: str) -> int:
    """Return an integer >= 1, or raise ValueError naming the parameter."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1. Got {value!r}.")
    return int(value)
