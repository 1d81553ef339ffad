"""Every warning names the line of the user's that it is about."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

from skvae import VAEDensity, VAEImputer, VAETransformer

X = load_iris().data[:60]
SMALL = {"max_epochs": 1, "hidden_layer_sizes": (4,), "random_state": 0}
HOLES = np.where(np.random.default_rng(0).random(X.shape) < 0.3, np.nan, X)
EMPTY = pd.DataFrame(X).assign(nothing=np.nan).rename(columns=str)


def lines_of(act):
    """Return where the warnings of an act point to: file and source line."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        act()
    return {(w.filename, w.lineno) for w in said if issubclass(w.category, UserWarning)}


def uneven(model):
    """Let the encoder miss every posterior, so that few draws decide."""
    model.vae_.encoder.posterior.linear.bias.data += 40.0
    return model


ACTS = {
    "an empty column": lambda: VAEDensity(1, **SMALL).fit(EMPTY),
    "an empty column, by fit_transform": lambda: VAETransformer(1, **SMALL).fit_transform(EMPTY),
    "an empty column, in a pipeline": lambda: make_pipeline(VAETransformer(1, **SMALL)).fit(EMPTY),
    "too few rows to hold out": lambda: VAEDensity(
        1, early_stopping=True, validation_fraction=0.9, **SMALL
    ).fit(X[:3]),
    "scores": lambda: SCORED.log_likelihood(X, proposal="encoder"),
    "completions": lambda: SCORED.sample_conditional(HOLES),
    "imputations": lambda: IMPUTED.sample_imputations(HOLES, 1),
    "an imputer that draws": lambda: DRAWN.transform(HOLES),
}


@pytest.fixture(autouse=True, scope="module")
def _models():
    global SCORED, IMPUTED, DRAWN
    parameters = {"proposal": "encoder", "n_draws": 30, **SMALL}
    SCORED = uneven(VAEDensity(2, **parameters).fit(X))
    IMPUTED = uneven(VAEImputer(2, **parameters).fit(X))
    DRAWN = uneven(VAEImputer(2, sample_posterior=True, **parameters).fit(X))


@pytest.mark.parametrize("name", ACTS)
def test_a_warning_names_the_line_of_the_user(name):
    act = ACTS[name]
    first = act.__code__.co_firstlineno
    found = lines_of(act)
    assert found, "no warning"
    assert all(file == __file__ and first <= line <= first + 2 for file, line in found), found
