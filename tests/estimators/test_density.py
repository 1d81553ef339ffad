"""VAEDensity against closed forms, and its manners."""

import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skvae import VAEDensity, VAETransformer
from skvae.likelihoods import Bernoulli, Categorical, DiscretizedLogistic, Gaussian, StudentT
from skvae.networks import CorrelatedNoise
from skvae.objectives import ELBO, IWAE
from skvae.priors import Mixture
from skvae.proposals import AISProposal, DefensiveProposal

IRIS = load_iris().data
#: Quick and yet trained: enough for everything that is not about quality.
QUICK = {"latent_dim": 2, "hidden_layer_sizes": (16,), "max_epochs": 5, "random_state": 0}

#: FactorAnalysis until it has converged; its default tolerance leaves 0.01 nat.
CONVERGED = {"tol": 1e-10, "max_iter": 100_000, "svd_method": "lapack"}


def quick(**changes):
    return VAEDensity(**{**QUICK, **changes})


def untrained(latent_dim, **changes):
    """Return the linear start, whose encoder is exact: every one of its weights is p(x)."""
    fixed = {"init": "linear", "max_epochs": 0, "early_stopping": False, "proposal": "encoder"}
    return VAEDensity(latent_dim, **{"prior": "standard_normal", **fixed, **changes})


# ------------------------------------------------------------------ oracles


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("n_components", [1, 2])
def test_untrained_linear_start_is_factor_analysis(load, n_components):
    X = load().data
    density = untrained(n_components, likelihood=Gaussian(scale="column")).fit(X)
    scaler = StandardScaler().fit(X)
    peer = FactorAnalysis(n_components, **CONVERGED).fit(scaler.transform(X))
    expected = peer.score_samples(scaler.transform(X)) - np.log(scaler.scale_).sum()
    assert_allclose(density.score_samples(X), expected, rtol=0, atol=1e-3)


def test_default_start_is_factor_analysis_too():
    """A scale that could depend on z does not at the start, whatever the default likelihood."""
    X = StandardScaler().fit_transform(load_wine().data)
    density = untrained(2).fit(X)
    expected = FactorAnalysis(2, **CONVERGED).fit(X).score_samples(X)
    assert_allclose(density.score_samples(X), expected, rtol=0, atol=1e-3)


def test_spare_latents_start_at_zero():
    density, few = untrained(6).fit(IRIS), untrained(4).fit(IRIS)
    assert_allclose(density.score_samples(IRIS), few.score_samples(IRIS), rtol=0, atol=1e-3)
    n_hidden = density.vae_.decoder.body.n_hidden
    weight = density.vae_.cells.blocks[0].linear.weight
    assert (weight[:, n_hidden + 4 :] == 0).all()


def test_trained_linear_vae_with_a_shared_scale_reaches_pca():
    generator = np.random.default_rng(0)
    loadings = np.linalg.qr(generator.normal(size=(6, 6)))[0][:, :2] * [2.0, 1.0]
    X = generator.normal(size=(2000, 2)) @ loadings.T + 0.5 * generator.normal(size=(2000, 6))
    # Columns of equal variance, so that standardising them leaves the noise shared.
    rotation = equal_variances(np.cov(X.T))
    X = X @ rotation
    density = VAEDensity(
        2,
        hidden_layer_sizes=(),
        likelihood=Gaussian(scale="shared"),
        init="random",
        objective="elbo",
        early_stopping=False,
        max_epochs=60,
        lr=1e-2,
        random_state=0,
    ).fit(X)
    assert density.score(X) == pytest.approx(PCA(2).fit(X).score(X), abs=0.02)


def equal_variances(covariance):
    """Return a rotation after which all columns have the same variance (Givens rotations)."""
    rotation, n = np.eye(len(covariance)), len(covariance)
    target = np.trace(covariance) / n
    for _ in range(n - 1):
        c = rotation.T @ covariance @ rotation
        i, j = np.argmin(np.diag(c)), np.argmax(np.diag(c))
        # Turn in the (i, j) plane until the first variance is the target.
        angles = np.linspace(0, np.pi, 100_001)
        cos, sin = np.cos(angles), np.sin(angles)
        variance = cos**2 * c[i, i] + sin**2 * c[j, j] + 2 * cos * sin * c[i, j]
        k = np.argmin(np.abs(variance - target))
        turn = np.eye(n)
        turn[[i, i, j, j], [i, j, i, j]] = cos[k], -sin[k], sin[k], cos[k]
        rotation = rotation @ turn
    return rotation


def test_shuffled_columns_score_worse():
    X = load_breast_cancer().data[:, :10]
    shuffled = X.copy()
    generator = np.random.default_rng(0)
    for column in shuffled.T:
        generator.shuffle(column)
    density = quick(max_epochs=30).fit(X)
    assert density.score(X) > density.score(shuffled) + 2


