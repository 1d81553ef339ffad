"""Table: the user's columns to cells and back. Units live here alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from .bins import Bins
from .codecs import Affine, Codec, Float, Levels, step_of
from .container import Container, Field


@dataclasses.dataclass(frozen=True)
class Model:
    """How a column is to be modelled.

    Attributes
    ----------
    likelihood : str
        The family's name, for errors.
    kind : str
        Which cells it needs, a key of ``CODECS``.
    options : dict
        For the codec.
    """

    likelihood: str
    kind: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Column:
    """One column: what it holds, how it is modelled and its codec.

    Attributes
    ----------
    resolution : float
        Smallest gap between distinct values, in cells; 0 for a constant column.
    """

    field: Field
    model: Model
    codec: Codec
    resolution: float

    @property
    def name(self) -> Hashable:
        """The DataFrame's name, or the position in an array."""
        return self.field.name


class Table:
    """What is known of a table after seeing its training rows.

    Use :meth:`learn` to make one. ``encode`` gives cells (one number each) and the log-Jacobian
    that brings a density of cells back to the user's units; ``decode`` gives rows in the user's
    container, columns and dtypes.
    """

    def __init__(self, columns: Sequence[Column], container: Container):
        self.columns, self.container = list(columns), container

    @classmethod
    def learn(cls, values: Float, container: Container, models: Sequence[Model]) -> Table:
        """Learn columns from values (n, c) that came in ``container``.

        Raises
        ------
        ValueError
            If a column does not hold what its likelihood needs.
        """
        scaler = StandardScaler().fit(values)
        standard = [
            Affine(float(m), float(s)) for m, s in zip(scaler.mean_, scaler.scale_, strict=True)
        ]
        return cls(
            [
                learn_column(field, model, values[:, j], standard[j])
                for j, (field, model) in enumerate(zip(container.fields, models, strict=True))
            ],
            container,
        )

    def encode(self, values: Float) -> tuple[Float, Float]:
        """Return cells (n, c) and the log-Jacobian of each row (n,).

        Raises
        ------
        ValueError
            If a column holds a value that its likelihood has no probability for.
        """
        cells, log_det = np.empty(values.shape), np.zeros(len(values))
        for j, column in enumerate(self.columns):
            check_support(column.field, column.model, column.codec, values[:, j])
            cells[:, j], of_column = column.codec.encode(values[:, j])
            log_det += of_column
        return cells, log_det

    def decode(self, cells: Float, random: np.random.RandomState) -> Any:
        """Return rows in the user's units, container, columns and dtypes.

        What a cell leaves open, where in a bin a value is, is drawn from ``random``.
        """
        u = random.random_sample((len(self.columns), len(cells)))
        return self.container.rows(
            _join(c.codec.decode(cells[:, j], u[j]) for j, c in enumerate(self.columns))
        )

    def expect(self, distributions: Sequence[Any]) -> Float:
        """Return means, and modes of categories, (n, c), of one distribution of cells a column."""
        return _join(
            c.codec.expect(distribution)
            for c, distribution in zip(self.columns, distributions, strict=True)
        )

    @property
    def n_levels(self) -> list[int]:
        """How many levels every column has, 1 for numbers."""
        return [column.codec.n_levels for column in self.columns]

    @property
    def resolution(self) -> Float:
        """The resolution of every column, in cells, (c,)."""
        return np.array([column.resolution for column in self.columns])


def learn_column(field: Field, model: Model, values: Float, standard: Affine) -> Column:
    """Learn one column; ``standard`` standardises it."""
    if field.is_category and model.kind not in OF_CATEGORIES:
        raise ValueError(
            f"Column {field.name!r} holds categories, which {model.likelihood} cannot model. Use "
            f"one of {sorted(OF_CATEGORIES)} for it: likelihood={{{field.name!r}: 'categorical'}}."
        )
    codec = CODECS[model.kind](values, field, standard, model.options)
    check_support(field, model, codec, values)
    scale = codec.scale if isinstance(codec, Affine) else 1.0
    return Column(field, model, codec, resolution(values) / scale)


def check_support(field: Field, model: Model, codec: Codec, values: Float) -> None:
    """Raise ValueError naming the first value of a column that its likelihood cannot have."""
    refused = codec.refuses(values)
    if refused.any():
        row = int(refused.argmax())
        raise ValueError(
            f"Column {field.name!r} has likelihood {model.likelihood}, which needs "
            f"{codec.support}. Got {values[row]:g} in row {row}. Correct the row, or fit with "
            f"likelihood={{{field.name!r}: 'gaussian'}} (or 'binned')."
        )


def _positive(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    # In units of the geometric mean.
    inside = values[values > 0]
    scale = float(np.exp(np.log(inside).mean())) if len(inside) else 1.0
    return Affine(0.0, scale, "numbers > 0")


def _levels(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    if field.is_category:
        return Levels(tuple(float(code) for code in range(len(field.levels))))
    step = 1.0 if field.role == "boolean" else step_of(values, field.role)[0]
    return Levels(tuple(np.unique(values).tolist()), step)


def _bins(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    return Bins.learn(values, "integer" if field.role == "boolean" else field.role, **options)


def _plain(support: str) -> Callable[..., Codec]:
    return lambda values, field, standard, options: Affine(0.0, 1.0, support)


CODECS: dict[str, Callable[..., Codec]] = {
    "continuous": lambda values, field, standard, options: standard,
    "positive": _positive,
    "unit": _plain("numbers strictly between 0 and 1"),
    "count": _plain("integers >= 0"),
    "binary": _plain("0 or 1"),
    "categorical": _levels,
    "ordinal": _levels,
    "binned": _bins,
}
#: Kinds that can model categories.
OF_CATEGORIES = ("categorical", "ordinal")


def _join(columns: Any) -> Float:
    return np.stack(list(columns), axis=1)


def is_binary(values: Float) -> bool:
    """Whether a column holds both 0 and 1 and nothing else."""
    return bool(np.isin(values, (0.0, 1.0)).all()) and np.ptp(values) == 1.0


def resolution(values: Float) -> float:
    """Return the smallest gap between distinct values; 0 if there is but one."""
    distinct = np.unique(values)
    return float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0


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
