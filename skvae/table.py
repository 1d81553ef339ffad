"""Table: the user's columns to cells and back. Units live here alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

Float = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Column:
    """One column: its name, its kind, and the units it is measured in.

    Attributes
    ----------
    name : hashable
        The DataFrame's name, or the position in an array.
    kind : {"continuous", "binary"}
    location, scale : float
        Mean and standard deviation; a continuous cell is (value - location) / scale, and a
        constant column has scale 1.
    resolution : float
        Smallest gap between distinct values, in the user's units; 0 for a constant column.
    """

    name: Hashable
    kind: str
    location: float
    scale: float
    resolution: float


class Table:
    """What is known of a table after seeing its training rows.

    Use :meth:`learn` to make one. ``encode`` gives cells (one number each, standardised) and
    the log-Jacobian that brings a density of cells back to the user's units; ``decode`` gives
    rows in the user's container, columns and dtypes.
    """

    def __init__(self, columns: Sequence[Column], container: Container):
        self.columns, self.container = list(columns), container
        # Binary cells stay 0 and 1.
        binary = np.array([column.kind == "binary" for column in columns])
        self.location = np.where(binary, 0.0, [column.location for column in columns])
        self.scale = np.where(binary, 1.0, [column.scale for column in columns])

    @classmethod
    def learn(cls, values: Float, container: Container) -> Table:
        """Learn columns from values (n, c) that came in ``container``."""
        scaler = StandardScaler().fit(values)
        return cls(
            [
                Column(
                    name=name,
                    kind="binary" if is_binary(values[:, j]) else "continuous",
                    location=float(scaler.mean_[j]),
                    scale=float(scaler.scale_[j]),
                    resolution=resolution(values[:, j]),
                )
                for j, name in enumerate(container.names)
            ],
            container,
        )

    def with_kinds(self, kinds: Sequence[str]) -> Table:
        """Return this table with other kinds: what the columns' likelihoods ask for."""
        columns = [
            dataclasses.replace(column, kind=kind)
            for column, kind in zip(self.columns, kinds, strict=True)
        ]
        return Table(columns, self.container)

    def encode(self, values: Float) -> tuple[Float, Float]:
        """Return cells (n, c) and the log-Jacobian of each row (n,).

        Raises
        ------
        ValueError
            If a binary column holds anything but 0 and 1.
        """
        self._check_binary(values)
        return (values - self.location) / self.scale, np.full(len(values), self.log_det)

    @property
    def log_det(self) -> float:
        """Log |d cells / d values|: minus the sum of the log-scales of continuous columns."""
        return -float(np.log(self.scale).sum())

    def decode(self, cells: Float) -> Any:
        """Return rows in the user's units, container, columns and dtypes."""
        return self.container.rows(cells * self.scale + self.location)

    @property
    def kinds(self) -> list[str]:
        """The kind of every column."""
        return [column.kind for column in self.columns]

    @property
    def resolution(self) -> Float:
        """The resolution of every column, in cells, (c,)."""
        return np.array([column.resolution for column in self.columns]) / self.scale

    def _check_binary(self, values: Float) -> None:
        for j, column in enumerate(self.columns):
            if column.kind != "binary":
                continue
            wrong = ~np.isin(values[:, j], (0.0, 1.0))
            if wrong.any():
                row = int(wrong.argmax())
                raise ValueError(
                    f"Column {column.name!r} has likelihood Bernoulli, which needs 0 or 1. Got "
                    f"{values[row, j]:g} in row {row}. If the column is not binary, fit with "
                    f"likelihood={{{column.name!r}: 'gaussian'}}."
                )


@dataclasses.dataclass(frozen=True)
class Container:
    """What rows come in: a NumPy array, or a DataFrame of some library with its dtypes."""

    names: list[Hashable]
    backend: str | None = None
    dtypes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, X: Any) -> Container | None:
        """Read the container of a DataFrame, without copying it; None for anything else.

        Raises
        ------
        TypeError
            If a DataFrame's column is neither numeric nor boolean.
        """
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if not isinstance(frame, nw.DataFrame):
            return None
        schema = frame.schema
        for name, dtype in schema.items():
            if not (dtype.is_numeric() or dtype == nw.Boolean or dtype == nw.Object):
                raise TypeError(
                    f"Column {name!r} has dtype {dtype}, but columns must be numeric or boolean. "
                    "Encode it as numbers (OrdinalEncoder, OneHotEncoder) or drop it."
                )
        return cls(list(schema), frame.implementation.name.lower(), tuple(schema.values()))

    def rows(self, values: Float) -> Any:
        """Put values (n, c) into the container.

        A boolean is true above one half. Integers come back as such where every value is one;
        elsewhere a continuous likelihood has drawn fractions, which stay floats.
        """
        if self.backend is None:
            return values
        labels = [str(name) for name in self.names]
        frame = nw.from_dict(dict(zip(labels, values.T, strict=True)), backend=self.backend)
        typed = frame.select(
            _cast(label, column, dtype)
            for label, column, dtype in zip(labels, values.T, self.dtypes, strict=True)
        )
        native = typed.to_native()
        if labels != self.names:
            native.columns = self.names  # only pandas has names that are not strings
        return native


def _cast(label: str, values: Float, dtype: Any) -> nw.Expr:
    column = nw.col(label)
    if dtype == nw.Boolean:
        return column > 0.5
    whole = dtype.is_float() or bool((values == np.round(values)).all())
    return column.cast(dtype) if whole and dtype != nw.Object else column


def is_binary(values: Float) -> bool:
    """Whether a column holds both 0 and 1 and nothing else."""
    return bool(np.isin(values, (0.0, 1.0)).all()) and np.ptp(values) == 1.0


def resolution(values: Float) -> float:
    """Return the smallest gap between distinct values; 0 if there is but one."""
    distinct = np.unique(values)
    return float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0


def refuse_strings(X: Any) -> None:
    """Raise ValueError naming the column of the first string in an array of strings or objects."""
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "OSU" or X.ndim != 2:
        return
    for row, j in np.ndindex(X.shape):
        if isinstance(X[row, j], str | bytes) and not is_number(X[row, j]):
            raise ValueError(
                f"Column {j} holds the string {str(X[row, j])!r} in row {row}, but columns must be "
                "numeric. Encode it as numbers (OrdinalEncoder, OneHotEncoder) or drop it."
            )


def is_number(text: str | bytes) -> bool:
    """Whether a string reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_finite(values: Float, container: Container, estimator: str) -> None:
    """Raise ValueError naming the column of the first value that is NaN or infinite."""
    finite = np.isfinite(values)
    if finite.all():
        return
    row, j = (int(i) for i in np.argwhere(~finite)[0])
    what, way = (
        ("NaN", "Missing values are not supported: impute them or drop the row.")
        if np.isnan(values[row, j])
        else ("infinity", "Drop the row or give the cell a finite value.")
    )
    raise ValueError(
        f"Input X contains {what} in column {container.names[j]!r}, row {row}. {estimator} "
        f"needs finite numbers. {way}"
    )
