"""As usual: what torch is told elsewhere changes nothing that an estimator does."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import torch
from sklearn.utils._available_if import _AvailableIfDescriptor, available_if


class _SinglePrecision:
    """float32 as torch's default while any thread is inside: the last one out restores it."""

    def __init__(self) -> None:
        self.lock, self.n_inside = threading.Lock(), 0
        self.before = torch.float32

    def __enter__(self) -> None:
        with self.lock:
            if not self.n_inside:
                self.before = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)
            self.n_inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.n_inside -= 1
            if not self.n_inside:
                torch.set_default_dtype(self.before)


SINGLE_PRECISION = _SinglePrecision()


@contextlib.contextmanager
def torch_as_usual() -> Iterator[None]:
    """Run a block in single precision, on the CPU where no device is named, and with gradients."""
    with SINGLE_PRECISION, _on_cpu(), torch.inference_mode(False), torch.enable_grad():
        yield


def _on_cpu() -> contextlib.AbstractContextManager[Any]:
    """Return a block where new tensors are on the CPU, which costs time if it is not so anyway."""
    on_cpu = torch.get_default_device() == torch.device("cpu")
    return contextlib.nullcontext() if on_cpu else torch.device("cpu")


def shield(cls: type) -> None:
    """Have every public method of ours that a class has run as usual, inherited ones too."""
    for name in dir(cls):
        if not name.startswith("_") and _is_ours(method := _looked_up(cls, name)):
            setattr(cls, name, _as_usual(method))


def _looked_up(cls: type, name: str) -> Any:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def _is_ours(method: Any) -> bool:
    if not isinstance(method, FunctionType | _AvailableIfDescriptor):
        return False
    return method.__module__.startswith("skvae.") and not hasattr(method, "runs_as_usual")


def _as_usual(method: Any) -> Any:
    """Return a method, or one that is available under a condition, that runs as usual."""
    if isinstance(method, _AvailableIfDescriptor):
        return available_if(method.check)(_as_usual(method.fn))
    return _wrapped(method)


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with torch_as_usual():
            return function(*args, **kwargs)

    run.runs_as_usual = True  # type: ignore[attr-defined]
    return run
