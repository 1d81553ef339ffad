"""Checks: that what was read is of the kind that it was written as."""

from __future__ import annotations

import re
from typing import Any


def take(found: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    """Return an item of a JSON object, of a kind; None does for what is not there."""
    if not isinstance(found, dict):
        raise ValueError(f"expected an object with {key!r}")
    return check(found.get(key), kind, key)


def check(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """Return a value if it is of a kind; a boolean is no number here."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if type(value) not in kinds:
        raise ValueError(f"{what} is {shown(value)}, not {' or '.join(k.__name__ for k in kinds)}")
    return value


def listed(value: Any, kind: type | tuple[type, ...], what: str, n: int | None = None) -> list[Any]:
    """Return a list whose items are of a kind, so many of them."""
    check(value, list, what)
    if n is not None and len(value) != n:
        raise ValueError(f"{what} has {len(value)} items, not {n}")
    return [check(item, kind, what) for item in value]


def matching(pattern: re.Pattern[str], text: Any, what: str = "a dtype") -> str:
    """Return a string if all of it matches a pattern."""
    if not pattern.fullmatch(check(text, str, what)):
        raise ValueError(f"there is no {what.removeprefix('a ')} {shown(text)} here")
    return str(text)


def shown(value: Any) -> str:
    """Return the repr of a value, its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
