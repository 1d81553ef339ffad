"""VAEImputer: manners of an imputer, and what it fills in."""

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skvae import VAEDensity, VAEImputer
from skvae.estimators.imputer import mode

from .test_holes import in_polars, lists_of, mixed, with_holes

IRIS, SPECIES = load_iris(return_X_y=True)
HOLES = with_holes(IRIS)


def quick(**parameters):
    return VAEImputer(2, **{"max_epochs": 4, "random_state": 0, **parameters})


def test_only_missing_cells_change():
    filled = quick().fit_transform(HOLES)
    seen = ~np.isnan(HOLES)
    assert filled.dtype == float
    assert_array_equal(filled[seen], HOLES[seen])
    assert np.isfinite(filled).all()


@pytest.mark.slow
def test_a_fitted_imputer_beats_the_mean():
    imputer = quick(max_epochs=60).fit(HOLES[::2])
    hidden = np.isnan(HOLES[1::2])
    found, mean = imputer.transform(HOLES[1::2]), np.nanmean(HOLES[::2], axis=0)
    errors = [(((x - IRIS[1::2]) / IRIS.std(0))[hidden] ** 2).mean() for x in (found, mean)]
    assert errors[0] < 0.5 * errors[1]


def test_fills_do_not_depend_on_company_or_call():
    imputer = quick().fit(HOLES)
    filled = imputer.transform(HOLES)
    assert_array_equal(imputer.transform(HOLES), filled)
    assert_allclose(imputer.transform(HOLES[40:50]), filled[40:50], atol=1e-9)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_come_back_in_kind(library):
    frame = mixed() if library == "pandas" else in_polars(mixed())
    imputer = quick().fit(frame)
    filled = imputer.transform(frame)
    assert list(filled.columns) == list(frame.columns)
    given, found = lists_of(frame), lists_of(filled)
    for name in given:
        pairs = list(zip(given[name], found[name], strict=True))
        assert all(known is None or known == value for known, value in pairs)
        assert None not in found[name]
    # Modes are categories of the column, means of integers may be fractions.
    kept = [name for name in given if name not in ("count", "age")]
    assert [filled[name].dtype for name in kept] == [frame[name].dtype for name in kept]
    for table in imputer.sample_imputations(frame, 2, random_state=0):
        assert list(table.dtypes) == list(frame.dtypes)


def test_the_index_is_kept():
    frame = mixed().set_index(pd.Index(range(1_000, 1_120), name="id"))
    imputer = quick(add_indicator=True).fit(frame)
    assert imputer.transform(frame).index.equals(frame.index)
    assert all(t.index.equals(frame.index) for t in imputer.sample_imputations(frame, 2))


@pytest.mark.slow
def test_categories_get_their_likeliest_level():
    generator = np.random.default_rng(0)
    a = generator.integers(3, size=300)
    frame = pd.DataFrame({"a": np.array(list("xyz"))[a], "b": a + 0.1 * generator.normal(size=300)})
    imputer = quick(max_epochs=40).fit(frame)
    found = imputer.transform(frame.assign(a=None))
    assert (found["a"] == frame["a"]).mean() > 0.95


@pytest.mark.slow
def test_draws_differ_as_much_as_is_unknown():
    imputer = quick(max_epochs=60).fit(HOLES)
    tables = imputer.sample_imputations(HOLES, n_imputations=40, random_state=0)
    assert len(tables) == 40
    drawn, hidden = np.stack(tables), np.isnan(HOLES)
    assert (drawn[:, ~hidden] == HOLES[~hidden]).all()
    assert (drawn.std(0)[hidden] > 0).all()
    error = drawn.mean(0) - imputer.transform(HOLES)
    assert (np.abs(error[hidden]) < 5 * drawn.std(0)[hidden] / 40**0.5 + 1e-9).mean() > 0.98
    inside = (drawn[:19].min(0) <= IRIS) & (drawn[:19].max(0) >= IRIS)
    assert inside[hidden].mean() > 0.8
    again = imputer.sample_imputations(HOLES, n_imputations=40, random_state=0)
    assert_array_equal(np.stack(again), drawn)


def test_sample_posterior_draws_in_transform():
    imputer = quick(sample_posterior=True).fit(HOLES)
    one, other = imputer.transform(HOLES), imputer.transform(HOLES)
    hidden = np.isnan(HOLES)
    assert (one[hidden] != other[hidden]).mean() > 0.9  # some are held to the range
    assert_array_equal(one[~hidden], other[~hidden])
    assert_array_equal(clone(imputer).fit(HOLES).transform(HOLES), one)


@pytest.mark.slow
def test_indicators_are_added_for_columns_with_holes():
    X = np.where(np.arange(4) % 2, HOLES, IRIS)
    imputer = quick(add_indicator=True).fit(X)
    filled = imputer.transform(X)
    assert_array_equal(filled[:, 4:], np.isnan(X[:, [1, 3]]))
    names = ["x0", "x1", "x2", "x3", "missingindicator_x1", "missingindicator_x3"]
    assert imputer.get_feature_names_out().tolist() == names
    frame = pd.DataFrame(X, columns=list("abcd"))
    imputer = quick(add_indicator=True).fit(frame)
    filled = imputer.transform(frame)
    assert filled.columns.tolist() == imputer.get_feature_names_out().tolist()
    assert filled["missingindicator_b"].dtype == bool
    assert quick(add_indicator=True).fit(IRIS).transform(HOLES).shape == HOLES.shape
    filled = quick(add_indicator=True).fit_transform(pd.DataFrame(X))
    assert filled.columns.tolist() == names
    with pytest.raises(ValueError, match=r"columns \['missingindicator_b'\] of its own"):
        quick(add_indicator=True).fit_transform(frame.assign(missingindicator_b=1.0))


