"""Objectives around another one: what they say and do as the inner one does."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from ..batch import Batch
from .bounds import Objective, ObjectiveModule
from .traits import Traits


class Around(ABC):
    """What an objective around another one says of itself as the inner one does."""

    @property
    @abstractmethod
    def inner(self) -> Objective:
        """The objective within, as a recipe."""

    @property
    def traits(self) -> Traits:
        """Those of the inner one."""
        return self.inner.traits


class AroundModule(ObjectiveModule):
    """An objective around another one of the same model."""

    def __init__(self, inner: ObjectiveModule):
        super().__init__(inner.vae)
        self.inner = inner

    @property
    def settled(self) -> bool:
        return self.inner.settled

    @property
    def n_monitored(self) -> int:
        return self.inner.n_monitored

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        return self.inner.monitor(batch, noise)

    def counted(self, value: Tensor) -> slice | Tensor:
        return self.inner.counted(value)
