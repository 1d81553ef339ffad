"""A category that was not there in fit loses no batch: it has a floor of mass, and is copied."""

import numpy as np
import pandas as pd
import polars
import pytest

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer

N = 60
RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "x": RANDOM.normal(size=N),
        "city": RANDOM.choice(["Bern", "Oslo", "Rome"], N),
        "grade": RANDOM.integers(1, 4, N),
    }
)
QUICK = {
    "latent_dim": 2,
    "hidden_layer_sizes": (8,),
    "max_epochs": 2,
    "n_draws": 512,
    "random_state": 0,
    "likelihood": {"grade": "categorical"},
}
NEW = TABLE.head(3).assign(city=["Atlantis", "Bern", "Oslo"], grade=[1, 7, 2])
#: As NEW, with holes in the place of what is new.
HOLES = NEW.assign(city=[None, "Bern", "Oslo"], grade=[1, None, 2])
FLOOR = np.log(1e-6) * np.array([1, 1, 0])
WARNED = pytest.warns(
    UserWarning,
    match="2 of 3 rows: column 'city' has 'Atlantis' in row 0; column 'grade' has 7 in row 1",
)


@pytest.fixture(scope="module")
def density():
    return VAEDensity(handle_unknown="floor", **QUICK).fit(TABLE)


def test_a_new_category_has_the_floor_of_mass(density):
    with WARNED:
        scores = density.score_samples(NEW)
    np.testing.assert_allclose(scores, density.score_samples(HOLES) + FLOOR, atol=1e-9)
    with WARNED:
        assert np.array_equal(density.log_likelihood(NEW).value, scores)


def test_a_new_category_tells_nothing_of_latents(density):
    with WARNED:
        assert np.array_equal(density.encode(NEW), density.encode(HOLES))
    with WARNED:
        assert density.reconstruct(NEW)["city"].isin(TABLE["city"]).all()


def test_a_new_category_is_an_error_by_default(density):
    density = VAEDensity(**QUICK).fit(TABLE)
    with pytest.raises(ValueError, match=r"'Atlantis' in row 0.*set handle_unknown='floor'"):
        density.score_samples(NEW)
    with pytest.raises(ValueError, match=r"Got 7 in row 1.*set handle_unknown='floor'"):
        density.score_samples(NEW.assign(city="Bern"))


def test_a_new_category_is_a_surprise():
    detector = VAEOutlierDetector(handle_unknown="floor", contamination=0.1, **QUICK).fit(TABLE)
    with WARNED:
        surprise = detector.explain(NEW).to_numpy()
    np.testing.assert_allclose(surprise[[0, 1], [1, 2]], -np.log(1e-6))
    with WARNED:
        assert (detector.predict(NEW)[:2] == -1).all()
    alone = NEW.head(1).assign(x=np.nan, grade=np.nan)
    with pytest.warns(UserWarning, match="'Atlantis'"):
        assert detector.explain(alone).iat[0, 1] == pytest.approx(-np.log(1e-6))


def test_every_estimator_takes_a_new_category():
    classifier = VAEClassifier(handle_unknown="floor", **QUICK).fit(TABLE, TABLE["x"] > 0)
    with WARNED:
        np.testing.assert_allclose(
            classifier.predict_proba(NEW), classifier.predict_proba(HOLES), atol=1e-9
        )
    transformer = VAETransformer(handle_unknown="floor", **QUICK).fit(TABLE)
    with WARNED:
        assert np.isfinite(transformer.transform(NEW)).all()


def test_a_new_category_is_copied_where_rows_are_completed(density):
    rows = NEW.assign(x=np.nan)
    with WARNED:
        drawn = density.sample_conditional(rows, n_samples=2, random_state=0)
    assert drawn["city"].tolist() == np.repeat(NEW["city"], 2).tolist()
    assert drawn["grade"].tolist() == np.repeat(NEW["grade"], 2).tolist()
    imputer = VAEImputer(handle_unknown="floor", **QUICK).fit(TABLE)
    with WARNED:
        filled = imputer.transform(rows)
    pd.testing.assert_frame_equal(filled[["city", "grade"]], NEW[["city", "grade"]])
    assert filled["x"].notna().all()


