"""What was known comes back as it was, from every method that returns rows."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pytest

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAETransformer

N = 40
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=N)
QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 1, "random_state": 0}
PANDAS = pd.DataFrame(
    {
        "x": X,
        "nanoseconds": pd.Series(pd.to_datetime(RANDOM.integers(0, 2**58, N))).astype(
            "datetime64[ns]"
        ),
        "passed": pd.Series(pd.to_timedelta(RANDOM.integers(0, 2**58, N))).astype(
            "timedelta64[ns]"
        ),
        "zone": pd.date_range("2021", periods=N, tz="America/New_York"),
        "large": pd.Series([2**60 + i for i in range(N)], dtype=object),
        "decimal": pd.Series([Decimal(f"1234567890123456789{i}.25") for i in range(N)]),
        "Int64": pd.Series(RANDOM.integers(0, 9, N)).astype("Int64"),
        "int8": RANDOM.integers(0, 9, N).astype("int8"),
        "boolean": X > 0,
        "single": X.astype("float32"),
        "half": X.astype("float16"),
        "big-endian": X.astype(">f8"),
        "city": pd.Series(["Rome", "Oslo"] * (N // 2)),
        "size": pd.Categorical(["S", "L"] * (N // 2), categories=["S", "L"], ordered=True),
    }
)
POLARS = polars.DataFrame(
    {
        "x": X,
        "nanoseconds": polars.Series(RANDOM.integers(0, 2**58, N)).cast(polars.Datetime("ns")),
        "decimal": [Decimal(f"1234567890123456789{i}.25") for i in range(10, N + 10)],
        "integer": RANDOM.integers(0, 9, N),
        "boolean": X > 0,
        "single": polars.Series(X, dtype=polars.Float32),
        "city": ["Rome", "Oslo"] * (N // 2),
    }
)
FRAMES = {"pandas": PANDAS, "polars": POLARS}


def with_holes(frame):
    """Return a frame with two cells of every column missing, where its dtype has room for them."""
    if isinstance(frame, polars.DataFrame):
        keep = polars.int_range(polars.len()) > 1
        return frame.with_columns(polars.when(keep).then(polars.all()))
    full = [name for name in frame if str(frame[name].dtype) in ("int8", "bool")]
    holes = frame.mask(pd.Series(frame.index < 2), axis=0)
    return holes.assign(**{name: frame[name] for name in full}).astype(frame.dtypes)


def assert_known(rows, frame, names=None):
    """Assert that rows have the cells of a frame, but where these are missing."""
    for name in names or frame.columns:
        assert rows[name].dtype == frame[name].dtype, name
        pairs = list(zip(frame[name].to_list(), rows[name].to_list(), strict=True))
        missing = [pd.isna(cell) for cell, _ in pairs]
        assert all(a == b for (a, b), hole in zip(pairs, missing, strict=True) if not hole), name
        assert not any(pd.isna(found) for _, found in pairs), name


@pytest.fixture(scope="module", params=FRAMES)
def frame(request):
    return FRAMES[request.param]


def test_an_imputer_changes_no_known_cell(frame):
    imputer = VAEImputer(1, **QUICK).fit(frame)
    for rows in (frame, with_holes(frame)):
        assert_known(imputer.transform(rows), rows)
        for table in imputer.sample_imputations(rows, 2, random_state=0):
            assert_known(table, rows)
        assert_known(imputer.set_params(sample_posterior=True).transform(rows), rows)
        imputer.set_params(sample_posterior=False)


def test_a_density_changes_no_known_cell(frame):
    density = VAEDensity(1, **QUICK).fit(frame)
    for rows in (frame, with_holes(frame), frame[:3]):
        drawn = density.sample_conditional(rows, 2, random_state=0)
        assert_known(drawn[::2], rows)
        assert_known(drawn[1::2], rows)
    part = density.sample_conditional(frame[["nanoseconds", "city"]], random_state=0)
    assert_known(part, frame, ["nanoseconds", "city"])
    assert list(part.dtypes) == list(frame.dtypes)


@pytest.mark.parametrize("estimator", [VAEDensity, VAETransformer, VAEClassifier])
def test_what_is_conditioned_on_is_copied(frame, estimator):
    given = [name for name in frame.columns if name != "x"]
    model = estimator(1, context_features=given, **QUICK)
    y = ([0, 1] * (N // 2),) if estimator is VAEClassifier else ()
    model.fit(frame, *y)
    twice = model.sample(2, random_state=0, context=frame[given])
    assert_known(twice[1::2], frame, given)
    if estimator is VAETransformer:
        Z = model.transform(frame)
        assert_known(model.inverse_transform(Z, context=frame), frame, given)
    if estimator is not VAEClassifier:
        one_by_one = model.edit(frame, [1.0])
        assert_known(one_by_one, frame, given)
        assert_known(model.reconstruct(frame, 2, random_state=0)[::2], frame, given)
        line = model.interpolate(frame[:1], frame[1:2], 3)
        assert_known(line[:1], frame[:1], given)
        assert_known(model.traverse(frame[:1], 0, [0.0])[:1], frame[:1], given)


def test_a_dict_of_contexts_keeps_the_dtypes_of_fit():
    given = ["nanoseconds", "zone", "large", "Int64", "int8", "half", "city", "boolean"]
    density = VAEDensity(1, context_features=given, **QUICK).fit(PANDAS[["x", *given]])
    one = {name: PANDAS[name].iloc[3] for name in given}
    several = {name: PANDAS[name].to_numpy() for name in given if name != "zone"}
    drawn = density.sample(2, context=one, random_state=0)
    assert_known(drawn[:1], PANDAS[3:4], given)
    drawn = density.sample(context={**several, "zone": one["zone"]}, random_state=0)
    assert_known(drawn, PANDAS, ["nanoseconds", "large", "int8", "half"])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("make", [pd.DataFrame, np.asarray])
def test_wider_numbers_than_in_fit_are_not_rounded(dtype, make):
    narrow = np.c_[X, X**2].astype(dtype)
    wide = np.c_[X, X**2] * 1e6
    wide[:2, 0] = np.nan
    found = np.asarray(VAEImputer(1, **QUICK).fit(make(narrow)).transform(make(wide)))
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    known = ~np.isnan(wide)
    assert (found[known] == wide[known]).all()


def test_means_of_integers_are_whole_where_the_dtype_is():
    frame = PANDAS[["x", "Int64"]]
    filled = VAEImputer(1, **QUICK).fit(frame).transform(with_holes(frame))
    assert filled["Int64"].dtype == "Int64"


@pytest.mark.parametrize("hole", [False, True])
def test_what_a_column_cannot_hold_is_refused_in_every_row(hole):
    counts = pd.DataFrame({"n": [0, 1, 2, 3] * 10, "x": X})
    imputer = VAEImputer(1, likelihood={"n": "poisson"}, **QUICK).fit(counts)
    with pytest.raises(ValueError, match=r"Column 'n' has likelihood Poisson.*Got 2.5 in row 0"):
        imputer.transform(pd.DataFrame({"n": [2.5], "x": [np.nan if hole else 0.0]}))


@pytest.mark.parametrize("likelihood", ["auto", "gaussian"])
def test_no_draw_is_refused_when_it_is_read_again(likelihood):
    near = pd.DataFrame({"n": 2**53 - RANDOM.integers(0, 1000, N), "m": np.arange(N) % 7})
    near["half"] = (X * 3e4).clip(-6e4, 6e4).astype("float16")
    density = VAEDensity(1, likelihood=likelihood, **QUICK).fit(near)
    assert np.isfinite(density.score_samples(density.sample(500, random_state=0))).all()


def test_cells_of_a_list_come_back_in_the_dtype_of_fit():
    whole = [(1, 2.5), (3, 4.0), (5, 7.5), (2, 1.0)] * 4
    for rows in (whole, [(one, int(two)) for one, two in whole]):
        density = VAEDensity(1, **QUICK).fit(rows)
        with_hole = [*rows[:2], (rows[2][0], None)]
        drawn = [density.sample_conditional(some, 1) for some in (rows[:1], with_hole)]
        assert {array.dtype for array in drawn} == {np.asarray(rows).dtype}
        assert (drawn[1][:2] == rows[:2]).all()


@pytest.mark.parametrize("n", [1, 3])
def test_sparse_categories_stay_sparse(n):
    made = pd.arrays.SparseArray([1.0, 2.0, np.nan, 1.0] * 8)
    frame = pd.DataFrame({"c": made, "x": np.arange(32.0)})
    density = VAEDensity(1, categorical_features=["c"], **QUICK).fit(frame)
    drawn = density.sample_conditional(frame.head(n), 1)
    assert drawn["c"].dtype == frame["c"].dtype
    known = min(n, 2)
    assert drawn["c"][:known].tolist() == made[:known].tolist()


def test_decimals_of_a_column_without_values_in_fit_are_edited():
    empty = polars.Series([None] * 8, dtype=polars.Decimal(25, 2))
    frame = polars.DataFrame({"x": X[:8], "d": empty})
    with pytest.warns(UserWarning, match="'d'.*no observed value"):
        density = VAEDensity(1, **QUICK).fit(frame)
    given = polars.Series([Decimal("3.25"), None, None], dtype=polars.Decimal(25, 2))
    edited = density.edit(polars.DataFrame({"x": X[:3], "d": given}), np.ones(1))
    assert edited["d"].dtype == given.dtype