@pytest.mark.parametrize("likelihood", ["auto", Gaussian(scale="column"), Gaussian(scale="row")])
def test_density_integrates_to_one_in_one_dimension(likelihood):
    generator = np.random.default_rng(0)
    X = np.concatenate([generator.normal(-3, 0.5, 300), generator.normal(2, 1, 300)])[:, None]
    density = quick(likelihood=likelihood, max_epochs=30).fit(10 * X + 5)
    grid = np.linspace(-100, 100, 4001)[:, None]
    total = np.exp(density.score_samples(grid)).sum() * 0.05
    assert total == pytest.approx(1.0, abs=0.02)


def test_density_integrates_to_one_in_two_dimensions():
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, 2 * np.pi, 600)
    X = np.c_[np.cos(angle), 2 * np.sin(angle)] + 0.2 * generator.normal(size=(600, 2))
    density = quick(max_epochs=30).fit(X)
    line = np.linspace(-5, 5, 101)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    assert np.exp(density.score_samples(grid)).sum() * 0.01 == pytest.approx(1.0, abs=0.02)


def test_probabilities_of_a_zero_one_table_sum_to_one():
    generator = np.random.default_rng(0)
    cause = generator.uniform(size=(400, 1)) < 0.4
    X = (generator.uniform(size=(400, 4)) < np.where(cause, 0.9, 0.2)).astype(float)
    density = quick(max_epochs=30).fit(X)
    assert set(map(type, density.likelihoods_.values())) == {Bernoulli}
    cells = np.array(np.meshgrid(*[[0.0, 1.0]] * 4)).reshape(4, -1).T
    assert np.exp(density.score_samples(cells)).sum() == pytest.approx(1.0, abs=0.02)


def causes_and_effects(n=400):
    """Return a table of categories, a boolean and a small count that depend on one another."""
    generator = np.random.default_rng(0)
    cause = generator.integers(0, 3, n)
    moved = np.where(generator.uniform(size=n) < 0.7, cause, generator.integers(0, 3, n))
    return pd.DataFrame(
        {
            "city": np.array(["Bern", "Oslo", "Rome"])[moved],
            "size": pd.Categorical.from_codes(cause, ["S", "M", "L"], ordered=True),
            "member": generator.uniform(size=n) < 0.2 + 0.3 * cause,
            "visits": np.minimum(generator.poisson(cause), 3),
        }
    )


def test_probabilities_of_a_discrete_table_sum_to_one():
    table = causes_and_effects()
    density = quick(max_epochs=40).fit(table)
    cells = pd.MultiIndex.from_product(
        [table[name].unique() for name in table], names=table.columns
    )
    every = cells.to_frame(index=False).astype(table.dtypes)
    every["size"] = pd.Categorical(every["size"], ["S", "M", "L"], ordered=True)
    p = np.exp(density.set_params(n_draws=512).score_samples(every))
    assert p.sum() == pytest.approx(1.0, abs=0.02)
    # Draws are as frequent as their scores say: 20,000 have a standard error below 0.0035.
    drawn = density.sample(20_000, random_state=0).value_counts(normalize=True)
    frequency = drawn.reindex(cells, fill_value=0.0).to_numpy()
    assert np.abs(frequency - p).max() < 0.015


def test_a_table_of_every_kind_integrates_to_one():
    """A category, a count, a number with an atom at zero and one without, over a grid."""
    generator = np.random.default_rng(0)
    flag = generator.uniform(size=600) < 0.4
    table = pd.DataFrame(
        {
            "kind": np.where(flag, "a", "b"),
            "spend": np.where(generator.uniform(size=600) < 0.5, 0.0, generator.gamma(2, 1, 600)),
        }
    )
    density = quick(max_epochs=20).fit(table)
    line = np.linspace(-1, 30, 6201) + 1e-4
    codec = density.table_.columns[1].codec
    assert codec.atoms.tolist() == [0.0]
    total = 0.0
    for kind in ("a", "b"):
        rows = pd.DataFrame({"kind": kind, "spend": line})
        total += np.exp(density.score_samples(rows)).sum() * 0.005
        atom = pd.DataFrame({"kind": [kind], "spend": [0.0]})
        total += np.exp(density.score_samples(atom)[0]) * codec.step
    assert total == pytest.approx(1.0, abs=0.02)


