"""Progress: one bar a fit, or a line a stage."""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any


class Progress:
    """What a fit shows of itself: stages one after the other, measured in steps of training.

    The total is what is known of it: plans of trainings to come, and of those that are over what
    they took.

    Parameters
    ----------
    verbose : int
        0 shows nothing, 1 a bar, 2 or more a line for every stage.
    """

    def __init__(self, verbose: int = 0):
        self.bar = progress_bar(total=0, unit="step", leave=True) if verbose == 1 else None
        self.lines = verbose > 1
        self.planned: list[int] = []  # steps of trainings to come
        self.before = self.done = self.plan = 0  # steps of stages that are over, and of this one
        self.name, self.text, self.start = "", "", time.monotonic()

    def expect(self, n_steps: list[int]) -> None:
        """Say what is to come."""
        self.planned = n_steps

    def begin(self, name: str, n_steps: int | None = None) -> None:
        """Begin a stage, of so many steps if it is the next training."""
        self.end()
        if n_steps is not None:
            self.planned = self.planned[1:]
        self.name, self.text, self.start = name, "", time.monotonic()
        self.done, self.plan = 0, n_steps or 0
        self._show()

    def update(self, n_steps: int, of: int, text: str) -> None:
        """Show how many steps of the stage are done, and what there is to say."""
        self.done, self.plan, self.text = n_steps, of, text
        self._show()

    def end(self) -> None:
        """End a stage, where it is."""
        self.before, self.plan = self.before + self.done, 0
        if self.lines and self.name:
            seconds = f"{time.monotonic() - self.start:.1f} s"
            steps = f"{self.done} steps" if self.done else ""
            said = ", ".join(part for part in (steps, self.text, seconds) if part)
            sys.stderr.write(f"{self.name}: {said}\n")
        self.done, self.name = 0, ""

    def close(self) -> None:
        """End the fit."""
        self.end()
        self.planned = []
        self._show()
        if self.bar is not None:
            self.bar.close()

    def _show(self) -> None:
        if self.bar is None:
            return
        self.bar.total = self.before + self.plan + sum(self.planned)
        self.bar.n = self.before + self.done
        self.bar.set_description_str(self.name or "fit", refresh=False)
        self.bar.set_postfix_str(self.text, refresh=True)


def progress_bar(**parameters: Any) -> Any:
    """Open a bar: a widget in a notebook that has them, else, without a word of it, a line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    return tqdm(**parameters)
