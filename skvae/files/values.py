"""Values: Python's own, numbers, times and arrays as JSON that tells what they were, and back.

What JSON has is itself: ``None``, booleans, integers, finite floats, strings and lists. All else is
an object with one key, the tag, out of a closed list: ``{"tuple": [1, 2]}``, ``{"float": "nan"}``.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
import os
import re
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import frames
from .archive import DTYPES
from .checks import check, listed, matching, shown
from .recipes import read_recipe, read_recipe_class, read_relation, recipe_tag

#: Dtypes of numbers and times, as NumPy writes them.
NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
TIMES = re.compile(r"[<>=]?[mM]8(\[(Y|M|W|D|h|m|s|ms|us|ns)\])?")
TEXTS = re.compile(r"[<>|=]?U[0-9]{1,6}")
#: Characters that an array of strings of one width has room for, at most.
MOST_CHARACTERS = 2**18
#: Length of the key of a Mersenne twister.
TWISTER = 624


class Writer:
    """Turns values into JSON and arrays.

    Attributes
    ----------
    arrays : dict of ndarray
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    def array(self, array: NDArray[Any], name: str | None = None) -> str:
        """Keep an array of numbers; return its name."""
        name = name or f"array.{len(self.arrays)}"
        self.arrays[name] = np.asarray(array)
        return name

    def value(self, value: Any, what: str) -> Any:
        """Return a value as JSON.

        Raises
        ------
        TypeError
            If a file cannot hold it.
        """
        kind = type(value)
        if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
            return value
        if kind is list:
            return [self.value(item, what) for item in value]
        if kind is tuple:
            return {"tuple": [self.value(item, what) for item in value]}
        if kind is dict:
            items = [[self.value(k, what), self.value(v, what)] for k, v in value.items()]
            return {"dict": items}
        found = self._tagged(value, what)
        if found is None:
            raise TypeError(
                f"{what} is {shown(value)} of type {kind.__name__}, which a file without pickle "
                "cannot hold. Keep the estimator by pickle.dump or joblib.dump."
            )
        return {found[0]: found[1]}

    def _tagged(self, value: Any, what: str) -> tuple[str, Any] | None:
        if type(value) in SCALARS:
            tag, write, _ = SCALARS[type(value)]
            return tag, write(value)
        if isinstance(value, np.generic):
            return self._number(value)
        if type(value) is np.ndarray:
            return self._array(value, what)
        if type(value) is np.random.RandomState:
            return self._stream(value)
        if type(value) in (torch.Tensor, torch.nn.Parameter):
            return "tensor", self.array(value.detach().cpu().numpy().copy())
        if isinstance(value, os.PathLike):
            return "path", os.fspath(value)
        return frames.written(value, self, what) or recipe_tag(value, self, what)

    def _number(self, value: np.generic) -> tuple[str, Any] | None:
        name = value.dtype.str
        if NUMBERS.fullmatch(name):
            return "number", [name, self.value(value.item(), name)]
        if TIMES.fullmatch(name):
            return "number", [name, int(value.astype(np.int64))]
        return ("number", ["str", str(value)]) if isinstance(value, np.str_) else None

    def _array(self, array: NDArray[Any], what: str) -> tuple[str, Any] | None:
        name = array.dtype.str
        if array.dtype.name in DTYPES:
            return "array", self.array(array.astype(array.dtype.newbyteorder("="), copy=False))
        if array.dtype.kind in "MmU" or array.dtype == object:
            if array.dtype.kind == "U" and array.nbytes > 4 * MOST_CHARACTERS:
                return None
            flat = array.astype(np.int64) if array.dtype.kind in "Mm" else array
            values = self.value(flat.ravel().tolist(), what)
            return "values", [name, list(array.shape), values]
        return None

    def _stream(self, stream: np.random.RandomState) -> tuple[str, Any] | None:
        state = stream.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            return None
        key = self.array(state["state"]["key"])
        return "stream", [key, state["state"]["pos"], state["has_gauss"], state["gauss"]]


class Reader:
    """Turns JSON and arrays back into values; every method raises where they are not as written.

    Parameters
    ----------
    arrays : dict of ndarray
    """

    def __init__(self, arrays: dict[str, NDArray[Any]]):
        self.arrays, self.taken = arrays, set[str]()

    def array(self, name: Any, shape: tuple[int | None, ...] | None = None) -> NDArray[Any]:
        """Return an array, of a shape in which None is any length.

        Once: a small file could else ask for many copies of one.
        """
        if not isinstance(name, str) or name not in self.arrays or name in self.taken:
            raise ValueError(f"there is no array {name!r}, or it is taken already")
        self.taken.add(name)
        array = self.arrays[name]
        if shape is not None and not _fits(array.shape, shape):
            raise ValueError(f"array {name!r} has the shape {array.shape}, not {shape}")
        return array

    def floats(self, name: Any, shape: tuple[int | None, ...] | None = None) -> NDArray[Any]:
        """Return an array of floats in double precision."""
        array = self.array(name, shape)
        if array.dtype != np.float64:
            raise ValueError(f"array {name!r} has the dtype {array.dtype}, not float64")
        return array

    def value(self, found: Any) -> Any:
        """Return the value that JSON stands for."""
        if isinstance(found, list):
            return [self.value(item) for item in found]
        if not isinstance(found, dict):
            return found
        if len(found) != 1:
            raise ValueError(f"a value has {len(found)} tags")
        ((tag, inner),) = found.items()
        if tag in READERS:
            return READERS[tag](self, inner)
        if tag in frames.READERS:
            return frames.READERS[tag](self, inner)
        raise ValueError(f"a value has the unknown tag {tag!r}")


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    same = (one == two or two is None for one, two in zip(shape, wanted, strict=False))
    return len(shape) == len(wanted) and all(same)


