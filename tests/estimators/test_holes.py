"""Tables with holes: scores, completions and conditions against closed forms and enumeration."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal, truncnorm, uniform
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine

from skvae import VAEDensity, VAETransformer
from skvae.likelihoods import Gaussian
from skvae.model import conditions
from skvae.proposals import LaplaceProposal

WINE = load_wine().data[:, :6]
IRIS = load_iris().data


def quick(**parameters):
    return VAEDensity(2, **{"max_epochs": 4, "random_state": 0, **parameters})


def with_holes(X, share=0.3, seed=0):
    """Hide cells of an array or a frame at random."""
    hidden = np.random.default_rng(seed).random(X.shape) < share
    return X.mask(hidden) if hasattr(X, "mask") else np.where(hidden, np.nan, X)


def mixed(n=120, seed=0):
    """Return a frame with columns of all kinds, some of their cells missing."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=n)
    frame = pd.DataFrame(
        {
            "length": z + 0.3 * generator.normal(size=n),
            "count": pd.array(generator.poisson(np.exp(z)), dtype="Int64"),
            "colour": pd.Categorical.from_codes(np.digitize(z, [-1, 1]), ["red", "green", "blue"]),
            "size": pd.Categorical.from_codes(
                np.digitize(z, [-1, 1]), ["S", "M", "L"], ordered=True
            ),
            "name": np.where(z > 0, "a", "b").astype(object),
            "sold": pd.array(z > 0, dtype="boolean"),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.digitize(z, [-1, 0, 1]), "D"),
            "age": np.round(30 + 5 * z),
        }
    )
    return with_holes(frame, 0.25, seed)


# -------------------------------------------------------- the Gaussian oracle


@pytest.fixture(scope="module")
def linear():
    """A linear-Gaussian model of a table with holes, with its mean and covariance."""
    X = with_holes(WINE)
    model = VAEDensity(
        3,
        likelihood=Gaussian("column"),
        prior="standard_normal",
        hidden_layer_sizes=(),
        max_epochs=0,
        init="linear",
        proposal=LaplaceProposal(),
        n_draws=2_000,
        random_state=0,
    ).fit(X)
    return model, X, *moments(model)


def moments(model):
    """Return the mean and the covariance of rows of a linear-Gaussian model with three latents."""
    with torch.no_grad():
        (at_zero,) = model.vae_.double().decode(torch.zeros(3).double())
        (at_axes,) = model.vae_.decode(torch.eye(3).double())
    scale = np.array([column.codec.scale for column in model.table_.columns])
    location = np.array([column.codec.location for column in model.table_.columns])
    w = (at_axes - at_zero)[..., 0].T.numpy() * scale[:, None]
    psi = (2 * at_zero[:, 1]).exp().numpy() * scale**2
    model.vae_.float()
    return location + at_zero[:, 0].numpy() * scale, w @ w.T + np.diag(psi)


def conditional(mean, covariance, x):
    seen = ~np.isnan(x)
    if not seen.any():
        return mean, covariance
    a = covariance[~seen][:, seen] @ np.linalg.inv(covariance[seen][:, seen])
    rest = covariance[~seen][:, ~seen] - a @ covariance[seen][:, ~seen]
    return mean[~seen] + a @ (x[seen] - mean[seen]), rest


def test_scores_marginalise_missing_cells(linear):
    model, X, mean, covariance = linear
    X = X[:60]
    expected = [
        multivariate_normal(mean[s], covariance[s][:, s]).logpdf(x[s]) if s.any() else 0.0
        for x, s in zip(X, ~np.isnan(X), strict=True)
    ]
    # A linear model's weights vary little: 2,000 draws of a t with many degrees of freedom.
    assert_allclose(model.score_samples(X), expected, atol=0.03)


def test_the_start_with_holes_is_where_its_likelihood_is_highest(linear):
    model, X, _, _ = linear
    filled = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    by_filling = clone(model).fit(filled)
    assert model.score(X) > by_filling.score(X) + 0.1


