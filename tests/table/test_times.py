"""Times: the step that nearly all share, and where counting begins."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from skvae.table.native import plain
from skvae.table.times import Clock, common_step

RANDOM = np.random.default_rng(0)
DAY = 86_400 * 10**6


def days(n=400, span=900):
    return DAY * RANDOM.integers(0, span, n)


def with_odd(n_odd):
    ticks = days()
    ticks[:n_odd] += RANDOM.integers(1, DAY, n_odd)
    return ticks


@pytest.mark.parametrize(
    ("ticks", "step"),
    [
        (days(), DAY),
        (with_odd(1), DAY),
        (with_odd(12), DAY),
        (7 * days(), 7 * DAY),
        (15 * 60 * 10**6 * RANDOM.integers(0, 10**5, 400), 15 * 60 * 10**6),
        (np.zeros(5), 1),
        (np.array([DAY]), DAY),
        # One time in nearly all rows does not make the others its multiples.
        (np.r_[np.full(390, 10**9), RANDOM.integers(0, 10**6, 10)], 1),
        (np.array([]), 1),
    ],
)
def test_the_step_that_nearly_all_share(ticks, step):
    assert common_step(ticks) == step


def clock_of(times):
    return Clock.of(nw.from_native(pd.Series(times), series_only=True))


def test_counting_begins_at_the_first_time():
    times = pd.to_datetime(days(), unit="us")
    assert clock_of(times).origin == int(times.as_unit("us").asi8.min())


def test_an_odd_first_time_does_not_hide_the_step():
    times = pd.Series(pd.to_datetime(days() + DAY, unit="us"))
    times[0] = pd.Timestamp("1969-12-31 03:04:05.678901")
    series = nw.from_native(times, series_only=True)
    assert common_step(Clock.of(series).ticks(series)) == DAY


@pytest.mark.parametrize("sentinel", [pd.Timestamp.min, pd.Timestamp.max])
def test_sentinels_at_the_ends_of_time_are_read_and_written(sentinel):
    times = pd.Series(pd.to_datetime(days(), unit="us")).astype("datetime64[ns]")
    times[:8] = [sentinel.ceil("D") if sentinel.year < 1900 else sentinel.floor("D")] * 8
    series = nw.from_native(times, series_only=True)
    clock = Clock.of(series)
    written = clock.times(clock.ticks(series).astype(float))
    assert (written[8:] == times[8:].to_numpy()).all()
    assert (np.abs(written[:8] - times[:8].to_numpy()) < np.timedelta64(1, "ms")).all()


def test_no_time_is_written_beyond_what_the_unit_can_count():
    clock = clock_of(pd.Series(pd.to_datetime(days(), unit="us")).astype("datetime64[ns]"))
    written = clock.times(np.array([-1e30, -1e19, 1e19, 1e30]))
    assert [str(time)[:4] for time in written] == ["1677", "1677", "2262", "2262"]


@pytest.mark.parametrize("kind", ["datetime64", "timedelta64"])
@pytest.mark.parametrize("start", [-(2**63) + 4096, 2**62 + 1, 2**63 - 5000 * 10**9])
def test_times_near_the_end_of_time_are_counted_to_the_unit(kind, start):
    times = pd.Series((start + 10**9 * RANDOM.integers(0, 4000, 300)).astype(f"{kind}[ns]"))
    clock = clock_of(times)
    assert clock.step == 10**9
    ticks = clock.ticks(nw.from_native(times, series_only=True))
    assert (clock.times(ticks.astype(float)) == times.to_numpy()).all()
    beyond = clock.times(np.array([-6e12, 6e12])).astype(np.int64)
    assert (np.sign(beyond) == np.sign(start)).all()


@pytest.mark.parametrize("zone", ["America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe"])
def test_midnights_of_a_zone_are_whole_days_apart(zone):
    dates = pd.date_range("2014-01-01", periods=900).tz_localize(zone, nonexistent="shift_forward")
    series = plain(nw.from_native(pd.Series(dates), series_only=True))
    clock = Clock.of(series, zone)
    assert clock.step * np.timedelta64(1, clock.unit) == np.timedelta64(1, "D")
    ticks = clock.ticks(series).astype(float)
    assert (clock.times(clock.whole(ticks)) == dates.tz_convert(None).to_numpy()).all()
    assert clock.tick(dates[3]) == ticks[3]


def test_times_within_a_day_are_counted_in_utc():
    dates = pd.date_range("2014-01-01", periods=3000, freq="h", tz="America/New_York")
    series = plain(nw.from_native(pd.Series(dates), series_only=True))
    assert not Clock.of(series, "America/New_York").is_local
