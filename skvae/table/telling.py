"""Telling: warnings that name the user's own line, and bars."""

from __future__ import annotations

import sys
import warnings
from typing import Any

#: Packages in which a user's line is not: ours, and those that call it for them.
INNER = {"skvae", "sklearn", "joblib", "torch"}

#: Seconds, and bytes, from which on work is told of before it starts.
MANY_SECONDS = 300.0
MANY_BYTES = 4 * 2**30


def much(seconds: float, n_bytes: float) -> str:
    """Return what work takes in words, where it is much; an empty string where it is not.

    >>> much(3.0, 6e9), much(3.0, 3e9)
    ('about 6 GiB of memory', '')
    """
    minutes = f"about {seconds / 60:,.0f} minutes of one processor core"
    memory = f"about {n_bytes / 2**30:,.0f} GiB of memory"
    told = [minutes] * bool(seconds > MANY_SECONDS) + [memory] * bool(n_bytes > MANY_BYTES)
    return " and ".join(told)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as from the first line up the stack that is the user's."""
    frame, level = sys._getframe(1), 2
    while _is_inner(frame.f_globals) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inner(names: dict[str, object]) -> bool:
    return str(names.get("__name__", "")).partition(".")[0] in INNER


def progress_bar(**parameters: Any) -> Any:
    """Open a bar: a widget in a notebook that has them, else, without a word of it, a line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    return tqdm(**parameters)
