"""Priors, posteriors and bounds of the estimators, and parts that a user writes."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer
from skvae.core import Bound, Objective, Posterior, Prior
from skvae.core.latents.distributions import DiagonalNormal
from skvae.core.latents.posteriors import PosteriorHead
from skvae.core.latents.priors import PriorModule
from skvae.core.objectives.bounds import ObjectiveModule
from skvae.model.rows import as_rows
from skvae.objectives import ELBO, MonteCarlo, Trimmed
from skvae.posteriors import FlowPosterior
from skvae.priors import FlowPrior, Mixture, Vamp

QUICK = {"hidden_layer_sizes": (16,), "max_epochs": 20, "random_state": 0}
PARTS = {
    "vamp": {"prior": Vamp(5)},
    "flow prior": {"prior": FlowPrior(2, (16,))},
    "flow posterior": {"posterior": FlowPosterior(1, (16,))},
    "dreg": {"objective": "dreg"},
    "trimmed": {"objective": Trimmed(0.2, "dreg")},
    "monte carlo": {"objective": MonteCarlo(20)},
    "refitted": {"refit_prior": Mixture(3)},
    "refitted flow": {"refit_prior": FlowPrior(2, (16,))},
    "two layers": {"latent_dim": (2, 3)},
}


def clusters(n=300, seed=0):
    """Return rows of four clusters in five columns."""
    generator = np.random.default_rng(seed)
    centres = 3.0 * np.random.default_rng(1).normal(size=(4, 5))
    return centres[generator.integers(4, size=n)] + 0.5 * generator.normal(size=(n, 5))


def density(**parameters):
    return VAEDensity(**{"latent_dim": 2, **QUICK, **parameters})


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_seed_repeats_a_fit_and_no_global_state_is_touched(parts):
    X = clusters(80)
    state = torch.get_rng_state()
    first, second = (density(**parts, max_epochs=3).fit(X).score_samples(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_fitted_model_is_cloned_and_pickled(parts):
    X = clusters(40)
    model = density(**parts, max_epochs=2).fit(X)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.score_samples(X), model.score_samples(X))
    assert repr(clone(model).get_params()) == repr(model.get_params())
    parameters = sum(p.numel() for p in model.vae_.parameters())
    assert parameters == sum(p.numel() for p in copied.vae_.parameters())  # Vamp still shares


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_tables_with_holes_and_a_context(parts):
    X = pd.DataFrame(clusters(120), columns=list("abcde"))
    X["kind"] = np.where(X["a"] > 0, "high", "low")
    X.iloc[::7, 1] = np.nan
    model = density(**parts, context_features=["kind"], max_epochs=3, n_draws=16).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    drawn = model.sample(4, context={"kind": "high"}, random_state=0)
    assert set(drawn["kind"]) == {"high"}
    completed = model.sample_conditional(X.iloc[:14], random_state=0)
    assert not completed.isna().any(axis=None)


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_the_other_estimators_take_every_part(parts):
    X = clusters(60)
    y = np.where(np.arange(60) % 2 == 0, (X[:, 0] > 0).astype(int), -1)
    assert VAEClassifier(**{"latent_dim": 2, **QUICK, **parts, "max_epochs": 4}).fit(
        X, y
    ).predict_proba(X[:5]).sum(1) == pytest.approx(np.ones(5))
    X[::5, 2] = np.nan
    imputer = VAEImputer(**{"latent_dim": 2, **QUICK, **parts, "max_epochs": 4})
    assert np.isfinite(imputer.fit_transform(X)).all()
    detector = VAEOutlierDetector(**{"latent_dim": 2, **QUICK, **parts, "max_epochs": 2})
    detector.set_params(n_draws=4).fit(X)
    assert np.isfinite(detector.decision_function(X)).all()
    assert np.isfinite(detector.explain(X[1:4])).all()


# ------------------------------------------------------------------ refitted priors


@pytest.mark.parametrize("prior", [Mixture(5), FlowPrior(2, (16,)), Vamp(30)], ids=repr)
def test_a_refitted_prior_is_like_the_draws_of_the_encoder(prior):
    X = clusters(300)
    plain = density(prior="standard_normal", max_epochs=25, init="random").fit(X)
    model = clone(plain).set_params(refit_prior=prior).fit(X)
    # The same networks: nothing but the prior was trained again.
    for one, other in zip(plain.vae_.decoder.parameters(), model.vae_.decoder.parameters()):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
        assert other.requires_grad
    z = model.vae_.posterior(as_rows(model.table_, model._values(X))[0]).rsample(
        torch.randn(300, 2, generator=torch.Generator().manual_seed(0)).double()
    )
    p = model.vae_.prior(None)
    noise = torch.randn(20_000, p.n_noise, generator=torch.Generator().manual_seed(0))
    drawn = p.rsample(noise)
    assert ((drawn.mean(0) - z.mean(0)).abs() < 0.25 * z.std(0)).all()
    assert (drawn.std(0) / z.std(0)).log().abs().max() < 0.35
    assert model.score(X) > plain.score(X)
    # Its epochs were tried, though none may be ahead of where the prior started.
    assert len(model.validation_scores_) > len(plain.validation_scores_)


def test_what_a_user_froze_stays_frozen_when_a_prior_is_refitted():
    body = torch.nn.Linear(5, 7)
    body.weight.requires_grad_(False)
    model = density(encoder=body, refit_prior=Mixture(2), max_epochs=2).fit(clusters(40))
    found = model.vae_.encoder.body.module
    torch.testing.assert_close(found.weight, body.weight)
    assert not found.weight.requires_grad
    assert found.bias.requires_grad


def test_a_prior_is_refitted_after_labels_were_summed_out_and_on_a_warm_start():
    X = clusters(200)
    y = np.where(np.arange(200) % 4 == 0, (X[:, 0] > 0).astype(int), -1)
    model = VAEClassifier(2, refit_prior="mixture", **QUICK).fit(X, y)
    assert model.vae_.prior.base.n_components == 20
    again = density(refit_prior=Mixture(3), warm_start=True, max_epochs=5).fit(X)
    before = again.vae_
    again.fit(X)
    assert again.init_ == "warm"
    assert again.vae_ is not before
    assert again.vae_.prior.n_components == 3


# ------------------------------------------------------------------ two layers


def test_latent_vectors_of_two_layers_are_both():
    X = clusters(100)
    model = VAETransformer((2, 3), **QUICK).fit(X)
    Z = model.transform(X)
    assert Z.shape == (100, 5)
    assert len(model.get_feature_names_out()) == 5
    assert model.active_units_.shape == model.kl_per_unit_.shape == (5,)
    assert model.init_ == "random"
    # The upper layer reaches the rows by the lower one alone.
    moved = Z + np.array([1, 1, 0, 0, 0])
    np.testing.assert_array_equal(model.inverse_transform(moved), model.inverse_transform(Z))


def test_two_layers_fit_clusters_better_than_independent_columns():
    X, held_out = clusters(600), clusters(600, seed=2)
    model = density(latent_dim=(2, 3), max_epochs=100).fit(X)
    normal = -0.5 * ((held_out - X.mean(0)) ** 2 / X.var(0) + np.log(2 * np.pi * X.var(0)))
    assert model.score(held_out) > normal.sum(1).mean() + 1.0


@pytest.mark.parametrize("latent_dim", [0, (2, 0), (1, 2, 3), (2.5, 3), "two", ()])
def test_dimensions_without_sense_are_refused(latent_dim):
    with pytest.raises(ValueError, match="latent_dim"):
        density(latent_dim=latent_dim).fit(clusters(40))


# ------------------------------------------------------------------ searches and names


def test_fields_of_recipes_are_searched():
    model = density(prior=FlowPrior(1, (8,)), max_epochs=2)
    search = GridSearchCV(model, {"prior__n_transforms": [1, 2]}, cv=2).fit(clusters(60))
    assert search.best_params_["prior__n_transforms"] in (1, 2)
    with pytest.raises(ValueError, match=r"Give the recipe: prior=FlowPrior\(n_transforms=...\)"):
        density(prior="flow").set_params(prior__n_transforms=2)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"prior": "vampire"}, "prior='vampire' is unknown. Expected one of"),
        ({"refit_prior": "none"}, "refit_prior='none' is unknown"),
        ({"prior": Vamp(0)}, r"Vamp\(n_components=0\)"),
        ({"objective": ELBO(gradient="score")}, r"ELBO\(gradient='score'\)"),
    ],
)
def test_unknown_names_and_fields_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        density(**parameters).fit(clusters(40))


# ------------------------------------------------------------------ parts of one's own


@dataclasses.dataclass
class WidePrior(Prior):
    """A normal prior with a scale, of perhaps the wrong dimension."""

    scale: float = 2.0
    n_more: int = 0

    def build(self, n_latent, encoder=None):
        return _Wide(self.scale, n_latent + self.n_more)


class _Wide(PriorModule):
    def __init__(self, scale, n_latent):
        super().__init__()
        self.register_buffer("zero", torch.zeros(n_latent))
        self.log_scale = float(np.log(scale))

    def forward(self, context=None):
        return DiagonalNormal(self.zero, self.zero + self.log_scale)


@dataclasses.dataclass
class TorchPrior(Prior):
    """A prior whose distribution is one of torch's."""

    def build(self, n_latent, encoder=None):
        class Module(PriorModule):
            def forward(self, context=None):
                return torch.distributions.Normal(torch.zeros(n_latent), torch.ones(n_latent))

        return Module()