def test_mixed_table_integrates_to_one():
    generator = np.random.default_rng(0)
    flag = (generator.uniform(size=500) < 0.3).astype(float)
    X = np.c_[flag, generator.normal(4 * flag, 1.0)]
    density = quick(max_epochs=30).fit(X)
    line = np.linspace(-12, 16, 1401)
    total = sum(
        np.exp(density.score_samples(np.c_[np.full(1401, value), line])).sum() * 0.02
        for value in (0.0, 1.0)
    )
    assert total == pytest.approx(1.0, abs=0.02)
    # The binary column scores as mass, so the mean score is near -(H(flag) + h(normal)).
    expected = 0.3 * np.log(0.3) + 0.7 * np.log(0.7) - 0.5 * np.log(2 * np.pi * np.e)
    assert density.score(X) == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("n_draws", [1, 7, 64, 100])
def test_scores_use_the_draws_asked_for(n_draws, monkeypatch):
    density = quick(n_draws=n_draws).fit(IRIS)
    seen = []
    weigh = type(density.vae_).weigh

    def spy(vae, batch, z, log_qz):
        seen.append(len(z))
        return weigh(vae, batch, z, log_qz)

    monkeypatch.setattr(type(density.vae_), "weigh", spy)
    density.score_samples(IRIS[:3])
    assert sum(seen) == n_draws


def test_more_draws_tighten_the_bound():
    density = quick(max_epochs=30, proposal="prior").fit(IRIS)
    scores = [density.set_params(n_draws=k).score(IRIS) for k in (1, 8, 64, 1024)]
    gains = np.diff(scores)
    assert (gains > 0).all()
    assert gains[0] > gains[1]


def test_prior_and_encoder_proposals_agree():
    # With a wide fixed scale the posterior is near the prior, so both are good proposals.
    density = quick(likelihood=Gaussian(scale=1.0), max_epochs=30, n_draws=4096).fit(IRIS)
    by_encoder = density.score_samples(IRIS)
    by_prior = density.set_params(proposal="prior").score_samples(IRIS)
    assert_allclose(by_prior, by_encoder, rtol=0, atol=0.05)


PROPOSALS = ["prior", "encoder", "laplace", "defensive", AISProposal(n_temperatures=60)]


@pytest.mark.parametrize("proposal", PROPOSALS, ids=str)
def test_every_proposal_agrees_within_its_error_bars(proposal):
    # With a prior of one mode, as the encoder alone may miss the others.
    plain = {"prior": "standard_normal", "likelihood": Gaussian(scale=1.0)}
    density = quick(max_epochs=30, **plain).fit(IRIS)
    n_rows, n_draws = (8, 64) if proposal == PROPOSALS[-1] else (40, 2048)
    exact = density.log_likelihood(IRIS[:n_rows], n_draws=20_000, proposal="defensive")
    found = density.log_likelihood(IRIS[:n_rows], n_draws=n_draws, proposal=proposal)
    error = np.abs(found.value - exact.value)
    assert (error < 4 * np.hypot(found.standard_error, exact.standard_error)).all()
    assert (found.effective_sample_size <= n_draws * (1 + 1e-9)).all()


def test_log_likelihood_is_what_scores_are_and_says_how_good_they_are():
    density = quick(prior="standard_normal", max_epochs=30).fit(10 * IRIS)
    result = density.log_likelihood(10 * IRIS)
    assert_array_equal(result.value, density.score_samples(10 * IRIS))
    assert all(part.shape == (150,) for part in vars(result).values())
    assert (result.gap > -4 * result.standard_error - 0.02).all()
    assert result.gap.mean() > 0
    more = density.log_likelihood(10 * IRIS, n_draws=1024)
    assert np.median(more.standard_error) < 0.5 * np.median(result.standard_error)


def test_rows_that_a_few_draws_decide_are_warned_of_once():
    density = quick(max_epochs=30).fit(IRIS)
    with pytest.warns(UserWarning, match=r"\d+ of 150 rows have Pareto k > 0.7.*defensive") as seen:
        density.log_likelihood(IRIS, proposal="prior", n_draws=100)
    assert len(seen) == 1
    assert seen[0].filename == __file__


@pytest.mark.parametrize("proposal", PROPOSALS[2:], ids=str)
def test_a_score_depends_on_neither_working_memory_nor_company(proposal):
    X = load_wine().data
    density = VAEDensity(3, max_epochs=5, random_state=0, proposal=proposal, n_draws=16).fit(X)
    X = X[:12] if proposal == PROPOSALS[-1] else X
    scores = density.score_samples(X)
    # Rounding alone, which the way to the mode and the chains hand on: far below any error bar.
    exactly = {"rtol": 0, "atol": 1e-8}
    with config_context(working_memory=0.2):
        assert_allclose(density.score_samples(X), scores, **exactly)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(density.score_samples(X[order]), scores[order], **exactly)
    assert_allclose(density.score_samples(X[9:10]), scores[9:10], **exactly)


