"""Tables of any dtypes: they come back from their numbers, and from their cells."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvae.fit.likelihoods import choose_families, models
from skvae.table.bins import Bins
from skvae.table.codecs import Affine
from skvae.table.container import Container
from skvae.table.table import Table

polars = pytest.importorskip("polars")
polars_testing = pytest.importorskip("polars.testing")

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)

NUMBERS = st.floats(-1e9, 1e9, allow_subnormal=False)
#: Numbers as tables have them: repeated ones, decimals, amounts, and any.
FLOATS = st.one_of(
    NUMBERS, st.sampled_from([0.0, -1.0, 0.1, 2.5]), st.integers(-5000, 5000).map(lambda i: i / 100)
)
POSITIVE = st.one_of(st.floats(0, 1e6, allow_subnormal=False), st.just(0.0))
WORDS = st.text(min_size=0, max_size=4)
MOMENTS = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2100, 1, 1))
LEVELS = ["lo", "mid", "hi", ""]
#: What a column holds, and how either library stores it.
PANDAS = {
    "float64": (FLOATS, "float64"),
    "positive": (POSITIVE, "float64"),
    "float32": (st.floats(-1e6, 1e6, width=32, allow_subnormal=False), "float32"),
    "Float64": (FLOATS, "Float64"),
    "int64": (st.integers(-(10**9), 10**9), "int64"),
    "int8": (st.integers(-128, 127), "int8"),
    "uint16": (st.integers(0, 2**16 - 1), "uint16"),
    "few integers": (st.integers(0, 3), "int64"),
    "Int32": (st.integers(-9, 9), "Int32"),
    "bool": (st.booleans(), "bool"),
    "boolean": (st.booleans(), "boolean"),
    "bool as object": (st.booleans(), "object"),
    "string": (WORDS, "str"),
    "string as object": (WORDS, "object"),
    "category": (st.sampled_from(LEVELS), pd.CategoricalDtype(LEVELS)),
    "ordered": (st.sampled_from(LEVELS), pd.CategoricalDtype(LEVELS, ordered=True)),
    "integer category": (st.sampled_from([7, 3]), pd.CategoricalDtype([7, 3, 5])),
    "datetime": (MOMENTS, "datetime64[us]"),
    "seconds": (MOMENTS.map(lambda t: t.replace(microsecond=0)), "datetime64[s]"),
    "with a zone": (MOMENTS, "datetime64[us, Asia/Kolkata]"),
    "duration": (st.timedeltas(dt.timedelta(-9), dt.timedelta(9)), "timedelta64[us]"),
}
POLARS = {
    "float64": (FLOATS, polars.Float64),
    "positive": (POSITIVE, polars.Float64),
    "float32": (st.floats(-1e6, 1e6, width=32, allow_subnormal=False), polars.Float32),
    "int64": (st.integers(-(10**9), 10**9), polars.Int64),
    "uint8": (st.integers(0, 255), polars.UInt8),
    "few integers": (st.integers(0, 3), polars.Int64),
    "boolean": (st.booleans(), polars.Boolean),
    "string": (WORDS, polars.String),
    "categorical": (st.sampled_from(LEVELS), polars.Categorical),
    "enum": (st.sampled_from(LEVELS), polars.Enum([*LEVELS, "never"])),
    "date": (st.dates(dt.date(1950, 1, 1), dt.date(2100, 1, 1)), polars.Date),
    "datetime": (MOMENTS, polars.Datetime("us")),
    "milliseconds": (
        MOMENTS.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
        polars.Datetime("ms"),
    ),
    "duration": (st.timedeltas(dt.timedelta(-9), dt.timedelta(9)), polars.Duration("us")),
}


@st.composite
def frames(draw, min_rows=1, max_rows=60):
    """Small frames of either library, of one to six columns of mixed dtypes."""
    library, kinds = draw(st.sampled_from([("pandas", PANDAS), ("polars", POLARS)]))
    names = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=6, unique=True))
    n = draw(st.integers(min_rows, max_rows))
    # Values are drawn from a few, as generating thousands is slow.
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    columns = {}
    for name in names:
        values, dtype = kinds[name]
        some = draw(st.lists(values, min_size=1, max_size=12))
        column = [some[i] for i in generator.integers(0, len(some), n)]
        if library == "polars":
            columns[name] = polars.Series(column, dtype=dtype)
        elif name == "with a zone":
            columns[name] = (
                pd.Series(column, dtype="datetime64[us]")
                .dt.tz_localize("UTC")
                .dt.tz_convert("Asia/Kolkata")
            )
        else:
            columns[name] = pd.Series(column, dtype=dtype)
    return {"pandas": pd, "polars": polars}[library].DataFrame(columns)


def assert_same(found, expected, rtol=0.0):
    """Assert that frames of one library are the same, floats to a relative error."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, rtol=rtol, atol=rtol, check_exact=rtol == 0)
    else:
        polars_testing.assert_frame_equal(
            found, expected, rel_tol=rtol, abs_tol=rtol, check_exact=rtol == 0
        )