def test_imputations_are_conditional_means(linear):
    model, X, mean, covariance = linear
    X = X[:40]
    found = model.model_.expect(X, model._scoring)
    for row, x in zip(found, X, strict=True):
        center, spread = conditional(mean, covariance, x)
        assert_array_equal(row[~np.isnan(x)], x[~np.isnan(x)])
        error = np.abs(row[np.isnan(x)] - center) / np.sqrt(spread.diagonal())
        assert (error < 0.06).all()


def test_conditional_draws_have_the_conditional_mean_and_covariance(linear):
    model, X, mean, covariance = linear
    some = X[(np.isnan(X).sum(1) >= 2)][:4]
    drawn = model.sample_conditional(some, n_samples=4_000, random_state=0)
    for x, rows in zip(some, drawn.reshape(len(some), 4_000, -1), strict=True):
        missing = np.isnan(x)
        assert (rows[:, ~missing] == x[~missing]).all()
        center, spread = conditional(mean, covariance, x)
        scale = np.sqrt(spread.diagonal())
        # 4,000 draws: five standard errors.
        assert (np.abs(rows[:, missing].mean(0) - center) < 0.08 * scale).all()
        error = (np.cov(rows[:, missing].T) - spread) / np.outer(scale, scale)
        assert (np.abs(error) < 0.12).all()


def test_completions_of_an_unknown_row_are_samples(linear):
    model, _, mean, covariance = linear
    unknown = np.full((1, len(mean)), np.nan)
    drawn = model.sample_conditional(unknown, n_samples=4_000, random_state=0)
    assert np.unique(drawn[:, 0]).size == 4_000
    scale = np.sqrt(covariance.diagonal())
    assert (np.abs(drawn.mean(0) - mean) < 0.08 * scale).all()
    assert (np.abs(np.cov(drawn.T) - covariance) < 0.12 * np.outer(scale, scale)).all()


# ------------------------------------------------------ the enumerated oracle


@pytest.fixture(scope="module")
def discrete():
    generator = np.random.default_rng(0)
    a = generator.integers(3, size=400)
    b = np.where(generator.random(400) < 0.7, a, generator.integers(4, size=400))
    table = pd.DataFrame({"a": np.array(list("xyz"))[a], "b": np.array(list("pqrs"))[b]})
    density = VAEDensity(2, prior="standard_normal", max_epochs=15, random_state=0)
    density.fit(with_holes(table, 0.2))
    grid = pd.MultiIndex.from_product([list("xyz"), list("pqrs")], names=["a", "b"])
    cells = grid.to_frame(index=False)
    log_p = density.log_likelihood(cells, n_draws=4_096).value
    return density, pd.Series(np.exp(log_p), grid).unstack()


@pytest.mark.slow
def test_scores_of_known_cells_are_sums_over_unknown_ones(discrete):
    density, joint = discrete
    assert joint.to_numpy().sum() == pytest.approx(1.0, abs=0.01)
    one = pd.DataFrame({"a": list("xyz"), "b": [None] * 3})
    found = np.exp(density.log_likelihood(one, n_draws=4_096).value)
    assert_allclose(found, joint.sum(axis=1), atol=0.01)


@pytest.mark.parametrize("known", list("xyz"))
@pytest.mark.slow
def test_conditional_frequencies_are_the_models_own(discrete, known):
    density, joint = discrete
    drawn = density.sample_conditional(pd.DataFrame({"a": [known]}), 6_000, random_state=0)
    found = drawn["b"].value_counts(normalize=True).reindex(list("pqrs")).fillna(0)
    # 6,000 draws: 0.02 is three standard errors.
    assert_allclose(found, joint.loc[known] / joint.loc[known].sum(), atol=0.025)


@pytest.mark.slow
def test_frequencies_under_a_condition_are_the_models_own(discrete):
    density, joint = discrete
    drawn, quality = density.sample_conditional(
        None, 6_000, random_state=0, where={"b": {"p", "s"}}, return_quality=True
    )
    assert set(drawn["b"]) == {"p", "s"}
    found = drawn.value_counts(["a", "b"], normalize=True).unstack().fillna(0)
    expected = joint[["p", "s"]] / joint[["p", "s"]].to_numpy().sum()
    assert_allclose(found.loc[list("xyz"), ["p", "s"]], expected, atol=0.025)
    assert quality.effective_sample_size[0] > 6_000


