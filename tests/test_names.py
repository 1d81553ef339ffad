"""Names: a class has one of its own, and every recipe is in the name space of its kind."""

import ast
from collections import Counter
from pathlib import Path

import pytest

import skvae
from skvae import likelihoods, objectives, posteriors, priors, proposals, relations
from skvae.core import Family, Objective, Posterior, Prior, Proposal
from skvae.core.recipe import descendants, is_ours, recipe_name, recipes, resolve
from skvae.table.relations.base import Relation

#: A likelihood and an objective: each is called so by its papers, and none takes the other's place.
SHARED = {"Beta"}


def test_no_two_classes_share_a_name():
    files = Path(skvae.__file__).parent.rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    count = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef))
    assert {name for name, n in count.items() if n > 1} == SHARED


@pytest.mark.parametrize(
    ("space", "base"),
    [
        (likelihoods, Family),
        (priors, Prior),
        (posteriors, Posterior),
        (objectives, Objective),
        (proposals, Proposal),
    ],
)
def test_a_name_space_has_all_recipes_of_its_kind(space, base):
    ours = {part.__name__ for part in descendants(base) if is_ours(part, base)}
    assert set(space.__all__) == ours
    table = space.__doc__
    assert all(f":class:`{name}`" in table for name in ours)
    assert set(recipes(base)) <= {recipe_name(getattr(space, name), base) for name in ours}


def test_relations_are_in_their_name_space():
    kinds = {kind.__name__ for kind in descendants(Relation)}
    assert set(relations.__all__) == {*kinds, "Refused"}
    assert all(f":class:`{name}`" in relations.__doc__ for name in relations.__all__)


def test_beta_is_a_likelihood_and_an_objective():
    assert resolve("beta", Family, "likelihood") == likelihoods.Beta()
    assert resolve("beta", Objective, "objective") == objectives.Beta()


def test_the_package_exports_no_recipe():
    assert set(skvae.__all__) == {
        *("VAEDensity", "VAETransformer", "VAEImputer", "VAEOutlierDetector", "VAEClassifier"),
        *("LogLikelihood", "CompletionQuality", "__version__", "load"),
    }
