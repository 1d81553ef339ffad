"""Objectives that shape latents, in the estimators, and what is done with latents afterwards."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.linalg import subspace_angles
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAETransformer
from skvae.likelihoods import Gaussian
from skvae.model.rows import as_rows
from skvae.objectives import MMD, Adversarial, Beta, BetaTC, Denoising
from skvae.priors import Mixture

X, Y = load_iris(return_X_y=True)
QUICK = {"hidden_layer_sizes": (16,), "max_epochs": 10, "random_state": 0}
DENSITIES = [Beta(2.0, 0.2, 0.1), BetaTC(2.0), Denoising(0.3, 0.2), MMD(kl_weight=1.0)]
LINEAR = {"init": "linear", "early_stopping": False, "max_epochs": 40}
POINTS = ["autoencoder", "mmd", "adversarial"]
SCORES = ("score_samples", "score", "log_likelihood", "sample_conditional")


def transformer(**parameters):
    return VAETransformer(**{"latent_dim": 2, **QUICK, **parameters})


def square(n, seed):
    """Return rows around a plane, on which they fill a square."""
    generator = np.random.default_rng(seed)
    across = np.random.default_rng(1).normal(size=(2, 5))
    return generator.uniform(-1, 1, (n, 2)) @ across + 0.1 * generator.normal(size=(n, 5))


# ------------------------------------------------------------------ which methods there are


@pytest.mark.parametrize("objective", DENSITIES, ids=repr)
def test_a_density_stays_in_every_estimator(objective):
    quick = {**QUICK, **LINEAR, "max_epochs": 5}
    density = VAEDensity(2, objective=objective, **quick).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    assert np.isfinite(density.kl_per_unit_).all()
    labels = np.where(np.arange(150) % 5 == 0, Y, -1)
    classifier = VAEClassifier(2, objective=objective, **quick).fit(X, labels)
    assert_allclose(classifier.predict_proba(X[:5]).sum(1), 1.0)
    holes = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    imputed = VAEImputer(2, objective=objective, **quick).fit_transform(holes)
    assert np.isfinite(imputed).all()


@pytest.mark.parametrize("objective", POINTS)
def test_without_a_density_no_method_that_needs_one(objective):
    for estimator in (VAEDensity, VAEImputer, VAEClassifier):
        with pytest.raises(ValueError, match=r"train no density of X.*VAETransformer"):
            estimator(2, objective=objective, **QUICK).fit(X, Y)
    model = transformer(objective=objective)
    for fitted in (model, clone(model).fit(X)):
        assert not any(hasattr(fitted, name) for name in SCORES)
        assert hasattr(fitted, "sample") == (objective != "autoencoder")
    with pytest.raises(AttributeError, match="no attribute 'score_samples'"):
        model.score_samples(X)
    assert all(hasattr(transformer(), name) for name in (*SCORES, "sample"))


@pytest.mark.parametrize("objective", POINTS)
def test_what_a_fit_reports_where_z_is_a_function_of_x(objective):
    model = transformer(objective=objective, early_stopping=True).fit(X)
    assert np.isnan(model.kl_per_unit_).all()
    assert model.active_units_.all()
    assert not np.any(model.kl_curve_)
    assert np.isfinite(model.validation_scores_).all()
    mean, std = model.encode(X, return_std=True)
    assert not std.any()
    assert_array_equal(mean, model.transform(X))
    assert all(family == Gaussian("shared") for family in model.likelihoods_.values())
    drawn = model.reconstruct(X[:1], n_samples=2_000, random_state=0)
    assert_allclose(drawn.mean(0), model.reconstruct(X[:1])[0], atol=5 * drawn.std() / 2_000**0.5)
    if objective != "autoencoder":
        assert np.any(np.abs(np.add(model.loss_curve_, model.reconstruction_curve_)) > 1e-3)


@pytest.mark.parametrize("objective", POINTS)
def test_fits_repeat_and_are_copied(objective):
    state = torch.get_rng_state()
    one, other = (transformer(objective=objective, max_epochs=3).fit(X) for _ in range(2))
    assert_array_equal(one.transform(X), other.transform(X))
    assert_array_equal(pickle.loads(pickle.dumps(one)).transform(X), one.transform(X))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_opponent_is_not_saved():
    sizes = []
    for widths in ((8,), (300, 300)):
        objective = Adversarial(hidden_layer_sizes=widths)
        model = transformer(objective=objective, early_stopping=False, max_epochs=3).fit(X)
        sizes.append(len(pickle.dumps(model)))
    assert sizes[0] == pytest.approx(sizes[1], abs=10_000)  # 90,000 weights would be 360,000


# ------------------------------------------------------------------ refitted priors


@pytest.mark.slow
def test_an_autoencoder_with_a_fitted_prior_is_a_density_that_integrates_to_one():
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, np.pi, 300)
    arc = np.c_[np.cos(angle), np.sin(angle)] + 0.1 * generator.normal(size=(300, 2))
    model = transformer(
        latent_dim=1,
        objective="autoencoder",
        refit_prior=Mixture(3),
        max_epochs=40,
        init="random",
        early_stopping=False,
        lr=1e-2,
    ).fit(arc)
    axis = np.linspace(-4.0, 4.0, 81)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.exp(model.score_samples(grid))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=0.02)
    drawn = model.sample(2_000, random_state=0)
    assert_allclose(drawn.mean(0), arc.mean(0), atol=0.1)
    assert_allclose(drawn.std(0), arc.std(0), atol=0.1)


@pytest.mark.slow
def test_rows_are_drawn_from_a_matched_prior():
    rows = square(800, 0)
    model = transformer(objective=MMD(300.0), max_epochs=25, hidden_layer_sizes=(32,)).fit(rows)
    drawn = model.sample(2_000, random_state=0)
    assert_allclose(drawn.mean(0), rows.mean(0), atol=0.2)
    assert_allclose(np.cov(drawn.T), np.cov(rows.T), atol=0.25)


@pytest.mark.slow
def test_an_adversarys_latents_are_normal_and_those_of_the_plain_autoencoder_are_not():
    rows, held_out = square(2_000, 0), square(500, 1)

    def p_values(objective, n_epochs):
        model = VAETransformer(
            2, objective=objective, hidden_layer_sizes=(64, 64), max_epochs=n_epochs,
            init="linear", random_state=0,
        ).fit(rows)  # fmt: skip
        Z = model.transform(held_out)
        # Each latent by itself, and the squared length of both: chi-squared where they are normal.
        square_length = stats.chi2(2).cdf((Z**2).sum(1))
        return [stats.kstest(u, "uniform").pvalue for u in (*stats.norm.cdf(Z).T, square_length)]

    level = 0.05 / 3
    assert min(p_values(Adversarial(), 70)) > level
    assert min(p_values("autoencoder", 30)) < level / 1000


# ------------------------------------------------------------------ known answers


@pytest.mark.slow
def test_a_linear_autoencoder_spans_the_subspace_of_principal_components():
    generator = np.random.default_rng(0)
    loadings = generator.normal(size=(3, 6))
    rows = generator.normal(size=(400, 3)) * [3, 2, 1] @ loadings + generator.normal(size=(400, 6))
    rows = StandardScaler().fit_transform(rows)

    def angle(**parameters):
        model = transformer(
            latent_dim=2,
            objective="autoencoder",
            hidden_layer_sizes=(),
            init="random",
            early_stopping=False,
            **{"max_epochs": 150, **parameters},
        ).fit(rows)
        back = model.inverse_transform(np.vstack([np.zeros(2), np.eye(2)]))
        return subspace_angles((back[1:] - back[0]).T, PCA(2).fit(rows).components_.T).max()

    assert angle(max_epochs=0) > 0.5
    assert angle() < 0.02
    assert angle(likelihood=Gaussian(1.0)) < 0.02


@pytest.mark.slow
def test_a_larger_beta_leaves_fewer_latents_and_worse_reconstructions():
    rows = square(300, 0)
    weak, strong = (
        transformer(latent_dim=4, objective=Beta(beta), **LINEAR).fit(rows) for beta in (0.5, 30.0)
    )
    assert weak.active_units_.sum() > strong.active_units_.sum()
    assert weak.kl_curve_[-1] > strong.kl_curve_[-1]
    assert weak.reconstruction_curve_[-1] > strong.reconstruction_curve_[-1]


def test_free_bits_keep_latents_alive():
    rows = square(300, 0)
    pressed, free = (
        transformer(objective=Beta(8.0, free_bits=bits), **LINEAR).fit(rows) for bits in (0.0, 0.7)
    )
    assert pressed.kl_per_unit_.max() < 0.5
    assert free.kl_per_unit_.min() > 0.5


def test_early_stopping_decides_nothing_before_the_warm_up_ends():
    model = transformer(
        objective=Beta(4.0, warm_up=0.5), max_epochs=20, n_iter_no_change=1,
        refit_prior=None, init="random",
    )  # fmt: skip
    model.fit(square(3_000, 0))  # no second fit
    assert model.n_iter_ >= 10
    # What is best has the final weighting behind it: an epoch of the second half.
    assert model.best_validation_score_ in model.validation_scores_[9:]


@pytest.mark.slow
def test_hidden_cells_make_the_encoder_ready_for_holes():
    rows = square(600, 0)
    holes = np.where(np.random.default_rng(0).random(rows.shape) < 0.4, np.nan, rows)
    plain, hidden = (
        transformer(
            objective=objective, max_epochs=30, init="random", early_stopping=False, lr=1e-2
        ).fit(rows)
        for objective in ("elbo", Denoising(0.0, mask=0.4))
    )

    def error(model):
        found = model.reconstruct(holes)
        return np.sqrt(np.mean((found - rows)[np.isnan(holes)] ** 2))

    assert error(hidden) < 0.9 * error(plain)


# ------------------------------------------------------------------ latent tools

FRAME = pd.DataFrame(X, columns=list("abcd"))
FRAME = FRAME.assign(large=X[:, 2] > 4, kind=np.array(list("uvw"))[Y])


@pytest.fixture(scope="module")
def model():
    parameters = {**QUICK, **LINEAR, "lr": 1e-2, "likelihood": "density"}
    return VAEDensity(2, **parameters).fit(FRAME)


@pytest.fixture(scope="module")
def same(model):
    """The same model as a transformer."""
    common = VAETransformer().get_params().keys()
    given = {name: value for name, value in model.get_params().items() if name in common}
    return VAETransformer(**given).fit(FRAME)


@pytest.mark.slow
def test_encode_is_transform_with_a_spread(model, same):
    mean, std = model.encode(FRAME, return_std=True)
    assert_array_equal(mean, model.encode(FRAME))
    q = model.vae_.posterior(as_rows(model.table_, model._values(FRAME))[0])
    assert_allclose(std, q.variance.sqrt().detach(), rtol=1e-4)
    assert_array_equal(same.transform(FRAME), mean)


def test_reconstruct_gives_rows_of_the_table(model):
    back = model.reconstruct(FRAME)
    assert back.dtypes.equals(FRAME.dtypes)
    assert (back["kind"] == FRAME["kind"]).mean() > 0.9
    drawn = model.reconstruct(FRAME[:3], n_samples=500, random_state=0)
    assert len(drawn) == 1500
    assert drawn.dtypes.equals(FRAME.dtypes)
    repeated = model.reconstruct(FRAME[:3], n_samples=500, random_state=0)
    pd.testing.assert_frame_equal(drawn, repeated)
    assert not model.reconstruct(FRAME[:3], n_samples=2).equals(
        model.reconstruct(FRAME[:3], n_samples=2)
    )
    # Draws of each row are consecutive and around it.
    for i in range(3):
        of_row = drawn[500 * i : 500 * (i + 1)]
        assert abs(of_row["c"].mean() - FRAME["c"][i]) < 1.0
    holes = FRAME.mask(np.random.default_rng(0).random(FRAME.shape) < 0.2)
    assert not model.reconstruct(holes.astype(FRAME.dtypes.drop(["large"]))).isna().any(axis=None)


def test_interpolate_goes_straight_from_end_to_end(model):
    start, end = FRAME[:1], FRAME[-1:]
    line = model.interpolate(start, end, 5)
    assert line.columns.tolist() == FRAME.columns.tolist()
    pd.testing.assert_frame_equal(line[:1], model.reconstruct(start))
    Z = model.encode(FRAME)
    by_latents = model.interpolate(Z[0], Z[-1], 5)
    pd.testing.assert_frame_equal(line, by_latents)
    mixed = model.interpolate(start, Z[-1], n_steps=5)
    pd.testing.assert_frame_equal(line, mixed)
    drawn = model.interpolate(n_steps=3, random_state=0)
    pd.testing.assert_frame_equal(drawn, model.interpolate(n_steps=3, random_state=0))
    assert not drawn[:1].reset_index(drop=True).equals(drawn[-1:].reset_index(drop=True))
    with pytest.raises(ValueError, match="end has length 3, but a row has 6 columns and a latent"):
        model.interpolate(start, np.zeros(3))
    with pytest.raises(ValueError, match=r"start must be a single row\. Got 2"):
        model.interpolate(FRAME[:2], end)
    with pytest.raises(ValueError, match="n_steps"):
        model.interpolate(start, end, 1)


def test_as_many_columns_as_latents_are_a_row_unless_latents_are_meant():
    rows = square(60, 0)[:, :2]
    model = transformer().fit(rows)
    assert_array_equal(model.interpolate(rows[0], rows[1], 2), model.reconstruct(rows[:2]))
    Z = model.transform(rows)
    assert_array_equal(
        model.interpolate(Z[0], Z[1], 2, latent=True), model.inverse_transform(Z[:2])
    )


def test_no_latent_is_drawn_from_a_prior_that_they_do_not_follow():
    model = transformer(objective="autoencoder", max_epochs=1).fit(X)
    assert len(model.interpolate(X[0], X[1], 4)) == 4
    with pytest.raises(ValueError, match="leaves latents where no prior says they are"):
        model.interpolate(X[0])


def test_traverse_moves_one_latent(model, same):
    rows = model.traverse(FRAME[:1], 1, [-1.0, 0.0, 2.0])
    Z = np.repeat(model.encode(FRAME[:1]), 3, axis=0)
    Z[:, 1] = [-1.0, 0.0, 2.0]
    pd.testing.assert_frame_equal(rows, same.inverse_transform(Z))
    with pytest.raises(ValueError, match=r"component must be an integer from 0 to 1\. Got 2"):
        model.traverse(FRAME[:1], 2, [0.0])
    with pytest.raises(ValueError, match=r"component must be an integer from 0 to 1\. Got 1\.0"):
        model.traverse(FRAME[:1], 1.0, [0.0])


def test_decoded_rows_have_the_index_of_what_they_are_decoded_from(model, same):
    shuffled = FRAME.sample(frac=1.0, random_state=0)
    assert model.reconstruct(shuffled).index.equals(shuffled.index)
    Z = pd.DataFrame(model.encode(shuffled), index=shuffled.index)
    assert same.inverse_transform(Z).index.equals(shuffled.index)
    assert model.sample_conditional(shuffled).index.equals(shuffled.index)
    assert len(model.reconstruct(shuffled, n_samples=2)) == 2 * len(shuffled)


def test_a_direction_is_the_difference_of_classes_or_the_slope_of_a_regression(model):
    Z, some = model.encode(FRAME), Y < 2
    names = np.array(["a", "b", "c"])[Y]
    expected = Z[Y == 1].mean(0) - Z[Y == 0].mean(0)
    assert_allclose(model.latent_direction(FRAME[some], names[some]), expected)
    assert_allclose(model.latent_direction(FRAME[some], Y[some] == 1), expected)
    y = X[:, 2]
    slopes = np.polyfit(y, Z, 1)[0]
    assert_allclose(model.latent_direction(FRAME, y), slopes)
    with pytest.raises(ValueError, match="y has 3 classes"):
        model.latent_direction(FRAME, names)
    with pytest.raises(ValueError, match="y has the single value 1"):
        model.latent_direction(FRAME, np.ones(150, int))
    with pytest.raises(ValueError, match="y has missing values"):
        model.latent_direction(FRAME, np.where(Y == 0, np.nan, 1.0))


def test_edit_moves_rows_from_one_class_to_the_other(model):
    some = Y < 2
    direction = model.latent_direction(FRAME[some], Y[some])
    setosa = FRAME[Y == 0]
    pd.testing.assert_frame_equal(model.edit(setosa, direction, 0.0), model.reconstruct(setosa))
    edited = model.edit(setosa, direction, 1.0)
    assert (edited["kind"] == "v").mean() > 0.8
    assert edited["c"].mean() == pytest.approx(FRAME["c"][Y == 1].mean(), abs=0.7)
    by_row = model.edit(setosa, direction, np.r_[np.zeros(25), np.ones(25)])
    assert by_row["c"][25:].mean() > by_row["c"][:25].mean() + 1.5
    drawn = model.edit(setosa[:2], direction, 1.0, n_samples=300, random_state=0)
    assert len(drawn) == 600
    assert drawn["c"].mean() == pytest.approx(edited["c"][:2].mean(), abs=0.5)
    with pytest.raises(ValueError, match=r"direction has shape \(3,\)"):
        model.edit(setosa, np.zeros(3))
    with pytest.raises(ValueError, match="amount has 4 numbers, but X has 50 rows"):
        model.edit(setosa, direction, np.zeros(4))


def test_tools_keep_what_rows_are_given():
    table = FRAME.assign(kind=FRAME["kind"].astype("category"))
    model = VAEDensity(2, context_features=["kind"], **QUICK).fit(table)
    assert (model.reconstruct(table)["kind"] == table["kind"]).all()
    assert (model.reconstruct(table, n_samples=1)["kind"] == table["kind"]).all()
    assert set(model.interpolate(table[:1], table[-1:], 4)["kind"]) == {"u"}
    assert set(model.interpolate(n_steps=4, context={"kind": "w"})["kind"]) == {"w"}
    assert set(model.traverse(table[-1:], 0, [0.0, 1.0])["kind"]) == {"w"}


def test_without_an_encoder_there_are_no_tools():
    tools = ("encode", "reconstruct", "interpolate", "traverse", "latent_direction", "edit")
    assert not any(hasattr(VAEDensity(objective="monte_carlo"), name) for name in tools)
    assert all(hasattr(VAEDensity(), name) for name in tools)


# ------------------------------------------------------------------ transfer


@pytest.mark.slow
def test_the_encoder_starts_a_supervised_network():
    model = transformer(max_epochs=40, hidden_layer_sizes=(32,), activation="tanh").fit(X)
    inputs = torch.as_tensor(StandardScaler().fit_transform(X), dtype=torch.float32)
    assert_allclose(model.encoder_(inputs).mean.detach(), model.transform(X), atol=1e-4)

    generator, y = torch.Generator().manual_seed(0), torch.as_tensor(Y)
    body = model.encoder_.body  # standardised columns -> features
    head = torch.nn.utils.skip_init(torch.nn.Linear, body.n_out, 3)
    for parameter in head.parameters():
        parameter.data.normal_(0, 0.1, generator=generator)
    network = torch.nn.Sequential(body, head)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(50):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), y).backward()
        optimizer.step()
    assert (network(inputs).argmax(1) == y).float().mean() > 0.95


def test_a_warm_start_on_another_table_keeps_the_units_of_the_first():
    model = transformer(warm_start=True).fit(X)
    before = model.likelihoods_, model.table_, model.transform(X)
    other = 1.5 * X[:60] + 1.0
    model.set_params(max_epochs=0).fit(other)
    assert model.table_ is before[1]
    assert model.init_ == "warm"
    assert_allclose(model.transform(X), before[2], atol=1e-12)  # nothing moved, units least of all
    model.set_params(max_epochs=20).fit(other)
    assert np.abs(model.transform(X) - before[2]).max() > 0.01
    fresh = transformer(max_epochs=20).fit(other)
    assert not np.allclose(fresh.transform(X), model.transform(X), atol=0.1)


def test_frozen_weights_do_not_move():
    model = transformer(warm_start=True, early_stopping=False).fit(X)
    model.encoder_.requires_grad_(False)
    encoder = [p.clone() for p in model.encoder_.parameters()]
    decoder = [p.clone() for p in model.decoder_.parameters()]
    before = model.transform(X)
    model.fit(X + 0.5)
    assert all(map(torch.equal, encoder, model.encoder_.parameters()))
    assert not all(map(torch.equal, decoder, model.decoder_.parameters()))
    assert_array_equal(model.transform(X), before)
    assert not any(p.requires_grad for p in model.encoder_.parameters())  # until they are let go
    model.encoder_.requires_grad_(True)
    model.fit(X + 0.5)
    assert not all(map(torch.equal, encoder, model.encoder_.parameters()))


def test_a_bound_does_not_go_on_with_an_encoder_without_a_spread():
    model = transformer(objective="autoencoder", warm_start=True).fit(X)
    model.fit(X)
    with pytest.raises(ValueError, match=r"which a bound of log p.* cannot train"):
        model.set_params(objective="elbo").fit(X)
    model = transformer(objective="elbo", warm_start=True).fit(X)
    with pytest.raises(ValueError, match="which an objective without a density has no use for"):
        model.set_params(objective="autoencoder").fit(X)


@pytest.mark.parametrize("far", [np.nan, np.inf, None, 1e300])
def test_latents_that_are_not_finite_are_refused_and_no_row_comes_back_as_it_was(far):
    fitted = transformer(max_epochs=1).fit(X)
    edited = [
        lambda: fitted.edit(X[:3], np.ones(2), far),
        lambda: fitted.edit(X[:3], np.ones(2), far, n_samples=2),
        lambda: fitted.traverse(X[0], 0, [0.0, far]),
        lambda: fitted.interpolate([far, 0.0], [0.0, 1.0]),
        lambda: fitted.inverse_transform([[0.0, far]]),
    ]
    for call in edited:
        with pytest.raises(ValueError, match=r"not finite|NaN|infinity"):
            call()


def test_what_a_masked_row_hides_is_missing():
    density = VAEDensity(2, **QUICK).fit(X)
    row = np.ma.array(X[0], mask=[False, True, False, False])
    hidden = np.where(row.mask, np.nan, X[0])
    assert_array_equal(density.traverse(row, 0, [0.0]), density.traverse(hidden, 0, [0.0]))
    assert_array_equal(density.interpolate(row, X[1], 3), density.interpolate(hidden, X[1], 3))
    with pytest.raises(ValueError, match="y has missing values"):
        density.latent_direction(X, np.ma.array(Y > 0, mask=Y == 2))
