"""Checkpoint: what a fit has come to, on disk, for one that is killed to go on from."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._version import __version__
from ..core.recipe import Recipe
from ..files.archive import FilePath, read, reading, write
from ..files.checks import take
from ..files.values import Reader, Writer

#: Seconds from one to the next, at least; they are written at ends of epochs.
EVERY = 30.0
#: What a file says that it is.
KIND = "checkpoint"


class Checkpoint:
    """The trainings of a fit: those that are over, and the one now, in a file from time to time.

    Every part of a fit but its trainings is done again by one that goes on: it is short, and its
    outcome the same.

    Parameters
    ----------
    path : str or path
        Where there is a file already, the fit goes on from it.

    Raises
    ------
    ValueError
        If it is no checkpoint, or its folder is not there.
    """

    def __init__(self, path: FilePath):
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise ValueError(
                f"checkpoint={os.fspath(path)!r} is in a folder that is not there. Make it first."
            )
        self.found: list[Any] = []  # states of trainings that are to be gone on from
        self.states: list[Any] = []  # of those that are over
        self.key, self.seeds, self.found_key = "", list[int](), ""
        self.written = time.monotonic()
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        with reading(self.path):
            document, arrays = read(self.path)
            if document.get("kind") != KIND:
                raise ValueError("it is no checkpoint of a fit")
            self.found_key = take(document, "key", str)
            value = Reader(arrays).value
            self.seeds, self.found = (value(take(document, key, list)) for key in ("seeds", KIND))

    def begin(self, key: str, seeds: Iterable[int]) -> None:
        """Begin, or go on with, the fit of a fingerprint.

        Raises
        ------
        ValueError
            If the file is of another one.
        """
        self.key, self.seeds = key, list(seeds)
        if self.found_key not in ("", key):
            raise ValueError(
                f"checkpoint={os.fspath(self.path)!r} is of a fit to other rows, with other "
                f"parameters, or by another version than {__version__}: it cannot be gone on "
                "with. Delete it, or give another path."
            )

    def state_of(self, turn: int) -> Any:
        """Return what a training, the first one being 0, is to go on from; None if from nothing."""
        return self.found[turn] if turn < len(self.found) else None

    def end_epoch(self, state: Callable[[], Any]) -> None:
        """Write what there is, if it is time."""
        if time.monotonic() - self.written >= EVERY:
            self._write([*self.states, state()])

    def end_training(self, state: Any) -> None:
        """Keep what came out of a training."""
        self.states.append(copy.deepcopy(state))  # training goes on in the tensors of now

    def close(self) -> None:
        """Delete the file of a fit that is over."""
        self.path.unlink(missing_ok=True)

    def _write(self, states: list[Any]) -> None:
        writer = Writer()
        document = {
            "kind": KIND,
            "version": __version__,
            "key": self.key,
            "seeds": self.seeds,
            KIND: writer.value(states, "what the checkpoint keeps of the fit"),
        }
        write(self.path, document, writer.arrays)
        self.written = time.monotonic()


# ---------------------------------------------------------------- fingerprint


def fingerprint(*parts: Any) -> str:
    """Return what tells a fit from others: a digest of its data and parameters.

    >>> import numpy as np
    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(2)) != fingerprint(np.ones(2))
    True
    """
    digest = hashlib.sha256(__version__.encode())
    for part in parts:
        _add(digest, part)
    return digest.hexdigest()


def _add(digest: Any, part: Any) -> None:
    digest.update(type(part).__qualname__.encode())
    if isinstance(part, Tensor):
        part = part.detach().cpu().numpy()
    if isinstance(part, np.ndarray) and part.dtype != object:
        digest.update(f"{part.dtype} {part.shape}".encode())
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    elif isinstance(part, nn.Module):
        _add(digest, [(name, type(module)) for name, module in part.named_modules()])
        _add(digest, [*part.parameters(), *part.buffers()])
    elif isinstance(part, Recipe):
        _add(digest, part.get_params(deep=False))
    elif isinstance(part, functools.partial):
        _add(digest, [part.func, part.args, part.keywords])
    elif isinstance(part, Mapping):
        _add(digest, list(part.items()))
    elif isinstance(part, list | tuple | np.ndarray):
        for item in part:
            _add(digest, item)
    elif callable(part):
        digest.update(f"{part.__module__} {getattr(part, '__qualname__', '')}".encode())
    else:
        digest.update(repr(part).encode())


# ---------------------------------------------------------------- generators


def generators(own: torch.Generator, device: torch.device, built_in: bool) -> list[Tensor]:
    """Return the states of the generators that a training draws from."""
    states = [own.get_state()]
    if not built_in:  # networks of the user's know of torch's alone
        states.append(torch.default_generator.get_state())
        states += [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return states


def restore_generators(states: list[Tensor], own: torch.Generator, device: torch.device) -> None:
    """Set them."""
    own.set_state(states[0])
    if len(states) > 1:
        torch.default_generator.set_state(states[1])
    if len(states) > 2:
        torch.cuda.set_rng_state(states[2], device)
