"""Telling: warnings that name the user's own line."""

from __future__ import annotations

import sys
import warnings

#: Packages in which a user's line is not: ours, and those that call it for them.
INNER = {"skvae", "sklearn", "joblib", "torch"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as from the first line up the stack that is the user's."""
    frame, level = sys._getframe(1), 2
    while _is_inner(frame.f_globals) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inner(names: dict[str, object]) -> bool:
    return str(names.get("__name__", "")).partition(".")[0] in INNER
