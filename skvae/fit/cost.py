"""Cost: what a fit will take, told before it starts where that is much."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..core.families.base import ENDS, Family
from ..table.table import Table
from ..table.telling import much, warn
from .plan import Plan
from .settings import Settings

#: Measured on one processor core, with tables of 300 to 10,000 numbers a row: seconds of training
#: for each number of each draw of each row; and of factor analysis for each feature, cubed, by one
#: decomposition where columns have levels, or by a search.
STEP_SECONDS = 2.6e-8
EIGEN_SECONDS = 5e-10
SEARCH_SECONDS = 2e-8
#: Bytes for each level of each row, of which statistics are taken; for each number of a step; and
#: for each pair of features.
LEVEL_BYTES = 24.0
STEP_BYTES = 40.0
COVARIANCE_BYTES = 40.0


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a fit will take, by what it grows with.

    Attributes
    ----------
    n_numbers : int
        That describe the cells of a row: the parameters of its distributions.
    seconds : float
        Of one processor core, unless training stops early.
    n_bytes : float
    """

    n_numbers: int
    seconds: float
    n_bytes: float

    @classmethod
    def of(
        cls,
        settings: Settings,
        table: Table,
        families: Sequence[Family],
        n_rows: int,
        inits: Sequence[str],
        n_refits: int,
    ) -> Cost:
        """Return that of training from some starts, and as often again from the best."""
        levels = [n for n in table.n_levels if n > 1]
        n_features = len(table.n_levels) - len(levels) + sum(levels)
        pairs = zip(families, table.n_levels, strict=True)
        n_numbers = sum(n if n > 1 else _n_learned(family) for family, n in pairs)
        plan, n_draws = Plan.of(settings, n_rows), getattr(settings.objective, "n_draws", 1)
        in_batch = min(plan.batch_size, n_rows)
        n_rows_seen = plan.n_steps * in_batch * (len(inits) + n_refits)
        seconds = STEP_SECONDS * n_rows_seen * n_draws * n_numbers
        if settings.device.type != "cpu":
            seconds = 0.0  # which is measured for no other device
        n_bytes = STEP_BYTES * in_batch * n_draws * n_numbers
        n_bytes += LEVEL_BYTES * n_rows * sum(levels)
        if "linear" in inits:
            at_once = bool(levels) or all(family.isotropic for family in families)
            seconds += (EIGEN_SECONDS if at_once else SEARCH_SECONDS) * n_features**3
            n_bytes = max(n_bytes, COVARIANCE_BYTES * n_features**2)
        return cls(n_numbers, seconds, n_bytes)

    def tell(self, table: Table) -> None:
        """Warn where it is much."""
        if told := much(self.seconds, self.n_bytes):
            warn(
                f"This fit may take {told}: a row of {len(table.columns)} columns is described by "
                f"{self.n_numbers:,} numbers. {self._way_out(table)}, or fit with fewer rows or "
                "epochs (max_epochs)."
            )

    def _way_out(self, table: Table) -> str:
        most = max(table.columns, key=lambda column: column.codec.n_levels)
        if most.codec.n_levels < self.n_numbers / 4:
            return "Leave columns out"
        return (
            f"Column {most.name!r} alone has {most.codec.n_levels:,} levels: join the rare ones to "
            "one, or drop it"
        )


def _n_learned(family: Family) -> int:
    """Return how many numbers of a cell are learned."""
    sizes = zip(family.parameters, family.sizes(1), strict=True)
    return sum(size for sharing, size in sizes if sharing not in ENDS)