@dataclasses.dataclass
class FixedScale(Posterior):
    """A posterior with one scale for all rows."""

    n_more: int = 0

    def build(self, n_features, n_latent):
        return _FixedHead(n_features, n_latent + self.n_more, n_latent + self.n_more)


class _FixedHead(PosteriorHead):
    def read(self, loc, log_scale, extra, h):
        return DiagonalNormal(loc, torch.full_like(loc, -1.0))


@dataclasses.dataclass
class Flat(Objective):
    """A bound with a value a row, or one value in all."""

    per_row: bool = True

    def build(self, vae, n_train):
        return _Flat(vae, self.per_row)


class _Flat(ObjectiveModule):
    def __init__(self, vae, per_row):
        super().__init__(vae)
        self.per_row = per_row

    def forward(self, batch, generator=None):
        log_w = self.vae.draw(batch, self.noise(batch, 1, generator)).log_w[0]
        value = log_w if self.per_row else log_w.mean()
        return Bound(value, None, log_w, torch.zeros_like(log_w))


def test_parts_of_ones_own_are_taken():
    X = clusters(60)
    model = density(prior=WidePrior(), posterior=FixedScale(), objective=Flat()).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    with pytest.raises(ValueError, match="prior='wide' is unknown"):
        density(prior="wide").fit(X)  # names are those of the library


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"prior": WidePrior(n_more=1)}, r"prior: .*event shape \(2,\).* Got \(\) and \(3,\)"),
        ({"prior": TorchPrior()}, "prior: expected a PriorDistribution .* Got Normal"),
        ({"posterior": FixedScale(1)}, r"posterior: .*shape \(2,\) and event shape \(2,\)"),
    ],
)
def test_parts_of_the_wrong_shape_are_refused(parameters, message):
    with pytest.raises(TypeError, match=message):
        density(**parameters).fit(clusters(40))


def test_a_bound_without_a_value_for_each_row_is_refused():
    with pytest.raises(ValueError, match=r"expected a bound of shape \(32,\)"):
        density(objective=Flat(per_row=False)).fit(clusters(60))


def test_networks_of_ones_own_serve_two_layers():
    X = clusters(60)
    model = density(
        latent_dim=(2, 3),
        encoder=lambda: torch.nn.Linear(5, 7),
        decoder=torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh()),
    ).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    with pytest.raises(ValueError, match=r"decoder: .* shape \(n, 3\)"):
        density(latent_dim=(2, 3), decoder=torch.nn.Linear(5, 6)).fit(X)
