"""Weights: the moving average of what is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of a module's parameters, with a horizon that grows."""

    def __init__(self, module: nn.Module, decay: float):
        # Views that share the parameters' memory, so that no step makes them again.
        self.parameters = [p.detach() for p in module.parameters()]
        self.average = self.snapshot(self.parameters)
        self.decay, self.n_updates = decay, 0

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the parameters."""
        self.n_updates += 1
        # A tenth of the steps so far at most, or a short run would average in its start.
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        torch._foreach_lerp_(self.average, self.parameters, 1.0 - decay)

    def restart(self, values: list[Tensor]) -> None:
        """Set both the parameters and their average."""
        torch._foreach_copy_(self.average, values)
        self.write(values)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Run a block with the averages in the place of the parameters."""
        raw = self.snapshot(self.parameters)
        self.write(self.average)
        try:
            yield
        finally:
            self.write(raw)

    def write(self, values: list[Tensor]) -> None:
        """Set the parameters."""
        torch._foreach_copy_(self.parameters, values)

    @staticmethod
    def snapshot(values: list[Tensor]) -> list[Tensor]:
        """Copy tensors."""
        return [value.clone() for value in values]
