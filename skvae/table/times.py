"""Clock: a column of times as numbers, and back."""

from __future__ import annotations

import dataclasses
import datetime
import zoneinfo
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


#: Units in a second, and in a day.
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
PER_DAY = {"D": 1, **{unit: 86_400 * n for unit, n in PER_SECOND.items()}}
#: Most units that are counted, by a float too.
MOST = 2**63 - 4096
#: No time is farther from 1970: more days than this libraries count, but make no dates of.
FARTHEST_DAYS = 90_000_000
#: So many are counted to the unit, whatever is added.
HALF = 2**62
#: A step explains this share of the values, and of distinct times so many: one that is repeated in
#: most rows does not make the others its multiples.
EXPLAINED = 0.95
EXPLAINED_TIMES = 0.75
#: Of at most so many times a common step is sought, by this many tries of a few together.
MOST_COMPARED, N_TRIES, N_TOGETHER = 2_000, 64, 6
#: Clocks of zones differ by multiples of so many seconds.
OFFSETS = 15 * 60
EPOCH = datetime.datetime(1970, 1, 1)
#: Times that are tried as the one to count from.
N_ORIGINS = 8


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
    step : int
        What nearly all times are multiples of, counted from the origin, in units.
    is_local : bool
        Whether times are counted by the clocks of the zone, of which a day may have 23 hours: where
        nearly all are whole days apart by these, and not in UTC.
    """

    unit: str
    origin: int
    zone: str | None
    is_duration: bool
    step: int = 1
    is_local: bool = False

    @classmethod
    def of(cls, series: nw.Series[Any], zone: str | None = None) -> Clock:
        """Learn from a column of times, and the zone they are in."""
        dtype = series.dtype
        unit = getattr(dtype, "time_unit", "D")
        clock = cls(unit, 0, zone, isinstance(dtype, nw.Duration))
        ticks = clock.ticks(series.drop_nulls())
        if not len(ticks):
            return clock
        origin, step = _origin_and_step(ticks)
        if zone is not None and _has_rules(zone) and clock._may_be_local(step):
            local = dataclasses.replace(clock, is_local=True)
            first, days = _origin_and_step(local.ticks(series.drop_nulls()))
            if days % PER_DAY[unit] == 0:
                return dataclasses.replace(local, origin=first, step=days)
        return dataclasses.replace(clock, origin=origin, step=step)

    def _may_be_local(self, step: int) -> bool:
        return step < PER_DAY[self.unit] and step % (OFFSETS * PER_SECOND[self.unit]) == 0

    def ticks(self, series: nw.Series[Any]) -> NDArray[Any]:
        """Return times as units since the origin.

        Raises
        ------
        OverflowError
            If a time is farther away than this unit can count.
        """
        own = getattr(series.dtype, "time_unit", "D")
        if (times := ratio(self.unit, own)) > 1:
            self._refuse_beyond(MOST // times, series, own)
        seen = ~series.is_null().to_numpy()
        ticks = self._ticks_of_seen(series.drop_nulls())
        if seen.all():
            return ticks
        # Counted from the origin first: a float holds no nanoseconds since 1970.
        whole = np.full(len(series), np.nan)
        whole[seen] = ticks
        return whole

    def _refuse_beyond(self, most: int, series: nw.Series[Any], unit: str) -> None:
        coarse = dataclasses.replace(self, unit=unit, origin=0, is_local=False)
        if (np.abs(coarse.ticks(series)) > most).any():
            raise OverflowError(
                f"holds a time beyond what its unit in fit, {self.unit}, can count. Correct the "
                f"row, or fit with the unit {unit}."
            )

    def _ticks_of_seen(self, series: nw.Series[Any]) -> NDArray[Any]:
        # Neither seconds nor days can be asked for: milliseconds can.
        unit = self.unit if self.unit in ("ns", "us") else "ms"
        if self.is_duration:
            # narwhals counts them by way of floats of seconds, which are a unit off.
            ticks = series.to_numpy().astype(f"timedelta64[{unit}]").astype(np.int64)
        else:
            ticks = series.dt.timestamp(unit).to_numpy()  # type: ignore[arg-type]
        ticks = ticks // {"s": 1_000, "D": 86_400_000}.get(self.unit, 1)
        return _minus(ticks + self._ahead(ticks, shown=False), self.origin)

    def _ahead(self, ticks: NDArray[np.int64], *, shown: bool) -> NDArray[np.int64] | int:
        """Return how far the clocks of the zone are ahead of UTC, in units; 0 unless local.

        At times in UTC, or where ``shown`` at those that the clocks show.
        """
        if not self.is_local:
            return 0
        zone = zoneinfo.ZoneInfo(str(self.zone))
        seconds, where = np.unique(ticks // PER_SECOND[self.unit], return_inverse=True)
        ahead = [_offset(second, zone, shown=shown) for second in seconds.tolist()]
        return np.array(ahead, np.int64)[where] * PER_SECOND[self.unit]

    def tick(self, time: Any) -> int:
        """Return one time, a ``datetime``, ``timedelta`` or what NumPy reads as one, in units."""
        if getattr(time, "tzinfo", None) is not None:
            time = time.astimezone(datetime.UTC).replace(tzinfo=None)
        elif self.zone is not None:
            raise ValueError(f"the column's times are in the zone {self.zone}: give it one")
        if hasattr(time, "to_numpy"):  # or the nanoseconds of pandas would be lost
            time = time.to_numpy()
        kind: Callable[..., Any] = np.timedelta64 if self.is_duration else np.datetime64
        tick = kind(time, self.unit).astype(np.int64).reshape(1)
        return int((tick + self._ahead(tick, shown=False))[0]) - self.origin

    def whole(self, values: Float) -> Float:
        """Return the multiples of the step that are nearest to values."""
        return np.round(values / self.step) * self.step

    def times(self, values: NDArray[Any], finest: str | None = None) -> NDArray[Any]:
        """Return the times of values, none beyond what the finest unit can count."""
        kind = "timedelta64" if self.is_duration else "datetime64"
        most = MOST // max(ratio(finest or self.unit, self.unit), 1)
        ticks = np.round(values)
        # To the unit where an integer can count it; a sentinel at the end of time is far off.
        if self.zone is not None:  # of which the clocks differ by less than a day
            most -= 2 * PER_DAY[self.unit]
        if not self.is_duration:
            most = min(most, FARTHEST_DAYS * PER_DAY[self.unit])
        since_1970 = ticks + float(self.origin)
        near = (np.abs(ticks) < HALF) & (np.abs(since_1970) < MOST)
        whole = np.where(near, ticks, 0).astype(np.int64) + self.origin
        far = since_1970.clip(-MOST, MOST).astype(np.int64)
        found = np.where(near, whole, far)
        found = (found - self._ahead(found, shown=True)).clip(-most, most)
        return found.astype(f"{kind}[{self.unit}]")


def _has_rules(zone: str) -> bool:
    """Whether Python knows how far the clocks of a zone are ahead of UTC, and when."""
    try:
        return bool(zoneinfo.ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return False


def _offset(second: int, zone: zoneinfo.ZoneInfo, *, shown: bool) -> int:
    """Return the seconds that clocks are ahead of UTC, so many seconds after 1970; 0 far away.

    Where ``shown``, clocks show so many: of two times the earlier one.
    """
    try:
        time = EPOCH + datetime.timedelta(seconds=second)
        if shown:
            offset = time.replace(tzinfo=zone).utcoffset()
        else:
            offset = time.replace(tzinfo=datetime.UTC).astimezone(zone).utcoffset()
    except OverflowError:
        return 0
    assert offset is not None
    return round(offset.total_seconds())


def common_step(ticks: NDArray[Any]) -> int:
    """Return the largest step that nearly all of some times are multiples of, at least 1.

    Candidates are greatest common divisors of a few times each, some of which hold no odd one.
    """
    whole = np.round(ticks[np.abs(ticks) < HALF]).astype(np.int64)
    if not len(whole):
        return 1
    random = np.random.RandomState(0)
    some = random.choice(whole, MOST_COMPARED) if len(whole) > MOST_COMPARED else whole
    few = random.choice(some, (N_TRIES, min(len(some), N_TOGETHER)))
    candidates = {int(np.gcd.reduce(whole)), *np.gcd.reduce(few, axis=1).tolist()} - {0}
    distinct = np.unique(some)
    for step in sorted(candidates, reverse=True):
        of_times = (distinct % step == 0).mean()
        if (some % step == 0).mean() >= EXPLAINED and of_times >= EXPLAINED_TIMES:
            return step
    return 1


def _origin_and_step(ticks: NDArray[Any]) -> tuple[int, int]:
    """Return the first time, or one near the middle where odd times hide a common step, and that.

    Also where the first time is too far from the others to count from, as a sentinel is.
    """
    first, middle = int(ticks.min()), np.median(ticks)
    nearest = ticks[np.argsort(np.abs(ticks - middle), kind="stable")[:N_ORIGINS]]
    origins = [int(origin) for origin in nearest]
    if middle - first < HALF:
        origins.insert(0, first)
    steps = [common_step(_minus(ticks, origin)) for origin in origins]
    best = int(np.argmax(steps))
    return origins[best], steps[best]


def _minus(ticks: NDArray[Any], origin: int) -> NDArray[Any]:
    """Return ticks since an origin: as floats where one is too far away for an integer."""
    if not origin:
        return ticks
    away = ticks - float(origin)
    if (np.abs(away) < HALF).all():
        return ticks - origin
    return np.where(np.abs(away) < HALF, ticks - origin, away)


def ratio(fine: str, coarse: str) -> int:
    """Return how many of one unit are in another; 0 where it is the coarser one."""
    return PER_DAY[fine] // PER_DAY[coarse]
