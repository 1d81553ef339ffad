"""Interrupts from the keyboard, told apart from those that callbacks raise to end training."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Self


class Interrupts:
    """A context that notes interrupts from the keyboard, and hands them on as before.

    Signals are the main thread's: in others, and where the program has no handler, it notes none.

    Attributes
    ----------
    any : bool
        Whether there was one.
    """

    any = False

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        in_main = threading.current_thread() is threading.main_thread()
        self._notes = in_main and callable(self._before)
        if self._notes:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        if self._notes:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.any = True
        assert callable(self._before)
        self._before(number, frame)
