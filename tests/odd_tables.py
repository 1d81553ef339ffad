"""Odd tables: columns of any dtype, scale and emptiness, in any container."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars
import scipy.sparse

Random = np.random.Generator
#: Makes values of n rows.
Maker = Callable[[Random, int], Any]

FLOATS: dict[str, Maker] = {
    "normal": lambda r, n: r.normal(size=n),
    "subnormal": lambda r, n: r.integers(-3, 4, n) * 5e-324,
    "1e-300": lambda r, n: r.normal(size=n) * 1e-300,
    "1e-30": lambda r, n: r.normal(size=n) * 1e-30,
    "1e30": lambda r, n: r.normal(size=n) * 1e30,
    "1e148": lambda r, n: r.normal(size=n) * 1e148,
    "1e300": lambda r, n: r.normal(size=n) * 1e300,
    "far": lambda r, n: 1e12 + r.normal(size=n),
    "farther": lambda r, n: -1e140 + 1e125 * r.normal(size=n),
    "nearly one": lambda r, n: 1 + 2e-16 * r.integers(0, 3, n),
    "magnitudes": lambda r, n: r.choice([-1, 1], n) * 10 ** r.uniform(-140, 140, n),
    "positive": lambda r, n: 10 ** r.uniform(-9, 9, n),
    "heavy": lambda r, n: r.standard_cauchy(n) ** 3,
    "outlier": lambda r, n: np.where(np.arange(n) == n // 2, 1e20, r.normal(size=n)),
    "one value": lambda r, n: np.full(n, r.normal()),
    "zeros": lambda r, n: r.choice([0.0, -0.0], n),
    "two values": lambda r, n: r.choice([-3.25, 1e6], n),
    "counts": lambda r, n: r.poisson(3, n).astype(float),
    "shares": lambda r, n: r.beta(0.3, 0.3, n),
    "cents": lambda r, n: np.round(r.gamma(2, 50, n), 2),
    "many zeros": lambda r, n: r.gamma(1, 9, n) * (r.uniform(size=n) < 0.5),
    "0 and 1": lambda r, n: r.integers(0, 2, n).astype(float),
}
EXACT = 2**53
INTEGERS: dict[str, Maker] = {
    "few": lambda r, n: r.integers(0, 4, n),
    "counts": lambda r, n: r.poisson(20, n),
    "any": lambda r, n: r.integers(-EXACT, EXACT, n, endpoint=True),
    "positive": lambda r, n: r.integers(0, EXACT, n, endpoint=True),
    "ends": lambda r, n: r.choice([-EXACT, EXACT], n),
    "one value": lambda r, n: np.full(n, 7),
    "dates": lambda r, n: 20240100 + r.integers(1, 32, n),
    "far": lambda r, n: 10**12 + r.integers(0, 5, n),
    "beyond": lambda r, n: 2**60 + r.integers(0, 2**40, n),
}
DAY = 86_400_000_000
#: Microseconds since 1970.
TIMES: dict[str, Maker] = {
    "years": lambda r, n: 50 * 365 * DAY + r.integers(0, 10**14, n),
    "centuries": lambda r, n: r.integers(-250, 250, n) * 365 * DAY + r.integers(0, DAY, n),
    "days": lambda r, n: r.integers(18_000, 19_000, n) * DAY,
    "hours": lambda r, n: r.integers(0, 1000, n) * DAY // 24,
    "one value": lambda r, n: np.full(n, 18_690 * DAY + 1),
    "a sentinel": lambda r, n: np.where(np.arange(n) % 7 == 3, 80_000, np.arange(n) % 40) * DAY,
    "an odd one": lambda r, n: np.where(np.arange(n) == 1, 7, np.arange(n) * DAY),
}
TEXTS = ["", "a", "b", "Zürich", "nan", "None", "1", "2.5", "x" * 40, " "]
WORDS: dict[str, Maker] = {
    "any": lambda r, n: [str(word) for word in r.choice(TEXTS, n)],
    "two": lambda r, n: [str(word) for word in r.choice(TEXTS[1:3], n)],
    "one value": lambda r, n: ["a"] * n,
    "distinct": lambda r, n: [f"id{i}" for i in r.permutation(n)],
    "numbers": lambda r, n: [str(i) for i in r.integers(0, 99, n)],
}
TRUTHS: dict[str, Maker] = {
    "both": lambda r, n: r.uniform(size=n) < 0.5,
    "one value": lambda r, n: np.ones(n, bool),
}
DECIMALS: dict[str, Maker] = {
    "cents": lambda r, n: [Decimal(int(i)).scaleb(-2) for i in r.integers(0, 10**4, n)],
    "18 digits": lambda r, n: [Decimal(int(i)).scaleb(-2) for i in r.integers(0, 10**18, n)],
    "one value": lambda r, n: [Decimal("3.25")] * n,
}
ANY: dict[str, Maker] = {"any": lambda r, n: np.arange(n)}

#: How a column is stored, of the values that one of some makers made.
Storage = tuple[dict[str, Maker], Callable[[Any], Any]]


def real(dtype: str) -> Callable[[Any], Any]:
    """Return what stores numbers, held within the ends of a dtype."""
    ends = np.finfo(np.dtype(dtype))

    def store(values: Any) -> Any:
        return np.clip(values, ends.min, ends.max).astype(dtype)

    return store


def whole(dtype: str) -> Callable[[Any], Any]:
    """Return what stores integers, held within the ends of a dtype."""
    ends = np.iinfo(np.dtype(dtype).newbyteorder("="))

    def store(values: Any) -> Any:
        return np.clip(values, ends.min, min(ends.max, 2**62)).astype(dtype)

    return store


def instants(unit: str, kind: str = "datetime64") -> Callable[[Any], Any]:
    """Return what stores microseconds in a unit; nanoseconds between two of them, too."""
    return lambda values: (
        values.astype(f"{kind}[us]").astype(f"{kind}[{unit}]")
        + (np.arange(len(values)) % 997 if unit == "ns" else 0)
    )


def zoned(zone: str) -> Callable[[Any], Any]:
    def store(values: Any) -> Any:
        bare = pd.Series(values.astype("datetime64[us]"))
        return bare.dt.tz_localize("UTC").dt.tz_convert(zone)

    return store


def objects(values: Any) -> Any:
    return pd.Series(values.tolist() if hasattr(values, "tolist") else values, dtype=object)


def mixed(values: Any) -> Any:
    return objects([[1.5, "a", True, dt.date(2021, 3, 4)][i % 4] for i in values])


def categories(ordered: bool = False, unseen: int = 0) -> Callable[[Any], Any]:
    """Return what stores categories, some of them without a row."""
    return lambda values: pd.Categorical(
        values, sorted({*values}) + [f"never {i}" for i in range(unseen)], ordered=ordered
    )


PANDAS: dict[str, Storage] = {
    **{d: (FLOATS, real(d)) for d in ("float64", "float32", "float16", ">f8")},
    "Float64": (FLOATS, lambda v: pd.Series(v).astype("Float64")),
    "Float32": (FLOATS, lambda v: pd.Series(real("float32")(v)).astype("Float32")),
    **{d: (INTEGERS, whole(d)) for d in ("int64", "int8", "uint16", "uint64", ">i4")},
    "Int64": (INTEGERS, lambda v: pd.Series(v).astype("Int64")),
    "UInt8": (INTEGERS, lambda v: pd.Series(whole("uint8")(v)).astype("UInt8")),
    "bool": (TRUTHS, lambda v: v),
    "boolean": (TRUTHS, lambda v: pd.Series(v).astype("boolean")),
    "str": (WORDS, lambda v: pd.Series(v, dtype="str")),
    "string": (WORDS, lambda v: pd.Series(v, dtype="string")),
    "category": (WORDS, categories()),
    "ordered": (WORDS, categories(ordered=True)),
    "category, unseen": (WORDS, categories(unseen=5)),
    "ordered, unseen": (WORDS, categories(ordered=True, unseen=5)),
    "category of integers": (INTEGERS, lambda v: pd.Categorical(v % 5)),
    "category of floats": (FLOATS, lambda v: pd.Categorical(np.round(v % 3, 1))),
    "category of times": (TIMES, lambda v: pd.Categorical(instants("s")(v % DAY))),
    **{f"datetime64[{u}]": (TIMES, instants(u)) for u in ("s", "us", "ns")},
    **{z: (TIMES, zoned(z)) for z in ("UTC", "America/New_York", "Etc/GMT+5")},
    **{f"timedelta64[{u}]": (TIMES, instants(u, "timedelta64")) for u in ("s", "ns")},
    "object floats": (FLOATS, objects),
    "object integers": (INTEGERS, objects),
    "object booleans": (TRUTHS, objects),
    "object words": (WORDS, objects),
    "object decimals": (DECIMALS, objects),
    "object times": (TIMES, lambda v: pd.Series(instants("us")(v)).astype(object)),
    "sparse": (FLOATS, pd.arrays.SparseArray),
    "object dates": (ANY, lambda v: objects([dt.date(2021, 3, 1 + i % 9) for i in v])),
    "object mixed": (ANY, mixed),
    "object lists": (ANY, lambda v: objects([[1, 2] for _ in v])),
    "complex": (FLOATS, lambda v: v + 1j),
    "period": (ANY, lambda v: pd.period_range("2021", periods=len(v), freq="D")),
    "interval": (ANY, lambda v: pd.interval_range(0, len(v), len(v))),
}


def counted(dtype: Any) -> Callable[[Any], Any]:
    """Return what stores microseconds as ticks of a polars time."""
    unit = {"ms": 1e-3, "us": 1, "ns": 1e3}[dtype.time_unit]
    return lambda values: polars.Series((values * unit).astype(np.int64)).cast(dtype)


def polars_zoned(zone: str) -> Callable[[Any], Any]:
    bare = counted(polars.Datetime("us"))
    return lambda values: bare(values).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


POLARS: dict[str, Storage] = {
    "Float64": (FLOATS, polars.Series),
    "Float32": (FLOATS, lambda v: polars.Series(real("float32")(v))),
    **{
        d: (INTEGERS, lambda v, d=d: polars.Series(whole(d.lower())(v)))
        for d in ("Int64", "Int8", "UInt64", "UInt8", "Int32")
    },
    "Int128": (INTEGERS, lambda v: polars.Series(v).cast(polars.Int128)),
    "Boolean": (TRUTHS, polars.Series),
    "String": (WORDS, polars.Series),
    "Categorical": (WORDS, lambda v: polars.Series(v, dtype=polars.Categorical)),
    "Enum": (WORDS, lambda v: polars.Series(v, dtype=polars.Enum(sorted({*v})))),
    "Enum, unseen": (
        WORDS,
        lambda v: polars.Series(v, dtype=polars.Enum([*sorted({*v}), "never"])),
    ),
    "Date": (TIMES, lambda v: counted(polars.Datetime("us"))(v).cast(polars.Date)),
    **{f"Datetime({u})": (TIMES, counted(polars.Datetime(u))) for u in ("ms", "us", "ns")},
    **{f"Duration({u})": (TIMES, counted(polars.Duration(u))) for u in ("ms", "ns")},
    **{z: (TIMES, polars_zoned(z)) for z in ("UTC", "EST5EDT", "Asia/Kolkata")},
    "Decimal": (DECIMALS, lambda v: polars.Series(v, dtype=polars.Decimal(25, 2))),
    "Null": (ANY, lambda v: polars.Series([None] * len(v))),
    "Time": (TIMES, lambda v: polars.Series(v % DAY).cast(polars.Time)),
    "Object": (ANY, lambda v: polars.Series([object()] * len(v), dtype=polars.Object)),
    "List": (ANY, lambda v: polars.Series([[1, 2] for _ in v])),
    "Struct": (ANY, lambda v: polars.Series([{"a": int(i)} for i in v])),
    "Binary": (ANY, lambda v: polars.Series([b"a" for _ in v])),
}
#: Of one dtype, that of the first column.
ARRAYS: dict[str, Storage] = {
    **{d: (FLOATS, real(d)) for d in ("float64", "float32", "float16", ">f8")},
    **{d: (INTEGERS, whole(d)) for d in ("int64", "int8", "uint64")},
    "bool": (TRUTHS, lambda v: v),
    "object": (FLOATS, lambda v: v.astype(object)),
    "object integers": (INTEGERS, lambda v: v.astype(object)),
    "array of times": (TIMES, instants("s")),
    "array of words": (WORDS, lambda v: np.array(v, "U9")),
    "array of complex": (FLOATS, lambda v: v + 1j),
}
KINDS = {"pandas": PANDAS, "polars": POLARS}
#: Kinds of columns that are refused by a sentence.
REFUSED = {"object dates", "object mixed", "object lists", "complex", "period", "interval"}
REFUSED |= {"Time", "Object", "List", "Struct", "Binary"}
REFUSED |= {"array of times", "array of words", "array of complex"}
FRAMES = ("pandas", "polars")
PLAIN = ("array", "array", "masked", "list", "tuples", "Fortran")
REFUSED_CONTAINERS = ("sparse", "one-dimensional")
HOLES = {
    "none": lambda r, n: np.zeros(n, bool),
    "some": lambda r, n: r.uniform(size=n) < 0.15,
    "half": lambda r, n: r.uniform(size=n) < 0.5,
    "first": lambda r, n: np.arange(n) < n // 2,
    "all but one": lambda r, n: np.arange(n) != r.integers(n),
    "all": lambda r, n: np.ones(n, bool),
}
INDICES = {
    "plain": pd.RangeIndex,
    "one value": lambda n: pd.Index([0] * n),
    "times": lambda n: pd.date_range("2021", periods=n),
}


@dataclasses.dataclass(frozen=True)
class Column:
    """How a column is stored, what it holds, and where it is empty."""

    kind: str
    values: str
    holes: str = "none"


@dataclasses.dataclass(frozen=True)
class OddTable:
    """A table that can be made from this description, again and with other rows."""

    container: str
    columns: tuple[Column, ...]
    index: str = "plain"
    levels: bool = False

    @property
    def kinds(self) -> dict[str, Storage]:
        return KINDS.get(self.container, ARRAYS)

    def rows(self, n: int, seed: int, holes: str | None = None) -> Any:
        """Return rows, with other holes in place of each column's own if they are given."""
        random = np.random.default_rng(seed)
        columns, hidden = [], []
        for column in self.columns:
            makers, _ = self.kinds[column.kind]
            columns.append(makers[column.values](random, n))
            hidden.append(HOLES[holes or column.holes](random, n))
        with np.errstate(all="ignore"):
            return self._stored(columns, hidden, n)

    def _stored(self, columns: list[Any], hidden: list[Any], n: int) -> Any:
        if self.container == "pandas":
            return self._pandas(columns, hidden, n)
        stores = [self.kinds[column.kind][1] for column in self.columns]
        if self.container == "polars":
            made = [polars_masked(store(c), h) for store, c, h in zip(stores, columns, hidden)]
            return polars.DataFrame({f"c{j}": column for j, column in enumerate(made)})
        found = np.stack([stores[0](column) for column in columns], axis=1)
        return as_container(self.container, found, np.stack(hidden, axis=1))

    def _pandas(self, columns: list[Any], hidden: list[Any], n: int) -> Any:
        made = {}
        for j, (column, values, hole) in enumerate(zip(self.columns, columns, hidden)):
            series = pd.Series(PANDAS[column.kind][1](values))
            made[f"c{j}"] = series.mask(hole) if hole.any() else series
        found = pd.DataFrame(made).set_axis(INDICES[self.index](n), axis=0)
        if self.levels:
            found.columns = pd.MultiIndex.from_product([["top"], found.columns])
        return found


