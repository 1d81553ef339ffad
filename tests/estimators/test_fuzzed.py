"""What ``tests/fuzz.py`` found, each in its smallest table."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pytest

from skvae import VAEDensity, VAEOutlierDetector

N = 15
RANDOM = np.random.default_rng(0)
UNTRAINED = {"hidden_layer_sizes": (4,), "max_epochs": 0, "random_state": 0}


def test_rows_in_single_precision_stay_finite():
    X = np.array([[3e38], [-3e38], [3e38]] * 4, np.float32)
    density = VAEDensity(1, **UNTRAINED).fit(X)
    far = density.edit(X, [50.0])
    assert far.dtype == np.float32
    assert np.isfinite(far).all()
    assert np.isfinite(density.sample(200, random_state=0)).all()


@pytest.mark.parametrize("likelihood", ["auto", "gaussian", "student_t"])
@pytest.mark.parametrize("dtype", ["uint64", "int8"])
def test_drawn_integers_have_the_dtype_of_fit(likelihood, dtype):
    X = RANDOM.integers(0, 120, (N, 1)).astype(dtype)
    for rows in (X, pd.DataFrame(X, columns=["n"]), polars.DataFrame(X, schema=["n"])):
        density = VAEDensity(1, likelihood=likelihood, **UNTRAINED).fit(rows)
        for n in (1, 50):
            drawn = density.sample(n, random_state=0)
            assert np.asarray(drawn).dtype == dtype
            assert np.asarray(density.edit(rows, [1.0], n_samples=n)).dtype == dtype


@pytest.mark.parametrize("holes", [0, 7])
def test_numbers_far_from_zero_that_hardly_vary_are_scored(holes):
    far = -1e140 + 1e125 * RANDOM.normal(size=N)
    far[:holes] = np.nan
    table = np.c_[far, RANDOM.normal(size=N)]
    detector = VAEOutlierDetector(1, contamination=0.1, **UNTRAINED).fit(table)
    assert np.isfinite(detector.decision_function(table)).all()
    assert np.isfinite(
        VAEDensity(1, **UNTRAINED).fit(table[:, :1]).score_samples(table[:, :1])
    ).all()


@pytest.mark.parametrize("seed", [1, 4, 5])
def test_the_only_value_of_a_column_may_be_held_out(seed):
    table = pd.DataFrame({"x": RANDOM.normal(size=N), "y": np.r_[3.5, [np.nan] * (N - 1)]})
    settings = {**UNTRAINED, "early_stopping": True, "validation_fraction": 0.5}
    density = VAEDensity(1, **{**settings, "random_state": seed}).fit(table)
    assert np.isfinite(density.score_samples(table)).all()
    assert np.isfinite(density.sample(5).to_numpy()).all()


def test_decimals_with_holes_are_drawn_and_expected_as_decimals():
    cells = [Decimal(3 * i) if i % 2 else None for i in range(N)]
    table = polars.DataFrame({"d": polars.Series(cells, dtype=polars.Decimal(25, 2))})
    density = VAEDensity(1, **UNTRAINED).fit(table)
    for rows in (density.reconstruct(table), density.sample(3), density.edit(table, [1.0], 1, 2)):
        assert rows["d"].dtype == polars.Decimal(25, 2)


def test_what_is_masked_of_a_context_is_missing():
    X = RANDOM.normal(size=(N, 2))
    density = VAEDensity(1, context_features=[0], **UNTRAINED).fit(X)
    with pytest.raises(ValueError, match=r"Column 0 is conditioned on.*row 1 is missing"):
        density.sample(context=np.ma.MaskedArray(X[:2, :1], [[False], [True]]))


def test_large_integers_in_a_list_are_refused_as_in_an_array():
    rows = [[2**60 + i, i] for i in range(N)]
    with pytest.raises(ValueError, match=r"Column 0 holds integers beyond 2\*\*53"):
        VAEDensity(1, **UNTRAINED).fit(rows)


def test_codes_of_the_largest_numbers_with_holes_beside_them_are_fitted():
    table = pd.DataFrame({"t": [pd.NaT, pd.Timedelta(1, "D")], "x": [1e148, 1.1e148]})
    density = VAEDensity(2, max_epochs=1, random_state=0).fit(table)
    assert np.isfinite(density.score_samples(table)).all()
