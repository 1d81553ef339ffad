"""Context: columns that are conditioned on, as numbers a network can see."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .codecs import Float
from .container import Container, Field

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

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
    encoder : ColumnTransformer
    """

    positions: list[int]
    fields: list[Field]
    encoder: ColumnTransformer

    @classmethod
    def learn(cls, values: Float, container: Container, positions: Sequence[int]) -> Context:
        """Learn from values (n, columns of the user).

        Raises
        ------
        ValueError
            If a cell is missing.
        """
        from sklearn.compose import ColumnTransformer  # imports much
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        fields = [container.fields[j] for j in positions]
        categories = [j for j, field in enumerate(fields) if field.is_category]
        numbers = [j for j, field in enumerate(fields) if not field.is_category]
        levels = [np.arange(len(fields[j].levels)) for j in categories]
        encoder = ColumnTransformer(
            [
                ("numbers", StandardScaler(), numbers),
                ("categories", OneHotEncoder(categories=levels, sparse_output=False), categories),
            ]
        ).set_output(transform="default")  # whatever is set for the user's own
        given = values[:, list(positions)]
        _refuse_missing(given, fields)
        return cls(list(positions), fields, encoder.fit(given))

    def encode(self, values: Float) -> Float:
        """Return numbers (n, m) for values (n, columns of the user).

        Raises
        ------
        ValueError
            If a cell is missing.
        """
        given = values[:, self.positions]
        _refuse_missing(given, self.fields)
        numbers: Float = self.encoder.transform(given).clip(-LIMIT, LIMIT)
        return numbers


def _refuse_missing(given: Float, fields: Sequence[Field]) -> None:
    missing = np.isnan(given)
    if missing.any():
        row, j = (int(i) for i in np.argwhere(missing)[0])
        raise ValueError(
            f"Column {fields[j].name!r} is conditioned on (context_features), but its cell in row "
            f"{row} is missing. Fill it, or leave the column out of context_features: a model of "
            "it can do without."
        )