def test_a_linear_model_is_scored_exactly():
    """The untrained linear start is factor analysis, so every proposal has an answer to meet."""
    X = StandardScaler().fit_transform(load_wine().data)
    density = untrained(2, proposal="defensive", random_state=1).fit(X)
    expected = FactorAnalysis(2, **CONVERGED).fit(X).score_samples(X)
    found = density.log_likelihood(X)
    error = np.abs(found.value - expected)
    assert (error < 4 * found.standard_error + 1e-3).all()
    assert (found.effective_sample_size > 0.5 * density.n_draws).all()


def test_units_that_collapsed_are_named():
    """Two columns cannot use five latents; the linear start leaves the spare ones at the prior."""
    density = untrained(5).fit(IRIS[:, :2])
    assert density.active_units_.shape == density.kl_per_unit_.shape == (5,)
    assert 1 <= density.active_units_.sum() <= 2
    assert (density.kl_per_unit_[~density.active_units_] < 1e-3).all()
    assert (density.kl_per_unit_[density.active_units_] > 0.1).all()


# -------------------------------------------------------------------- units


@pytest.mark.parametrize("factor", [3.7, 1e-12, 1e12])
def test_scale_factors_move_scores_by_the_log_jacobian(factor):
    before = quick().fit(IRIS).score_samples(IRIS)
    after = quick().fit(factor * IRIS).score_samples(factor * IRIS)
    assert_allclose(after, before - 4 * np.log(factor), rtol=0, atol=1e-9)


def test_any_scale_and_shift_move_an_untrained_model_by_the_log_jacobian():
    X = load_wine().data
    scale, shift = np.geomspace(1e-3, 1e3, 13), np.linspace(-50, 50, 13)
    before = quick(max_epochs=0).fit(X).score_samples(X)
    after = quick(max_epochs=0).fit(scale * X + shift).score_samples(scale * X + shift)
    assert_allclose(after, before - np.log(scale).sum(), rtol=0, atol=1e-3)


def test_a_score_depends_on_the_row_alone():
    X = load_breast_cancer().data
    density = quick().fit(X)
    scores = density.score_samples(X)
    order = np.random.default_rng(0).permutation(len(X))
    # In float64: a row's place in a tile changes the rounding of matrix products, no more.
    exactly = {"rtol": 0, "atol": 1e-10}
    assert_allclose(density.score_samples(X[order]), scores[order], **exactly)
    assert_allclose(density.score_samples(X[100:137]), scores[100:137], **exactly)
    assert_allclose(density.score_samples(X[5:6]), scores[5], **exactly)
    assert density.score(X) == pytest.approx(scores.mean())


def test_extreme_rows_score_finitely():
    scores = quick().fit(IRIS).score_samples(np.full((1, 4), 1e30) * [1, -1, 1, -1])
    assert np.isfinite(scores).all()
    assert scores[0] < -1e6


# --------------------------------------------------------------- randomness


def test_a_seed_repeats_everything_bit_for_bit():
    one, two, other = (quick(random_state=s, dropout=0.1).fit(IRIS) for s in (0, 0, 1))
    assert_array_equal(one.score_samples(IRIS), two.score_samples(IRIS))
    assert_array_equal(one.sample(5), two.sample(5))
    assert_array_equal(one.sample(5), two.sample(5))
    assert (one.score_samples(IRIS) != other.score_samples(IRIS)).any()


def test_samples_differ_unless_seeded_and_scores_never_do():
    density = quick(random_state=None).fit(IRIS)
    assert (density.sample(5) != density.sample(5)).any()
    assert_array_equal(density.sample(5, random_state=3), density.sample(5, random_state=3))
    assert_array_equal(density.score_samples(IRIS), density.score_samples(IRIS))


def test_nothing_global_is_touched():
    def state():
        numpy_state = np.random.get_state()  # noqa: NPY002
        return (
            torch.get_rng_state().tolist(),
            numpy_state[1].tolist() + list(numpy_state[2:]),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.distributions.Distribution._validate_args,
        )

    before = state()
    density = VAEDensity(2, max_epochs=2, encoder=lambda: torch.nn.Linear(4, 5)).fit(IRIS)
    density.score_samples(IRIS)
    density.sample(3)
    assert state() == before


def test_fits_in_threads_equal_fits_one_by_one():
    expected = [quick(random_state=s, dropout=0.2).fit(IRIS).score(IRIS) for s in range(4)]
    found = [None] * 4

    def work(s):
        found[s] = quick(random_state=s, dropout=0.2).fit(IRIS).score(IRIS)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


# ------------------------------------------------------------------ manners


