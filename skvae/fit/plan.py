"""Plans: how many steps a training takes, and their learning rate."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .settings import Settings

WARM_UP_STEPS = 100
#: Share of the planned steps in which the floors of noise fall.
FALL = 0.3
#: Steps that are planned by default: so many a row of the table, within bounds.
STEPS_A_ROW, FEWEST, MOST = 8, 400, 4_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long a training may take.

    Attributes
    ----------
    batch_size : int
    horizon : int
        Steps for which the learning rate, the weights of the objective and the floors are planned.
    n_steps : int
        Steps that are taken of them, at most.
    patience : int
        Epochs without a gain of more than ``tol`` nats before training stops.
    floors_fall : bool
        Whether the floors of noise start high, as where a model is new.
    """

    batch_size: int
    horizon: int
    n_steps: int
    patience: int
    floors_fall: bool = True

    @classmethod
    def of(
        cls,
        settings: Settings,
        n_rows: int,
        stage: int = 0,
        n_stages: int = 1,
        *,
        is_new: bool = True,
    ) -> Plan:
        """Plan one of some stages, which share the epochs, of a model that is new or is not."""
        batch_size = settings.batch_size or default_batch_size(n_rows)
        max_epochs = settings.max_epochs
        if max_epochs is None:
            max_epochs = default_max_epochs(n_rows, batch_size)
            max_epochs = min(max_epochs, settings.door.max_epochs or max_epochs)
        max_epochs = (max_epochs + stage) // n_stages  # which add up
        # The cosine needs its horizon: much is gained when the rate is nearly zero.
        patience = settings.n_iter_no_change or max(max_epochs // 3, 20)
        n_steps = max_epochs * math.ceil(n_rows / batch_size)
        return cls(batch_size, n_steps, n_steps, patience, is_new and stage == 0)

    def until(self, n_steps: int) -> Plan:
        """Return the same plan, to be ended after some of its steps."""
        return dataclasses.replace(self, n_steps=n_steps)

    def within(self, n_steps: int) -> Plan:
        """Return a plan for so many steps, if these are fewer."""
        n_steps = min(n_steps, self.horizon)
        return dataclasses.replace(self, horizon=n_steps, n_steps=n_steps)

    def n_epochs(self, n_rows: int) -> int:
        """Return the epochs that the steps take, the last perhaps not whole."""
        return math.ceil(self.n_steps / math.ceil(n_rows / self.batch_size))

    def progress(self, step: int) -> float:
        """Return the share of the planned steps that is done before a step."""
        return min(step / max(self.horizon, 1), 1.0)

    def fallen(self, step: int) -> float:
        """Return which share of their way down the floors have done before a step."""
        n_steps = int(FALL * self.horizon) if self.floors_fall else 0
        return step / n_steps if step < n_steps else 1.0

    def rate(self, step: int) -> float:
        """Return what the learning rate is multiplied by: a warm-up, then a cosine to zero."""
        warm_up = min(WARM_UP_STEPS, max(self.horizon // 10, 1))
        cosine = 0.5 * (1.0 + math.cos(math.pi * self.progress(step)))
        return cosine * min(1.0, (step + 1) / warm_up)


def default_batch_size(n_rows: int) -> int:
    """Return a power of two that gives at least sixteen steps an epoch, from 32 to 512."""
    return int(2 ** np.clip(np.floor(np.log2(max(n_rows / 16, 1))), 5, 9))


def default_max_epochs(n_rows: int, batch_size: int) -> int:
    """Return the epochs of 400 to 4,000 steps, eight a row, from 5 to 500."""
    n_steps = np.clip(STEPS_A_ROW * n_rows, FEWEST, MOST)
    return int(np.clip(n_steps * batch_size // n_rows, 5, 500))