def _written_time(time: datetime.datetime) -> list[Any]:
    zone = time.tzinfo
    if zone is None or zone == datetime.UTC:
        where: bool | str = zone is not None
    elif isinstance(zone, zoneinfo.ZoneInfo) and zone.key is not None and not time.fold:
        where = zone.key
    else:
        raise TypeError(
            f"{time!r} has a time zone that a file cannot hold, which holds UTC and those of "
            "zoneinfo. Keep the estimator by pickle.dump or joblib.dump."
        )
    return [time.replace(tzinfo=None).isoformat(), where]


def _read_time(_: Reader, found: Any) -> datetime.datetime:
    text, where = check(found, list, "a time")
    time = datetime.datetime.fromisoformat(check(text, str, "a time"))
    if isinstance(where, str):
        return time.replace(tzinfo=frames.read_zone(where))
    return time.replace(tzinfo=datetime.UTC) if where else time


def _read_number(reader: Reader, found: Any) -> Any:
    name, number = check(found, list, "a number")
    if name == "str":
        return np.str_(check(number, str, "a string"))
    if TIMES.fullmatch(check(name, str, "a dtype")):
        return np.array(check(number, int, "a time"), np.int64).astype(name)[()]
    return np.dtype(matching(NUMBERS, name)).type(
        check(reader.value(number), (int, float, bool), "a number")
    )


def _read_values(reader: Reader, found: Any) -> NDArray[Any]:
    name, shape, values = check(found, list, "an array")
    shape, values = listed(shape, int, "a shape"), check(reader.value(values), list, "an array")
    if min(shape, default=0) < 0 or math.prod(shape) != len(values):
        raise ValueError(f"an array has {len(values)} values, but the shape {shape}")
    if name == "|O":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array.reshape(shape)
    if TIMES.fullmatch(check(name, str, "a dtype")):
        return np.array(listed(values, int, "times"), np.int64).astype(name).reshape(shape)
    width = int(matching(TEXTS, name).rpartition("U")[2])
    if max(map(len, listed(values, str, "strings")), default=0) > width > 0:
        raise ValueError(f"an array of strings has the dtype {name}")
    if width * len(values) > MOST_CHARACTERS:
        raise ValueError(f"an array of strings has room for {width} characters each")
    return np.array(values, dtype=name).reshape(shape)


def _read_stream(reader: Reader, found: Any) -> np.random.RandomState:
    key, position, has_gauss, gauss = check(found, list, "a stream")
    state = reader.array(key, (TWISTER,))
    if state.dtype != np.uint32 or not 0 <= check(position, int, "a position") <= TWISTER:
        raise ValueError("a stream of random numbers is none")
    check(has_gauss, int, "has_gauss")
    stream = np.random.RandomState()
    gauss = check(gauss, float, "a number")
    stream.set_state(("MT19937", state, position, int(has_gauss != 0), gauss))
    return stream


def _read_dict(reader: Reader, found: Any) -> dict[Any, Any]:
    pairs = listed(found, list, "a dict")
    return {reader.value(key): reader.value(value) for key, value in pairs}


def _seconds(delta: datetime.timedelta) -> list[int]:
    return [delta.days, delta.seconds, delta.microseconds]


#: Types of values, each with its tag, what is written of it, and how that string is read.
SCALARS: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any] | None]] = {
    float: ("float", repr, float),
    bytes: ("bytes", lambda b: base64.b64encode(b).decode(), base64.b64decode),
    torch.device: ("device", str, torch.device),
    decimal.Decimal: ("decimal", str, decimal.Decimal),
    datetime.date: ("date", datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: ("time", datetime.time.isoformat, datetime.time.fromisoformat),
    datetime.datetime: ("datetime", _written_time, None),
    datetime.timedelta: ("timedelta", _seconds, None),
}


def _scalar(read: Callable[[Any], Any]) -> Callable[[Reader, Any], Any]:
    return lambda _, found: read(check(found, str, "a value"))


#: How the value of a tag is read.
READERS: dict[str, Callable[[Reader, Any], Any]] = {
    **{tag: _scalar(read) for tag, _, read in SCALARS.values() if read is not None},
    "datetime": _read_time,
    "timedelta": lambda _, found: datetime.timedelta(*listed(found, int, "a time", 3)),
    "tuple": lambda reader, found: tuple(reader.value(check(found, list, "a tuple"))),
    "dict": _read_dict,
    "number": _read_number,
    "array": lambda reader, found: reader.array(found),
    "tensor": lambda reader, found: torch.from_numpy(reader.array(found)),
    "values": _read_values,
    "stream": _read_stream,
    "path": lambda _, found: check(found, str, "a path"),
    "recipe": read_recipe,
    "class": read_recipe_class,
    "relation": read_relation,
}