def test_samples_look_like_the_table():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": generator.normal(170, 10, 400).astype("float32"),
            "weight": generator.normal(70, 5, 400),
            "member": generator.uniform(size=400) < 0.3,
            "flag": (generator.uniform(size=400) < 0.5).astype("int64"),
        }
    )
    density = quick(max_epochs=40).fit(frame)
    rows = density.sample(4000, random_state=0)
    assert isinstance(rows, pd.DataFrame)
    assert rows.dtypes.equals(frame.dtypes)
    assert rows["height"].mean() == pytest.approx(170, abs=2)
    assert rows["weight"].std() == pytest.approx(5, rel=0.15)
    assert rows["member"].mean() == pytest.approx(0.3, abs=0.06)
    assert set(rows["flag"]) == {0, 1}
    assert np.isfinite(density.score_samples(rows)).all()
    assert list(density.likelihoods_) == list(frame.columns)


@pytest.mark.parametrize("likelihood", ["auto", "poisson", "negative_binomial", "binned"])
def test_integers_stay_integers_and_in_range(likelihood):
    table = pd.DataFrame({"n": np.random.default_rng(0).poisson(2.0, 300).astype("int16")})
    density = quick(likelihood=likelihood).fit(table)
    drawn = density.sample(5000, random_state=0)["n"]
    assert drawn.dtype == "int16"
    assert drawn.min() >= 0
    if likelihood in ("auto", "binned"):
        assert drawn.max() <= table["n"].max()


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("uint8", "cell"), ("uint8", 20.0), ("float64", "shared"), ("float32", 0.1)],
)
def test_a_grid_of_grey_levels_holds_all_mass(dtype, scale):
    grey = np.random.default_rng(0).normal(200.0, 60.0, 300).round().clip(0, 255)
    unit = 1.0 if dtype == "uint8" else 255.0
    family = DiscretizedLogistic(high=255.0 / unit, step=1.0 / unit, scale=scale)
    table = pd.DataFrame({"x": (grey / unit).astype(dtype)})
    density = quick(likelihood=family, latent_dim=1, n_draws=1000).fit(table)
    every = pd.DataFrame({"x": (np.arange(256) / unit).astype(dtype)})
    log_p = density.score_samples(every) - np.log(unit)
    # Each score has an error of its own, by 1,000 draws.
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=0.01)
    drawn = density.sample(2000, random_state=0)
    assert drawn["x"].dtype == dtype
    assert drawn["x"].isin(every["x"]).all()
    assert drawn["x"].mean() == pytest.approx(grey.mean() / unit, rel=0.1)


def test_digits_are_drawn_scored_and_completed_on_their_grid():
    X = load_digits().data
    family = DiscretizedLogistic(high=16)
    density = quick(likelihood=family, latent_dim=4, max_epochs=3).fit(X[:500])
    assert density.likelihoods_.measures[0] == "probability"
    holes = X[500:540].copy()
    holes[:, 32:] = np.nan
    scores, of_halves = density.score_samples(X[500:540]), density.score_samples(holes)
    assert np.isfinite(scores).all()
    assert (scores < of_halves).all()  # a probability of more cells
    assert (of_halves < 0).all()
    for drawn in (density.sample(50, random_state=0), density.sample_conditional(holes)):
        assert np.isin(drawn, np.arange(17.0)).all()
    with pytest.raises(ValueError, match=r"numbers from 0 to 16 in steps of 1. Got 17 in row 0"):
        density.score_samples(np.full((1, 64), 17.0))


def test_a_grid_works_with_holes_and_other_columns():
    table = causes_and_effects(400)
    table["mark"] = np.random.default_rng(0).integers(0, 11, 400).astype("float32") / 10
    table.loc[::7, "mark"] = np.nan
    likelihood = {"mark": DiscretizedLogistic(high=1, step=0.1)}
    density = quick(likelihood=likelihood).fit(table)
    assert np.isfinite(density.score_samples(table)).all()
    completed = density.sample_conditional(table, random_state=0)
    assert completed["mark"].dtype == "float32"
    steps = completed["mark"].to_numpy() * 10
    np.testing.assert_allclose(steps, steps.round(), atol=1e-5)
    high = density.sample_conditional(
        table[table["mark"].isna()], where={"mark": (0.5, 1.0)}, random_state=0
    )
    assert (high["mark"] > 0.45).all()


@pytest.mark.parametrize("likelihood", ["log_normal", "gamma", "binned", "auto"])
def test_positive_numbers_stay_positive(likelihood):
    table = pd.DataFrame({"x": np.random.default_rng(0).lognormal(0, 1, 300)})
    drawn = quick(likelihood=likelihood).fit(table).sample(5000, random_state=0)["x"]
    assert (drawn > 0).all()