def polars_masked(series: Any, hole: Any) -> Any:
    """Return a column without some cells."""
    if not hole.any():
        return series
    kept = polars.when(polars.Series(~hole)).then(polars.col("c"))
    return series.to_frame("c").select(kept).to_series()


def as_container(container: str, found: Any, hole: Any) -> Any:
    """Return an array as what it is called, without some cells where its dtype has room."""
    if container == "masked":
        return np.ma.MaskedArray(found, hole)
    if found.dtype.kind in "fO":
        found[hole] = np.nan if found.dtype.kind == "f" else None
    return {
        "array": lambda: found,
        "Fortran": lambda: np.asfortranarray(found),
        "list": found.tolist,
        "tuples": lambda: tuple(map(tuple, found.tolist())),
        "sparse": lambda: scipy.sparse.csr_array(np.ones(found.shape)),
        "one-dimensional": lambda: found[:, 0],
    }[container]()


def draw_table(random: Random, likely: Callable[[float], bool]) -> OddTable:
    """Return the description of a table; ``likely`` tells whether something rare is wanted."""

    def one_of(choices: Any) -> Any:
        return choices[random.integers(len(choices))]

    container = one_of([*FRAMES, *FRAMES, one_of(PLAIN)])
    if likely(0.04):
        container = one_of(REFUSED_CONTAINERS)
    kinds = KINDS.get(container, ARRAYS)
    odd = likely(0.04)
    names = [kind for kind in kinds if odd or kind not in REFUSED]
    columns = []
    for _ in range(random.integers(1, 6)):
        kind = columns[0].kind if columns and kinds is ARRAYS else one_of(names)
        holes = one_of(["none", "none", *HOLES])
        columns.append(Column(kind, one_of([*kinds[kind][0]]), holes))
    index = one_of([*INDICES]) if likely(0.3) else "plain"
    return OddTable(container, tuple(columns), index, container == "pandas" and likely(0.1))