@pytest.mark.slow
def test_a_condition_on_top_of_known_cells(discrete):
    density, joint = discrete
    drawn = density.sample_conditional(
        pd.DataFrame({"a": ["x", "y"]}), 4_000, random_state=0, where={"b": {"p", "q"}}
    )
    for known in "xy":
        found = (drawn["b"][drawn["a"] == known] == "p").mean()
        expected = joint.loc[known, "p"] / joint.loc[known, ["p", "q"]].sum()
        assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.slow
def test_ranges_are_those_of_rejection_sampling():
    density = VAEDensity(2, max_epochs=20, random_state=0).fit(IRIS)
    rows = density.sample(20_000, random_state=0)
    kept = rows[(rows[:, 2] > 4) & (rows[:, 2] < 5)]
    drawn = density.sample_conditional(None, 1_500, random_state=0, where={2: (4, 5)})
    assert drawn[:, 2].min() >= 4
    assert drawn[:, 2].max() <= 5
    scale = kept.std(0)
    assert (np.abs(drawn.mean(0) - kept.mean(0)) < 0.1 * scale).all()
    error = (np.cov(drawn.T) - np.cov(kept.T)) / np.outer(scale, scale)
    assert (np.abs(error) < 0.15).all()


# ------------------------------------------------------------------ manners


def in_polars(frame):
    """Return a frame in polars, with nulls for what is missing."""
    lists = {n: [None if pd.isna(v) else v for v in frame[n]] for n in frame}
    types = {
        "count": pl.UInt8,
        "colour": pl.Categorical,
        "size": pl.Enum(["S", "M", "L"]),
        "day": pl.Datetime("us"),
    }
    return pl.DataFrame(lists).with_columns(pl.col(n).cast(t) for n, t in types.items())


def lists_of(rows):
    return {n: [None if pd.isna(v) else v for v in rows[n]] for n in rows.columns}


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.slow
def test_frames_with_holes_are_completed_in_kind(library):
    frame = mixed() if library == "pandas" else in_polars(mixed())
    density = quick().fit(frame)
    assert np.isfinite(density.score_samples(frame)).all()
    completed = density.sample_conditional(frame, 2, random_state=0)
    for rows in (density.sample(50), completed):
        assert list(rows.dtypes) == list(frame.dtypes)
        assert not any(None in values for values in lists_of(rows).values())
    given, found = lists_of(frame), lists_of(completed)
    for name in given:
        for copy in (0, 1):
            pairs = zip(given[name], found[name][copy::2], strict=True)
            assert all(known is None or known == value for known, value in pairs)


def test_integers_that_are_floats_for_their_holes_stay_whole():
    density = quick().fit(mixed()[["age", "length"]])
    ages = density.sample(200)["age"]
    assert (ages == ages.round()).all()
    assert ages.dtype == float
    assert density.likelihoods_.measures["age"] == "probability"


def test_none_in_object_arrays_is_missing():
    X = IRIS.astype(object)
    X[::7, 1] = None
    as_nan = np.where(np.arange(600).reshape(150, 4) < 0, np.nan, IRIS)
    as_nan[::7, 1] = np.nan
    assert_array_equal(quick().fit(X).score_samples(X), quick().fit(as_nan).score_samples(as_nan))


def test_a_row_without_an_observed_cell_scores_zero():
    density = quick().fit(with_holes(IRIS))
    rows = np.vstack([np.full(4, np.nan), IRIS[0], np.full(4, np.nan)])
    scores = density.score_samples(rows)
    assert_array_equal(scores[[0, 2]], 0.0)
    assert scores[1] == density.score_samples(IRIS[:1])[0]
    result = density.log_likelihood(rows)
    assert_array_equal(result.value[[0, 2]], 0.0)
    assert_allclose(result.standard_error[[0, 2]], 0.0, atol=1e-7)
    assert_array_equal(result.elbo[[0, 2]], 0.0)


