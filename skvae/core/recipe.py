"""Recipes: the hyper-parameters of a pluggable part, without data and without tensors."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, TypeVar

R = TypeVar("R", bound="Recipe")


@dataclasses.dataclass
class Recipe:
    """Hyper-parameters of one part of a model, with scikit-learn's parameter manners.

    A recipe is a dataclass; its fields are its parameters. It has ``get_params`` and
    ``set_params``, so that ``sklearn.base.clone`` copies it and ``GridSearchCV`` reaches into
    it (``objective__n_draws``), although nothing here imports scikit-learn.
    """

    def validate(self) -> None:
        """Raise ValueError where a field has no meaning."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the fields by name; ``deep`` ones too, as ``objective__n_draws``."""
        params = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        inner = [(name, part) for name, part in params.items() if isinstance(part, Recipe)]
        for name, part in inner if deep else []:
            params |= {f"{name}__{key}": value for key, value in part.get_params().items()}
        return params

    def set_params(self: R, **params: Any) -> R:
        """Set fields by name and return the recipe.

        Raises
        ------
        ValueError
            If a name is not a field.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}. It has: {sorted(known)}."
                )
            outer, _, inner = name.partition("__")
            if inner:
                getattr(self, outer).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self


def recipe_name(recipe: type[Recipe], base: type[Recipe]) -> str:
    """Return the string that stands for a recipe: its class name in snake case.

    >>> from skvae.core import Objective, Proposal, Prior
    >>> from skvae.objectives import DReG
    >>> from skvae.priors import StandardNormal
    >>> from skvae.proposals import PriorProposal
    >>> recipe_name(StandardNormal, Prior), recipe_name(PriorProposal, Proposal)
    ('standard_normal', 'prior')
    >>> recipe_name(DReG, Objective)  # an abbreviation is one word
    'dreg'
    """
    name = recipe.__name__.removesuffix(base.__name__)
    return re.sub(r"(?<=[a-z]{2})(?=[A-Z])", "_", name).lower()


def recipes(base: type[R]) -> dict[str, type[R]]:
    """Return every concrete recipe of this package below ``base`` by name.

    A recipe that a user wrote is given as it is: a name of theirs would be another one tomorrow. So
    is one that has a field without a default.
    """
    return {
        recipe_name(part, base): part
        for part in descendants(base)
        if is_ours(part, base) and not _wants_fields(part)
    }


def is_ours(recipe: type[Recipe], base: type[Recipe]) -> bool:
    """Whether a recipe is a concrete and public one of the package that has its base."""
    ours = recipe.__module__.startswith(base.__module__.rpartition(".")[0])
    return ours and not recipe.__name__.startswith("_") and not inspect.isabstract(recipe)


def _wants_fields(recipe: type[Recipe]) -> bool:
    missing = dataclasses.MISSING
    fields = dataclasses.fields(recipe)
    return any(field.default is missing and field.default_factory is missing for field in fields)


def descendants(base: type[R]) -> Iterator[type[R]]:
    """Yield every subclass of ``base`` that is imported."""
    for child in base.__subclasses__():
        yield child
        yield from descendants(child)


def resolve(value: str | R, base: type[R], parameter: str) -> R:
    """Turn a name or a recipe into a recipe.

    Parameters
    ----------
    value : str or Recipe
        ``"iwae"`` or ``IWAE(n_draws=10)``.
    base : type
        The kind of part wanted: ``Prior``, ``Posterior``, ``Objective``, ``Family``, ...
    parameter : str
        The name of the user's parameter, for the error.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If ``value`` is neither a string nor a ``base``.
    """
    known = recipes(base)
    if isinstance(value, str):
        if value not in known:
            raise ValueError(
                f"{parameter}={value!r} is unknown. Expected one of {sorted(known)} "
                f"or an instance of {base.__name__}."
            )
        return known[value]()
    if not isinstance(value, base):
        raise TypeError(
            f"{parameter} must be one of {sorted(known)} or an instance of {base.__name__}. "
            f"Got {value!r} of type {type(value).__name__}."
        )
    return value
