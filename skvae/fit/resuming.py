"""Resuming: the state of a training between two epochs, and a training that goes on from one."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core.objectives.bounds import ObjectiveModule
from .checkpoint import generators, restore_generators
from .epochs import Epochs, Score
from .plan import Plan
from .trained import Trained

#: Numbers of a net that are as they were.
COUNTS = ("n_steps_", "scored_step_", "is_scored_")


def state_of(net: Any) -> dict[str, Any]:
    """Return the state of a net, a :class:`skvae.fit.training.VAENet`, in plain containers."""
    watches = net.held_out_ is not None
    return {
        **_outcome(net),
        "optimizer": net.optimizer_.state_dict(),
        "average": [net.average_.average, net.average_.n_updates],
        "safe": net.safe_,
        "brake": [net.brake_.rate, net.brake_.n_epochs],
        "generators": generators(net.generator_, net.settings_.device, net.settings_.built_in),
        "counts": [getattr(net, name) for name in COUNTS] if watches else [net.n_steps_],
        "score": list(net.score_) if watches else None,
        "best": _best(dict(net.callbacks_)["keep_best"]) if watches else None,
    }


@contextlib.contextmanager
def _checked() -> Iterator[None]:
    """Run a block in which a state that is not one of the training raises a ValueError."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"The checkpoint is not one of this training ({type(error).__name__}: {error}). Delete "
            "it, or give another path."
        ) from error


@_checked()
def restore(net: Any, state: dict[str, Any]) -> None:
    """Set the state of a net whose training has begun."""
    _restore_outcome(net, state)
    net.optimizer_.load_state_dict(state["optimizer"])
    average, n_updates = state["average"]
    net.average_.n_updates = int(n_updates)
    _copy(net.average_.average, average)
    rate, n_epochs = state["brake"]
    net.brake_.rate, net.brake_.n_epochs = float(rate), int(n_epochs)
    restore_generators(state["generators"], net.generator_, net.settings_.device)
    for name, value in zip(COUNTS, state["counts"], strict=False):
        setattr(net, name, int(value))
    _copy(safe := [torch.empty_like(part) for part in net.safe_], state["safe"])
    net.safe_ = safe
    if state["best"] is not None:
        mean, rows = state["score"]
        net.score_ = Score(float(mean), rows)
        keep = dict(net.callbacks_)["keep_best"]
        keep.trained_ = safe
        keep.best_step_ = int(state["best"][0])
        keep.epochs_.go_on_from(state["best"][1:])


def outcome_of(trained: Trained) -> dict[str, Any]:
    """Return what came out of a training that is over."""
    told = {name: getattr(trained, name) for name in _told(trained)}
    return {**_outcome(trained.net), "trained": told}


@_checked()
def restore_outcome(net: Any, state: dict[str, Any]) -> Trained:
    """Set and return what came out of a training."""
    _restore_outcome(net, state)
    return Trained(net, **state["trained"])


def _told(trained: Trained) -> Iterator[str]:
    return (field.name for field in dataclasses.fields(trained) if field.name != "net")


def _outcome(net: Any) -> dict[str, Any]:
    return {
        "tensors": dict(_tensors(net.module_)),
        "beside": {name: part.beside() for name, part in _objectives(net.module_)},
        "plan": dataclasses.asdict(net.plan_),
        "history": [{k: float(v) for k, v in row.items() if k != "batches"} for row in net.history],
    }


def _restore_outcome(net: Any, state: dict[str, Any]) -> None:
    here, found = dict(_tensors(net.module_)), state["tensors"]
    if here.keys() != found.keys():
        raise ValueError("a model of other parts")
    _copy(list(here.values()), list(found.values()))
    for name, part in _objectives(net.module_):
        if state["beside"][name] is not None:
            part.restore(state["beside"][name])
    plan: dict[str, Any] = {name: int(value) for name, value in state["plan"].items()}
    net.plan_ = Plan(**plan)
    for row in state["history"]:
        net.history.new_epoch()
        for name, value in row.items():
            net.history.record(name, float(value))


def _best(keep: Any) -> list[Any]:
    epochs: Epochs = keep.epochs_
    return [keep.best_step_, *epochs.so_far]


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a module, those too that are not saved with it."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def _objectives(module: nn.Module) -> Iterator[tuple[str, ObjectiveModule]]:
    for name, part in module.named_modules():
        if isinstance(part, ObjectiveModule):
            yield name, part


@torch.no_grad()
def _copy(into: Sequence[Tensor], found: Sequence[Tensor]) -> None:
    for here, there in zip(into, found, strict=True):
        if here.shape != there.shape:
            raise ValueError("a model of other sizes")
        here.copy_(there)
