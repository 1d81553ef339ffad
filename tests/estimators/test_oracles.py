"""A density against closed forms, sums and integrals."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.preprocessing import StandardScaler

from skvae import VAEDensity
from skvae.likelihoods import Bernoulli, Gaussian

from .models import CONVERGED, IRIS, causes_and_effects, quick, untrained


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("n_components", [1, 2])
def test_untrained_linear_start_is_factor_analysis(load, n_components):
    X = load().data
    density = untrained(n_components, likelihood=Gaussian(scale="column")).fit(X)
    scaler = StandardScaler().fit(X)
    peer = FactorAnalysis(n_components, **CONVERGED).fit(scaler.transform(X))
    expected = peer.score_samples(scaler.transform(X)) - np.log(scaler.scale_).sum()
    assert_allclose(density.score_samples(X), expected, rtol=0, atol=1e-3)


def test_a_start_with_a_scale_a_cell_is_factor_analysis_too():
    """A scale that could depend on z does not at the start."""
    X = StandardScaler().fit_transform(load_wine().data)
    density = untrained(2, likelihood="gaussian").fit(X)
    expected = FactorAnalysis(2, **CONVERGED).fit(X).score_samples(X)
    assert_allclose(density.score_samples(X), expected, rtol=0, atol=1e-3)


def test_spare_latents_start_at_zero():
    density, few = (untrained(d, likelihood="gaussian").fit(IRIS) for d in (6, 4))
    assert_allclose(density.score_samples(IRIS), few.score_samples(IRIS), rtol=0, atol=1e-3)
    n_hidden = density.vae_.decoder.body.n_hidden
    weight = density.vae_.cells.blocks[0].linear.weight
    assert (weight[:, n_hidden + 4 :] == 0).all()


@pytest.mark.slow
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


@pytest.mark.slow
def test_shuffled_columns_score_worse():
    X = load_breast_cancer().data[:, :10]
    shuffled = X.copy()
    generator = np.random.default_rng(0)
    for column in shuffled.T:
        generator.shuffle(column)
    density = quick(max_epochs=30).fit(X)
    assert density.score(X) > density.score(shuffled) + 2


@pytest.mark.parametrize("likelihood", ["auto", Gaussian(scale="column"), Gaussian(scale="row")])
@pytest.mark.slow
def test_density_integrates_to_one_in_one_dimension(likelihood):
    generator = np.random.default_rng(0)
    X = np.concatenate([generator.normal(-3, 0.5, 300), generator.normal(2, 1, 300)])[:, None]
    density = quick(likelihood=likelihood, max_epochs=30).fit(10 * X + 5)
    grid = np.linspace(-100, 100, 4001)[:, None]
    total = np.exp(density.score_samples(grid)).sum() * 0.05
    assert total == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
def test_density_integrates_to_one_in_two_dimensions():
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, 2 * np.pi, 600)
    X = np.c_[np.cos(angle), 2 * np.sin(angle)] + 0.2 * generator.normal(size=(600, 2))
    density = quick(max_epochs=30).fit(X)
    line = np.linspace(-5, 5, 101)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    assert np.exp(density.score_samples(grid)).sum() * 0.01 == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
def test_probabilities_of_a_zero_one_table_sum_to_one():
    generator = np.random.default_rng(0)
    cause = generator.uniform(size=(400, 1)) < 0.4
    X = (generator.uniform(size=(400, 4)) < np.where(cause, 0.9, 0.2)).astype(float)
    density = quick(max_epochs=30, n_draws=1024).fit(X)
    assert set(map(type, density.likelihoods_.values())) == {Bernoulli}
    cells = np.array(np.meshgrid(*[[0.0, 1.0]] * 4)).reshape(4, -1).T
    assert np.exp(density.score_samples(cells)).sum() == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
