"""context_features: densities, draws and completions of some columns given others."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import multivariate_normal
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from skvae import VAEDensity, VAEImputer, VAETransformer

LINEAR = {
    "prior": "standard_normal",
    "hidden_layer_sizes": (),
    "likelihood": "gaussian",
    "max_epochs": 0,
    "init": "linear",
    "random_state": 0,
}


def regression_table(n=300, seed=0):
    """Return columns of which 1 and 3 are the context of the others, linear with normal noise."""
    generator = np.random.default_rng(seed)
    context = generator.normal(size=(n, 2)) @ [[2.0, 1.0], [0.0, 30.0]] + [5.0, -40.0]
    z = generator.normal(size=(n, 1))
    x = [3.0, 1.0, 0.0] + context @ generator.normal(size=(2, 3)) + z @ [[2.0, 1.0, -1.0]]
    x = x + 0.5 * generator.normal(size=(n, 3))
    return np.column_stack([x[:, 0], context[:, 0], x[:, 1], context[:, 1], x[:, 2]])


@pytest.fixture(scope="module")
def X():
    return regression_table()


def frame(n=240, seed=0):
    """Return a mixed table in which everything depends on the city, and hours on the age."""
    generator = np.random.default_rng(seed)
    city = generator.integers(3, size=n)
    age = generator.integers(20, 60, size=n)
    return pd.DataFrame(
        {
            "city": pd.Categorical.from_codes(city, ["Oslo", "Rome", "Lima"]),
            "wage": 10.0 * city + generator.normal(size=n),
            "age": age,
            "hours": age / 2.0 + generator.normal(size=n),
            "owner": generator.random(n) < np.array([0.05, 0.5, 0.95])[city],
        }
    )


@pytest.fixture(scope="module")
def density():
    model = VAEDensity(3, context_features=["city", "age"], max_epochs=80, random_state=0)
    return model.fit(frame())


def test_a_linear_model_has_the_density_of_a_regression(X):
    """With three columns and one factor the covariance of the residuals is met exactly."""
    density = VAEDensity(1, context_features=[1, 3], n_draws=1024, **LINEAR).fit(X)
    context, x = X[:, [1, 3]], X[:, [0, 2, 4]]
    residual = x - LinearRegression().fit(context, x).predict(context)
    covariance = residual.T @ residual / len(x)
    expected = multivariate_normal(np.zeros(3), covariance).logpdf(residual)
    np.testing.assert_allclose(density.score_samples(X), expected, atol=0.01)
    assert density.score(X) == pytest.approx(expected.mean(), abs=2e-3)


@pytest.mark.slow
def test_completions_given_a_context_are_the_gaussian_conditional(X):
    density = VAEDensity(1, context_features=[1, 3], **LINEAR).fit(X)
    context, x = X[:, [1, 3]], X[:, [0, 2, 4]]
    regression = LinearRegression().fit(context, x)
    residual = x - regression.predict(context)
    covariance = residual.T @ residual / len(x)
    row = X[:1].copy()
    row[0, [2, 4]] = np.nan
    drawn = density.sample_conditional(row, 20_000, random_state=0)
    gain = covariance[1:, 0] / covariance[0, 0]
    center = regression.predict(context[:1])[0]
    mean = center[1:] + gain * (x[0, 0] - center[0])
    left = covariance[1:, 1:] - np.outer(gain, covariance[0, 1:])
    scale = np.sqrt(np.diag(left))
    np.testing.assert_allclose((drawn[:, [2, 4]].mean(0) - mean) / scale, 0.0, atol=0.05)
    np.testing.assert_allclose(
        np.cov(drawn[:, [2, 4]].T) / np.outer(scale, scale),
        left / np.outer(scale, scale),
        atol=0.05,
    )
    np.testing.assert_array_equal(drawn[:, [0, 1, 3]], np.repeat(row[:, [0, 1, 3]], 20_000, 0))


def test_units_of_the_context_do_not_matter(X):
    scaled = X * [1.0, 100.0, 1.0, 0.01, 1.0] + [0.0, 7.0, 0.0, -3.0, 0.0]
    scores = [
        VAEDensity(1, context_features=[1, 3], **LINEAR).fit(of).score_samples(of)
        for of in (X, scaled)
    ]
    np.testing.assert_allclose(*scores, atol=1e-3)


@pytest.mark.parametrize("given", [[1, 3], np.array([1, 3]), [False, True, False, True, False]])
def test_context_features_are_positions_or_a_mask(X, given):
    density = VAEDensity(1, context_features=given, **LINEAR)
    assert list(clone(density).fit(X).likelihoods_) == [0, 2, 4]


@pytest.mark.slow
def test_a_mixed_table_is_modelled_given_its_context(density):
    table = frame()
    assert list(density.likelihoods_) == ["wage", "hours", "owner"]
    drawn = density.sample(400, random_state=0, context={"city": "Rome", "age": 40})
    assert list(drawn.dtypes) == list(table.dtypes)
    assert (drawn["city"] == "Rome").all()
    assert (drawn["age"] == 40).all()
    assert drawn["wage"].mean() == pytest.approx(10.0, abs=0.5)
    assert drawn["hours"].mean() == pytest.approx(20.0, abs=0.7)
    assert drawn["owner"].mean() == pytest.approx(0.5, abs=0.15)
    # Whoever is given another city is unlikely.
    wrong = table.assign(city=table["city"].map({"Oslo": "Rome", "Rome": "Lima", "Lima": "Oslo"}))
    wrong["city"] = wrong["city"].astype(table["city"].dtype)
    assert density.score(table) > density.score(wrong) + 5.0


@pytest.mark.slow
def test_the_context_earns_nats():
    """log p(rest | context) is log p(all) - log p(context), so it is above log p(rest)."""
    table, test = frame(), frame(seed=1)
    model = VAEDensity(3, max_epochs=60, random_state=0)
    given = clone(model).set_params(context_features=["city", "age"]).fit(table)
    alone = model.fit(table[["wage", "hours", "owner"]])
    assert given.score(test) > alone.score(test[["wage", "hours", "owner"]]) + 1.0


@pytest.mark.slow
def test_draws_come_for_every_row_of_the_context(density):
    context = pd.DataFrame({"age": [30, 50], "city": ["Lima", "Oslo"]})
    drawn = density.sample(3, random_state=0, context=context)
    assert drawn["city"].tolist() == ["Lima"] * 3 + ["Oslo"] * 3
    assert drawn["age"].tolist() == [30] * 3 + [50] * 3
    again = density.sample(3, random_state=0, context={"city": ["Lima", "Oslo"], "age": [30, 50]})
    pd.testing.assert_frame_equal(drawn, again)
    whole = density.sample(3, random_state=0, context=frame().iloc[:5])
    assert len(whole) == 15
    array = density.sample(
        3, random_state=0, context=np.array([["Lima", 30], ["Oslo", 50]], object)
    )
    pd.testing.assert_frame_equal(drawn, array)


def test_polars_in_polars_out():
    table = pl.DataFrame(frame().astype({"city": object}).to_dict("list"))
    density = VAEDensity(2, context_features=["city"], max_epochs=5, random_state=0).fit(table)
    drawn = density.sample(2, context=pl.DataFrame({"city": ["Lima", "Oslo"]}))
    assert isinstance(drawn, pl.DataFrame)
    assert drawn.schema == table.schema
    assert drawn["city"].to_list() == ["Lima"] * 2 + ["Oslo"] * 2


@pytest.mark.slow
def test_the_given_categories_of_a_discrete_table_have_their_frequencies():
    generator = np.random.default_rng(0)
    a = generator.integers(3, size=3_000)
    b = np.where(generator.random(3_000) < 0.7, a, generator.integers(3, size=3_000))
    table = pd.DataFrame({"a": a, "b": b}).astype(str)
    density = VAEDensity(
        2, prior="standard_normal", context_features=["a"], max_epochs=30, random_state=0
    ).fit(table)
    pairs = pd.DataFrame([(i, j) for i in "012" for j in "012"], columns=["a", "b"])
    probability = np.exp(density.score_samples(pairs)).reshape(3, 3)
    np.testing.assert_allclose(probability.sum(1), 1.0, atol=0.02)
    np.testing.assert_allclose(probability, pd.crosstab(a, b, normalize="index"), atol=0.04)


@pytest.mark.slow
def test_holes_beside_a_context_are_marginalised_and_filled():
    table = frame().astype({"owner": object})
    table.loc[::3, "wage"] = np.nan
    table.loc[1::4, "owner"] = None
    imputer = VAEImputer(2, context_features=["city"], max_epochs=150, random_state=0).fit(table)
    filled = imputer.transform(table)
    assert filled.isna().sum().sum() == 0
    truth = frame()["wage"]
    assert np.abs(filled["wage"] - truth)[::3].mean() < 2.0  # 0.8 by the city alone, 7 without
    density = VAEDensity(2, context_features=["city"], max_epochs=5, random_state=0).fit(table)
    assert np.isfinite(density.score_samples(table)).all()


def test_the_transformer_goes_both_ways_given_a_context(X):
    transformer = VAETransformer(1, context_features=[1, 3], **LINEAR).fit(X)
    Z = transformer.transform(X)
    assert Z.shape == (300, 1)
    # What is left for z has nothing to do with the context.
    assert np.abs(np.corrcoef(np.column_stack([Z, X[:, [1, 3]]]).T)[0, 1:]).max() < 1e-3
    back = transformer.inverse_transform(Z, context=X[:, [1, 3]])
    np.testing.assert_array_equal(back[:, [1, 3]], X[:, [1, 3]])
    assert (np.abs(back - X).mean(0)[[0, 2, 4]] < 0.5).all()
    one = transformer.inverse_transform(Z[:3], context=X[:1, [1, 3]])
    np.testing.assert_array_equal(one[:, [1, 3]], np.repeat(X[:1, [1, 3]], 3, 0))


@pytest.mark.slow
def test_a_mixture_prior_is_moved_by_the_context(X):
    density = VAEDensity(1, context_features=[1, 3], prior="mixture", max_epochs=3, random_state=0)
    density.set_params(max_epochs=60).fit(X)
    near, far = (density.sample(2_000, 0, context=[[c, -40.0]])[:, 0].mean() for c in (3.0, 7.0))
    slope = LinearRegression().fit(X[:, [1, 3]], X[:, 0]).coef_[0]
    assert far - near == pytest.approx(4.0 * slope, abs=0.3 * abs(4.0 * slope))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"context_features": [7]}, r"context_features names columns \[7\]"),
        ({"context_features": ["a"]}, r"context_features names columns \['a'\]"),
        ({"context_features": [True, False]}, "mask of 2 columns, but X has 5"),
        ({"context_features": [0, 1, 2, 3, 4]}, "none is left to model"),
        ({"context_features": [1], "likelihood": {1: "gaussian"}}, r"\[1\], which are conditioned"),
    ],
)
def test_bad_context_features_are_refused(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        VAEDensity(1, **parameters).fit(X)


@pytest.mark.slow
def test_a_context_far_from_any_seen_has_finite_draws_and_scores(X):
    density = VAEDensity(2, context_features=[1, 3], max_epochs=40, random_state=0).fit(X)
    far = [[5.0 + 2.0 * 1e4, -40.0]]
    drawn = density.sample(50, random_state=0, context=far)
    assert np.isfinite(drawn).all()
    assert np.isfinite(density.score_samples(drawn)).all()


def test_what_transformers_return_elsewhere_does_not_matter(X):
    with config_context(transform_output="pandas"):
        density = VAEDensity(1, context_features=[1, 3], **LINEAR).fit(X)
    assert np.isfinite(density.score_samples(X)).all()


@pytest.mark.slow
def test_a_latent_that_only_follows_the_context_is_not_active():
    generator = np.random.default_rng(0)
    c = generator.normal(size=(400, 1))
    X = np.hstack([c, 3.0 * c + generator.normal(size=(400, 1))])
    density = VAEDensity(
        3, prior="standard_normal", context_features=[0], max_epochs=60, random_state=0
    ).fit(X)
    unused = density.kl_per_unit_ < 0.05
    assert unused.any()
    assert not density.active_units_[unused].any()


@pytest.mark.parametrize("unit", ["D", "us", "ns"])
def test_times_of_a_context_have_a_unit(unit):
    days = pd.DataFrame({"t": pd.date_range("2024", periods=30), "x": np.arange(30.0)})
    density = VAEDensity(1, context_features=["t"], max_epochs=1, random_state=0).fit(days)
    at = np.array(["2024-01-05"], f"datetime64[{unit}]")
    assert density.sample(context={"t": at}, random_state=0)["t"].tolist() == [days["t"][4]]


def test_conditions_come_beside_rows_that_have_the_context(X):
    density = VAEDensity(1, context_features=[1, 3], **LINEAR).fit(X)
    with pytest.raises(ValueError, match="give X with them, beside where"):
        density.sample_conditional(where={0: (0.0, None)})


def test_a_missing_context_is_refused(X):
    holes = X.copy()
    holes[4, 3] = np.nan
    with pytest.raises(ValueError, match=r"Column 3 is conditioned on .* row 4 is missing"):
        VAEDensity(1, context_features=[1, 3]).fit(holes)
    density = VAEDensity(1, context_features=[1, 3], **LINEAR).fit(X)
    for method in (density.score_samples, density.sample_conditional):
        with pytest.raises(ValueError, match=r"Column 3 is conditioned on .* row 4 is missing"):
            method(holes)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, r"conditioned on columns \['city', 'age'\]: give them as context="),
        ({"city": "Rome"}, r"lacks columns \['age'\]"),
        (pd.DataFrame({"age": [3]}), r"lacks columns \['city'\]"),
        ({"city": "Bonn", "age": 3}, "Column 'city' cannot have the value 'Bonn'"),
        ({"city": ["Rome", "Oslo"], "age": [3, 4, 5]}, "'city' has another number"),
        ([[1.0]], "1 columns, but the model is conditioned on 2"),
        ({"city": "Rome", "age": np.nan}, "'age' is conditioned on"),
        ({"city": "Rome", "age": None}, "'age' is conditioned on"),
        ({"city": "Rome", "age": np.inf}, "infinity in column 'age'"),
        ({"city": [], "age": []}, "context has no rows"),
    ],
)
@pytest.mark.slow
def test_a_bad_context_to_sample_is_refused(density, context, message):
    with pytest.raises(ValueError, match=message):
        density.sample(2, context=context)


def test_a_context_that_is_not_wanted_is_refused(X):
    density = VAEDensity(1, **LINEAR).fit(X)
    with pytest.raises(ValueError, match="has no context_features"):
        density.sample(2, context=X[:2])
    transformer = VAETransformer(1, context_features=[1, 3], **LINEAR).fit(X)
    with pytest.raises(ValueError, match="context has 2 rows, but Z has 3"):
        transformer.inverse_transform(np.zeros((3, 1)), context=X[:2, [1, 3]])


def test_a_context_keeps_to_what_its_columns_hold():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"member": random.uniform(size=40) < 0.5, "x": random.normal(size=40)})
    density = VAEDensity(1, context_features=["member"], max_epochs=1, random_state=0).fit(table)
    for given in ({"member": 2}, {"member": [True, 2]}, pd.DataFrame({"member": [2]})):
        with pytest.raises(ValueError, match=r"Column 'member' held booleans in fit.*Got 2"):
            density.sample(context=given)
    assert density.sample(context={"member": 1})["member"].dtype == bool
    for given in ({"member": []}, table[:0]):
        with pytest.raises(ValueError, match="context has no rows"):
            density.sample(context=given)
