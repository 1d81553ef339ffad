"""The budget of a fit: the seconds that are left, shared by its trainings."""

from __future__ import annotations

import math
import time

#: Steps by which a plan is timed, again and again.
TIMED_STEPS = 10


class Budget:
    """Seconds from now on, for trainings one after the other.

    Parameters
    ----------
    seconds : float or None
        None: as long as it takes.

    Attributes
    ----------
    n_trainings : int
        How many are still to come.
    """

    def __init__(self, seconds: float | None):
        self.end = math.inf if seconds is None else time.monotonic() + seconds
        self.n_trainings = 1

    def take(self) -> Allowance:
        """Return an equal share of what is left for the next training."""
        now = time.monotonic()
        share = (self.end - now) / max(self.n_trainings, 1)
        self.n_trainings -= 1
        return Allowance(now, now + share)


class Allowance:
    """The time of one training, which began a moment ago.

    Parameters
    ----------
    start, end : float
        By the monotonic clock.
    """

    def __init__(self, start: float, end: float):
        self.start, self.end = start, end

    def n_steps(self, n_done: int) -> float:
        """Return how many steps it takes in all, by the time that some took."""
        now = time.monotonic()
        if now >= self.end:
            return n_done
        return n_done + n_done * (self.end - now) / max(now - self.start, 1e-9)

    def is_timed(self, n_done: int) -> bool:
        """Whether to plan by the time again after some steps."""
        return self.end < math.inf and n_done % TIMED_STEPS == 0 and n_done > 0
