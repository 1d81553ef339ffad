"""Spelling: a parameter that an estimator does not have is refused by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import Any


def refuse_unknown(estimator: type[Any], names: Iterable[str]) -> None:
    """Raise TypeError if the estimator has no parameter of a name, and tell the nearest."""
    known = inspect.signature(estimator.__init__, follow_wrapped=False).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            way_out = f"did you mean {near[0]}?" if near else f"see help({estimator.__name__})"
            raise TypeError(f"{estimator.__name__} got an unexpected parameter {name!r}; {way_out}")