def test_categories_come_in_proportion():
    table = causes_and_effects(1000)
    drawn = quick(max_epochs=40).fit(table).sample(10_000, random_state=0)
    assert drawn.dtypes.equals(table.dtypes)
    for name in ("city", "size", "member", "visits"):
        real, found = (t[name].value_counts(normalize=True) for t in (table, drawn))
        assert (found.reindex(real.index) - real).abs().max() < 0.05


def test_integers_of_an_array_come_back_as_integers():
    X = np.random.default_rng(0).integers(-3, 9, size=(200, 2)).astype(np.int16)
    density = quick().fit(X)
    assert density.sample(3).dtype == np.int16
    assert np.isfinite(density.score_samples(X)).all()


@pytest.mark.parametrize("marked", [["code"], [1], [False, True]])
def test_integers_that_are_names_are_marked(marked):
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {"x": generator.normal(size=80), "code": generator.choice([3, 10, 40], 80)}
    )
    density = quick(categorical_features=marked).fit(table)
    assert density.likelihoods_["code"] == Categorical()
    assert density.sample(4)["code"].dtype == table["code"].dtype
    as_array = quick(categorical_features=[1]).fit(table.to_numpy())
    assert as_array.likelihoods_[1] == Categorical()
    assert set(as_array.sample(50)[:, 1]) <= {3.0, 10.0, 40.0}


def test_likelihoods_say_their_measure():
    density = quick().fit(causes_and_effects())
    assert "'city'    Categorical()" in repr(density.likelihoods_)
    assert density.likelihoods_.measures["visits"] == "probability"


def test_means_of_numbers_and_modes_of_categories():
    table = causes_and_effects().assign(x=np.random.default_rng(1).normal(5, 1, 400))
    vae = VAETransformer(**{**QUICK, "max_epochs": 40}).fit(table)
    back = vae.inverse_transform(vae.transform(table))
    assert set(back["city"]) <= {"Bern", "Oslo", "Rome"}
    assert back["size"].dtype == table["size"].dtype
    assert back["x"].mean() == pytest.approx(5, abs=0.3)
    assert back["visits"].mean() == pytest.approx(table["visits"].mean(), abs=0.3)


def test_a_mixture_prior_starts_from_a_mixture_of_factor_analysers():
    """Untrained, a linear model of three clusters is as good as a mixture of three normals."""
    X = IRIS[:, :3]
    fixed = {"init": "linear", "max_epochs": 0, "early_stopping": False, "random_state": 0}
    start = VAEDensity(3, prior=Mixture(3), hidden_layer_sizes=(), **fixed).fit(X)
    peer = GaussianMixture(3, random_state=0).fit(X)
    plain = VAEDensity(3, prior="standard_normal", hidden_layer_sizes=(), **fixed).fit(X)
    assert start.score(X) > plain.score(X) + 0.5 * (peer.score(X) - plain.score(X))


def test_correlated_noise_is_a_decoder():
    density = quick(latent_dim=3, decoder=CorrelatedNoise(1)).fit(IRIS)
    assert np.isfinite(density.score_samples(IRIS)).all()
    assert density.init_ in ("linear", "random")


def test_polars_in_polars_out():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": IRIS[:, 0], "b": IRIS[:, 1], "c": IRIS[:, 2] > 2})
    rows = quick().fit(frame).sample(4)
    assert isinstance(rows, polars.DataFrame)
    assert rows.schema == frame.schema


def test_grid_search_chooses_by_held_out_likelihood():
    search = GridSearchCV(
        quick(max_epochs=3), {"latent_dim": [1, 2], "objective": [ELBO(), IWAE(3)]}, cv=2
    ).fit(IRIS)
    assert search.best_params_["latent_dim"] in (1, 2)
    assert search.cv_results_["mean_test_score"].max() == pytest.approx(search.best_score_)
    nested = GridSearchCV(quick(objective=IWAE()), {"objective__n_draws": [1, 2]}, cv=2).fit(IRIS)
    assert nested.best_estimator_.objective.n_draws in (1, 2)


def test_parameters_of_a_part_given_by_name_are_refused_with_the_recipe_to_write():
    with pytest.raises(ValueError, match=r"objective=IWAE\(n_draws=\.\.\.\)"):
        VAEDensity(objective="iwae").set_params(objective__n_draws=3)
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        VAEDensity().set_params(nonsense=3)


def test_clones_and_pickles_score_alike():
    density = quick().fit(IRIS)
    again = pickle.loads(pickle.dumps(density))
    assert_array_equal(again.score_samples(IRIS), density.score_samples(IRIS))
    assert_array_equal(again.sample(3), density.sample(3))
    assert_array_equal(clone(density).fit(IRIS).score_samples(IRIS), density.score_samples(IRIS))


