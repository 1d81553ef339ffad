"""Tasks: a fit as scikit-learn's callbacks are told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.vae import VAE
from ..fit.progress import Listener


class Tasks(Listener):
    """A fit as tasks within tasks, its stages and their epochs; nothing where nobody is told.

    Parameters
    ----------
    estimator : BaseVAE
        Whose callbacks are told.
    X, y : object
        What it is fitted to. Without a y that is X again: scikit-learn's ``ScoringMonitor`` scores
        nothing where there is none.
    n_stages : int
        At most.

    Attributes
    ----------
    fitted : callable
        What the model is within a training -> what an estimator has that is fitted.
    """

    fitted: Callable[[VAE], dict[str, Any]]

    def __init__(self, estimator: Any, X: Any, y: Any, n_stages: int):
        self.told = {"estimator": estimator, "X": X, "y": X if y is None else y}
        self.fit = self.stage = self.epoch = None
        if hasattr(estimator, "_skl_callbacks"):
            self.fit = estimator._init_callback_context(max_subtasks=n_stages)
            self.fit.call_on_fit_task_begin(**self.told)

    def begin(self, name: str, n_steps: int | None = None, n_epochs: int = 0) -> None:
        """Begin the task of a stage."""
        self._end(self.stage)
        self.stage = self._begun(self.fit, name, n_epochs)

    def begin_epoch(self) -> None:
        """Begin the task of an epoch."""
        self.epoch = self._begun(self.stage, "epoch")

    def end_epoch(self, n_steps: int, of: int, text: str, now: Callable[[], VAE]) -> bool:
        """End it; return whether a callback ends the training."""
        return self._end(self.epoch, lambda: self.fitted(now()))

    def end(self, fitted: Callable[[], dict[str, Any]]) -> None:
        """End the task of the fit, with what the estimator has that is fitted."""
        self._end(self.stage)
        self._end(self.fit, fitted)

    def _begun(self, task: Any, name: str, n_parts: int = 0) -> Any:
        if task is None:
            return None
        part = task.subcontext(task_name=name, max_subtasks=n_parts)
        return part.call_on_fit_task_begin(**self.told)

    def _end(self, task: Any, fitted: Callable[[], dict[str, Any]] | None = None) -> bool:
        if task is None:
            return False
        return bool(task.call_on_fit_task_end(**self.told, reconstruction_attributes=fitted))
