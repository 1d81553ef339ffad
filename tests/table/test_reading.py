"""Reading: what is refused before it is modelled."""

import numpy as np
import pandas as pd
import pytest

from skvae import VAEDensity, VAEImputer, VAEOutlierDetector
from skvae.table.container import Container
from skvae.table.reading import check_finite, check_rows, refuse_strings

ROWS = np.random.default_rng(0).normal(size=(40, 2))


def quick(kind=VAEDensity, **parameters):
    return kind(latent_dim=1, max_epochs=2, random_state=0, **parameters)


def test_infinite_numbers_are_refused_by_column_and_row():
    container = Container.of(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="contains infinity in column 'a', row 0"):
        check_finite(np.array([[-np.inf, 0.0]]), container, "VAE")
    check_finite(np.array([[0.0, np.nan]]), container, "VAE")


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"1 sample\(s\) while a minimum of 2"):
        check_rows(1, 2, "VAE")


def test_strings_in_arrays_are_refused_unless_they_are_numbers():
    with pytest.raises(ValueError, match="Column 1 holds the string 'a' in row 0"):
        refuse_strings(np.array([[1.0, "a"]], dtype=object))
    refuse_strings(np.array([["1.5", "2"]], dtype=object))


@pytest.mark.parametrize("cell", [-3.4e38, 1e39, 1e149])
def test_numbers_beyond_single_precision_are_outliers(cell):
    row = np.array([[cell, 0.0]])
    detector = quick(VAEOutlierDetector).fit(ROWS)
    assert np.isfinite(detector.score_samples(row)).all()
    assert detector.predict(row) == -1


def test_numbers_near_infinity_are_refused():
    with pytest.raises(ValueError, match=r"contains 1e\+200, beyond 1e\+150, in column 1, row 3"):
        quick().fit(np.vstack([ROWS[:3], [0.0, 1e200]]))


def test_integers_that_no_float_is_equal_to_are_refused():
    identifiers = 2**60 + 7 * np.arange(40)
    with pytest.raises(ValueError, match="Column 'id' holds integers beyond"):
        quick().fit(pd.DataFrame({"id": identifiers, "x": ROWS[:, 0]}))
    with pytest.raises(ValueError, match="Column 0 holds integers beyond"):
        quick().fit(identifiers[:, None])


def test_times_are_for_dataframes():
    with pytest.raises(TypeError, match="give times as columns of a DataFrame"):
        quick().fit(pd.date_range("2024", periods=40).to_numpy()[:, None])


def test_lazy_frames_are_refused():
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"by X.collect\(\)"):
        quick().fit(polars.LazyFrame(ROWS))
    assert quick().fit(pd.DataFrame(ROWS, columns=["collect", "lazy"])).n_features_in_ == 2


@pytest.mark.parametrize("missing", [None, pd.NA, pd.NaT, np.nan])
def test_objects_may_be_missing(missing):
    with_hole = ROWS.astype(object)
    with_hole[0, 1] = missing
    as_float = with_hole.copy()
    as_float[0, 1] = np.nan
    density = quick().fit(ROWS)
    assert density.score(with_hole) == density.score(as_float.astype(float))


def test_what_is_missing_in_a_list_is_no_category():
    rows = [["a" if i % 2 else "b", float(i)] for i in range(30)]
    rows[0][0] = float("nan")
    completed = quick(VAEImputer, categorical_features=[0]).fit_transform(rows)
    assert set(completed[:, 0]) == {"a", "b"}
    assert completed[:, 1].tolist() == list(range(30))
