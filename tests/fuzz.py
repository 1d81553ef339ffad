"""Fuzz: any table in any container, every estimator, every public method, and what must hold.

A case is drawn by hypothesis and built from its own description alone, which ``repr`` shows: what it
does can be repeated by pasting it. ``outcome`` says what became of one, ``outcomes`` of many.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars
import scipy.sparse
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sklearn.base import clone

import skvae

from .estimators.test_global_state import public_methods

Random = np.random.Generator

# ---------------------------------------------------------------- what a column holds

#: Numbers of any scale.
FLOATS: dict[str, Callable[[Random, int], Any]] = {
    "normal": lambda r, n: r.normal(size=n),
    "1e-300": lambda r, n: r.normal(size=n) * 1e-300,
    "subnormal": lambda r, n: r.integers(-3, 4, n) * 5e-324,
    "1e-30": lambda r, n: r.normal(size=n) * 1e-30,
    "1e30": lambda r, n: r.normal(size=n) * 1e30,
    "1e148": lambda r, n: r.normal(size=n) * 1e148,
    "1e300": lambda r, n: r.normal(size=n) * 1e300,
    "far": lambda r, n: 1e12 + r.normal(size=n),
    "farther": lambda r, n: -1e140 + 1e125 * r.normal(size=n),
    "nearly one": lambda r, n: 1 + 2e-16 * r.integers(0, 3, n),
    "magnitudes": lambda r, n: r.choice([-1, 1], n) * 10 ** r.uniform(-140, 140, n),
    "heavy": lambda r, n: r.standard_cauchy(n) ** 3,
    "outlier": lambda r, n: np.where(np.arange(n) == n // 2, 1e20, r.normal(size=n)),
    "one value": lambda r, n: np.full(n, r.normal()),
    "zero": lambda r, n: r.choice([0.0, -0.0], n),
    "two values": lambda r, n: r.choice([-3.25, 1e6], n),
    "counts": lambda r, n: r.poisson(3, n).astype(float),
    "share": lambda r, n: r.beta(0.3, 0.3, n),
    "cents": lambda r, n: np.round(r.gamma(2, 50, n), 2),
    "many zeros": lambda r, n: r.gamma(1, 9, n) * (r.uniform(size=n) < 0.5),
    "0 and 1": lambda r, n: r.integers(0, 2, n).astype(float),
}
#: Integers of a dtype.
INTEGERS: dict[str, Callable[[Random, int, Any], Any]] = {
    "few": lambda r, n, d: r.integers(0, 4, n).astype(d),
    "any": lambda r, n, d: r.integers(d.min, d.max, n, dtype=d.dtype, endpoint=True),
    "ends": lambda r, n, d: r.choice(np.array([d.min, d.max], d.dtype), n),
    "one value": lambda r, n, d: np.full(n, 7, d.dtype),
    "exact": lambda r, n, d: r.integers(0, min(2**53, d.max), n).astype(d.dtype),
}
WORDS = ["", "a", "b", "Zürich", "nan", "None", "1", "2", "x" * 40, " "]


def floats(random: Random, n: int, scale: str, dtype: Any = float) -> Any:
    """Return numbers of a scale; infinities of a narrow dtype become its ends."""
    with np.errstate(all="ignore"):
        found = FLOATS[scale](random, n).astype(dtype)
    ends = np.finfo(dtype)
    return np.clip(found, ends.min, ends.max).astype(dtype)


def integers(random: Random, n: int, scale: str, dtype: str) -> Any:
    names = sorted(INTEGERS)
    of = INTEGERS[names[sorted(FLOATS).index(scale) % len(names)]]
    return of(random, n, np.iinfo(dtype)).astype(dtype)


def moments(random: Random, n: int, scale: str, unit: str) -> Any:
    """Return times: of a few years, of all that the unit counts, days alone, or one."""
    kinds = ["years", "wide", "days", "one", "sentinel"]
    kind = kinds[sorted(FLOATS).index(scale) % len(kinds)]
    a_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    now = np.datetime64("2021-03-04", unit).astype(np.int64)
    ticks = {
        "years": now + random.integers(0, 10**8 * a_second, n),
        "wide": random.integers(-(2**31) * a_second, 2**32 * a_second, n),
        "days": now + random.integers(0, 400, n) * 86400 * a_second,
        "one": np.full(n, now),
        "sentinel": np.where(np.arange(n) % 7 == 3, 2**33 * a_second, now + np.arange(n)),
    }[kind]
    return ticks.astype(f"datetime64[{unit}]")


def spans(random: Random, n: int, scale: str, unit: str) -> Any:
    times = moments(random, n, scale, unit)
    return times - times[n // 2]


def objects(values: Any) -> Any:
    return pd.Series(list(values), dtype=object)


def words(random: Random, n: int, scale: str, among: int = len(WORDS)) -> list[str]:
    names = [w for w in random.permutation(WORDS)[:among]]
    of_own = [f"id{i}" for i in range(n)]
    return of_own if scale == "heavy" else [str(w) for w in random.choice(names, n)]


def decimals(random: Random, n: int, digits: int) -> list[Decimal]:
    return [Decimal(int(i)).scaleb(-2) for i in random.integers(-(10**digits), 10**digits, n)]


#: How pandas stores a column, by what it is called here: of a generator, rows and a scale.
PANDAS: dict[str, Callable[[Random, int, str], Any]] = {
    **{d: lambda r, n, s, d=d: floats(r, n, s, d) for d in ("float64", "float32", "float16")},
    **{d: lambda r, n, s, d=d: floats(r, n, s, d) for d in (">f8", "<f4")},
    **{
        d: lambda r, n, s, d=d: pd.Series(floats(r, n, s, d.lower())).astype(d)
        for d in ("Float64", "Float32")
    },
    **{d: lambda r, n, s, d=d: integers(r, n, s, d) for d in ("int64", "int8", "uint64", ">i4")},
    **{
        d: lambda r, n, s, d=d: pd.Series(integers(r, n, s, d.lower())).astype(d)
        for d in ("Int64", "UInt8", "Int32")
    },
    "bool": lambda r, n, s: r.uniform(size=n) < 0.5,
    "boolean": lambda r, n, s: pd.Series(r.uniform(size=n) < 0.5).astype("boolean"),
    "str": lambda r, n, s: pd.Series(words(r, n, s), dtype="str"),
    "string": lambda r, n, s: pd.Series(words(r, n, s), dtype="string"),
    "category": lambda r, n, s: pd.Categorical(words(r, n, s), sorted({*WORDS, *words(r, n, s)})),
    "ordered": lambda r, n, s: pd.Categorical(words(r, n, "zero", 3), WORDS, ordered=True),
    "one level": lambda r, n, s: pd.Categorical(["k"] * n, ordered=True),
    "category of integers": lambda r, n, s: pd.Categorical(r.integers(0, 4, n), [3, 2, 1, 0, 9]),
    "category of floats": lambda r, n, s: pd.Categorical(r.choice([0.5, -1.5], n)),
    "category of times": lambda r, n, s: pd.Categorical(
        moments(r, n, "zero", "s")[r.integers(0, 2, n) % n]
    ),
    "datetime64[s]": lambda r, n, s: moments(r, n, s, "s"),
    "datetime64[us]": lambda r, n, s: moments(r, n, s, "us"),
    "datetime64[ns]": lambda r, n, s: moments(r, n, s, "ns"),
    **{
        zone: lambda r, n, s, zone=zone: (
            pd.Series(moments(r, n, s, "us")).dt.tz_localize("UTC").dt.tz_convert(zone)
        )
        for zone in ("UTC", "America/New_York", "Etc/GMT+5")
    },
    "timedelta64[s]": lambda r, n, s: spans(r, n, s, "s"),
    "timedelta64[ns]": lambda r, n, s: spans(r, n, s, "ns"),
    "object floats": lambda r, n, s: objects(floats(r, n, s).tolist()),
    "object integers": lambda r, n, s: objects(integers(r, n, s, "int64").tolist()),
    "object large": lambda r, n, s: objects(2**60 + int(i) for i in r.integers(0, 2**40, n)),
    "object booleans": lambda r, n, s: objects((r.uniform(size=n) < 0.5).tolist()),
    "object words": lambda r, n, s: objects(words(r, n, s)),
    "object decimals": lambda r, n, s: objects(decimals(r, n, 18)),
    "object dates": lambda r, n, s: objects(pd.Series(moments(r, n, "zero", "s")).dt.date),
    "object mixed": lambda r, n, s: objects(
        [1.5, "a", True, dt.date(2021, 3, 4)][i % 4] for i in range(n)
    ),
    "object lists": lambda r, n, s: objects([[1, 2]] * n),
    "complex": lambda r, n, s: r.normal(size=n) + 1j,
    "period": lambda r, n, s: pd.period_range("2021", periods=n, freq="D"),
    "interval": lambda r, n, s: pd.interval_range(0, n, n),
    "sparse": lambda r, n, s: pd.arrays.SparseArray(floats(r, n, "many zeros")),
}


def zoned(values: Any, unit: str, zone: str) -> Any:
    return (
        polars.Series(values)
        .cast(polars.Datetime(unit))
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(zone)
    )


POLARS: dict[str, Callable[[Random, int, str], Any]] = {
    "Float64": lambda r, n, s: polars.Series(floats(r, n, s)),
    "Float32": lambda r, n, s: polars.Series(floats(r, n, s, "float32")),
    **{
        d: lambda r, n, s, d=d: polars.Series(integers(r, n, s, d.lower()))
        for d in ("Int64", "Int8", "UInt64", "UInt8", "Int32")
    },
    "Int128": lambda r, n, s: polars.Series(integers(r, n, s, "int64")).cast(polars.Int128),
    "Boolean": lambda r, n, s: polars.Series(r.uniform(size=n) < 0.5),
    "String": lambda r, n, s: polars.Series(words(r, n, s)),
    "Categorical": lambda r, n, s: polars.Series(words(r, n, s), dtype=polars.Categorical),
    "Enum": lambda r, n, s: polars.Series(words(r, n, "zero", 3), dtype=polars.Enum(WORDS)),
    "Date": lambda r, n, s: polars.Series(moments(r, n, s, "s")).cast(polars.Date),
    **{
        f"Datetime({u})": lambda r, n, s, u=u: polars.Series(
            moments(r, n, s, u).astype(np.int64)
        ).cast(polars.Datetime(u))
        for u in ("ms", "us", "ns")
    },
    **{
        z: lambda r, n, s, z=z: zoned(moments(r, n, s, "us").astype(np.int64), "us", z)
        for z in ("UTC", "EST5EDT", "Asia/Kolkata")
    },
    **{
        f"Duration({u})": lambda r, n, s, u=u: polars.Series(
            spans(r, n, s, u).astype(np.int64)
        ).cast(polars.Duration(u))
        for u in ("ms", "ns")
    },
    "Time": lambda r, n, s: polars.Series(r.integers(0, 86400 * 10**9, n)).cast(polars.Time),
    "Decimal": lambda r, n, s: polars.Series(decimals(r, n, 18), dtype=polars.Decimal(25, 2)),
    "Null": lambda r, n, s: polars.Series([None] * n),
    "Object": lambda r, n, s: polars.Series([object()] * n, dtype=polars.Object),
    "List": lambda r, n, s: polars.Series([[1, 2]] * n),
    "Struct": lambda r, n, s: polars.Series([{"a": 1}] * n),
    "Binary": lambda r, n, s: polars.Series([b"a"] * n),
}
#: NumPy arrays have one dtype; what is not plain is another container.
ARRAYS = {
    **{
        d: d
        for d in (
            "float64",
            "float64",
            "float32",
            "float16",
            ">f8",
            "int64",
            "int8",
            "uint64",
            "bool",
        )
    },
    "object": "object",
    "datetime64[s]": "datetime64[s]",
    "U9": "U9",
    "complex128": "complex128",
}
CONTAINERS = ("pandas", "polars", "array", "masked", "list", "tuples", "sparse", "one-dimensional")
HOLES = ("none", "none", "some", "half", "all", "all but one", "first")


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column is called, how it is stored, and where it is empty."""

    kind: str
    scale: str
    holes: str


