"""Table: the user's columns to cells and back. Units live here alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from .bins import Bins
from .codecs import UNSEEN, Affine, Codec, Float, Grid, Levels, Positive, step_of
from .container import OTHER, Container, Field
from .context import Context
from .dtypes import LARGEST
from .ends import Ends, ends_of, ends_of_positive, ends_of_times


@dataclasses.dataclass(frozen=True)
class ColumnModel:
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
    position : int
        Among the columns of the user.
    resolution : float
        Smallest gap between distinct values, in cells; 0 for a constant column.
    """

    position: int
    field: Field
    model: ColumnModel
    codec: Codec
    resolution: float

    @property
    def name(self) -> Hashable:
        """The DataFrame's name, or the position in an array."""
        return self.field.name

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the column, in cells; infinite where it has none."""
        if not np.isfinite(self.codec.ends).all():
            return self.codec.ends
        low, high = self.codec.encode(np.array(self.codec.ends))[0].tolist()
        return low, high

    def checked(self, values: Float) -> tuple[NDArray[np.intp], Float]:
        """Return which of the rows (n, columns of the user) have a value of its own, and these.

        Raises
        ------
        ValueError
            If its likelihood cannot have one of them.
        """
        of_column = values[:, self.position]
        rows = np.flatnonzero(~np.isnan(of_column) & (of_column != OTHER))
        check_support(self.field, self.model, self.codec, of_column[rows], rows)
        return rows, of_column[rows]


class Table:
    """What is known of a table after seeing its training rows.

    Use :meth:`learn` to make one. ``encode`` gives cells (one number each, NaN where missing) and
    the log-Jacobian that brings a density of cells back to the user's units; ``decode`` gives
    values, which the container has rows for. A column of which no value was observed has no cells,
    and neither has one that is conditioned on: ``context`` makes numbers of these.
    """

    def __init__(
        self, columns: Sequence[Column], container: Container, context: Context | None = None
    ):
        self.columns, self.container, self.context = list(columns), container, context

    @classmethod
    def learn(
        cls,
        values: Float,
        container: Container,
        models: Sequence[ColumnModel | None],
        context: Sequence[int] = (),
        alike: bool = False,
    ) -> Table:
        """Learn columns from values (n, c) that came in ``container``.

        A column without cells has None for a model; ``context`` are positions of those that are
        conditioned on. Numbers are standardised column by column, or where they are of one kind
        (``alike``, as pixels are) all in the same way.

        Raises
        ------
        ValueError
            If a column does not hold what its likelihood needs.
        """
        known = [(j, model) for j, model in enumerate(models) if model is not None]
        some = values[:, [j for j, _ in known]]
        scaler = StandardScaler().fit(observed(some)[:, None] if alike else some)
        n = len(known)
        moments = (np.broadcast_to(part, n).tolist() for part in (scaler.mean_, _scale(scaler)))
        standards = [Affine(m, s) for m, s in zip(*moments, strict=True)]
        codecs = _of_all(known, some, container, standards[0]) if alike else {}
        columns = [
            learn_column(
                j,
                container.fields[j],
                model,
                observed(values[:, j]),
                standard,
                codecs.get(repr(model)),
            )
            for (j, model), standard in zip(known, standards, strict=True)
        ]
        given = Context.learn(values, container, context) if len(context) else None
        return cls(columns, container, given)

    def encode(self, values: Float) -> tuple[Float, Float]:
        """Return cells (n, c), NaN where missing, and the log-Jacobian of each row (n,).

        A category that was not there in ``fit`` has a mass of :data:`UNSEEN`, whatever the rest of
        the row, and no cell: it counts as missing.

        Raises
        ------
        ValueError
            If a column holds a value that its likelihood has no probability for.
        """
        cells, log_det = np.full((len(values), len(self.columns)), np.nan), np.zeros(len(values))
        for j, column in enumerate(self.columns):
            rows, of_column = column.checked(values)
            cells[rows, j], of_cells = column.codec.encode(of_column)
            log_det[rows] += of_cells
            other = values[:, column.position] == OTHER
            log_det[other] += np.log(UNSEEN / (column.codec.mass_over or 1.0))
        return cells, log_det

    def check(self, values: Float) -> None:
        """Raise ValueError naming the first value (n, c) that its likelihood cannot have."""
        for column in self.columns:
            column.checked(values)

    def given(self, values: Float) -> Float | None:
        """Return what is conditioned on as numbers (n, m), None where nothing is.

        Raises
        ------
        ValueError
            If a cell is missing of a column that had none missing in ``fit``.
        """
        return None if self.context is None else self.context.encode(values)

    def decode(self, cells: Float, random: np.random.RandomState) -> Float:
        """Return values (n, columns of the user) in their units.

        What a cell leaves open, where in a bin a value is, is drawn from ``random``.
        """
        u = random.random_sample((len(self.columns), len(cells)))
        return self._values(
            column.codec.decode(cells[:, j], u[j]) for j, column in enumerate(self.columns)
        )

    def expect(self, distributions: Sequence[Any]) -> Float:
        """Return means, and modes of categories, of one distribution of cells a column."""
        return self._values(
            column.codec.expect(distribution)
            for column, distribution in zip(self.columns, distributions, strict=True)
        )

    def _values(self, columns: Iterable[Float]) -> Float:
        """Join the values of the columns that have cells with NaN for the others."""
        known = np.stack(list(columns), axis=1).clip(-LARGEST, LARGEST)  # as far as any is read
        for j, column in enumerate(self.columns):
            if column.field.clock is not None:
                known[:, j] = column.field.clock.whole(known[:, j])
        values = np.full((len(known), len(self.container.fields)), np.nan)
        values[:, [column.position for column in self.columns]] = known
        return values

    @property
    def known(self) -> list[int]:
        """Positions of the columns of which a value was observed in ``fit``."""
        given = [] if self.context is None else self.context.positions
        return sorted([*(column.position for column in self.columns), *given])

    @property
    def n_levels(self) -> list[int]:
        """How many levels every column has, 1 for numbers."""
        return [column.codec.n_levels for column in self.columns]

    @property
    def resolution(self) -> Float:
        """The resolution of every column, in cells, (c,)."""
        return np.array([column.resolution for column in self.columns])

    @property
    def ends(self) -> Float:
        """The ends of every column, in cells, (2, c)."""
        return np.array([column.ends for column in self.columns]).T


def _scale(scaler: StandardScaler) -> Float:
    """Return the scale of columns: 1 where they vary by no more than rounding does.

    But what is large is rounded by a lot: around 1e140 cells in units of 1 have no bounds.
    """
    return np.where(scaler.scale_ == 1.0, np.sqrt(scaler.var_).clip(1.0), scaler.scale_)


def observed(values: Float) -> Float:
    """Return the values of a column that are not missing."""
    return values[~np.isnan(values)]


def learn_column(
    position: int,
    field: Field,
    model: ColumnModel,
    values: Float,
    standard: Affine,
    codec: Codec | None = None,
) -> Column:
    """Learn one column from its observed values; ``standard`` standardises it.

    The codec is learned, too, unless there is one.
    """
    if field.is_category and model.kind not in OF_CATEGORIES:
        raise ValueError(
            f"Column {field.name!r} holds categories, which {model.likelihood} cannot model. Use "
            f"one of {sorted(OF_CATEGORIES)} for it: likelihood={{{field.name!r}: 'categorical'}}."
        )
    if codec is None:
        codec = CODECS[model.kind](values, field, standard, model.options)
    check_support(field, model, codec, values)
    return Column(position, field, model, codec, resolution(values) / codec.scale)


def _of_all(
    known: Sequence[tuple[int, ColumnModel]], values: Float, container: Container, standard: Affine
) -> dict[str, Codec]:
    """Learn one codec for each model from the values of all columns, by the model's repr."""
    first = {repr(model): (container.fields[j], model) for j, model in reversed(known)}
    every = observed(values)
    return {
        name: CODECS[model.kind](every, field, standard, model.options)
        for name, (field, model) in first.items()
    }


