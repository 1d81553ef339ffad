"""Clock: a column of times as numbers, and back."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Clock:
    """How a column of times is read: as whole units since its first time.

    Attributes
    ----------
    unit : {"ns", "us", "ms", "s", "D"}
        The column's own.
    origin : int
        The first time, in units.
    zone : str or None
    is_duration : bool
    """

    unit: str
    origin: int
    zone: str | None
    is_duration: bool

    @classmethod
    def of(cls, series: nw.Series[Any]) -> Clock:
        """Learn from a column of times."""
        dtype = series.dtype
        clock = cls(
            getattr(dtype, "time_unit", "D"),
            0,
            getattr(dtype, "time_zone", None),
            isinstance(dtype, nw.Duration),
        )
        ticks = clock.ticks(series.drop_nulls())
        return dataclasses.replace(clock, origin=int(ticks.min()) if len(ticks) else 0)

    def ticks(self, series: nw.Series[Any]) -> NDArray[Any]:
        """Return times as units since the origin."""
        seen = ~series.is_null().to_numpy()
        ticks = self._ticks_of_seen(series.drop_nulls())
        if seen.all():
            return ticks
        # Counted from the origin first: a float holds no nanoseconds since 1970.
        whole = np.full(len(series), np.nan)
        whole[seen] = ticks
        return whole

    def _ticks_of_seen(self, series: nw.Series[Any]) -> NDArray[np.int64]:
        # Neither seconds nor days can be asked for: milliseconds can.
        unit = self.unit if self.unit in ("ns", "us") else "ms"
        if self.is_duration:
            # narwhals counts them by way of floats of seconds, which are a unit off.
            ticks = series.to_numpy().astype(f"timedelta64[{unit}]").astype(np.int64)
        else:
            ticks = series.dt.timestamp(unit).to_numpy()  # type: ignore[arg-type]
        return ticks // {"s": 1_000, "D": 86_400_000}.get(self.unit, 1) - self.origin

    def tick(self, time: Any) -> float:
        """Return one time, a ``datetime``, ``timedelta`` or what NumPy reads as one, in units."""
        if getattr(time, "tzinfo", None) is not None:
            time = time.astimezone(datetime.UTC).replace(tzinfo=None)
        elif self.zone is not None:
            raise ValueError(f"the column's times are in the zone {self.zone}: give it one")
        kind: Callable[..., Any] = np.timedelta64 if self.is_duration else np.datetime64
        return float(kind(time, self.unit).astype(np.int64) - self.origin)

    def times(self, values: Float) -> NDArray[Any]:
        """Return the times of values."""
        kind = "timedelta64" if self.is_duration else "datetime64"
        return (np.round(values).astype(np.int64) + self.origin).astype(f"{kind}[{self.unit}]")
