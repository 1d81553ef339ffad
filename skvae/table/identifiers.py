"""Identifiers: columns in which every row has a string of its own, and new ones of their shape."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import string
from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np

from .codecs import Float
from .container import Container, Field, column_mask
from .hints import IDENTIFIER, is_declared, of_categories

#: Fewest rows that tell.
MIN_ROWS = 50
#: Shapes that are kept, the commonest; and strings of one shape from which on its places have
#: letters and digits of their own.
MAX_SHAPES, MIN_STRINGS = 1_000, 20
#: Tries for a new string, before its places hold more.
TRIES = 20
#: Bytes of what is kept of a real string, by which it is known.
DIGEST_SIZE = 8


@dataclasses.dataclass(frozen=True)
class Shape:
    """How strings of one length are made: what each place may hold, and how often they are seen."""

    places: tuple[str, ...]
    count: int


@dataclasses.dataclass(frozen=True)
class Identity:
    """The strings of a column of identifiers: their shapes, and by which real ones are known."""

    shapes: tuple[Shape, ...]
    real: frozenset[bytes] = dataclasses.field(repr=False)

    @classmethod
    def of(cls, strings: Sequence[str]) -> Identity:
        """Learn from distinct strings.

        Letters and digits may change, from place to place by what is there; all else stays.
        """
        groups: dict[str, list[str]] = defaultdict(list)
        for text in strings:
            groups["".join("a" if c.isalnum() else c for c in text)].append(text)
        seen = "".join(sorted({c for text in strings for c in text if c.isalnum()}))
        commonest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MAX_SHAPES]
        shapes = [Shape(_places(key, some, seen), len(some)) for key, some in commonest]
        return cls(tuple(shapes), frozenset(map(_digest, strings)))

    def draw(self, n: int, random: np.random.RandomState) -> list[str]:
        """Draw n strings, all distinct and none of them a real one."""
        counts = np.array([shape.count for shape in self.shapes], dtype=float)
        of_rows = random.choice(len(counts), n, p=counts / counts.sum())
        drawn: list[str] = [""] * n
        used: set[str] = set()
        left = list(range(n))
        for k in itertools.count():
            # Where hardly any is left of a shape, places hold more, and then there are more.
            wide = [_widened(shape.places, k // TRIES) for shape in self.shapes]
            again = []
            for i in left:
                text = _string(wide[of_rows[i]], random)
                if text in used or _digest(text) in self.real:
                    again.append(i)
                else:
                    used.add(text)
                    drawn[i] = text
            if not again:
                return drawn
            left = again
        raise AssertionError


def _widened(places: tuple[str, ...], k: int) -> tuple[str, ...]:
    """Return places that hold all letters or digits: those that change, all digits, and more."""
    if k == 0:
        return places
    wide = tuple(_whole_classes(p) if len(p) > 1 or (k > 1 and p.isdigit()) else p for p in places)
    return wide + (string.digits,) * max(k - 2, 0)


def _whole_classes(place: str) -> str:
    """Return all digits and letters of the kinds that a place holds."""
    kinds = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    return "".join(sorted({*place, *"".join(kind for kind in kinds if {*kind} & {*place})}))


def _places(key: str, strings: list[str], seen: str) -> tuple[str, ...]:
    """Return what each place of strings of one shape may hold."""
    few = len(strings) < MIN_STRINGS
    return tuple(
        c if not c.isalnum() else seen if few else "".join(sorted({text[k] for text in strings}))
        for k, c in enumerate(key)
    )


def _string(places: tuple[str, ...], random: np.random.RandomState) -> str:
    u = random.random_sample(len(places))
    return "".join(place[int(x * len(place))] for place, x in zip(places, u, strict=True))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_SIZE).digest()


def find_identifiers(
    values: Float,
    container: Container,
    categorical: Any,
    stated: Collection[Hashable],
    context: Collection[int],
) -> list[int]:
    """Return the positions of columns (n, c) in which every row has a string of its own.

    Not of those that are said to be categories, by dtype or ``categorical``, whose likelihood is
    ``stated``, or that are conditioned on; nor of strings that are numbers or dates.
    """
    named = None if isinstance(categorical, str) else categorical
    marked = column_mask(named, container.names, "categorical_features")
    found = []
    for j, field in enumerate(container.fields):
        column = values[:, j]
        seen = column[~np.isnan(column)]
        skipped = marked[j] or j in context or field.name in stated or is_declared(container, j)
        if skipped or field.role != "category" or len(seen) < MIN_ROWS:
            continue
        is_text = all(isinstance(level, str) for level in field.levels)
        is_distinct = is_text and len(np.unique(seen)) == len(seen)
        if is_distinct and of_categories(field, seen, False) == IDENTIFIER:
            found.append(j)
    return found


def with_identifiers(container: Container, positions: Sequence[int]) -> Container:
    """Return a container whose columns at some positions are of identifiers."""
    fields = [
        Field(field.name, "identifier", identity=Identity.of(field.levels))
        if j in positions
        else field
        for j, field in enumerate(container.fields)
    ]
    return Container(fields, container.backend, container.dtypes, container.labels)


def with_new_ones(container: Container, values: Float, random: np.random.RandomState) -> Float:
    """Return values (n, c) with a number where a new identifier is to be drawn by it."""
    some = [j for j, field in enumerate(container.fields) if field.role == "identifier"]
    if not some:
        return values
    values = values.copy()
    for j in some:
        missing = np.isnan(values[:, j])
        values[missing, j] = random.randint(2**31 - 1, size=missing.sum())
    return values
