"""Recipes: the closed table of those that a file may name, and of relations."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..core.families import bounded, codes, counts, grid, real
from ..core.images import Convolutional
from ..core.inference import proposals
from ..core.latents import posteriors, priors
from ..core.networks import CorrelatedNoise
from ..core.objectives import bounds, clamped, matching, regularised, trimmed
from ..core.recipe import Recipe
from ..table.relations.base import Refused, Relation
from ..table.relations.empty import EmptyWhen
from ..table.relations.function import Function
from ..table.relations.order import Order
from ..table.relations.sums import Sum
from .checks import check, shown

#: The kinds of recipes, and those of each by the names of their classes.
RECIPES: dict[str, type[Recipe]] = {
    f"{kind}.{recipe.__name__}": recipe
    for kind, of_kind in {
        "likelihoods": (
            *(bounded.Beta, bounded.Gamma, bounded.LogNormal),
            *(codes.Bernoulli, codes.Binned, codes.Categorical, codes.Ordinal),
            *(counts.NegativeBinomial, counts.Poisson, grid.DiscretizedLogistic),
            *(real.Gaussian, real.LogisticMixture, real.StudentT),
        ),
        "priors": (priors.FlowPrior, priors.Mixture, priors.StandardNormal, priors.Vamp),
        "posteriors": (
            *(posteriors.DiagonalGaussian, posteriors.FlowPosterior),
            *(posteriors.FullGaussian, posteriors.IsotropicGaussian),
        ),
        "objectives": (
            *(bounds.DReG, bounds.ELBO, bounds.IWAE, bounds.MonteCarlo, clamped.Clamped),
            *(matching.Adversarial, matching.MMD, trimmed.Trimmed, regularised.Autoencoder),
            *(regularised.Beta, regularised.BetaTC, regularised.Denoising),
        ),
        "proposals": (
            *(proposals.AISProposal, proposals.DefensiveProposal, proposals.EncoderProposal),
            *(proposals.LaplaceProposal, proposals.PriorProposal),
        ),
        "networks": (Convolutional, CorrelatedNoise),
    }.items()
    for recipe in of_kind
}
NAMES = {recipe: name for name, recipe in RECIPES.items()}
#: The kinds of relations.
RELATIONS: dict[str, type[Relation] | type[Refused]] = {
    kind.__name__: kind for kind in (EmptyWhen, Function, Order, Refused, Sum)
}


def recipe_tag(value: Any, writer: Any, what: str) -> tuple[str, Any] | None:
    """Return the tag of a recipe, the class of one or a relation, and what is written of it."""
    if isinstance(value, type):
        return ("class", NAMES[value]) if value in NAMES else None
    if type(value) in RELATIONS.values():
        given = [field.name for field in dataclasses.fields(value) if field.init]
        written = {name: writer.value(getattr(value, name), f"{what}: {name}") for name in given}
        return "relation", [type(value).__name__, written]
    if type(value) not in NAMES:
        return None
    fields = value.get_params(deep=False)
    written = {name: writer.value(item, f"{what}: {name}") for name, item in fields.items()}
    return "recipe", [NAMES[type(value)], written]


def read_recipe(reader: Any, found: Any) -> Recipe:
    """Return a recipe; fields that the file knows nothing of have their defaults."""
    name, written = check(found, list, "a recipe")
    recipe = read_recipe_class(reader, name)
    fields = {field.name for field in dataclasses.fields(recipe)}
    if unknown := set(check(written, dict, "a recipe")) - fields:
        raise ValueError(f"{name} has no field {shown(min(unknown))}")
    made = recipe(**{field: reader.value(item) for field, item in written.items()})
    made.validate()
    return made


def read_recipe_class(reader: Any, name: Any) -> type[Recipe]:
    """Return the class of a recipe."""
    if check(name, str, "a recipe") not in RECIPES:
        raise ValueError(f"there is no recipe {shown(name)}")
    return RECIPES[name]


def read_relation(reader: Any, found: Any) -> Relation | Refused:
    """Return a relation, without what it learned."""
    name, written = check(found, list, "a relation")
    if check(name, str, "a relation") not in RELATIONS:
        raise ValueError(f"there is no relation {shown(name)}")
    kind = RELATIONS[name]
    given = {field.name for field in dataclasses.fields(kind) if field.init}
    if unknown := set(check(written, dict, "a relation")) - given:
        raise ValueError(f"{name} has no field {shown(min(unknown))}")
    return kind(**{field: reader.value(item) for field, item in written.items()})