def check_support(
    field: Field, model: ColumnModel, codec: Codec, values: Float, rows: NDArray[Any] | None = None
) -> None:
    """Raise ValueError naming the first value of a column that its likelihood cannot have.

    Values came from these ``rows``; by default from the first ones.
    """
    refused = codec.refuses(values)
    if refused.any():
        first = int(refused.argmax())
        row = first if rows is None else int(rows[first])
        raise ValueError(
            f"Column {field.name!r} has likelihood {model.likelihood}, which needs "
            f"{codec.support}. Got {values[first]:g} in row {row}. {codec.remedy}, or fit with "
            f"likelihood={{{field.name!r}: 'gaussian'}} (or 'binned')."
        )


def _number(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    if not options.get("bounded"):
        return standard
    ends = _ends(values, field)
    # Between ends that are one there is room for any density.
    return dataclasses.replace(standard, ends=ends) if ends[0] < ends[1] else standard


def _positive(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    # In units of the geometric mean.
    inside = values[values > 0]
    scale = float(np.exp(np.log(inside).mean())) if len(inside) else 1.0
    codec = Affine(0.0, scale, "numbers > 0")
    if not (options.get("bounded") and len(inside)):
        return codec
    ends = ends_of_positive(inside)
    if not ends[0] < ends[1]:
        return codec  # numbers so small that their logarithms do not come back
    if len(inside) == len(values) and LEAST_END * scale < ends[0] < ends[1]:
        return Positive(0.0, scale, ends=ends)
    return dataclasses.replace(codec, ends=ends)


def _levels(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    if field.is_category:
        codes = range(len(field.levels)) if options.get("unseen") else np.unique(values).tolist()
        return Levels(tuple(map(float, codes)), n_unseen=len(field.levels) - len(codes))
    step = 1.0 if field.role == "boolean" else step_of(values, field.role)[0]
    return Levels(tuple(np.unique(values).tolist()), step)


def _grid(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    return Grid(**options)


def _bins(values: Float, field: Field, standard: Affine, options: dict[str, Any]) -> Codec:
    role = "integer" if field.role == "boolean" else field.role
    return Bins.learn(values, role, ends=_ends(values, field), **options)


def _ends(values: Float, field: Field) -> Ends:
    if field.clock is None:
        return ends_of(values)
    return ends_of_times(values, -float(field.clock.origin) if field.clock.is_duration else None)


def _plain(support: str) -> Callable[..., Codec]:
    return lambda values, field, standard, options: Affine(0.0, 1.0, support)


CODECS: dict[str, Callable[..., Codec]] = {
    "continuous": _number,
    "positive": _positive,
    "unit": _plain("numbers strictly between 0 and 1"),
    "count": _plain("integers >= 0"),
    "grid": _grid,
    "binary": _plain("0 or 1"),
    "categorical": _levels,
    "ordinal": _levels,
    "binned": _bins,
}
#: Lower end of a positive column, in units of it, from which numbers below are told apart.
LEAST_END = 1e-30
#: Kinds that can model categories.
OF_CATEGORIES = ("categorical", "ordinal")


def is_binary(values: Float) -> bool:
    """Whether a column holds both 0 and 1 and nothing else."""
    return bool(np.isin(values, (0.0, 1.0)).all()) and np.ptp(values) == 1.0


def resolution(values: Float) -> float:
    """Return the smallest gap between distinct values; 0 if there is but one."""
    distinct = np.unique(values)
    return float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0