@pytest.mark.parametrize("keep", [False, True])
def test_columns_without_a_value(keep):
    X = np.insert(HOLES, 1, np.nan, axis=1)
    with pytest.warns(UserWarning, match=r"Columns \[1\] have no observed value"):
        imputer = quick(keep_empty_features=keep).fit(X)
    filled = imputer.transform(X)
    assert filled.shape == (150, 4 + keep)
    assert np.isfinite(filled).all()
    if keep:
        assert (filled[:, 1] == 0).all()
    assert len(imputer.get_feature_names_out()) == 4 + keep
    assert imputer.sample_imputations(X, 2)[0].shape == filled.shape


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.slow
def test_set_output(library):
    imputer = quick(add_indicator=True).set_output(transform=library).fit(HOLES)
    filled = imputer.transform(HOLES)
    assert isinstance(filled, pd.DataFrame if library == "pandas" else pl.DataFrame)
    assert list(filled.columns) == imputer.get_feature_names_out().tolist()
    frame = pd.DataFrame(HOLES, columns=list("abcd"))
    filled = quick().set_output(transform=library).fit(frame).transform(frame)
    assert isinstance(filled, pd.DataFrame if library == "pandas" else pl.DataFrame)
    assert list(filled.columns) == list("abcd")


@pytest.mark.slow
def test_in_a_pipeline_and_a_grid_search():
    pipeline = make_pipeline(quick(max_epochs=20), LogisticRegression(max_iter=1_000))
    grid = {"vaeimputer__latent_dim": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(HOLES, SPECIES)
    assert search.best_score_ > 0.6
    by_likelihood = GridSearchCV(quick(), {"latent_dim": [1, 2]}, cv=2).fit(HOLES)
    assert np.isfinite(by_likelihood.cv_results_["mean_test_score"]).all()


def test_the_signature_shows_every_parameter():
    common = set(VAEDensity().get_params()) - {"relations", "model_missing"}
    own = {"statistic", "sample_posterior", "add_indicator", "keep_empty_features"}
    assert set(VAEImputer().get_params()) == common | own
    parameters = inspect.signature(VAEImputer).parameters
    assert set(parameters) == common | own
    assert next(iter(parameters)) == "latent_dim"
    with pytest.raises(TypeError, match="unexpected parameter 'strategy'"):
        VAEImputer(strategy="mean")


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="'add_indicator' parameter of VAEImputer must be"):
        quick(add_indicator="yes").fit(HOLES)
    imputer = quick().fit(HOLES)
    with pytest.raises(ValueError, match=r"n_imputations must be an integer >= 1\. Got 0"):
        imputer.sample_imputations(HOLES, 0)
    with pytest.raises(ValueError, match="infinity in column 2, row 0"):
        imputer.transform([[1.0, 2.0, np.inf, 3.0]])


def test_numbers_are_gaussian_unless_named():
    frame = mixed()
    imputer = quick().fit(frame)
    found = {name: type(family).__name__ for name, family in imputer.likelihoods_.items()}
    assert found == {
        "length": "Gaussian",
        "count": "Gaussian",
        "colour": "Categorical",
        "size": "Ordinal",
        "name": "Categorical",
        "sold": "Bernoulli",
        "day": "Gaussian",
        "age": "Gaussian",
    }
    named = quick(likelihood={"count": "binned"}).fit(frame)
    assert type(named.likelihoods_["count"]).__name__ == "Binned"
    assert type(named.likelihoods_["age"]).__name__ == "Gaussian"


def test_drawn_numbers_are_in_range_and_whole_where_they_were():
    frame = mixed()
    table = quick().fit(frame).sample_imputations(frame.assign(count=None, age=None), 1)[0]
    for name in ("count", "age"):
        assert table[name].between(frame[name].min(), frame[name].max()).all()
        assert (table[name] == table[name].round()).all()


def test_a_mode_is_where_draws_are_densest():
    random = np.random.default_rng(0)
    atoms = random.choice([0.0, 3.0, 9.0], 4001, p=[0.2, 0.5, 0.3])
    smooth, atom = mode(np.c_[random.lognormal(0, 1, 4001), atoms])
    assert abs(smooth - np.exp(-1)) < 0.2
    assert atom == 3.0


@pytest.mark.parametrize("statistic", ["median", "mode"])
def test_a_statistic_is_that_of_the_conditional(statistic):
    """Of a column that is exponential and knows nothing of the other."""
    random = np.random.default_rng(0)
    X = np.c_[random.normal(size=400), random.exponential(2.0, 400)]
    X[:100, 1] = np.nan
    imputer = quick(statistic=statistic, likelihood={1: "binned"}, max_epochs=20).fit(X)
    found = imputer.transform(X)[:100, 1]
    expected = {"median": 2.0 * np.log(2.0), "mode": 0.0}[statistic]
    assert abs(np.median(found) - expected) < 0.6
    assert_array_equal(imputer.transform(X[3:5])[:, 1], found[3:5])
    mean = clone(imputer).set_params(statistic="mean").fit(X).transform(X)[:100, 1]
    assert found.mean() < mean.mean() - 0.2


@pytest.mark.parametrize("statistic", ["mean", "median", "mode"])
def test_a_statistic_of_a_table_of_all_kinds(statistic):
    frame = mixed()
    holes = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.2)
    imputer = quick(statistic=statistic).fit(holes)
    filled = imputer.transform(holes)
    assert not filled.isna().any().any()
    if statistic != "mean":
        assert (filled["count"] == np.round(filled["count"].astype(float))).all()
