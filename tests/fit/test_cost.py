"""What takes long, or much memory, says so before it starts. Here a warning ends it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from skvae import VAEClassifier, VAEDensity
from skvae.fit.columns import learn_columns
from skvae.fit.cost import Cost
from skvae.table.container import Container
from skvae.table.telling import much

RANDOM = np.random.default_rng(0)
N = 20_000
QUICK = {"hidden_layer_sizes": (4,), "max_epochs": 1, "init": "random", "random_state": 0}


@pytest.fixture(scope="module")
def density():
    return VAEDensity(1, **QUICK).fit(RANDOM.normal(size=(50, 10)))


def test_numbers_of_numpy_are_parameters():
    X, sizes = RANDOM.normal(size=(20, 2)), np.array([4, 3])
    parameters = QUICK | {"max_epochs": np.int64(1), "hidden_layer_sizes": sizes}
    VAEDensity(np.int64(1), **parameters).fit(X).score_samples(X)


def test_a_category_of_many_levels_is_told():
    codes = RANDOM.integers(0, 5_000, N)
    X = pd.DataFrame({"x": RANDOM.normal(size=N), "city": np.char.add("city ", codes.astype(str))})
    with pytest.raises(
        UserWarning, match=r"take about \d+ min.* Column 'city' alone has 4,\d+ lev"
    ):
        VAEDensity().fit(X)
    with pytest.raises(UserWarning, match=r"core and about \d+ GiB of memory"):
        VAEDensity().fit(pd.concat([X] * 3, ignore_index=True))


def test_many_columns_are_told():
    X = RANDOM.normal(size=(1_000, 2_000))
    with pytest.raises(UserWarning, match=r"take about \d+ min.*2000 columns.*Leave columns out"):
        VAEDensity().fit(X)


def test_many_draws_are_told(density):
    told = pytest.raises(UserWarning, match=r"about \d+ GiB of memory. Draw 1,000,000 at a time")
    with told:
        density.sample(10**8)
    with told:
        density.sample_conditional(np.full((1, 10), np.nan), n_samples=10**8)
    X = RANDOM.normal(size=(50, 10))
    with told:
        VAEClassifier(1, **QUICK).fit(X, X[:, 0] > 0).sample(10**8)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_digits])
def test_ordinary_tables_are_not_told(load):
    X = load(as_frame=True).data
    settings = VAEDensity()._settings()
    container = Container.of(X)
    table, families = learn_columns(container.values(X), container, 0, settings)
    cost = Cost.of(settings, table, families, len(X), ["linear", "random"], n_refits=1)
    assert much(cost.seconds, cost.n_bytes) == ""


def test_a_batch_of_more_rows_than_there_are_is_not_told():
    VAEDensity(1, **{**QUICK, "batch_size": 10**9}).fit(RANDOM.normal(size=(40, 3)))
