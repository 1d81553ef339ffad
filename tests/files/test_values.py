"""Values: what comes back of a file is what was written, type and all."""

import datetime
import decimal
import json
import math
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

from skvae import likelihoods, networks, objectives, posteriors, priors, proposals
from skvae.core.recipe import Recipe, descendants
from skvae.files.frames import read_dtype, written_dtype
from skvae.files.recipes import RECIPES
from skvae.files.values import Reader, Writer

UTC = datetime.UTC
VALUES = [
    *(None, True, 0, -(10**30), 1.5, -0.0, math.inf, -math.inf, "", "ä\n\ud800", b"\0a", (), []),
    *((1, (2.0, ["a"])), {"a": 1, 2: (None,)}, np.float32(0.1), np.int8(-3), np.bool_(True)),
    *(np.str_("a"), np.datetime64("2020-01-01T01", "h"), np.timedelta64(3, "us")),
    *(np.datetime64("NaT"), decimal.Decimal("1.10"), datetime.date(2020, 1, 2)),
    *(datetime.time(1, 2, 3), datetime.datetime(2020, 1, 2, 3), datetime.timedelta(-1, 2, 3)),
    *(
        datetime.datetime(2020, 7, 2, tzinfo=zoneinfo.ZoneInfo(name))
        for name in ("UTC", "Asia/Tokyo")
    ),
    *(datetime.datetime(2020, 1, 2, tzinfo=UTC), torch.device("cuda:1"), pd.NA, pd.NaT),
    *(pd.Timestamp(123, unit="ns"), pd.Timestamp("2020-03-04", tz="Asia/Tokyo").as_unit("s")),
    *(pd.Timedelta(5, "us"), pd.Interval(0, 1.5, "left"), pd.Period("2020-05", "M")),
    *(priors.Mixture(3), objectives.Trimmed(0.2, objectives.ELBO(2)), priors.Vamp),
    *(networks.Convolutional((4, 8), 2), objectives.Clamped(groups=[[0], [1, 2]])),
]


def kept(value):
    """Return a value as it is after a file."""
    writer = Writer()
    written = json.loads(json.dumps(writer.value(value, "it"), allow_nan=False))
    return Reader(writer.arrays).value(written)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_what_they_were(value):
    found = kept(value)
    assert type(found) is type(value)
    assert repr(found) == repr(value)


ARRAYS = [
    *(np.arange(6).reshape(2, 3), np.array(1.5), np.empty((0, 2)), np.array(["a", "bcd"])),
    *(np.array([]), np.array([True]), np.array([1, "a", None], dtype=object)),
    *(np.array(["2020"], "M8[D]"), np.array([], dtype="U3")),
]


@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_arrays_are_what_they_were(array):
    found = kept(array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert_array_equal(found, array)


def test_streams_go_on():
    stream = np.random.RandomState(0)
    stream.normal(size=3)
    found = kept(stream)
    assert_array_equal(found.normal(size=5), stream.normal(size=5))


INDICES = [
    pd.Index(["a", "b"], name="k"),
    pd.Index([(1, 2), "x", 3.5, None], tupleize_cols=False),
    pd.Index([1, 2], dtype="int8"),
    pd.RangeIndex(2, 8, 3, name=("a", 1)),
    pd.date_range("2020", periods=3, freq="2D", tz="Europe/Paris"),
    pd.timedelta_range("1D", periods=2),
    pd.period_range("2020-01", periods=2, freq="M"),
    pd.interval_range(0, 2),
    pd.interval_range(0, 2)[:0],
    pd.period_range("2020-01-01", periods=0, freq="D"),
    pd.CategoricalIndex(["a", "b"], categories=["b", "a", "c"], ordered=True),
    pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None]),
]


@pytest.mark.parametrize("index", INDICES, ids=lambda index: type(index).__name__)
def test_labels_are_what_they_were(index):
    pd.testing.assert_index_equal(kept(index), index, exact=True, check_names=True)
    assert getattr(kept(index), "freq", None) == getattr(index, "freq", None)


PANDAS = [
    *("<f8", ">i2", "bool", "uint8", "object", "M8[ns]", "m8[s]", "Int64", "UInt8", "Float32"),
    *("boolean", "string", "category", "Sparse[int]", "datetime64[us, America/New_York]"),
    *(pd.StringDtype("python", np.nan), pd.CategoricalDtype([2.5, 1.5], ordered=True)),
    *(pd.CategoricalDtype(pd.interval_range(0, 2)), pd.DatetimeTZDtype("ns", "UTC")),
    pd.DatetimeTZDtype("s", datetime.timezone(datetime.timedelta(hours=-3.5))),
    *(pd.PeriodDtype("M"), pd.PeriodDtype("2D"), pd.IntervalDtype("float64", "left")),
]
POLARS = [
    *(pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.Boolean, pl.String, pl.Categorical, pl.Date),
    *(pl.Null, pl.Object, pl.Enum(["b", "a"]), pl.Datetime("ms"), pl.Datetime("ns", "Asia/Tokyo")),
    *(pl.Duration("us"), pl.Decimal(12, 3)),
]


@pytest.mark.parametrize("dtype", [*map(pd.api.types.pandas_dtype, PANDAS), *POLARS], ids=repr)
def test_dtypes_are_what_they_were(dtype):
    writer = Writer()
    written = json.loads(json.dumps(written_dtype(dtype, writer, "it")))
    found = read_dtype(Reader(writer.arrays), written)
    assert found == dtype
    assert repr(found) == repr(dtype() if isinstance(dtype, type) else dtype)


@pytest.mark.parametrize("value", [{1, 2}, print, object(), 1j, np.complex64(1), slice(1)])
def test_others_are_refused(value):
    with pytest.raises(TypeError, match=r"it is .*, which a file without pickle cannot hold"):
        Writer().value(value, "it")


def test_a_dtype_of_another_library_is_refused():
    with pytest.raises(TypeError, match="a column has the dtype complex128"):
        written_dtype(np.dtype(complex), Writer(), "a column")


def test_the_table_has_every_recipe_that_users_can_name():
    spaces = (likelihoods, priors, posteriors, objectives, proposals, networks)
    named = {
        f"{space.__name__.rpartition('.')[2]}.{name}": getattr(space, name)
        for space in spaces
        for name in space.__all__
    }
    recipes = set(descendants(Recipe))
    assert {name: part for name, part in named.items() if part in recipes} == RECIPES
