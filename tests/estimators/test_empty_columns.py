"""Columns without a value, or with one: every dtype works, in every library."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pytest

from skvae import VAEDensity, VAEImputer, VAEOutlierDetector

N = 14
X = np.random.default_rng(0).normal(size=N)
UNTRAINED = {"hidden_layer_sizes": (4,), "max_epochs": 0, "random_state": 0}
DAY = dt.datetime(2021, 3, 4)
PANDAS = {
    **dict.fromkeys(["float64", "float32", "float16", "Float64", "Int8", "Int64", "UInt16"], 3),
    ">f8": 3,
    "object": 3,
    "boolean": True,
    "str": "a",
    "string": "a",
    **dict.fromkeys(["datetime64[s]", "datetime64[ns]", "datetime64[us, America/New_York]"], DAY),
    **dict.fromkeys(["timedelta64[s]", "timedelta64[ns]"], dt.timedelta(3)),
    pd.CategoricalDtype(["a"]): "a",
    pd.CategoricalDtype(["a"], ordered=True): "a",
    pd.CategoricalDtype(["a", "b", "c"], ordered=True): "b",
}
POLARS = {
    **dict.fromkeys([polars.Float64, polars.Float32, polars.Int8, polars.Int64, polars.UInt16], 3),
    polars.Boolean: True,
    polars.String: "a",
    polars.Categorical: "a",
    polars.Date: DAY.date(),
    **dict.fromkeys([polars.Datetime("ns"), polars.Datetime("ms", "EST5EDT")], DAY),
    polars.Duration("us"): dt.timedelta(3),
    polars.Decimal(20, 2): Decimal("3.25"),
    polars.Enum(["a"]): "a",
    polars.Enum(["a", "b", "c"]): "b",
    polars.Null: None,
}
CASES = [(pd, *item) for item in PANDAS.items()] + [(polars, *item) for item in POLARS.items()]


def column(library, dtype, value, held):
    """Return a column that is empty, has one value throughout, or has it in one row."""
    values = {"nothing": [None] * N, "one": [value] * N, "a row": [value] + [None] * (N - 1)}[held]
    if library is pd:
        return pd.Series(values, dtype=object).astype(dtype)
    zone = getattr(dtype, "time_zone", None)
    if zone and value:
        bare = polars.Series(values, dtype=polars.Datetime(dtype.time_unit))
        return bare.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return polars.Series(values, dtype=dtype)


@pytest.mark.filterwarnings("ignore:.*no observed value")
@pytest.mark.parametrize("held", ["nothing", "one", "a row"])
@pytest.mark.parametrize(("library", "dtype", "value"), CASES, ids=str)
def test_every_empty_or_one_valued_column_works(library, dtype, value, held):
    frame = library.DataFrame({"c": column(library, dtype, value, held), "x": X})
    density = VAEDensity(1, **UNTRAINED).fit(frame)
    assert np.isfinite(density.score_samples(frame)).all()
    assert density.sample(3)["c"].dtype == frame["c"].dtype
    completed = density.sample_conditional(frame, 2, random_state=0)
    assert completed["c"].dtype == frame["c"].dtype
    imputer = VAEImputer(1, keep_empty_features=True, **UNTRAINED).fit(frame)
    filled = imputer.transform(frame)["c"]
    assert len(filled) == N
    assert not any(pd.isna(cell) for cell in filled.to_list())
    if dtype is not polars.Null:
        assert filled.dtype == frame["c"].dtype


@pytest.mark.parametrize("likelihood", ["ordinal", "categorical"])
def test_a_level_of_one_beside_others_is_certain(likelihood):
    sizes = pd.Categorical(["S", "L"] * (N // 2), ["S", "L"], ordered=True)
    one = pd.Categorical(["k"] * N, ordered=True)
    density = VAEDensity(1, likelihood={"k": likelihood}, **UNTRAINED)
    alone = VAEDensity(1, likelihood=likelihood, **UNTRAINED)
    both = pd.DataFrame({"size": sizes, "k": one})
    assert np.isfinite(density.fit(both).score_samples(both)).all()
    assert alone.fit(both[["k"]]).score(both[["k"]]) == pytest.approx(
        0.0, abs=0.02
    )  # by draws of z


@pytest.mark.parametrize("scale", [1e-309, 5e-324, 1e-300, 1e-200])
def test_the_smallest_numbers_work(scale):
    frame = pd.DataFrame({"a": np.arange(N) % 3 * scale, "x": X})
    density = VAEDensity(1, **UNTRAINED).fit(frame)
    assert np.isfinite(density.score_samples(frame)).all()
    assert np.isfinite(density.sample(5).to_numpy()).all()


def test_the_only_cell_of_a_row_is_explained():
    detector = VAEOutlierDetector(1, **UNTRAINED).fit(np.c_[X, X**2])
    rows = np.array([[1.0, np.nan], [np.nan, 0.5], [1.0, 0.5], [np.nan, np.nan]])
    for some in (rows, rows[:1], rows[1:2], rows[:2], rows[3:]):
        surprise = detector.explain(some)
        assert np.array_equal(np.isnan(surprise), np.isnan(some))
