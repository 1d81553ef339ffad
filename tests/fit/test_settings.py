"""Settings: what parameters come down to, compared by value."""

import numpy as np
import pandas as pd
import pytest
from torch import nn

from skvae import VAEDensity
from skvae.core.families.real import Gaussian
from skvae.core.latents.priors import Mixture
from skvae.fit.settings import by_value

SMALL = {"max_epochs": 1, "hidden_layer_sizes": (4,), "random_state": 0}
NETWORK = nn.Linear(3, 4)


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ([True, False], np.array([True, False]), [False, True]),
        (["a"], pd.Index(["a"]), ["b"]),
        ((128, 128), [128, np.int64(128)], (128,)),
        (Mixture(5), Mixture(n_components=5), Mixture(6)),
        ({"a": Gaussian(), "b": "binned"}, {"b": "binned", "a": Gaussian()}, {"a": Gaussian()}),
        ("auto", "auto", 16),
        (NETWORK, NETWORK, nn.Linear(3, 4)),
    ],
)
def test_settings_are_equal_by_value(one, same, other):
    assert by_value(one) == by_value(same)
    assert by_value(one) != by_value(other)


def test_a_warm_start_sees_a_change_among_a_thousand_columns():
    X = np.random.default_rng(0).normal(size=(12, 1002))
    mask = np.arange(1002) >= 4
    other = mask.copy()
    other[500], other[0] = False, True  # in the part of its repr that NumPy leaves out, and not
    model = VAEDensity(1, context_features=mask, warm_start=True, **SMALL).fit(X)
    model.set_params(context_features=mask.tolist()).fit(X)
    mask[500] = False  # the model keeps what it was built by, not the user's array
    with pytest.raises(ValueError, match="was built with context_features"):
        model.set_params(context_features=mask).fit(X)


def test_a_warm_start_refuses_another_network():
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = VAEDensity(1, encoder=NETWORK, warm_start=True, **SMALL).fit(X)
    model.fit(X)
    with pytest.raises(ValueError, match="was built with encoder="):
        model.set_params(encoder=nn.Linear(3, 7)).fit(X)


def test_names_and_recipes_that_mean_the_same_are_the_same():
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = VAEDensity(1, prior="mixture", warm_start=True, **SMALL).fit(X)
    model.set_params(prior=Mixture()).fit(X)
