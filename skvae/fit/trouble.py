"""Trouble: steps that are not finite are skipped, the rate is lowered, and it is said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from ..table.telling import warn

#: What the rate is multiplied by after an epoch with trouble.
LOWERED = 0.3
#: Epochs with trouble of which it is said, and after which training ends.
REPEATED, MOST = 3, 6
#: Nats per column by which rows trained on may fall below the start, as noise in a short run does.
FALL = 1.0


class Brake:
    """Skips steps that are not finite, and lowers the rate after an epoch that had some.

    Steps are judged where they are made; how many were skipped is read once an epoch.

    Attributes
    ----------
    rate : float
        What the learning rate is multiplied by.
    n_epochs : int
        Epochs with trouble so far.
    """

    def __init__(self, device: torch.device | str):
        self.rate, self.n_epochs = 1.0, 0
        self.skipped = torch.zeros(2, device=device)  # steps, rows

    def judge(self, loss: Tensor, norm: Tensor, n_rows: int) -> Tensor:
        """Return whether a step is to be skipped, (), and count it."""
        bad = ~(torch.isfinite(loss.detach()) & torch.isfinite(norm))
        self.skipped += torch.stack([bad, bad * n_rows])
        return bad

    def read(self, weights: Sequence[Tensor]) -> tuple[bool, int]:
        """Return whether an epoch had trouble, and how many rows it skipped."""
        finite = torch.stack(torch._foreach_norm(list(weights))).isfinite().all()
        *skipped, is_finite = torch.cat([self.skipped, finite.view(1)]).tolist()
        self.skipped.zero_()
        return bool(skipped[0] or not is_finite), int(skipped[1])

    def lower(self) -> None:
        """Lower the rate after an epoch with trouble."""
        self.n_epochs += 1
        self.rate *= LOWERED

    @property
    def ends(self) -> bool:
        """Whether there was so much trouble that training ends."""
        return self.n_epochs >= MOST

    def told(self, lr: float, n_epochs: int) -> str:
        """Return what to say of repeated trouble, nothing where there was none."""
        if self.n_epochs < REPEATED:
            return ""
        ended = "training ended early" if self.ends else "the learning rate was lowered each time"
        return (
            f"Training was not stable: in {self.n_epochs} of {n_epochs} epochs the loss or its "
            f"gradient was not finite; {ended}, and the best weights so far are kept. Lower "
            f"lr={lr:g}, or scale columns with extreme values."
        )


def told_of_fall(start: float, end: float, n_columns: int, lr: float) -> str:
    """Return what to say where training ends far below the start on its own rows, nats a row."""
    if math.isfinite(end) and start - end <= FALL * n_columns:
        return ""
    return (
        f"Training made the model worse: the bound of its own rows fell from {start:.4g} to "
        f"{end:.4g} nats per row (of standardised columns), and the untrained start is kept. "
        f"Lower lr={lr:g}."
    )


def tell(messages: Iterable[str]) -> None:
    """Warn of all that was said, once."""
    for message in dict.fromkeys(messages):
        if message:
            warn(message, ConvergenceWarning)