@quick
@given(frames())
def test_a_table_comes_back_from_its_numbers(frame):
    container = Container.of(frame)
    values = container.values(frame)
    assert values.shape == frame.shape
    assert np.isfinite(values).all()
    assert_same(container.rows(values), frame)
    for rows in (frame[:0], frame[:1], frame[::-1]):
        assert_same(
            container.rows(container.values(rows)),
            rows if isinstance(rows, polars.DataFrame) else rows.reset_index(drop=True),
        )


@quick
@given(frames(min_rows=2), st.integers(0, 99))
def test_a_table_comes_back_from_its_cells(frame, seed):
    container = Container.of(frame)
    values = container.values(frame)
    families = choose_families("auto", values, container, seed)
    table = Table.learn(values, container, models(families))
    cells, log_det = table.encode(values)
    assert np.isfinite(cells).all()
    assert np.isfinite(log_det).all()
    back = table.container.rows(table.decode(cells, np.random.RandomState(seed)))
    again = container.values(back)
    for j, column in enumerate(table.columns):
        if isinstance(column.codec, Bins):
            # Anywhere in its own bin.
            np.testing.assert_array_equal(column.codec.encode(again[:, j])[0], cells[:, j])
        else:
            rtol = 1e-6 if "float32" in str(column.name) else 1e-9
            scale = np.abs(values[:, j]).max()
            np.testing.assert_allclose(again[:, j], values[:, j], rtol=rtol, atol=rtol * scale)
    # Whatever is drawn, dtypes are those of the table.
    kept = [c.name for c in table.columns if c.field.role != "number"]
    for name in kept:
        assert back[name].dtype == frame[name].dtype


@quick
@given(frames(min_rows=2), st.integers(0, 99))
def test_any_cells_are_rows_of_the_table(frame, seed):
    """Cells that no row had: other codes, numbers anywhere."""
    container = Container.of(frame)
    values = container.values(frame)
    families = choose_families("auto", values, container, seed)
    table = Table.learn(values, container, models(families))
    generator = np.random.default_rng(seed)
    cells = np.stack([drawn(c, generator, 50) for c in table.columns], axis=1)
    rows = table.container.rows(table.decode(cells, np.random.RandomState(seed)))
    assert rows.shape == (50, frame.shape[1])
    assert np.isfinite(table.encode(container.values(rows))[1]).all()
    for field in container.fields:
        if field.is_category:
            assert set(rows[field.name]) <= set(field.levels)
        if field.role == "integer" and values.min() >= 0:
            assert (rows[field.name] >= 0).all()


def drawn(column, generator, n):
    """Return cells that a family could draw."""
    if column.codec.n_levels > 1:
        return generator.integers(0, column.codec.n_levels, n).astype(float)
    if not isinstance(column.codec, Affine):
        return np.zeros(n)
    normal = generator.normal(size=n)
    return {
        "numbers > 0": np.exp(normal),
        "integers >= 0": np.floor(np.exp(normal)),
        "0 or 1": (normal > 0).astype(float),
        "numbers": normal,
    }[column.codec.support]
