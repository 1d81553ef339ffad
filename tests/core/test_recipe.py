"""Recipes: scikit-learn's parameter manners without scikit-learn."""

import pytest
from sklearn.base import clone

from skvae.core import Objective, Prior, Proposal
from skvae.core.recipe import recipes, resolve
from skvae.objectives import ELBO, IWAE, DReG, Trimmed
from skvae.priors import StandardNormal


def test_recipes_are_cloned_compared_and_printed():
    recipe = IWAE(n_draws=7)
    copy = clone(recipe)
    assert copy is not recipe
    assert copy == recipe
    assert repr(copy) == "IWAE(n_draws=7)"
    assert clone(recipe).set_params(n_draws=3).n_draws == 3


def test_fields_of_a_recipe_within_are_reached():
    recipe = Trimmed(0.2, IWAE(7))
    assert recipe.get_params(deep=False) == {"fraction": 0.2, "objective": IWAE(7)}
    assert recipe.get_params()["objective__n_draws"] == 7
    copy = clone(recipe).set_params(objective__n_draws=3, fraction=0.3)
    assert (copy, recipe) == (Trimmed(0.3, IWAE(3)), Trimmed(0.2, IWAE(7)))
    with pytest.raises(ValueError, match="has no parameter 'objective__n_draws'"):
        Trimmed(0.2, "iwae").set_params(objective__n_draws=3)


def test_names_come_from_classes():
    assert resolve("elbo", Objective, "objective") == ELBO()
    assert resolve("dreg", Objective, "objective") == DReG()
    assert resolve("standard_normal", Prior, "prior") == StandardNormal()
    assert {"encoder", "prior", "laplace", "defensive", "ais"} == set(recipes(Proposal))


def test_unknown_names_and_types_are_refused():
    with pytest.raises(ValueError, match=r"objective='elob' is unknown.*'elbo'"):
        resolve("elob", Objective, "objective")
    with pytest.raises(TypeError, match="prior must be one of"):
        resolve(3, Prior, "prior")
    with pytest.raises(ValueError, match="IWAE has no parameter 'draws'"):
        IWAE().set_params(draws=3)


@pytest.mark.parametrize("recipe", [ELBO(0), IWAE(2.5), DReG(0)], ids=repr)
def test_numbers_of_draws_are_checked(recipe):
    with pytest.raises(ValueError, match="expected an integer >= 1"):
        recipe.validate()