@pytest.mark.slow
def test_scores_of_rows_with_holes_do_not_depend_on_company():
    X = with_holes(IRIS)
    density = quick().fit(X)
    order = np.random.default_rng(0).permutation(150)
    scores = density.score_samples(X)
    assert_allclose(density.score_samples(X[order]), scores[order], atol=1e-10)
    assert_allclose([density.score_samples(x[None])[0] for x in X[:10]], scores[:10], atol=1e-10)


def test_a_model_of_complete_rows_takes_holes_later():
    density = quick(max_epochs=20).fit(IRIS)
    partial = np.where(np.arange(4) == 3, np.nan, IRIS)
    assert np.isfinite(density.score_samples(partial)).all()
    drawn = density.sample_conditional(partial, random_state=0)
    assert_array_equal(drawn[:, :3], IRIS[:, :3])
    assert np.corrcoef(drawn[:, 3], IRIS[:, 3])[0, 1] > 0.8


def test_units_of_a_column_with_holes_do_not_matter():
    X = with_holes(IRIS)
    scaled = X * [10.0, 1.0, 1e-3, 1.0]
    one, other = (quick(max_epochs=0, likelihood="gaussian").fit(of) for of in (X, scaled))
    log_scale = (~np.isnan(X)) @ np.log([10.0, 1.0, 1e-3, 1.0])
    assert_allclose(other.score_samples(scaled), one.score_samples(X) - log_scale, atol=1e-6)


def test_a_column_without_a_value_is_warned_of_and_left_out():
    frame = pd.DataFrame(IRIS, columns=list("abcd")).assign(
        none=np.nan, nobody=pd.Series([None] * 150, dtype="string"), b=np.nan
    )
    with pytest.warns(UserWarning, match=r"Columns \['b', 'none', 'nobody'\] have no observed"):
        density = quick().fit(frame)
    assert list(density.likelihoods_) == ["a", "c", "d"]
    rows = density.sample(5)
    assert rows.dtypes.equals(frame.dtypes)
    assert rows[["b", "none", "nobody"]].isna().all(axis=None)
    seen_later = frame.assign(b=1.0)
    assert_array_equal(density.score_samples(seen_later), density.score_samples(frame))
    completed = density.sample_conditional(frame.head(3), random_state=0)
    assert_array_equal(completed[["a", "c", "d"]], frame[["a", "c", "d"]].head(3))


def test_polars_columns_without_a_value():
    frame = pl.DataFrame(IRIS, schema=list("abcd")).with_columns(none=pl.lit(None))
    with pytest.warns(UserWarning, match="none"):
        density = quick().fit(frame)
    assert density.sample(3).schema == frame.schema


def test_absent_columns_are_unknown_in_any_order():
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    density = quick(max_epochs=20).fit(frame)
    drawn = density.sample_conditional(frame[["d", "a"]].head(4), 3, random_state=0)
    assert list(drawn) == list("abcd")
    assert_array_equal(drawn[["a", "d"]], frame[["a", "d"]].head(4).loc[np.repeat(range(4), 3)])
    assert not drawn.isna().any(axis=None)


@pytest.mark.filterwarnings("ignore:.*Pareto k")
def test_draws_repeat_with_a_seed_and_differ_without():
    X = with_holes(IRIS)
    density = quick().fit(X)
    one, other = (density.sample_conditional(X, random_state=3) for _ in range(2))
    assert_array_equal(one, other)
    assert (density.sample_conditional(X) != density.sample_conditional(X)).any()
    copies = density.sample_conditional(np.full((2, 4), np.nan), 5, random_state=0)
    assert np.unique(copies[:, 0]).size == 10


def test_complete_rows_come_back_as_they_are():
    density = quick().fit(IRIS)
    drawn, quality = density.sample_conditional(IRIS[:3], 2, return_quality=True)
    assert_array_equal(drawn, np.repeat(IRIS[:3], 2, axis=0))
    assert_array_equal(quality.n_proposals, 0)


def test_ten_proposals_at_least_for_every_draw():
    density = quick().fit(IRIS)
    X = np.where(np.arange(4) == 3, np.nan, IRIS[:5])
    _, quality = density.sample_conditional(X, 50, random_state=0, return_quality=True)
    assert (quality.n_proposals >= 500).all()
    assert (quality.effective_sample_size <= quality.n_proposals).all()


