"""What cannot work is refused, by name, and nothing fitted is lost."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from skvae.likelihoods import Gaussian
from skvae.objectives import IWAE
from skvae.priors import Mixture
from skvae.proposals import AISProposal, DefensiveProposal

from .models import IRIS, causes_and_effects, quick


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
        (
            pd.DataFrame({"age": [1.0, 2.0], "part": [pd.Series([1, 2])] * 2}),
            TypeError,
            r"Column 'part' holds objects of types \['Series'\]",
        ),
        (
            pd.DataFrame({"age": [1.0, 2.0], "part": [np.zeros(2)] * 2}),
            TypeError,
            r"Column 'part' holds objects of types \['ndarray'\]",
        ),
        (
            pd.DataFrame({"n": pd.Series([1, 10**400], dtype=object)}),
            ValueError,
            "Column 'n' cannot have the value 1000.*too large",
        ),
        (
            np.array([[1.0, 2.0], [3.0, 10**400]], object),
            ValueError,
            "Column 1 cannot have the value 1000.*of row 1.*too large",
        ),
        (
            np.array([[1.0, 2.0], [dt.datetime(2020, 1, 1), 2.0]], object),
            TypeError,
            r"Column 0 cannot have the value datetime.* of row 1.*give a DataFrame",
        ),
        (
            np.array([(1.0, 2), (3.0, 4)], dtype=[("a", "f8"), ("b", "i4")]),
            TypeError,
            r"X is an array of .*Of records make a DataFrame",
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


@pytest.mark.parametrize("nan", ["NaN", "sNaN"])
def test_decimals_that_are_no_number_are_missing(nan):
    cells = [Decimal(nan), *map(Decimal, range(20))]
    X = np.array([cells]).T
    assert quick(max_epochs=1).fit(X).score_samples(X)[0] == 0.0


def test_strings_of_numpy_are_strings():
    words = pd.Series([np.str_("a"), "b"] * 10, dtype=object)
    density = quick(max_epochs=1).fit(pd.DataFrame({"w": words}))
    assert set(density.sample(20, random_state=0)["w"]) == {"a", "b"}