@dataclasses.dataclass(frozen=True)
class Case:
    """A table, an estimator, and what it is fitted with."""

    container: str
    columns: tuple[Column, ...]
    n: int
    seed: int
    estimator: str
    parameters: tuple[tuple[str, Any], ...] = ()
    index: str = "plain"
    labels: str = "integers"

    @property
    def names(self) -> list[Any]:
        return [f"c{j}" for j in range(len(self.columns))]

    def table(self, seed_: int = 0, n: int | None = None, more_holes: bool = False) -> Any:
        """Return rows: those of fit, or others of the same kinds."""
        random = np.random.default_rng([self.seed, seed_])
        n = n or self.n
        holes = [hidden(random, n, "half" if more_holes else c.holes) for c in self.columns]
        if self.container == "pandas":
            return self._pandas(random, n, holes)
        if self.container == "polars":
            return self._polars(random, n, holes)
        return self._array(random, n, holes)

    def _pandas(self, random: Random, n: int, holes: list[Any]) -> Any:
        found = pd.DataFrame(
            {
                name: pd.Series(PANDAS[c.kind](random, n, c.scale)).mask(hole)
                if hole.any()
                else pd.Series(PANDAS[c.kind](random, n, c.scale))
                for name, c, hole in zip(self.names, self.columns, holes, strict=True)
            }
        )
        if self.index == "levels":
            found.columns = pd.MultiIndex.from_product([["top"], found.columns])
        if self.index == "twice":
            found.index = [0] * n
        if self.index == "times":
            found.index = pd.date_range("2021", periods=n)
        return found

    def _polars(self, random: Random, n: int, holes: list[Any]) -> Any:
        whole = {
            name: POLARS[c.kind](random, n, c.scale)
            for name, c in zip(self.names, self.columns, strict=True)
        }
        return polars.DataFrame(
            {
                name: s
                if not hole.any()
                else s.set(polars.Series(hole), None)
                if s.dtype in (polars.Float64, polars.Int64)
                else polars.select(polars.when(polars.Series(~hole)).then(s)).to_series()
                for (name, s), hole in zip(whole.items(), holes, strict=True)
            }
        )

    def _array(self, random: Random, n: int, holes: list[Any]) -> Any:
        dtype = np.dtype(ARRAYS[self.columns[0].kind])
        columns = []
        for column in self.columns:
            if dtype.kind in "iu":
                columns.append(integers(random, n, column.scale, dtype.name))
            elif dtype.kind == "M":
                columns.append(moments(random, n, column.scale, "s"))
            elif dtype.kind == "U":
                columns.append(words(random, n, column.scale))
            else:
                columns.append(
                    floats(random, n, column.scale, dtype if dtype.kind == "f" else float)
                )
        with np.errstate(all="ignore"):
            found = np.stack([np.asarray(c).astype(dtype) for c in columns], axis=1)
        hole = np.stack(holes, axis=1)
        if self.container == "masked":
            return np.ma.MaskedArray(found, hole)
        if dtype.kind in "fOM":
            found[hole] = None if dtype.kind in "OM" else np.nan
        if self.container == "list":
            return found.tolist()
        if self.container == "tuples":
            return tuple(map(tuple, found.tolist()))
        if self.container == "sparse":
            return scipy.sparse.csr_array(found.astype(float))
        return found[:, 0] if self.container == "one-dimensional" else found

    @property
    def y(self) -> Any:
        """Labels of the rows of fit."""
        codes = np.random.default_rng(self.seed).integers(0, 2, self.n)
        codes[:2] = [0, 1]
        if self.labels == "strings":
            return np.array(["no", "yes"])[codes]
        if self.labels == "booleans":
            return codes > 0
        if self.labels == "some":
            return np.where(np.arange(self.n) % 3 == 2, -1, codes)
        if self.labels == "floats":
            return np.where(np.arange(self.n) % 3 == 2, np.nan, codes)
        return codes

    def made(self) -> Any:
        """Return the estimator, not fitted."""
        return getattr(skvae, self.estimator)(**{**QUICK, **dict(self.parameters)})


