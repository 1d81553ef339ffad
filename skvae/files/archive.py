"""Archive: one safetensors file of arrays, with all else as JSON in its header.

The header's ``__metadata__`` has two strings: ``skvae``, a JSON object, and ``sha256``, the digest
of that string and of the arrays, by which a damaged file is known. It keeps nobody from writing
another file with a digest of its own: whoever reads the object checks all of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

#: What an array may hold.
DTYPES = {
    *("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
}
#: Bytes of JSON that are read, at most.
MOST_TEXT = 2**25
FilePath = str | os.PathLike[str]


class Archive(NamedTuple):
    """What a file holds: a JSON object, and arrays by name."""

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def write(path: FilePath, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file, whole or not at all: what was there before stays until the new one is done.

    Raises
    ------
    ValueError
        If there is a folder or a device.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        raise ValueError(f"{os.fspath(path)!r} is no file to be replaced. Give another path.")
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        save_file(arrays, unfinished, {"skvae": text, "sha256": _digest(text, arrays)})
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def read(path: FilePath) -> Archive:
    """Read a file.

    Raises
    ------
    ValueError
        If it is not one of ours, or not whole.
    """
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        text = metadata.get("skvae")
        if text is None:
            raise ValueError("it has no metadata of skvae in its header")
        if len(text) > MOST_TEXT:
            raise ValueError(f"its metadata has {len(text)} bytes, more than {MOST_TEXT}")
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    wrong = [name for name, array in arrays.items() if array.dtype.name not in DTYPES]
    if wrong:
        raise ValueError(f"array {wrong[0]!r} has the dtype {arrays[wrong[0]].dtype}")
    if metadata.get("sha256") != _digest(text, arrays):
        raise ValueError("it is damaged: its digest is not that of what it holds")
    document = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(document, dict):
        raise ValueError("its metadata is no JSON object")
    return Archive(document, arrays)


@contextlib.contextmanager
def reading(path: FilePath) -> Iterator[None]:
    """Run a block that reads a file, in which whatever goes wrong is a ValueError.

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ImportError
        If it holds what needs a library that is not installed.
    """
    Path(path).open("rb").close()
    try:
        with np.errstate(all="ignore"):
            yield
    except ImportError:
        raise
    except (Exception, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be read: {error}.") from error


def _digest(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.name} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"its metadata has the number {text}")