def test_likelihoods_by_column():
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    likelihood = {
        "d": "student_t",
        "a": "gaussian",
        "b": Gaussian(scale="shared"),
        "c": Gaussian(scale=0.5),
    }
    density = quick(likelihood=likelihood).fit(frame)
    assert density.likelihoods_ == {
        "a": Gaussian(),
        "b": Gaussian(scale="shared"),
        "c": Gaussian(scale=0.5),
        "d": StudentT(),
    }
    assert np.isfinite(density.score_samples(frame)).all()


@pytest.mark.parametrize("scale", ["cell", "row", "column", "shared", 0.3])
def test_every_scale_trains(scale):
    density = quick(likelihood=Gaussian(scale=scale), max_epochs=20).fit(IRIS)
    start = quick(likelihood=Gaussian(scale=scale), max_epochs=0).fit(IRIS)
    # On 150 rows training may end where it began; it must not end below.
    assert density.score(IRIS) > start.score(IRIS) - 0.05


def test_user_modules_and_factories_take_the_place_of_the_networks():
    def decoder():
        return torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.Tanh())

    encoder = torch.nn.Linear(4, 6)
    weight = encoder.weight.detach().clone()
    density = quick(encoder=encoder, decoder=decoder).fit(IRIS)
    assert torch.equal(encoder.weight, weight)
    assert density.init_ == "random"
    assert_array_equal(
        density.score_samples(IRIS),
        quick(encoder=encoder, decoder=decoder).fit(IRIS).score_samples(IRIS),
    )


class Stubborn(torch.autograd.Function):
    """A function in the old style, which torch.func refuses."""

    @staticmethod
    def forward(ctx, x):
        return 2.0 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2.0 * gradient


class StubbornDecoder(torch.nn.Module):
    def forward(self, z):
        return Stubborn.apply(z)


def test_a_decoder_that_cannot_be_differentiated_twice_is_refused_with_the_way_out():
    density = quick(decoder=StubbornDecoder()).fit(IRIS)
    with pytest.raises(ValueError, match=r"decoder: .*Use proposal='encoder'"):
        density.score_samples(IRIS)
    assert np.isfinite(density.set_params(proposal="encoder").score_samples(IRIS)).all()


# ---------------------------------------------------------------- odd tables


@pytest.mark.parametrize("early_stopping", [True, False])
def test_odd_columns_are_fitted_finitely(early_stopping):
    generator = np.random.default_rng(0)
    a = generator.normal(size=120)
    X = np.c_[a, a, np.full(120, 7.0), np.zeros(120), a * 1e12, a**2 * 1e-12 + 3, np.round(a)]
    density = quick(early_stopping=early_stopping, max_epochs=40).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    assert np.isfinite(density.sample(50)).all()
    assert np.isfinite(density.loss_curve_).all()


@pytest.mark.parametrize(("n_rows", "batch_size"), [(2, "auto"), (3, 256), (33, 32), (129, 64)])
def test_few_rows_and_last_batches_of_one_row_train(n_rows, batch_size):
    density = quick(batch_size=batch_size).fit(IRIS[:n_rows])
    assert np.isfinite(density.score_samples(IRIS)).all()


def test_scales_are_bounded_by_the_resolution():
    X = np.round(load_wine().data[:, :2], 0)
    density = quick(max_epochs=40).fit(X)
    gap = np.array([np.diff(np.unique(column)).min() for column in X.T])
    # No density can exceed that of the narrowest normals allowed.
    bound = -np.log(gap / 12**0.5 * np.sqrt(2 * np.pi)).sum()
    assert density.score_samples(X).max() <= bound


