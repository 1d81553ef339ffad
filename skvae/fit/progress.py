"""Progress: what a fit tells of itself, and how it is shown: one bar a fit, or a line a stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from ..core.vae import VAE
from ..table.telling import progress_bar


class Listener:
    """Who is told of a fit: its stages one after the other, and the epochs of those that train.

    This one does nothing of it.
    """

    def expect(self, n_steps: list[int]) -> None:
        """Hear how many steps the trainings to come take, at most."""

    def begin(self, name: str, n_steps: int | None = None, n_epochs: int = 0) -> None:
        """Hear that a stage begins, and the one before is over; how long a training is, at most."""

    def begin_epoch(self) -> None:
        """Hear that an epoch of the stage begins."""

    def end_epoch(self, n_steps: int, of: int, text: str, now: Callable[[], VAE]) -> bool:
        """Hear that it is over; return whether to end the training.

        Told are the steps of the stage so far, out of how many, what there is to say, and what
        copies the model as it is now.
        """
        return False


class Listeners(Listener):
    """Several listeners, who hear the same.

    Parameters
    ----------
    *each : Listener
    """

    def __init__(self, *each: Listener):
        self.each = each

    def expect(self, n_steps: list[int]) -> None:
        """Tell them."""
        for listener in self.each:
            listener.expect(n_steps)

    def begin(self, name: str, n_steps: int | None = None, n_epochs: int = 0) -> None:
        """Tell them."""
        for listener in self.each:
            listener.begin(name, n_steps, n_epochs)

    def begin_epoch(self) -> None:
        """Tell them."""
        for listener in self.each:
            listener.begin_epoch()

    def end_epoch(self, n_steps: int, of: int, text: str, now: Callable[[], VAE]) -> bool:
        """Tell them all; return whether one ends the training."""
        answers = [listener.end_epoch(n_steps, of, text, now) for listener in self.each]
        return any(answers)

    def __reduce__(self) -> tuple[type[Listener], tuple[()]]:
        return Listener, ()  # a callback's copy of the net tells nobody


class Progress(Listener):
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

    def begin(self, name: str, n_steps: int | None = None, n_epochs: int = 0) -> None:
        """Begin a stage, of so many steps if it is the next training."""
        self.end()
        if n_steps is not None:
            self.planned = self.planned[1:]
        self.name, self.text, self.start = name, "", time.monotonic()
        self.done, self.plan = 0, n_steps or 0
        self._show()

    def end_epoch(self, n_steps: int, of: int, text: str, now: Callable[[], VAE]) -> bool:
        """Show how many steps of the stage are done, and what there is to say."""
        self.done, self.plan, self.text = n_steps, of, text
        self._show()
        return False

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