QUICK = {
    "latent_dim": 1,
    "hidden_layer_sizes": (4,),
    "max_epochs": 1,
    "random_state": 0,
    "n_draws": 4,
}


def hidden(random: Random, n: int, holes: str) -> Any:
    """Return which rows of a column are empty, (n,)."""
    return {
        "none": np.zeros(n, bool),
        "some": random.uniform(size=n) < 0.15,
        "half": random.uniform(size=n) < 0.5,
        "all": np.ones(n, bool),
        "all but one": np.arange(n) != random.integers(n),
        "first": np.arange(n) < n // 2,
    }[holes]


# ---------------------------------------------------------------- drawing cases

ESTIMATORS = ("VAEDensity", "VAETransformer", "VAEImputer", "VAEClassifier", "VAEOutlierDetector")
#: Parameters other than the usual; the first of each is likelier.
PARAMETERS: dict[str, list[Any]] = {
    "prior": ["standard_normal", "standard_normal", "mixture", "vamp"],
    "likelihood": ["auto", "auto", "auto", "auto", "gaussian", "student_t", "binned"],
    "max_epochs": [1, 1, 1, 0],
    "init": ["auto", "linear", "random"],
    "latent_dim": [1, 2, "auto"],
    "posterior": ["full_gaussian", "diagonal_gaussian"],
    "proposal": ["defensive", "defensive", "laplace", "encoder", "prior"],
}
OWN = {
    "VAETransformer": {"objective": ["iwae", "elbo", "beta", "autoencoder", "mmd", "denoising"]},
    "VAEImputer": {
        "keep_empty_features": [False, True],
        "add_indicator": [False, True],
        "sample_posterior": [False, True],
    },
    "VAEOutlierDetector": {"contamination": ["auto", 0.1]},
}


