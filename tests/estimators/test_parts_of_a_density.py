"""Priors, decoders, scales and networks of a density."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV

from skvae import VAEDensity
from skvae.likelihoods import Gaussian, StudentT
from skvae.networks import CorrelatedNoise
from skvae.objectives import ELBO, IWAE
from skvae.priors import Mixture

from .models import IRIS, quick


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


@pytest.mark.slow
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
@pytest.mark.slow
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
