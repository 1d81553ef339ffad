"""Reading: the parameter ``relations``, and the relations of a table by it."""

from __future__ import annotations

from typing import Any

from ..codecs import Float
from ..container import Container
from .base import Refused, Relation
from .finding import find_relations
from .keeping import Relations


def check_relations(given: Any) -> None:
    """Raise TypeError unless it is "auto", None, or a list of relations."""
    if given is None or (isinstance(given, str) and given == "auto"):
        return
    if not isinstance(given, list | tuple):
        raise TypeError(
            f"relations must be 'auto', None or a list of relations, as [Order('built', "
            f"'remodelled')]. Got {given!r}."
        )
    for item in given:
        if not (isinstance(item, Relation | Refused) or (isinstance(item, str) and item == "auto")):
            raise TypeError(
                f"relations has {item!r}, but expected 'auto', Refused(...), or one of "
                "skvae.relations: Function, Sum, Order, EmptyWhen."
            )


def read_relations(given: Any, container: Container, values: Float, usable: set[int]) -> Relations:
    """Return the relations to keep, learned from values (n, c).

    Those that are found, in a DataFrame with ``"auto"``, between columns at ``usable`` positions;
    and those that are named, which are kept in every row whatever training rows do.

    Raises
    ------
    ValueError, TypeError
        If one names a column that there is not, or cannot be.
    """
    check_relations(given)
    items = [given] if isinstance(given, str) else list(given or ())
    refused = [item.relation for item in items if isinstance(item, Refused)]
    for relation in refused:
        relation.positions(container)
    named = [
        item.learned(container, values).without_exceptions()
        for item in items
        if isinstance(item, Relation)
    ]
    found: list[Relation] = []
    if "auto" in [item for item in items if isinstance(item, str)] and container.backend:
        found = [
            relation
            for relation in find_relations(container, values, usable)
            if not any(_is_same(relation, other) for other in [*refused, *named])
        ]
    return Relations([*found, *named], container)


def _is_same(relation: Relation, other: Relation) -> bool:
    """Whether two relations are of one kind and about the same columns."""
    return type(relation) is type(other) and {*relation.columns} == {*other.columns}