#: Kinds of columns that are refused by a sentence, and rarely drawn.
REFUSED = {"object mixed", "object lists", "complex", "period", "interval", "sparse", "Time"}
REFUSED |= {"Object", "List", "Struct", "Binary", "datetime64[s]", "U9", "complex128"}


def case_of(number: int) -> Case:
    """Return a small table in any container, an estimator, and a few parameters."""
    random = np.random.default_rng(number)

    def one_of(choices: Any) -> Any:
        return choices[random.integers(len(choices))]

    rarely = random.uniform(size=3) < [0.05, 0.04, 0.15]
    container = one_of(CONTAINERS[5:] if rarely[0] else CONTAINERS[:1] * 3 + CONTAINERS[:5])
    kinds = {"pandas": PANDAS, "polars": POLARS}.get(container, ARRAYS)
    kinds = [kind for kind in kinds if rarely[1] or kind not in REFUSED]
    columns = tuple(
        Column(one_of(kinds), one_of([*FLOATS]), one_of(HOLES))
        for _ in range(random.integers(1, 6))
    )
    estimator = one_of(ESTIMATORS)
    choices = {**PARAMETERS, **OWN.get(estimator, {})}
    names = random.permutation([*choices])[: random.integers(4)].tolist()
    parameters = {name: one_of(choices[name]) for name in sorted(names)}
    first = ["c0"] if container in ("pandas", "polars") else [0]
    if rarely[2] and len(columns) > 1:
        parameters["context_features"] = first
    elif random.uniform() < 0.08:
        parameters["categorical_features"] = first
    return Case(
        container,
        columns,
        one_of([2, 3, 5, 12, 30, 60]),
        number,
        estimator,
        tuple(parameters.items()),
        one_of(["plain", "plain", "plain", "levels", "twice", "times"]),
        one_of(["integers", "strings", "booleans", "some", "floats"]),
    )


