"""Reading: a user's X, checked, as numbers and as rows of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_array, validate_data

from .codecs import Float
from .container import Container, as_frame, categorical_mask
from .core.batch import Batch
from .table import Table


def read(
    estimator: Any, X: Any, fitted: Container | None, n_min: int = 1
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

    Raises
    ------
    ValueError, TypeError
        If X is not what is wanted; the message names the column.
    """
    name = type(estimator).__name__
    if as_frame(X) is not None or _has_categories(estimator, fitted):
        if as_frame(X) is None:
            X = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=n_min)
        validate_data(estimator, X, reset=fitted is None, skip_check_array=True)
        check_rows(len(X), n_min, name)
        container = fitted or Container.of(X, categorical_mask(estimator.categorical_features, X))
        values = container.values(X)
    else:
        refuse_strings(X)
        values = validate_data(
            estimator,
            X,
            reset=fitted is None,
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=n_min,
        )
        container = fitted or Container.of(X if hasattr(X, "dtype") else np.asarray(X))
    check_finite(values, container, name)
    return values, container


def read_partial(estimator: Any, X: Any, fitted: Container) -> Float:
    """Return the values of X (n, c), with NaN for columns that a DataFrame does not have.

    Raises
    ------
    ValueError, TypeError
        As :func:`read`, and if X has columns that were not there in ``fit``.
    """
    frame = as_frame(X)
    if frame is None:
        return read(estimator, X, fitted)[0]
    unknown = [name for name in frame.to_native().columns if name not in fitted.names]
    if unknown:
        raise ValueError(
            f"X has columns {unknown}, which were not there in fit. Known are {fitted.names}; "
            "those left out are completed."
        )
    check_rows(len(frame), 1, type(estimator).__name__)
    values = fitted.partial_values(X)
    check_finite(values, fitted, type(estimator).__name__)
    return values


def as_rows(table: Table, values: Float) -> tuple[Batch, Float]:
    """Return values as rows of cells in float64, and their log-Jacobians (n,).

    Through float32, in which models are trained: rows that differ by rounding alone (another unit
    of measure) are the same row, to the bit.
    """
    cells, log_det = table.encode(values)
    return Batch.of(torch.as_tensor(cells.astype(np.float32)).double()), log_det


def _has_categories(estimator: Any, container: Container | None) -> bool:
    if container is None:
        return not isinstance(estimator.categorical_features, str | None)
    return any(field.is_category for field in container.fields)


def check_rows(n_rows: int, n_min: int, estimator: str) -> None:
    """Raise ValueError if there are too few rows, in scikit-learn's words."""
    if n_rows < n_min:
        raise ValueError(
            f"Found array with {n_rows} sample(s) while a minimum of {n_min} is required by "
            f"{estimator}."
        )


def refuse_strings(X: Any) -> None:
    """Raise ValueError naming the column of the first string in an array of strings or objects."""
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "OSU" or X.ndim != 2:
        return
    for row, j in np.ndindex(X.shape):
        if isinstance(X[row, j], str | bytes) and not is_number(X[row, j]):
            raise ValueError(
                f"Column {j} holds the string {str(X[row, j])!r} in row {row}, but columns of an "
                f"array must be numeric. Name it in categorical_features=[{j}], or give a "
                "DataFrame."
            )


def is_number(text: str | bytes) -> bool:
    """Whether a string reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_finite(values: Float, container: Container, estimator: str) -> None:
    """Raise ValueError naming the column of the first value that is infinite."""
    infinite = np.isinf(values)
    if not infinite.any():
        return
    row, j = (int(i) for i in np.argwhere(infinite)[0])
    raise ValueError(
        f"Input X contains infinity in column {container.names[j]!r}, row {row}. {estimator} needs "
        "finite numbers: drop the row, or leave the cell missing (NaN)."
    )
