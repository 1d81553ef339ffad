"""Tables of any dtypes: what comes in comes back, with a finite density in between."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvae.bins import Bins
from skvae.codecs import Levels
from skvae.container import Container
from skvae.likelihoods import choose_families, models
from skvae.table import Table

polars = pytest.importorskip("polars")

# Standardising squares floats.
magnitudes = st.sampled_from([1e-30, 1e-6, 1.0, 1.0, 1e6, 1e30])
units = st.floats(-1, 1, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-3)
# Floats hold integers and times of up to 53 bits.
integers = st.sampled_from([2, 100, 2**31 - 1, 2**52]).flatmap(
    lambda n: st.one_of(st.integers(-n, n), st.integers(0, n))
)
times = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))


@st.composite
def floats(draw, n):
    scale = draw(magnitudes)
    values = st.one_of(st.sampled_from([0.0, 0.5, 0.1]), units)
    return [scale * x for x in draw(st.lists(values, min_size=n, max_size=n))]


def lists(values):
    return lambda n: st.lists(values, min_size=n, max_size=n)


COLUMNS = {
    "float": floats,
    "float32": floats,
    "integer": lists(integers),
    "int8": lists(st.integers(-128, 127)),
    "text": lists(st.text(st.characters(codec="utf-8"), max_size=3)),
    "boolean": lists(st.booleans()),
    "ordered": lists(st.sampled_from(["lo", "mid", "hi"])),
    "time": lists(times),
    "second": lists(times.map(lambda time: time.replace(microsecond=0))),
    "duration": lists(st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "zoned": lists(times),
}
LEVELS = ["lo", "mid", "hi", "never"]
OF_PANDAS = {
    "float32": lambda x: np.array(x, dtype="float32"),
    "int8": lambda x: np.array(x, dtype="int8"),
    "ordered": lambda x: pd.Categorical(x, LEVELS, ordered=True),
    "time": lambda x: pd.Series(x, dtype="datetime64[us]"),
    "second": lambda x: pd.Series(x, dtype="datetime64[s]"),
    "duration": lambda x: pd.Series(x, dtype="timedelta64[us]"),
    "zoned": lambda x: pd.Series(x, dtype="datetime64[us]").dt.tz_localize("UTC"),
}
OF_POLARS = {
    "float32": lambda x: polars.Series(x, dtype=polars.Float32),
    "int8": lambda x: polars.Series(x, dtype=polars.Int8),
    "ordered": lambda x: polars.Series(x, dtype=polars.Enum(LEVELS)),
    "time": lambda x: polars.Series([time.date() for time in x]),
    "zoned": lambda x: polars.Series(x, dtype=polars.Datetime("us", "UTC")),
}


@st.composite
def frames(draw):
    n = draw(st.integers(2, 60))
    names = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=5, unique=True))
    columns = {name: draw(COLUMNS[name](n)) for name in names}
    if draw(st.booleans()):
        return pd.DataFrame({k: OF_PANDAS.get(k, list)(x) for k, x in columns.items()})
    return polars.DataFrame({k: OF_POLARS.get(k, polars.Series)(x) for k, x in columns.items()})


def assert_same(one, other):
    assert_same_dtypes(one, other)
    assert one.equals(other)


def assert_same_dtypes(one, other):
    assert type(one) is type(other)
    assert list(one.columns) == list(other.columns)
    assert list(one.dtypes) == list(other.dtypes)


def learn(frame):
    container = Container.of(frame)
    values = container.values(frame)
    families = choose_families("auto", values, container, seed=0)
    return Table.learn(values, container, models(families)), values


many = settings(max_examples=40, deadline=None, derandomize=True)


@many
@given(frames())
def test_a_container_gives_back_what_it_was_given(frame):
    container = Container.of(frame)
    assert_same(container.rows(container.values(frame)), frame)


@many
@given(frames())
def test_every_row_has_a_density(frame):
    table, values = learn(frame)
    cells, log_det = table.encode(values)
    assert np.isfinite(cells).all()
    assert np.isfinite(log_det).all()
    for j, n in enumerate(table.n_levels):
        assert n == 1 or (cells[:, j] < n).all()


@many
@given(frames(), st.integers(0, 99))
def test_decoding_gives_back_what_was_encoded(frame, seed):
    table, values = learn(frame)
    cells, _ = table.encode(values)
    back = table.decode(cells, np.random.RandomState(seed))
    assert_same_dtypes(back, frame)
    found = table.container.values(back)
    for j, column in enumerate(table.columns):
        if isinstance(column.codec, Bins):
            codes, log_det = column.codec.encode(found[:, j])
            assert np.isfinite(log_det).all()
            # Among numbers of single precision the nearest may be in the next bin.
            if column.name != "float32":
                np.testing.assert_array_equal(codes, cells[:, j])
        elif isinstance(column.codec, Levels) or column.field.role != "number":
            np.testing.assert_array_equal(found[:, j], values[:, j])
        else:
            scale = np.abs(values[:, j]).max()
            rtol = 1e-6 if column.name == "float32" else 1e-12
            np.testing.assert_allclose(found[:, j], values[:, j], rtol=0, atol=rtol * scale)