@pytest.mark.slow
def test_uneven_weights_are_warned_of():
    density = quick(proposal="prior", max_epochs=60).fit(IRIS)
    X = np.where(np.arange(4) == 3, np.nan, IRIS) + np.eye(4)[0] * 3.0
    with pytest.warns(UserWarning, match=r"rows have Pareto k > 0\.7.*effective sample") as found:
        density.sample_conditional(X, random_state=0)
    assert found[0].filename == __file__


@pytest.mark.filterwarnings("ignore:.*Pareto k")
def test_global_random_state_is_left_alone():
    X = with_holes(IRIS)
    state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    density = quick().fit(X)
    density.sample_conditional(X, 2)
    density.sample_conditional(None, 2, where={2: (1, 5)})
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_the_transformer_takes_holes_too():
    X = with_holes(IRIS)
    transformer = VAETransformer(2, max_epochs=5, random_state=0).fit(X)
    assert np.isfinite(transformer.transform(X)).all()
    assert transformer.sample_conditional(X, random_state=0).shape == X.shape


@pytest.mark.filterwarnings("ignore:.*Pareto k")
@pytest.mark.numeric
def test_holes_on_the_device(device):
    X = with_holes(IRIS)
    density = quick(device=device).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    assert np.isfinite(density.sample_conditional(X, 3, random_state=0)).all()
    drawn = density.sample_conditional(None, 20, random_state=0, where={2: (4, 5)})
    assert ((drawn[:, 2] >= 4) & (drawn[:, 2] <= 5)).all()


# --------------------------------------------------------------- conditions


