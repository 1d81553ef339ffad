"""Relations: what columns have to do with one another, and which cells are missing, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..core.holes import Holes
from ..table.codecs import Float
from ..table.container import Container, Field
from ..table.identifiers import DIGEST_SIZE, Identity, Shape
from ..table.relations.base import Refused, Relation
from ..table.relations.keeping import Relations
from .checks import check, listed, take
from .values import Reader, Writer

#: The arrays that each kind has learned, by the cells of which they are: of the first column, of
#: the second, or of neither.
FACTS: dict[str, dict[str, int | None]] = {
    "Function": {"keys": 1, "images": 0, "counts": None},
    "Sum": {"ends": None, "tolerance": None, "order": None},
    "Order": {"low": None, "high": None, "ends": None},
    "EmptyWhen": {"others": 1, "counts": None, "has_missing": None},
}
HOLES = ("share", "weight", "bias")
Json = dict[str, Any]


# ---------------------------------------------------------------- relations


def written_relations(writer: Writer, relations: Sequence[Relation]) -> list[Json]:
    """Return relations that were learned as JSON."""
    return [
        {
            "relation": writer.value(relation, "relations_"),
            "rows": int(relation.n_rows_),
            "exceptions": int(relation.n_exceptions_),
            "is_always": bool(relation.is_always),
            "facts": {name: writer.array(relation.facts[name]) for name in FACTS[_kind(relation)]},
        }
        for relation in relations
    ]


def read_relations(reader: Reader, found: Any, container: Container) -> Relations:
    """Return the relations between columns of a container; none, of a file without any."""
    kept = listed([] if found is None else found, dict, "relations")
    return Relations([_read_relation(reader, one, container) for one in kept], container)


def _read_relation(reader: Reader, found: Json, container: Container) -> Relation:
    relation = reader.value(found.get("relation"))
    if isinstance(relation, Refused) or not isinstance(relation, Relation):
        raise ValueError("what is kept is no relation")
    own = container.subset(relation.positions(container))
    written, kind = take(found, "facts", dict), _kind(relation)
    facts = {name: reader.floats(written.get(name)) for name in FACTS[kind]}
    _check_facts(kind, facts, own.fields)
    relation.n_rows_ = take(found, "rows", int)
    relation.n_exceptions_ = take(found, "exceptions", int)
    relation.is_always = take(found, "is_always", bool)
    if not 0 <= relation.n_exceptions_ <= relation.n_rows_:
        raise ValueError("a relation has more exceptions than rows")
    relation.remember(own, facts)
    return relation


def _kind(relation: Relation) -> str:
    return type(relation).__name__


def _check_facts(kind: str, facts: dict[str, Float], fields: Sequence[Field]) -> None:
    """Raise ValueError where arrays are not what a kind learns."""
    shapes = {name: facts[name].shape for name in facts}
    n, k = len(facts[next(iter(facts))].ravel()), len(fields)
    wanted = {
        "Function": {"keys": (n,), "images": (n,), "counts": (n,)},
        "Sum": {"ends": (2, k), "tolerance": (1,), "order": (k,)},
        "Order": {"low": (n,), "high": (n,), "ends": (2, 2)},
        "EmptyWhen": {"others": (n,), "counts": (n,), "has_missing": (1,)},
    }[kind]
    right = shapes == wanted and (n > 0 or kind == "EmptyWhen")
    right = right and all(np.isfinite(facts[name]).all() for name in facts if name != "ends")
    right = right and bool((facts.get("counts", np.ones(1)) > 0.0).all())
    for name, of in FACTS[kind].items():
        if of is not None and fields[of].is_category:
            right = right and bool(np.isin(facts[name], np.arange(len(fields[of].levels))).all())
    rising = {"Function": "keys", "Order": "low", "EmptyWhen": "others"}.get(kind)
    if rising is not None:
        right = right and bool((np.diff(facts[rising]) >= 0.0).all())
    if "ends" in facts:
        right = right and bool((facts["ends"][0] <= facts["ends"][1]).all())
    if "order" in facts:
        right = right and sorted(facts["order"].tolist()) == list(range(k))
    if not right:
        raise ValueError(f"what a relation of the kind {kind} has learned is not whole")


# ---------------------------------------------------------------- holes


def written_holes(writer: Writer, holes: Sequence[Holes] | None) -> list[Json] | None:
    """Return models of which cells are missing, one a member of an ensemble, as JSON."""
    if holes is None:
        return None
    return [
        {name: writer.array(getattr(one, name).cpu().double().numpy()) for name in HOLES}
        for one in holes
    ]


def read_holes(
    reader: Reader, found: Any, n_latent: int, n_columns: int
) -> tuple[Holes, ...] | None:
    """Return models of which cells of so many columns are missing, given so many latents."""
    if found is None:
        return None
    return tuple(
        _read_holes(reader, one, n_latent, n_columns) for one in listed(found, dict, "holes")
    )


def _read_holes(reader: Reader, found: Json, n_latent: int, n_columns: int) -> Holes:
    shapes = ((None, n_columns), (n_latent, None), (None,))
    share, weight, bias = (
        reader.floats(take(found, name, str), shape)
        for name, shape in zip(HOLES, shapes, strict=True)
    )
    right = len(share) == weight.shape[1] == len(bias) > 0
    right = right and bool(((share >= 0.0) & (share <= 1.0)).all())
    if not right or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError("the model of missing cells is none")
    return Holes(*map(torch.from_numpy, (share, weight, bias)))


# ---------------------------------------------------------------- identifiers


def written_identity(writer: Writer, identity: Identity | None) -> Json | None:
    """Return how the identifiers of a column are drawn as JSON."""
    if identity is None:
        return None
    real = np.frombuffer(b"".join(sorted(identity.real)), np.uint8)
    shapes = [[list(shape.places), int(shape.count)] for shape in identity.shapes]
    return {"shapes": shapes, "real": writer.array(real)}


def read_identity(reader: Reader, found: Any) -> Identity | None:
    """Return how the identifiers of a column are drawn."""
    if found is None:
        return None
    shapes = [_read_shape(shape) for shape in listed(take(found, "shapes", list), list, "shapes")]
    real = reader.array(found.get("real"), (None,))
    if not shapes or real.dtype != np.uint8 or len(real) % DIGEST_SIZE:
        raise ValueError("the identifiers of a column are none")
    data = real.tobytes()
    digests = [data[i : i + DIGEST_SIZE] for i in range(0, len(data), DIGEST_SIZE)]
    return Identity(tuple(shapes), frozenset(digests))


def _read_shape(found: list[Any]) -> Shape:
    places, count = found
    places = tuple(listed(places, str, "a shape"))
    if "" in places or not 0 < check(count, int, "a count") < 2**53:
        raise ValueError("the shape of an identifier is none")
    return Shape(places, count)
