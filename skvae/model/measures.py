"""Measures: what a score of a column is."""

from __future__ import annotations

from collections.abc import Hashable

from ..core.families.base import Family
from ..table.table import Column, Table


class Likelihoods(dict[Hashable, Family]):
    """The family of every column by name; its repr is a table that tells the measures too."""

    def __init__(self, families: dict[Hashable, Family], measures: dict[Hashable, str]):
        super().__init__(families)
        self.measures = measures

    @classmethod
    def of(cls, table: Table, families: list[Family]) -> Likelihoods:
        """Say what the columns of a table are modelled by."""
        named = dict(zip((column.name for column in table.columns), families, strict=True))
        measures = {
            column.name: measure(column, family)
            for column, family in zip(table.columns, families, strict=True)
        }
        return cls(named, measures)

    def __repr__(self) -> str:
        rows = [(repr(name), repr(self[name]), self.measures[name]) for name in self]
        widths = [max(len(row[i]) for row in rows) for i in range(2)]
        return "\n".join(
            f"{name:{widths[0]}}  {family:{widths[1]}}  {of}" for name, family, of in rows
        )


def measure(column: Column, family: Family) -> str:
    """Return what the score of a cell is, in words."""
    if family.measure == "density":
        return "density"
    over = column.codec.mass_over
    if family.kind == "grid":
        return "probability" if over == 1 else f"density; of a value, probability over {over:g}"
    discrete = column.field.is_category or column.field.role in ("integer", "boolean")
    if discrete or family.kind in ("count", "binary"):
        return "probability"
    return "density" if over is None else f"density; of a repeated value, probability over {over:g}"
