"""Tables: what is known of a user's columns as JSON and arrays, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..core.families.base import Family
from ..table.bins import Bins
from ..table.codecs import SUPPORTS, Affine, Codec, Grid, Levels, Positive
from ..table.container import ROLES, Container, Field
from ..table.context import Context
from ..table.table import CODECS, Column, ColumnModel, Table
from ..table.times import PER_DAY, Clock
from .checks import check, listed, take
from .frames import is_index, read_dtype, read_zone, written_dtype
from .relations import read_identity, written_identity
from .values import Reader, Writer

#: The codecs of each kind of column.
OF_KIND: dict[str, type[Codec]] = {
    **dict.fromkeys(CODECS, Affine),
    "grid": Grid,
    "categorical": Levels,
    "ordinal": Levels,
    "binned": Bins,
}
BACKENDS = ("pandas", "polars")
Json = dict[str, Any]


def written_table(writer: Writer, table: Table, families: Sequence[Family]) -> Json:
    """Return a table, and the family of each of its columns, as JSON."""
    columns = table.columns
    codecs, codec = _distinct([column.codec for column in columns], id)
    models = [[column.model, family] for column, family in zip(columns, families, strict=True)]
    kinds, kind = _distinct(models, repr)
    context = table.context
    return {
        **_written_container(writer, table.container),
        "positions": [int(column.position) for column in columns],
        "codecs": [_written_codec(writer, one) for one in codecs],
        "codec": codec,
        "models": [_written_model(writer, *model) for model in kinds],
        "model": kind,
        "resolution": writer.array(table.resolution),
        "context": None if context is None else _written_context(writer, context),
    }


def read_table(reader: Reader, found: Json) -> tuple[Table, list[Family]]:
    """Return a table, and the family of each of its columns."""
    container = _read_container(reader, found)
    n_fields = len(container.fields)
    positions = listed(found.get("positions"), int, "positions")
    n = len(positions)
    if sorted(set(positions)) != positions or not set(positions) <= set(range(n_fields)):
        raise ValueError(f"positions are not those of {n_fields} columns")
    codecs = [_read_codec(reader, one) for one in listed(found.get("codecs"), dict, "codecs")]
    models = [_read_model(reader, one) for one in listed(found.get("models"), dict, "models")]
    of_columns = zip(
        positions,
        _chosen(models, found.get("model"), n),
        _chosen(codecs, found.get("codec"), n),
        reader.floats(found.get("resolution"), (n,)).tolist(),
        strict=True,
    )
    columns, families = [], []
    for j, (model, family), codec, resolution in of_columns:
        field = container.fields[j]
        _check_column(field, model, family, codec)
        columns.append(Column(j, field, model, codec, resolution))
        families.append(family)
    context = take(found, "context", (dict, type(None)))
    given = None if context is None else _read_context(reader, context, container)
    table = Table(columns, container, given)
    row = np.full((1, n_fields), np.nan)
    row[:, table.known] = 0.0
    container.rows(row)  # which dtypes of other columns do not hold
    return table, families


def _check_column(field: Field, model: ColumnModel, family: Family, codec: Codec) -> None:
    positive = Positive if isinstance(codec, Positive) and model.kind == "positive" else None
    fits = type(codec) is (positive or OF_KIND[model.kind]) and family.kind == model.kind
    if isinstance(codec, Levels) and field.is_category:
        codes = np.asarray(codec.values)
        fits = fits and bool(np.isin(codes, np.arange(len(field.levels))).all())
    if field.is_category and not isinstance(codec, Levels):
        fits = False
    if not fits:
        raise ValueError(f"column {field.name!r} has a codec that does not go with {family}")


# ---------------------------------------------------------------- container


def _written_container(writer: Writer, container: Container) -> Json:
    fields, field = _distinct(container.fields, _of_field)
    dtypes, dtype = _distinct(container.dtypes, repr)
    if container.backend not in (None, *BACKENDS):
        raise TypeError(
            f"The table came in a DataFrame of {container.backend}, which a file without pickle "
            "cannot hold. Keep the estimator by pickle.dump or joblib.dump."
        )
    return {
        "backend": container.backend,
        "fields": [_written_field(writer, one) for one in fields],
        "field": field,
        "dtypes": [written_dtype(one, writer, "a column") for one in dtypes],
        "dtype": dtype,
        "labels": writer.value(container.labels, "the columns of the DataFrame"),
    }


def _read_container(reader: Reader, found: Json) -> Container:
    backend = take(found, "backend", (str, type(None)))
    if backend not in (None, *BACKENDS):
        raise ValueError(f"there is no backend {backend!r} here")
    labels = reader.value(found.get("labels"))
    names = _read_names(backend, labels, len(take(found, "field", list)))
    fields = [_read_field(reader, one) for one in listed(found.get("fields"), dict, "fields")]
    of_columns = _chosen(fields, found.get("field"), len(names))
    dtypes = [read_dtype(reader, one) for one in listed(found.get("dtypes"), (str, list), "dtypes")]
    n_dtypes = 1 if backend is None else len(names)
    return Container(
        [dataclasses.replace(f, name=name) for f, name in zip(of_columns, names, strict=True)],
        backend,
        _chosen(dtypes, found.get("dtype"), n_dtypes),
        labels,
    )


def _read_names(backend: str | None, labels: Any, n: int) -> list[Hashable]:
    """Return the names of so many columns."""
    if backend == "pandas":
        right = is_index(labels) and len(labels) == n > 0 and all(map(_is_hashable, labels))
    elif backend == "polars":
        right = len(listed(labels, str, "labels", n)) > 0
    else:
        right = labels is None and n > 0
    if not right:
        raise ValueError("labels are not those of the columns")
    return list(range(n)) if labels is None else list(labels)


def _is_hashable(name: Any) -> bool:
    return isinstance(name, Hashable)


def _written_field(writer: Writer, field: Field) -> Json:
    clock = None if field.clock is None else dataclasses.asdict(field.clock)
    levels = [writer.value(level, f"a category of column {field.name!r}") for level in field.levels]
    identity = written_identity(writer, field.identity)
    return {"role": field.role, "levels": levels, "clock": clock, "identity": identity}


def _of_field(field: Field) -> str:
    """Return what fields have in common that are written once."""
    return repr((field.role, field.levels, field.clock, field.identity and id(field.identity)))


def _read_field(reader: Reader, found: Json) -> Field:
    levels = tuple(reader.value(level) for level in listed(found.get("levels"), ANY, "levels"))
    if len(set(levels)) != len(levels):
        raise ValueError("levels are not distinct")
    role, clock = take(found, "role", str), take(found, "clock", (dict, type(None)))
    if role not in ROLES or (role == "time") != (clock is not None):
        raise ValueError(f"a column has the role {role!r}")
    identity = read_identity(reader, found.get("identity"))
    if (role == "identifier") != (identity is not None):
        raise ValueError("a column of identifiers does not say how they are drawn")
    return Field(None, role, levels, None if clock is None else _read_clock(clock), identity)


def _read_clock(found: Json) -> Clock:
    clock = Clock(
        take(found, "unit", str),
        take(found, "origin", int),
        take(found, "zone", (str, type(None))),
        take(found, "is_duration", bool),
        take(found, "step", int),
        is_local=check(found.get("is_local", False), bool, "a clock"),
    )
    if clock.is_local:
        read_zone(clock.zone)
    if clock.unit not in PER_DAY or not -(2**63) <= clock.origin < 2**63 or clock.step < 1:
        raise ValueError("the clock of a column is none")
    return clock


# ---------------------------------------------------------------- codecs and models


def _written_codec(writer: Writer, codec: Codec) -> Json:
    if isinstance(codec, Bins):
        arrays = {name: writer.array(getattr(codec, name)) for name in ("atoms", "edges", "counts")}
        return {
            "codec": "bins",
            **arrays,
            "step": float(codec.step),
            "on_grid": bool(codec.on_grid),
            "bounds": writer.array(np.array(codec.bounds)),
        }
    if isinstance(codec, Levels):
        own = {"step": float(codec.step), "n_unseen": int(codec.n_unseen)}
        return {"codec": "levels", "values": writer.array(np.array(codec.values)), **own}
    if isinstance(codec, Grid):
        numbers = writer.array(np.array([codec.low, codec.high]))
        return {"codec": "grid", "ends": numbers, "n": int(codec.n)}
    assert isinstance(codec, Affine)
    numbers = writer.array(np.array([codec.location, codec.scale, *codec.ends]))
    name = "positive" if isinstance(codec, Positive) else "affine"
    return {"codec": name, "numbers": numbers, "support": codec.support}


def _read_codec(reader: Reader, found: Json) -> Codec:
    kind = take(found, "codec", str)
    if kind == "bins":
        return _read_bins(reader, found)
    if kind == "levels":
        values = reader.floats(found.get("values"), (None,))
        step, n_unseen = take(found, "step", float), take(found, "n_unseen", int)
        if not (len(values) and _rises(values) and 0.0 < step < np.inf and n_unseen >= 0):
            raise ValueError("the levels of a column are none")
        return Levels(tuple(values.tolist()), step, n_unseen)
    if kind == "grid":
        low, high = reader.floats(found.get("ends"), (2,)).tolist()
        n = take(found, "n", int)
        if not (-np.inf < low < high < np.inf and 2 <= n < 2**53):
            raise ValueError("the grid of a column is none")
        return Grid(low, high, n)
    if kind in ("affine", "positive"):
        return _read_affine(reader, found, is_positive=kind == "positive")
    raise ValueError(f"there is no codec {kind!r}")


def _read_affine(reader: Reader, found: Json, *, is_positive: bool) -> Affine:
    location, scale, low, high = reader.floats(found.get("numbers"), (4,)).tolist()
    support = take(found, "support", str)
    if support not in SUPPORTS or not (abs(location) < np.inf and 0.0 < scale < np.inf):
        raise ValueError("the units of a column are none")
    if not low <= high or (is_positive and not low > 0.0):
        raise ValueError("the ends of a column are none")
    return (Positive if is_positive else Affine)(location, scale, support, (low, high))


def _read_bins(reader: Reader, found: Json) -> Bins:
    names = ("atoms", "edges", "counts")
    atoms, edges, counts = (reader.floats(found.get(name), (None,)) for name in names)
    step, on_grid = take(found, "step", float), take(found, "on_grid", bool)
    low, high = reader.floats(found.get("bounds"), (2,)).tolist()
    n_bins = len(counts) - len(atoms)
    right = n_bins == len(edges) - 1 or (n_bins == 0 and len(edges) == 2 and len(atoms) > 0)
    right = right and len(edges) >= 2 and _rises(atoms) and _rises(edges) and 0.0 < step < np.inf
    right = right and bool((counts >= 0.0).all()) and low < high
    if not right:
        raise ValueError("the bins of a column are none")
    return Bins(atoms, edges, counts, step, on_grid, (low, high))


def _rises(values: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    """Whether values are finite and in their order."""
    return bool(np.isfinite(values).all() and (np.diff(values) > 0.0).all())


def _written_model(writer: Writer, model: ColumnModel, family: Family) -> Json:
    return {
        "likelihood": model.likelihood,
        "kind": model.kind,
        "options": writer.value(model.options, "a likelihood"),
        "family": writer.value(family, "a likelihood"),
    }


def _read_model(reader: Reader, found: Json) -> tuple[ColumnModel, Family]:
    kind, family = take(found, "kind", str), reader.value(found.get("family"))
    options = check(reader.value(found.get("options")), dict, "options")
    if kind not in CODECS or not isinstance(family, Family):
        raise ValueError(f"there is no kind of column {kind!r}")
    return ColumnModel(take(found, "likelihood", str), kind, options), family


# ---------------------------------------------------------------- context


def _written_context(writer: Writer, context: Context) -> Json:
    arrays = {name: writer.array(getattr(context, name)) for name in ("location", "scale")}
    return {"positions": [int(j) for j in context.positions], **arrays}


def _read_context(reader: Reader, found: Json, container: Container) -> Context:
    positions = listed(found.get("positions"), int, "positions")
    if not positions or not all(0 <= j < len(container.fields) for j in positions):
        raise ValueError("the context names columns that there are not")
    fields = [container.fields[j] for j in positions]
    n = sum(not field.is_category for field in fields)
    location, scale = (reader.floats(found.get(name), (n,)) for name in ("location", "scale"))
    return Context(positions, fields, location, scale)


# ---------------------------------------------------------------- lists

ANY = (type(None), bool, int, float, str, list, dict)


def _distinct(items: Sequence[Any], key: Any) -> tuple[list[Any], list[int]]:
    """Return distinct items, and which of them each one is."""
    found: dict[Any, int] = {}
    distinct: list[Any] = []
    of_items = []
    for item in items:
        if (of_item := key(item)) not in found:
            found[of_item] = len(distinct)
            distinct.append(item)
        of_items.append(found[of_item])
    return distinct, of_items


def _chosen(items: Sequence[Any], index: Any, n: int) -> list[Any]:
    """Return n of some items by their positions."""
    chosen = listed(index, int, "positions", n)
    if not all(0 <= i < len(items) for i in chosen):
        raise ValueError("positions are beyond what there is")
    return [items[i] for i in chosen]
