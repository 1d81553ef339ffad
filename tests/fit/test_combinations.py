"""What goes together trains, scores and draws; what does not is refused before training."""

import ast
import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from torch.nn import Linear

from skvae import VAEDensity, VAETransformer
from skvae.objectives import MonteCarlo
from skvae.priors import Vamp
from skvae.proposals import AISProposal

sys.path.insert(0, str(Path(__file__).parents[2]))

from docs.combinations import DEFAULTS, KINDS, PAGE, section, settings, with_fields
from skvae.fit.combinations import refusals

SETTINGS = settings()
PARAMETERS = list(dict.fromkeys(parameter for parameter, _ in SETTINGS))
RECIPES = ("prior", "posterior", "objective", "latent_dim")
#: Fewer pseudo-inputs, draws and temperatures than by default, to be quick.
SMALL = {"'vamp'": Vamp(3), "'monte_carlo'": MonteCarlo(10), "'ais'": AISProposal(3, 2)}


def of(parameter):
    return [setting for setting in SETTINGS if setting[0] == parameter]


def estimator(*chosen):
    """Return an estimator with some settings, and why it is to be refused."""
    # Rules know of no estimator where none is chosen: of one that refuses what has no density.
    no_density = ("autoencoder", "adversarial", "mmd")
    only_latents = any(value.strip("'") in no_density for _, value in chosen)
    kind, parameters = VAETransformer if only_latents else VAEDensity, {"latent_dim": 2}
    for parameter, value in chosen:
        if parameter == "estimator":
            kind = {"VAEDensity": VAEDensity, "VAETransformer": VAETransformer}[value]
        elif parameter == "encoder":
            parameters["encoder"] = None if value == "None" else Linear(3, 4)
        elif parameter == "latent_dim":
            parameters["latent_dim"] = 2 if value == "16" else (2, 2)
        else:
            parameters[parameter] = SMALL.get(value, ast.literal_eval(value))
    fields = {name: field for s in chosen for name, field in SETTINGS[s].items()}
    quick = {"max_epochs": 1, "hidden_layer_sizes": (8,), "n_draws": 8, "random_state": 0}
    return kind(**quick, **parameters), refusals(with_fields(**fields))


def rows(n=30):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n, 3))
    X[:, 2] += X[:, 0] ** 2
    return X


def check(*chosen):
    model, reasons = estimator(*chosen)
    if reasons:
        with pytest.raises(ValueError, match=f"^{re.escape(reasons[0])}$"):
            model.fit(rows())
        assert not hasattr(model, "vae_")
        return
    model.fit(rows())
    if hasattr(model, "score_samples"):
        assert np.isfinite(model.score_samples(rows(3))).all()
    if hasattr(model, "sample"):
        assert np.isfinite(model.sample(3, random_state=0)).all()
    if isinstance(model, VAETransformer):
        Z = model.transform(rows())
        assert Z.shape == (30, model.vae_.n_latent)
        assert model.inverse_transform(Z).shape == (30, 3)


@pytest.mark.parametrize("objective", of("objective"), ids=str)
@pytest.mark.parametrize("prior", of("prior"), ids=str)
@pytest.mark.slow
def test_every_prior_posterior_bound_and_number_of_layers(prior, objective):
    for others in itertools.product(of("posterior"), of("latent_dim")):
        check(prior, objective, *others)


@pytest.mark.parametrize("parameter", [p for p in PARAMETERS if p not in RECIPES])
@pytest.mark.slow
def test_everything_else_with_everything_else(parameter):
    default = [("proposal", "'defensive'"), ("prior", "'mixture'"), ("latent_dim", "16")]
    for setting, other in itertools.product(of(parameter), SETTINGS):
        if other[0] != parameter and setting not in default and other not in default:
            check(setting, other)


def test_the_page_shows_the_rules():
    assert section() in PAGE.read_text()


def test_defaults_are_those_of_the_estimators():
    assert {name: getattr(VAEDensity(), name) for name in KINDS} == DEFAULTS


def test_a_fitted_model_without_an_encoder_cannot_draw_from_it():
    model = VAEDensity(2, objective=MonteCarlo(10), max_epochs=1, random_state=0).fit(rows())
    assert model.encoder_ is None
    with pytest.raises(ValueError, match="trains no encoder, from which proposal='encoder' draws"):
        model.log_likelihood(rows(2), proposal="encoder")
    assert model.log_likelihood(rows(5)).gap.mean() > 0  # of a row it may be less, by 64 draws