#: By one number each: hypothesis repeats parts of what it draws in parts.
cases = st.integers(0, 2**32 - 1).map(case_of)


# ---------------------------------------------------------------- what must hold


class Broken(AssertionError):
    """What must hold does not."""

    def __init__(self, kind: str, what: str = ""):
        super().__init__(f"{kind}: {what}")
        self.kind = kind


class Refused(Exception):
    """A call was refused by an error that is documented."""


def call(estimator: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """Return what a method returns.

    Raises
    ------
    Refused
        If it raises a ValueError or TypeError of ours, or of scikit-learn's checks.
    Broken
        If it raises anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(estimator, name)(*args, **kwargs)
    except (ValueError, TypeError) as error:
        if is_ours(error):
            raise Refused(str(error)) from error
        raise Broken(f"unclear {type(error).__name__}", f"{name}: {error}") from error
    except Exception as error:
        raise Broken(f"{type(error).__name__}", f"{name}: {error}") from error


def is_ours(error: BaseException) -> bool:
    """Whether an error was raised by a line of ours, or of scikit-learn's checks of input."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    module = last.filename.replace("\\", "/")
    return ("/skvae/" in module and "/tests/" not in module) or "/sklearn/" in module


def rows_of(X: Any, rows: Any) -> Any:
    """Return a slice of the rows of a table."""
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def one_row(X: Any) -> Any:
    """Return a row as methods of one row want it."""
    return rows_of(X, slice(1)) if isinstance(X, pd.DataFrame | polars.DataFrame) else X[0]


def n_rows(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def columns_of(X: Any) -> dict[Any, list[Any]]:
    """Return the cells of a table by column."""
    if isinstance(X, dict):
        return X
    if isinstance(X, pd.DataFrame):
        return {name: X[name].tolist() for name in X.columns}
    if isinstance(X, polars.DataFrame):
        return X.to_dict(as_series=False)
    if isinstance(X, np.ma.MaskedArray):
        return {j: c.tolist() for j, c in enumerate(X.T)}
    return {
        j: list(c)
        for j, c in enumerate(np.asarray(X, dtype=None if hasattr(X, "dtype") else object).T)
    }


def is_missing(cell: Any) -> bool:
    return cell is None or bool(np.any(pd.isna(cell)))


def refuse_holes(what: str, found: Any, but: frozenset[Any] = frozenset()) -> None:
    """Raise unless all cells of a table, or numbers of an array, are there and finite."""
    if isinstance(found, float | int | np.floating):
        found = np.array([[found]])
    elif isinstance(found, np.ndarray) and found.ndim == 1:
        found = found[:, None]
    for name, cells in columns_of(found).items():
        for cell in cells:
            if name not in but and is_missing(cell):
                raise Broken("a missing cell", f"{what}, column {name}")
            if isinstance(cell, float | np.floating) and not np.isfinite(cell) and name not in but:
                raise Broken("not finite", f"{what}, column {name}")


def check_known(what: str, given: Any, found: Any, times: int = 1) -> None:
    """Raise unless a table has the known cells of another, of each row of which it has several."""
    out = columns_of(found)
    for name, cells in columns_of(given).items():
        if name not in out:
            continue
        for i, cell in enumerate(cells):
            if is_missing(cell):
                continue
            for copy in out[name][i * times : (i + 1) * times]:
                if not copy == cell:
                    raise Broken(
                        "a known cell changed", f"{what}, column {name}: {cell!r} is {copy!r}"
                    )


def dtypes_of(X: Any) -> Any:
    if isinstance(X, pd.DataFrame):
        return X.dtypes.to_dict()
    return dict(X.schema) if isinstance(X, polars.DataFrame) else getattr(X, "dtype", None)


def witness(estimator: Any, X: Any) -> Any:
    """Return what shows that a fitted model is the same."""
    name = "score_samples" if hasattr(estimator, "score_samples") else "encode"
    return call(estimator, name, X)


# ---------------------------------------------------------------- the walk over methods


@dataclasses.dataclass
class Walk:
    """A fitted estimator, the rows of fit and others, and what is called with them."""

    case: Case
    estimator: Any
    table: Any
    batch: Any

    def run(self) -> Iterator[str]:
        """Call every public method; yield the names of those that refuse."""
        for name in public_methods(self.estimator):
            if name == "fit":
                continue
            try:
                getattr(self, f"_{name}")()
            except Refused:
                yield name

    def _ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call(self.estimator, name, *args, **kwargs)

    @property
    def _n_latent(self) -> int:
        return self.estimator.vae_.n_latent

    @property
    def _context(self) -> Any:
        """Return what is conditioned on in the rows, or nothing."""
        if self.estimator.context_features is None:
            return None
        if isinstance(self.batch, pd.DataFrame | polars.DataFrame):
            return self.batch
        if isinstance(self.batch, list | tuple):
            return [row[:1] for row in self.batch]
        return self.batch[:, :1]

    def _n_of_context(self) -> int:
        return 3 if self._context is None else n_rows(self._context)

    def _finite(self, name: str, *args: Any, **kwargs: Any) -> Any:
        found = self._ask(name, *args, **kwargs)
        of = found if isinstance(found, tuple) else (found,)
        for one in of:
            refuse_holes(name, one, self._may_be_empty())
        return found

    def _may_be_empty(self) -> frozenset[Any]:
        """Return the columns of which nothing is known, or which are copied with their holes."""
        of_context = self.estimator.context_features is not None
        return frozenset(
            name
            for j, (name, cells) in enumerate(columns_of(self.table).items())
            if (j == 0 and of_context) or all(map(is_missing, cells))
        )

    def _decision_function(self) -> None:
        self._finite("decision_function", self.batch)

    def _edit(self) -> None:
        self._finite("edit", self.batch, np.ones(self._n_latent))
        self._finite("edit", self.batch, np.ones(self._n_latent), 0.5, 2)

    def _encode(self) -> None:
        self._finite("encode", self.batch)
        self._finite("encode", self.batch, return_std=True)

    def _explain(self) -> None:
        found = self._ask("explain", self.batch)
        for j, cells in enumerate(columns_of(self.batch).values()):
            for i, cell in enumerate(cells):
                if np.isinf(found[i, j]):
                    raise Broken("not finite", "explain")

    def _fit_predict(self) -> None:
        refuse_holes("fit_predict", call(self._fresh(), "fit_predict", self.table))

    def _fit_transform(self) -> None:
        refuse_holes(
            "fit_transform", call(self._fresh(), "fit_transform", self.table), self._may_be_empty()
        )

    def _fresh(self) -> Any:
        return clone(self.estimator).set_params(max_epochs=0)

    def _get_feature_names_out(self) -> None:
        self._ask("get_feature_names_out")

    def _interpolate(self) -> None:
        self._finite("interpolate", one_row(self.batch), one_row(self.table), 3)

    def _inverse_transform(self) -> None:
        Z = np.zeros((self._n_of_context(), self._n_latent))
        self._finite("inverse_transform", Z, context=self._context)

    def _latent_direction(self) -> None:
        self._finite("latent_direction", self.table, np.arange(self.case.n) % 2)

    def _log_likelihood(self) -> None:
        found = self._ask("log_likelihood", self.batch)
        for name in ("value", "standard_error", "effective_sample_size", "elbo"):
            refuse_holes(f"log_likelihood.{name}", getattr(found, name))

    def _predict(self) -> None:
        self._ask("predict", self.batch)

    def _predict_log_proba(self) -> None:
        found = self._ask("predict_log_proba", self.batch)
        if np.isnan(found).any():
            raise Broken("not finite", "predict_log_proba")

    def _predict_proba(self) -> None:
        found = self._finite("predict_proba", self.batch)
        if not np.allclose(found.sum(1), 1, atol=1e-6):
            raise Broken("not finite", "probabilities do not add up")

    def _reconstruct(self) -> None:
        self._finite("reconstruct", self.batch)
        self._finite("reconstruct", self.batch, 2)

    def _sample(self) -> None:
        found = self._finite("sample", 4, context=self._context)
        try:
            scores = self._ask("score_samples", found)
        except Refused as error:
            raise Broken("drawn rows are refused", str(error)) from error
        refuse_holes("score_samples of sample", scores)
        if self._context is None and dtypes_of(found) != dtypes_of(self._ask("sample", 1)):
            raise Broken("dtypes depend on the batch", "sample")

    def _sample_conditional(self) -> None:
        found = self._finite("sample_conditional", self.batch, 2)
        check_known("sample_conditional", self.batch, found, 2)
        self._same_dtypes("sample_conditional")

    def _sample_imputations(self) -> None:
        for found in self._ask("sample_imputations", self.batch, 2):
            refuse_holes("sample_imputations", found, self._may_be_empty())
            self._check_kept("sample_imputations", found)

    def _check_kept(self, what: str, found: Any) -> None:
        """Raise unless known cells are the same in what an imputer returns, without some columns."""
        given = self.batch
        if not (
            isinstance(given, pd.DataFrame | polars.DataFrame) or self.estimator.keep_empty_features
        ):
            empty = [all(map(is_missing, cells)) for cells in columns_of(self.table).values()]
            given = dict(
                enumerate(
                    c for c, e in zip(columns_of(self.batch).values(), empty, strict=True) if not e
                )
            )
        check_known(what, given, found)

    def _score(self) -> None:
        y = (self.case.y[: n_rows(self.batch)],) if self.case.estimator == "VAEClassifier" else ()
        self._finite("score", self.batch, *y)

    def _score_samples(self) -> None:
        self._finite("score_samples", self.batch)
        self._finite("score_samples", self.table)

    def _transform(self) -> None:
        found = self._finite("transform", self.batch)
        if self.case.estimator == "VAEImputer":
            self._check_kept("transform", found)
        self._same_dtypes("transform")

    def _traverse(self) -> None:
        self._finite("traverse", one_row(self.batch), 0, [-1.0, 2.0])

    def _same_dtypes(self, name: str) -> None:
        """Raise if rows one by one have other dtypes than together."""
        whole = dtypes_of(self._ask(name, self.batch))
        for i in range(min(n_rows(self.batch), 2)):
            one = dtypes_of(self._ask(name, rows_of(self.batch, slice(i, i + 1))))
            if one != whole:
                raise Broken("dtypes depend on the batch", f"{name}: {one} of a row, {whole}")

    def spoilt(self) -> Iterator[tuple[str, Any]]:
        """Yield tables that are no rows of the model."""
        X = self.batch
        if isinstance(X, pd.DataFrame):
            yield "a column less", X.iloc[:, 1:]
            yield "strings", X.astype(object).map(lambda _: "?")
            yield (
                "infinity",
                X.assign(**{X.columns[0]: np.inf}) if X.columns.nlevels == 1 else X[:0],
            )
            yield "no rows", X[:0]
        elif isinstance(X, polars.DataFrame):
            yield "a column less", X[:, 1:]
            yield "strings", X.select(polars.lit("?").alias(name) for name in X.columns)
            yield "infinity", X.with_columns(polars.lit(np.inf).alias(X.columns[0]))
            yield "no rows", X[:0]
        else:
            yield "no rows", X[:0]
            yield "strings", [["?"] * len(self.case.columns)]
        yield "nothing", None
        yield "a number", 3.0
        yield "text", "text"

    def check_nothing_is_lost(self) -> None:
        """Raise if a call that failed changed the model."""
        before = witness(self.estimator, self.batch)
        for what, X in self.spoilt():
            for name in ("score_samples", "encode", "transform", "sample_conditional", "fit"):
                if not hasattr(self.estimator, name):
                    continue
                try:
                    call(self.estimator, name, *((X, self.case.y) if name == "fit" else (X,)))
                except Refused:
                    continue
                except Broken as error:
                    raise Broken(error.kind, f"{what}, {error}") from error
                if name == "fit":
                    return  # it was fitted to what it was given
        if not np.array_equal(before, witness(self.estimator, self.batch)):
            raise Broken("a failed call changed the model")


# ---------------------------------------------------------------- outcomes


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a case: ``held``, ``refused``, or what is broken."""

    kind: str
    what: str
    case: Case

    @property
    def is_broken(self) -> bool:
        return self.kind.startswith("broken")


def outcome(case: Case) -> Outcome:
    """Run a case and say what became of it."""
    try:
        return Outcome(*_run(case), case)
    except Broken as error:
        return Outcome(f"broken: {error.kind}", str(error), case)


def _run(case: Case) -> tuple[str, str]:
    table = case.table()
    estimator = case.made()
    y = (case.y,) if case.estimator == "VAEClassifier" else ()
    try:
        call(estimator, "fit", table, *y)
    except Refused as error:
        return "refused by fit", str(error)
    refused = []
    some = rows_of(table, slice(3))
    for batch in (some, case.table(1, 3, more_holes=True)):
        walk = Walk(case, estimator, table, batch)
        refused += walk.run()
    walk = Walk(case, estimator, table, some)
    walk.check_nothing_is_lost()
    return ("refused by a method" if refused else "held"), ", ".join(sorted({*refused}))


def outcomes(n: int, of: int) -> list[Outcome]:
    """Return what became of so many cases, drawn from a seed."""
    found: list[Outcome] = []

    @seed(of)
    @settings(
        max_examples=n,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def collect(case: Case) -> None:
        found.append(outcome(case))

    collect()
    return found


if __name__ == "__main__":
    for one in outcomes(int(sys.argv[1]), int(sys.argv[2])):
        if one.is_broken:
            print(one.kind, "|", one.what, "|", one.case)