def test_digits_with_constant_pixels():
    X = load_digits().data[:300]
    assert np.isfinite(quick(max_epochs=5).fit(X).score_samples(X)).all()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.full((5, 2), np.nan), ValueError, r"every cell is missing"),
        (np.where(IRIS > 7.8, np.inf, IRIS), ValueError, r"contains infinity in column 0"),
        (IRIS[:1], ValueError, r"1 sample.*minimum of 2"),
        (np.array([["1", "b"], ["2", "d"]]), ValueError, r"Column 1 holds the string 'b' in row 0"),
        (np.array([[1.0, 2.0], [3.0, "d"]], object), ValueError, r"Column 1 holds the string 'd'"),
        (
            pd.DataFrame({"age": [1.0, 2.0], "tags": [["a"], ["b"]]}),
            TypeError,
            "Column 'tags'",
        ),
    ],
)
def test_bad_rows_are_refused_by_name(X, error, message):
    with pytest.raises(error, match=message):
        quick().fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"latent_dim": 0}, r"'latent_dim' parameter .* range \[1, inf\), an array-like or"),
        ({"latent_dim": 2.5}, "'latent_dim' parameter"),
        ({"prior": "gaussian"}, r"prior='gaussian' is unknown. Expected one of \['flow',"),
        ({"posterior": "bent"}, "posterior='bent' is unknown"),
        ({"objective": "kl"}, "objective='kl' is unknown"),
        ({"objective": IWAE(0)}, r"IWAE\(n_draws=0\): expected an integer >= 1"),
        ({"proposal": "posterior"}, "proposal='posterior' is unknown"),
        ({"proposal": DefensiveProposal(2)}, r"DefensiveProposal\(share=2\)"),
        ({"proposal": AISProposal(0)}, r"AISProposal\(n_temperatures=0\)"),
        ({"likelihood": "poisson"}, r"Column 0 has likelihood Poisson, which needs integers >= 0"),
        ({"likelihood": "normal"}, "likelihood='normal' is unknown"),
        ({"likelihood": "_free_codes"}, "Expected one of .'bernoulli'"),
        ({"prior": Mixture(0)}, r"Mixture\(n_components=0\)"),
        ({"categorical_features": [7]}, r"categorical_features names columns \[7\]"),
        ({"likelihood": {"a": "gaussian"}}, r"likelihood names columns \['a'\]"),
        ({"likelihood": Gaussian(scale="big")}, r"Gaussian\(scale='big'\)"),
        ({"likelihood": "bernoulli"}, r"Column 0 has likelihood Bernoulli, which needs 0 or 1"),
        ({"device": "abacus"}, "device='abacus' is not available here"),
        ({"activation": "step"}, "'activation' parameter"),
        ({"encoder": torch.nn.Linear(3, 3)}, r"encoder: the module must map .* \(n, 4\)"),
        ({"encoder": lambda: None}, "a function that returns a torch module.*returned None"),
        ({"init": "linear", "encoder": torch.nn.Linear(4, 3)}, "Use init='random'"),
    ],
)
def test_bad_parameters_are_refused_before_training(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        quick(**parameters).fit(IRIS)


def test_rows_that_do_not_match_the_fitted_table_are_refused():
    density = quick().fit(np.c_[IRIS[:, 0], IRIS[:, 1] > 3])
    with pytest.raises(ValueError, match="X has 4 features, but VAEDensity is expecting 2"):
        density.score_samples(IRIS)
    with pytest.raises(ValueError, match=r"Column 1 has likelihood Bernoulli.*Got 3.5 in row 1"):
        density.score_samples([[5.0, 1.0], [5.0, 3.5]])
    table = causes_and_effects(60)
    density = quick().fit(table)
    with pytest.raises(ValueError, match=r"Column 'city' holds the category 'Paris' in row 0"):
        density.score_samples(table.assign(city="Paris"))
    with pytest.raises(ValueError, match=r"missing:\n- visits"):
        density.score_samples(table.drop(columns="visits"))
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- extra"):
        density.score_samples(table.assign(extra=1))
    with pytest.raises(TypeError, match=r"Column 'visits' has dtype String"):
        density.score_samples(table.assign(visits="two"))


def test_numbers_of_draws_are_checked():
    density = quick().fit(IRIS[:, :2])
    with pytest.raises(ValueError, match=r"n_samples must be an integer >= 1\. Got 0"):
        density.sample(0)
    with pytest.raises(ValueError, match=r"n_draws must be an integer >= 1\. Got 0"):
        density.log_likelihood(IRIS[:, :2], n_draws=0)


def test_a_failed_fit_leaves_the_fitted_model():
    density = quick().fit(IRIS)
    scores = density.score_samples(IRIS)
    with pytest.raises(ValueError, match="missing"):
        density.fit(np.full((5, 2), np.nan))
    assert_array_equal(density.score_samples(IRIS), scores)


# ------------------------------------------------------------------- device


def test_scores_agree_across_devices(device):
    here = quick(device="cpu", max_epochs=0).fit(IRIS).score_samples(IRIS)
    there = quick(device=device, max_epochs=0).fit(IRIS)
    assert there.device_.startswith(device.split(":")[0])
    assert_allclose(there.score_samples(IRIS), here, rtol=0, atol=1e-3)


def test_training_and_sampling_work_on_the_device(device):
    density = quick(device=device, dropout=0.1).fit(IRIS)
    assert np.isfinite(density.score_samples(IRIS)).all()
    assert density.sample(7).shape == (7, 4)
    assert next(density.encoder_.parameters()).device.type == torch.device(device).type
