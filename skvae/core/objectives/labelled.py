"""Labels: a class that is conditioned on where it is known, and summed over where it is not.

The label of a row is the last part of its context: for each class how likely it is thought to be
before there is a model, zero where it is ruled out. A known label is an indicator.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..batch import Batch
from ..tempering import likeliest_temperature, log_of_label, tempered
from ..vae import VAE
from .around import Around, AroundModule
from .bounds import Bound, Objective, ObjectiveModule

#: Rows whose bounds are watched at a time.
MONITORED_ROWS = 256


def joined(context: Tensor | None, label: Tensor) -> Tensor:
    """Return a context (n, m), or none, with what is known of labels (n, C) as its last part."""
    return label if context is None else torch.cat([context, label.to(context)], -1)


def with_label(batch: Batch, label: Tensor) -> Batch:
    """Return rows with what is known of their labels (n, C) in their context."""
    return dataclasses.replace(batch, context=joined(batch.context, label.to(batch.x)))


def given_each_class(batch: Batch, n_classes: int) -> Batch:
    """Return every row as often as there are classes, given one after the other."""
    repeated = batch[torch.arange(len(batch)).repeat_interleave(n_classes)]
    return with_label(repeated, torch.eye(n_classes).repeat(len(batch), 1))


def decided(batch: Batch, n_classes: int) -> Batch:
    """Return rows that are given their likeliest classes as if they were known."""
    return _settled(batch, _labels(batch, n_classes).argmax(-1), n_classes)


def _labels(batch: Batch, n_classes: int) -> Tensor:
    """Return what is known of the labels of rows, (n, C)."""
    assert batch.context is not None
    return batch.context[:, -n_classes:]


def _settled(batch: Batch, label: Tensor, n_classes: int) -> Batch:
    """Return rows with a label (n,) each in the place of what was known of it."""
    assert batch.context is not None
    indicator = one_hot(label, n_classes).to(batch.context)
    context = torch.cat([batch.context[:, :-n_classes], indicator], -1)
    return dataclasses.replace(batch, context=context)


def _unlabelled(batch: Batch, n_classes: int) -> Batch:
    """Return rows of which nothing is known of their labels."""
    assert batch.context is not None
    open_to_all = torch.ones_like(_labels(batch, n_classes))
    return with_label(
        dataclasses.replace(batch, context=batch.context[:, :-n_classes]), open_to_all
    )


class Pairs(NamedTuple):
    """Rows with each of the classes they may have."""

    row: Tensor  # which row, (m,)
    label: Tensor  # which class, (m,)
    batch: Batch  # the rows given their classes, m of them


def pairs(batch: Batch, n_classes: int) -> Pairs:
    """Return every row with each class that is not ruled out."""
    row, label = (_labels(batch, n_classes) > 0.0).nonzero(as_tuple=True)
    return Pairs(row, label, _settled(batch[row], label, n_classes))


@dataclasses.dataclass(frozen=True)
class Labelled(Around):
    """The semi-supervised bound: log p(x, y) where y is known, log sum_y p(x, y) where it is not.

    The sum is over bounds of log p(x | y), which is the published bound with the best q(y | x)
    there is, in proportion to p(y) exp(bound(x | y)). Classes that are ruled out are left out of
    it: what is left is still a lower bound, at a fraction of the cost.

    Parameters
    ----------
    objective : Objective
        The bound of log p(x | y).
    class_prior : sequence of float
        p(y).
    by_class : bool, default=False
        Whether early stopping watches log p(y | x), of rows whose labels are all known, at the
        temperature that they have best.

    References
    ----------
    "Semi-supervised Learning with Deep Generative Models" (Kingma et al., 2014), equations 6, 7.
    """

    objective: Objective
    class_prior: Sequence[float]
    by_class: bool = False

    @property
    def inner(self) -> Objective:
        return self.objective

    def around(self, bound: Objective) -> Objective:
        """Return another bound of log p(x | y) with what the objective does around its own."""
        return self.objective.around(bound)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        """Return the objective of ``vae``, which is to be trained on ``n_train`` rows."""
        return _Labelled(self.objective.build(vae, n_train), self.class_prior, self.by_class)


class _Labelled(AroundModule):
    log_prior: Tensor

    def __init__(
        self, given_label: ObjectiveModule, class_prior: Sequence[float], by_class: bool = False
    ):
        super().__init__(given_label)
        self.by_class = by_class
        log_prior = torch.as_tensor(class_prior, dtype=torch.float64).log()
        self.register_buffer("log_prior", log_prior.to(torch.get_default_dtype()))

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        found = pairs(batch, len(self.log_prior))
        bound = self.inner(found.batch, generator)
        joint = self._joint(found, bound.value, len(batch))
        share = torch.softmax(joint.detach(), -1)[found.row, found.label]  # q(y | x)

        def mean(term: Tensor) -> Tensor:
            return term.new_zeros(len(batch)).index_add(0, found.row, share.to(term) * term)

        value = torch.logsumexp(joint, -1)
        return Bound(value, bound.penalty, mean(bound.log_px), mean(bound.kl))

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        n_classes = len(self.log_prior)
        label = _labels(batch, n_classes).argmax(-1)
        watched = _unlabelled(batch, n_classes) if self.by_class else batch
        # Some rows at a time, as each comes with all of its classes.
        parts = torch.arange(len(batch), device=batch.x.device).split(MONITORED_ROWS)
        joint = torch.cat([self._monitored(watched[some], noise[:, some]) for some in parts])
        if not self.by_class:
            return torch.logsumexp(joint, -1)
        sure = torch.log_softmax(joint, -1)
        return log_of_label(tempered(sure, likeliest_temperature(sure, label)), label)

    def _monitored(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return the bound of log p(x, y) that is watched for every row and class, (n, C)."""
        found = pairs(batch, len(self.log_prior))
        value = self.inner.monitor(found.batch, noise[:, found.row])
        return self._joint(found, value, len(batch))

    def _joint(self, found: Pairs, bound: Tensor, n_rows: int) -> Tensor:
        """Return the bound of log p(x, y) for every row and class, (n, C)."""
        joint = bound + self.log_prior.to(bound)[found.label]
        table = joint.new_full((n_rows, len(self.log_prior)), -torch.inf)
        return table.index_put((found.row, found.label), joint)


def log_joint(log_given: Tensor, class_prior: Tensor) -> Tensor:
    """Return log p(x, y) (n, C) by log p(x | y) and p(y)."""
    return log_given + class_prior.to(log_given).log()


def log_posterior(log_given: Tensor, class_prior: Tensor) -> Tensor:
    """Return log p(y | x), (n, C), by Bayes' rule."""
    return torch.log_softmax(log_joint(log_given, class_prior), -1)


def log_marginal_over_classes(log_given: Tensor, class_prior: Tensor) -> Tensor:
    """Return log p(x) = log sum_y p(x | y) p(y), (n,)."""
    return torch.logsumexp(log_joint(log_given, class_prior), -1)
