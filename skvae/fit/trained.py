"""What came out of a training."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..table.codecs import Float
from .plan import Plan


@dataclasses.dataclass
class Trained:
    """What came out of a training run; the module holds the chosen weights."""

    net: Any  # the skorch net, which this file does not import
    n_epochs: int
    best_epoch: int
    n_steps: int  # behind the chosen weights
    best_score: float | None
    held_out_rows: Float | None  # bound of every held-out row under the chosen weights, (n,)
    trouble: str = ""  # what is to be said of it, if it is kept

    def curve(self, name: str) -> list[float]:
        """Return one recorded number an epoch."""
        return [float(row[name]) for row in self.net.history if name in row]

    @property
    def share(self) -> float:
        """Share of the steps it was meant to have that there was time for."""
        planned = self.net.whole_plan_.horizon
        return float(self.net.plan_.horizon / planned) if planned else 1.0

    @property
    def replay(self) -> Plan:
        """How to train again for as long as was best: batch, steps and progress as they were."""
        plan: Plan = self.net.plan_
        return plan.until(self.n_steps)


class Interrupted(KeyboardInterrupt):
    """Training was interrupted from the keyboard; it has what was best until then."""

    def __init__(self, trained: Trained):
        super().__init__()
        self.stages = [trained]


def curve(stages: list[Trained], name: str) -> list[float]:
    """Return one recorded number an epoch, stage after stage."""
    return [value for stage in stages for value in stage.curve(name)]