@pytest.fixture(scope="module")
def of_mixed():
    return quick(max_epochs=8).fit(mixed())


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({"count": (1, 3)}, lambda t: t["count"].between(1, 3)),
        ({"count": (2, None)}, lambda t: t["count"] >= 2),
        ({"length": (None, 0.0)}, lambda t: t["length"] <= 0),
        ({"colour": {"red", "blue"}}, lambda t: t["colour"].isin(["red", "blue"])),
        ({"colour": "red"}, lambda t: t["colour"] == "red"),
        ({"size": ("S", "M")}, lambda t: t["size"] <= "M"),
        ({"name": ["a"]}, lambda t: t["name"] == "a"),
        ({"sold": True}, lambda t: t["sold"]),
        (
            {"day": (datetime.datetime(2024, 1, 2), None)},
            lambda t: t["day"] >= pd.Timestamp("2024-01-02"),
        ),
        ({"age": (30, 34), "sold": {True}}, lambda t: t["age"].between(30, 34) & t["sold"]),
    ],
)
@pytest.mark.slow
def test_conditions_hold(of_mixed, where, holds):
    rows, quality = of_mixed.sample_conditional(
        None, 40, random_state=0, where=where, return_quality=True
    )
    assert holds(rows).all()
    assert quality.effective_sample_size[0] > 10
    assert not rows.isna().any(axis=None)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"weight": (0, 1)}, r"where names columns \['weight'\]"),
        ({"colour": ("red", "blue")}, "expected a range .* or a set of values"),
        ({"count": (1, 2, 3)}, "expected a range"),
        ({"count": (3, 1)}, "the range is empty"),
        ({"colour": {"pink"}}, "Column 'colour' cannot have the value 'pink'"),
        ({"count": ("few", "many")}, "Column 'count' cannot have the value 'few'"),
        ({"length": (1e6, 2e6)}, "none of 1,000,000 draws of the column is there"),
        ({"length": [3.0, 4.0]}, r"a range is a tuple \(low, high\)"),
        ({"length": set()}, "the set is empty"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(of_mixed, where, message):
    with pytest.raises(ValueError, match=message):
        of_mixed.sample_conditional(None, 5, where=where)


@pytest.mark.parametrize("given", [(4.2, None), (None, -4.2), (4.0, 4.1), (0.0, 1e-5)])
def test_conditions_that_hardly_ever_hold_are_met_by_draws_of_their_own(given):
    """Of a linear model, against the truncated normal and the regression on it."""
    X = np.random.default_rng(0).normal(size=(600, 3)) @ [[1.0, 0.8, 0.0], [0, 0.6, 0], [0, 0, 1]]
    density = quick(
        hidden_layer_sizes=(),
        likelihood=Gaussian("column"),
        prior="standard_normal",
        init="linear",
        max_epochs=0,
    ).fit(X)
    drawn, quality = density.sample_conditional(
        None, 1000, random_state=0, where={0: given}, return_quality=True
    )
    free = density.sample(400_000, random_state=1)
    mean, scale = free[:, 0].mean(), free[:, 0].std()
    low, high = (end and (end - mean) / scale for end in given)
    expected = truncnorm(low or -np.inf, np.inf if high is None else high, mean, scale)
    if given == (0.0, 1e-5):  # where scipy's moments are rounded
        expected = uniform(0.0, 1e-5)
    slope = np.cov(free[:, 0], free[:, 1])[0, 1] / scale**2
    assert len(np.unique(drawn[:, 0])) > 700
    assert quality.effective_sample_size[0] > 1000
    assert_allclose(drawn[:, 0].mean(), expected.mean(), rtol=0, atol=0.15 * expected.std())
    assert_allclose(drawn[:, 0].std(), expected.std(), rtol=0.1)
    regression = free[:, 1].mean() + slope * (expected.mean() - mean)
    assert drawn[:, 1].mean() == pytest.approx(regression, abs=0.1)


@pytest.mark.parametrize(
    ("family", "given"),
    [("log_normal", (None, 0.05)), ("beta", (0.95, None)), ("poisson", (9.0, None))],
)
@pytest.mark.slow
def test_draws_within_a_range_are_values_of_the_column(family, given):
    draw = {
        "log_normal": lambda g: g.lognormal(size=300),
        "beta": lambda g: g.beta(3, 3, 300),
        "poisson": lambda g: g.poisson(2, 300).astype(float),
    }[family]
    X = draw(np.random.default_rng(0))[:, None]
    density = VAEDensity(1, likelihood=family, init="linear", max_epochs=0, random_state=0).fit(X)
    drawn = density.sample_conditional(None, 40, random_state=0, where={0: given})
    assert ((drawn >= (given[0] or 0)) & (drawn <= (given[1] or np.inf))).all()
    assert np.isfinite(density.score_samples(drawn)).all()


@pytest.mark.slow
def test_values_that_few_draws_hit_are_said_to_be_few(monkeypatch):
    monkeypatch.setattr(conditions, "MAX_ROUNDS", 2)
    X = pd.DataFrame({"n": np.random.default_rng(0).integers(0, 10**6, 400)})
    density = quick(prior="standard_normal").fit(X)
    with pytest.warns(UserWarning, match="few draws of z decide"):
        _, quality = density.sample_conditional(
            None, 200, 0, where={"n": (500_000, 500_500)}, return_quality=True
        )
    assert quality.effective_sample_size[0] < 200


def test_conditions_come_by_column(of_mixed):
    with pytest.raises(TypeError, match=r"where must be a dict .* Got \['count'\]"):
        of_mixed.sample_conditional(None, where=["count"])


def test_an_observed_cell_may_not_contradict_a_condition(of_mixed):
    rows = pd.DataFrame({"colour": ["red", "green"]})
    with pytest.raises(ValueError, match=r"Column 'colour' is 'green' in row 1.*rules out"):
        of_mixed.sample_conditional(rows, where={"colour": {"red"}})


def test_rows_that_make_no_sense_are_refused(of_mixed):
    with pytest.raises(ValueError, match=r"columns \['weight'\], which were not there in fit"):
        of_mixed.sample_conditional(pd.DataFrame({"weight": [1.0]}))
    with pytest.raises(ValueError, match=r"give rows to complete, or conditions"):
        of_mixed.sample_conditional()
    with pytest.raises(ValueError, match=r"n_samples must be an integer >= 1\. Got 0"):
        of_mixed.sample_conditional(mixed(), 0)
    with pytest.raises(ValueError, match=r"contains infinity in column 'length', row 0"):
        of_mixed.sample_conditional(pd.DataFrame({"length": [np.inf]}))