def test_a_new_category_meets_no_condition(density):
    rows = NEW.head(1).assign(x=np.nan)
    with (
        pytest.warns(UserWarning, match="'Atlantis'"),
        pytest.raises(ValueError, match="'city' is a new category in row 0"),
    ):
        density.sample_conditional(rows, where={"city": {"Bern", "Oslo"}})


def test_training_goes_on_with_a_new_category(density):
    warm = VAEDensity(handle_unknown="floor", warm_start=True, **QUICK).fit(TABLE)
    with WARNED:
        warm.fit(pd.concat([NEW, TABLE.tail(-3)]).iloc[:3])
    assert np.isfinite(warm.score(TABLE))


def test_a_new_category_is_not_conditioned_on():
    density = VAEDensity(context_features=["city"], handle_unknown="floor", **QUICK).fit(TABLE)
    with pytest.raises(ValueError, match=r"'Atlantis' in row 0.*but those of context_features"):
        density.score_samples(NEW)
    with pytest.raises(ValueError, match="'city' cannot have the value 'Atlantis'"):
        density.sample(context={"city": "Atlantis"})


def categorical(values, levels, ordered=False):
    return pd.Series(pd.Categorical(values, levels, ordered=ordered))


def enum(values, levels):
    return polars.Series(values, dtype=polars.Enum(levels))


#: The column of fit, that of X, whose first cell is new and last one missing, and what comes back.
COLUMNS = {
    "categories of both": (
        categorical(["a", "b"] * 9, ["b", "a"], ordered=True),
        categorical(["c", "b", None], ["c", "b"]),
        categorical(["c", "b"], ["b", "a", "c"], ordered=True).dtype,
    ),
    "categories, then strings": (
        categorical(["a", "b"] * 9, ["b", "a"]),
        pd.Series(["c", "b", None]),
        pd.Series(["c"]).dtype,
    ),
    "strings, then categories": (
        pd.Series(["a", "b"] * 9),
        categorical(["c", "b", None], ["c", "b"]),
        pd.Series(["c"]).dtype,
    ),
    "categories, then objects": (
        categorical(["a", "b"] * 9, ["b", "a"]),
        pd.Series([7, "b", None], dtype=object),
        np.dtype(object),
    ),
    "categories of numbers": (
        categorical([1, 2] * 9, [1, 2]),
        pd.Series([7.5, 1.0, np.nan]),
        np.dtype(float),
    ),
    "enum": (enum(["a", "b"] * 9, "ab"), enum(["c", "b", None], "cb"), polars.Enum("abc")),
    "enum, then strings": (
        enum(["a", "b"] * 9, "ab"),
        polars.Series(["c", "b", None]),
        polars.String,
    ),
    "polars categories": (
        polars.Series(["a", "b"] * 9, dtype=polars.Categorical),
        polars.Series(["c", "b", None], dtype=polars.Categorical),
        polars.Categorical,
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_new_category_comes_back_in_a_dtype_that_holds_it(name):
    fitted, given, dtype = COLUMNS[name]
    library = polars if isinstance(fitted, polars.Series) else pd
    X = library.DataFrame({"x": RANDOM.normal(size=len(fitted)), "c": fitted})
    rows = library.DataFrame({"x": [0.0, 0.0, 0.0], "c": given})
    imputer = VAEImputer(handle_unknown="floor", **{**QUICK, "likelihood": "auto"}).fit(X)
    with pytest.warns(UserWarning, match="column 'c' has"):
        filled = imputer.transform(rows)["c"]
    assert filled.dtype == dtype
    assert filled.to_list()[:2] == given.to_list()[:2]
    assert filled.to_list()[2] in fitted.to_list()
    known = imputer.transform(rows[1:])["c"]
    assert known.dtype == dtype  # whatever the values of a batch


def test_a_new_category_of_an_array():
    X = np.column_stack([TABLE["x"], TABLE["grade"]])
    imputer = VAEImputer(
        categorical_features=[1], handle_unknown="floor", **{**QUICK, "likelihood": "auto"}
    ).fit(X)
    with pytest.warns(UserWarning, match="column 1 has 7.0 in row 0"):
        filled = imputer.transform(np.array([[np.nan, 7.0], [0.0, np.nan]]))
    assert filled[0, 1] == 7.0
    assert filled[1, 1] in (1.0, 2.0, 3.0)
