"""Findings: what there is to say of a drawn table, in a line and a short table."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from functools import cached_property
from typing import Any

import numpy as np

from .classifiers import FEWEST_ROWS
from .distances import N_BINS
from .privacy import ATTACKED, ClosestRecords
from .privacy import FEWEST_ROWS as FEWEST_ATTACKED
from .relations import RelationKept
from .tables import Compared

Distances = dict[Hashable, float]
#: Up to these areas under the curve rows are told apart hardly, somewhat and often.
HARDLY, SOMEWHAT, OFTEN = 0.55, 0.65, 0.8
#: A column or a pair so far from the real one is told of, and a share of missing cells.
FAR, FAR_MISSING = 0.05, 0.01
#: And a relation that holds so much less often.
BROKEN = 0.005
#: Share of drawn rows that are near copies, from which on the table is one of copies.
NEAR_COPIES = 0.8
#: Standard errors that are no chance.
SURE = 3.0
#: Lines of the text table, and characters of a name.
N_LINES, LONGEST = 10, 60


@dataclasses.dataclass(frozen=True, repr=False)
class Findings:
    """What was found of a drawn table; :class:`SyntheticReport` shows it.

    Its attributes are those that are named there, and:

    Attributes
    ----------
    compared : tuple of Compared
        The columns of the two tables.
    """

    auc: float | None
    columns: Distances
    pairs: dict[tuple[Hashable, Hashable], float]
    holdout_columns: Distances | None
    holdout_pairs: dict[tuple[Hashable, Hashable], float] | None
    relations: dict[str, RelationKept]
    closest: ClosestRecords | None
    advantage: float | None
    n_real: int
    n_synthetic: int
    n_holdout: int
    compared: tuple[Compared, ...] = dataclasses.field(compare=False)

    @property
    def verdict(self) -> str:
        """The whole in one line."""
        return self._judged[0]

    @property
    def mood(self) -> str:
        """The verdict in a word: ``"good"``, ``"fair"``, ``"bad"`` or ``"unknown"``."""
        return self._judged[1]

    @cached_property
    def _judged(self) -> tuple[str, str]:
        if copies := self._copies():
            return f"{copies} Do not hand the table out.", "bad"
        if self.auc is None:
            return f"Too few rows to tell: {FEWEST_ROWS} of each table are needed.", "unknown"
        told = [
            (HARDLY, "A classifier hardly tells drawn rows from real ones", "good"),
            (SOMEWHAT, "A classifier tells drawn rows from real ones somewhat", "fair"),
            (OFTEN, "A classifier often tells drawn rows from real ones", "fair"),
            (np.inf, "A classifier tells most drawn rows from real ones", "bad"),
        ]
        words, mood = next(each[1:] for each in told if self.auc <= each[0] + self._chance())
        verdict = f"{words} (area under the curve {self.auc:.3f}; 0.5 is a guess)."
        if self._leaning():
            return f"{verdict} They tell something of who was in the real table.", "bad"
        return verdict, mood

    def _chance(self) -> float:
        """Return the standard error of the area under the curve of as many rows."""
        return 0.4 / min(self.n_real, self.n_synthetic) ** 0.5

    def _copies(self) -> str:
        """Return what drawn rows are copies of, in words; empty if of none."""
        found, n = self.closest, self.n_synthetic
        if found is not None:
            chance = SURE * (max(found.copies_held_out, 1 / self.n_holdout) / n) ** 0.5
            if found.copies > found.copies_held_out + chance + 3 / n:
                return f"{found.copies:.1%} of the drawn rows are copies of real ones."
            # Of the copied rows as many are searched as there are held-out ones.
            searched = min(self.n_holdout / self.n_real, 1.0)
            if found.share > 0.5 + NEAR_COPIES * searched / 2:
                return "Most drawn rows are near copies of real ones."
        if self.auc is not None and self.auc < 0.5 - 5 * self._chance():
            # A row and its copy pull the classifier opposite ways: it takes each for the other.
            copies = "Many drawn rows are near copies of real ones"
            return f"{copies} (area under the curve {self.auc:.3f}; 0.5 is a guess)."
        return ""

    def _leaning(self) -> str:
        """Return by what drawn rows tell who was in the real table, in words; empty if not."""
        found, told = self.closest, []
        if found is not None and found.share > 0.5 + SURE * found.standard_error + 0.02:
            told.append(f"{found.share:.1%} are closer to it than to held-out rows")
        if self.advantage is not None and self.advantage > self._chance_advantage():
            told.append(f"an attacker has an advantage of {self.advantage:.3f}")
        return " and ".join(told)

    @cached_property
    def advice(self) -> list[str]:
        """What to do, most urgent first."""
        return [
            *self._on_privacy(),
            *self._on_relations(),
            *self._on_levels(),
            *self._on_missing(),
            *self._on_columns(),
            *self._on_pairs(),
        ] or ["Nothing stands out. Try the table on what it is for."]

    def _on_privacy(self) -> list[str]:
        told = [copies] if (copies := self._copies()) else []
        if leaning := self._leaning():
            told.append(
                f"The drawn rows tell something of who was in the real table: {leaning}. Fit to "
                "more rows, and draw fewer."
            )
        if self.closest is None:
            told.append(
                "Nothing is known of privacy: give holdout=, real rows that the model was not "
                f"fitted to, {FEWEST_ATTACKED} or more."
            )
        return told

    def _chance_advantage(self) -> float:
        """Return an advantage that chance does not make, and that matters."""
        return 0.02 + SURE * 0.7 / min(self.n_real, self.n_holdout, ATTACKED) ** 0.5

    def _on_relations(self) -> list[str]:
        broken = {
            name: kept
            for name, kept in self.relations.items()
            if kept.real - kept.synthetic > BROKEN
        }
        if not broken:
            return []
        name = max(broken, key=lambda each: broken[each].real - broken[each].synthetic)
        real, drawn = (f"{share:.1%}" for share in broken[name])
        return [
            f"{len(broken)} of {len(self.relations)} relations hold less often than in the real "
            f"table, {named(name)} in {drawn} of the rows for {real}: leave one of its columns "
            "out, and compute it from the others."
        ]

    def _on_levels(self) -> list[str]:
        new = [c for c in self.compared if c.is_discrete and not _is_within(c)]
        return [
            f"Column {named(column.name)} has values that no real row has: they give rows away."
            for column in new[:N_LINES]
        ]

    def _on_missing(self) -> list[str]:
        apart = [c for c in self.compared if abs(np.subtract(*missing_shares(c))) > FAR_MISSING]
        if not apart:
            return []
        real, drawn = (f"{share:.1%}" for share in missing_shares(apart[0]))
        return [
            f"The share of missing cells differs in {len(apart)} of {len(self.compared)} "
            f"columns, as in {named(apart[0].name)}, {drawn} for {real}: make holes in the drawn "
            "table as they are in the real one, or fill both alike."
        ]

    def _on_columns(self) -> list[str]:
        far = [c for c in self.compared if self.columns[c.name] > FAR + self._floor(c.name)]
        if not far:
            return []
        worst = max(far, key=lambda column: self.columns[column.name])
        other = "" if worst.is_discrete else "another likelihood for it ('binned'), or "
        return [
            f"The distribution differs in {len(far)} of {len(self.columns)} columns, most "
            f"in {named(worst.name)} ({self.columns[worst.name]:.3f}): look at it, and try {other}"
            "longer training."
        ]

    def _floor(self, name: Hashable) -> float:
        """Return the distance that two real columns of as many rows have."""
        if self.holdout_columns:
            return max(self._noise(name), self.holdout_columns[name])
        return self._noise(name)

    def _noise(self, *names: Hashable) -> float:
        """Return a distance that chance alone hardly makes of two real columns, or pairs."""
        columns = [column for column in self.compared if column.name in names]
        spread = (1 / self.n_real + 1 / self.n_synthetic) ** 0.5
        if not any(column.is_discrete for column in columns):
            return 1.63 * spread  # of the Kolmogorov-Smirnov statistic, in 1 of 100 columns
        sizes = [len(column.levels) or N_BINS for column in columns]
        n_cells = min(np.prod(sizes, dtype=float), self.n_real + self.n_synthetic)
        # The mean over cells, by Cauchy and Schwarz, and two standard deviations (McDiarmid's).
        return float(((n_cells / (2 * np.pi)) ** 0.5 + 1.0) * spread)

    def _on_pairs(self) -> list[str]:
        far = [(self._beyond(pair), pair) for pair in self.pairs]
        far = [(d, pair) for d, pair in far if d > FAR]
        if not far:
            return []
        _, (one, other) = max(far, key=lambda each: each[0])
        return [
            f"Columns hang together otherwise in {len(far)} of {len(self.pairs)} pairs, most in "
            f"{named(one)} and {named(other)} ({self.pairs[one, other]:.3f}): does one of them "
            "follow from the other? Then draw the one, and compute the other."
        ]

    def _beyond(self, pair: tuple[Hashable, Hashable]) -> float:
        """Return a pair's distance beyond those of its columns, and of held-out rows."""
        floor = self.holdout_pairs[pair] if self.holdout_pairs else self._noise(*pair)
        return self.pairs[pair] - max(floor, *(self.columns[name] for name in pair))

    def __str__(self) -> str:
        """Return the verdict and a short table."""
        return "\n".join(
            [self.verdict, "", *self._figures(), "", *self._worst(), "", *self._todo()]
        )

    __repr__ = __str__

    def _figures(self) -> list[str]:
        rows = [("rows, real and drawn", f"{self.n_real:,} and {self.n_synthetic:,}")]
        if self.auc is not None:
            rows.append(("told from real rows (AUC)", f"{self.auc:.3f}"))
        rows.append(("columns, mean distance", _with_floor(self.columns, self.holdout_columns)))
        if self.pairs:
            rows.append(("pairs, mean distance", _with_floor(self.pairs, self.holdout_pairs)))
        if self.relations:
            kept = max(each.real - each.synthetic for each in self.relations.values())
            rows.append(("relations, worst loss", f"{kept:.3f}"))
        if self.closest is not None and self.advantage is not None:
            rows += [
                ("closer to the real table", f"{self.closest.share:.3f}"),
                ("copies of real rows", f"{self.closest.copies:.3f}"),
                ("copies, of held-out rows", f"{self.closest.copies_held_out:.3f}"),
                ("membership advantage", f"{self.advantage:.3f}"),
            ]
        width = max(len(name) for name, _ in rows)
        return [f"{name:{width}}  {figure}" for name, figure in rows]

    def _worst(self) -> list[str]:
        worst = sorted(self.columns.items(), key=lambda item: -item[1])[:N_LINES]
        width = max(len(named(name)) for name, _ in worst)
        return ["columns farthest from the real ones:"] + [
            f"  {named(name):{width}}  {d:.3f}" for name, d in worst
        ]

    def _todo(self) -> list[str]:
        return ["what to do:", *(f"- {line}" for line in self.advice)]


def missing_shares(column: Compared) -> tuple[float, float]:
    """Return the shares of missing cells of the real and of the drawn column."""
    real, drawn = (float(np.isnan(part).mean()) for part in column.parts)
    return real, drawn


def _is_within(column: Compared) -> bool:
    """Whether all levels that were drawn are among those of real rows."""
    real, drawn = (part[~np.isnan(part)] for part in column.parts)
    return bool(np.isin(drawn, real).all())


def _with_floor(found: dict[Any, float], of_holdout: dict[Any, float] | None) -> str:
    """Return the mean distance in words, with that of held-out rows."""
    floor = f" (held-out rows {mean(of_holdout):.3f})" if of_holdout else ""
    return f"{mean(found):.3f}{floor}"


def mean(found: dict[Any, float]) -> float:
    """Return the mean of distances."""
    return float(np.mean([*found.values()]))


def named(name: Hashable) -> str:
    """Return a column's name in a sentence, cut where it is long."""
    shown = repr(name)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."
