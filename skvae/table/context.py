"""Context: columns that are conditioned on, as numbers a network can see."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from sklearn.preprocessing import StandardScaler

from .codecs import Float
from .container import Container, Field

#: Numbers are held within so many standard deviations: farther out than any seen, networks would
#: answer with scales beyond all bounds.
LIMIT = 10.0


@dataclasses.dataclass(frozen=True)
class Context:
    """Columns that are conditioned on; use :meth:`learn` to make one.

    Numbers and times are standardised, and held within ten standard deviations; categories have an
    indicator for each level. None may be missing: what is not known cannot be conditioned on.

    Attributes
    ----------
    positions : list of int
        Among the columns of the user.
    fields : list of Field
    location, scale : ndarrays
        Of the columns that are no categories, by which they are standardised.
    """

    positions: list[int]
    fields: list[Field]
    location: Float
    scale: Float

    @classmethod
    def learn(cls, values: Float, container: Container, positions: Sequence[int]) -> Context:
        """Learn from values (n, columns of the user).

        Raises
        ------
        ValueError
            If a cell is missing.
        """
        fields = [container.fields[j] for j in positions]
        given = values[:, list(positions)]
        _refuse_missing(given, fields)
        numbers = given[:, _numbers(fields)]
        if not numbers.shape[1]:
            return cls(list(positions), fields, np.empty(0), np.empty(0))
        scaler = StandardScaler().fit(numbers)
        return cls(list(positions), fields, scaler.mean_, scaler.scale_)

    @property
    def width(self) -> int:
        """How many numbers it makes of a row."""
        levels = [len(field.levels) for field in self.fields if field.is_category]
        return len(self.location) + sum(levels)

    def encode(self, values: Float) -> Float:
        """Return numbers (n, m) for values (n, columns of the user): categories come last.

        Raises
        ------
        ValueError
            If a cell is missing.
        """
        given = values[:, self.positions]
        _refuse_missing(given, self.fields)
        numbers = (given[:, _numbers(self.fields)] - self.location) / self.scale
        indicators = [
            (given[:, [j]] == np.arange(len(field.levels))).astype(float)
            for j, field in enumerate(self.fields)
            if field.is_category
        ]
        return np.concatenate([numbers, *indicators], axis=1).clip(-LIMIT, LIMIT)


def _numbers(fields: Sequence[Field]) -> list[int]:
    """Return which of the columns are no categories."""
    return [j for j, field in enumerate(fields) if not field.is_category]


def _refuse_missing(given: Float, fields: Sequence[Field]) -> None:
    missing = np.isnan(given)
    if missing.any():
        row, j = (int(i) for i in np.argwhere(missing)[0])
        raise ValueError(
            f"Column {fields[j].name!r} is conditioned on (context_features), but its cell in row "
            f"{row} is missing. Fill it, or leave the column out of context_features: a model of "
            "it can do without."
        )
