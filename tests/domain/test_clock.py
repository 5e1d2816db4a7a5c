from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clock import (
    EARLIEST,
    LATEST,
    MAX_SPEED,
    Clock,
    Mode,
    end_of_day,
    instant_text,
    local_day,
    read_duration,
    within_range,
)
from app.domain.errors import Conflict, RuleViolation
from tests.builders import utc

REAL = utc("2026-11-22 12:00")
SIM = utc("2026-12-01 06:00")


def clock(mode: Mode, *, sim: datetime = SIM, speed: int = 1) -> Clock:
    return Clock(mode=mode, anchor_real=REAL, anchor_sim=sim, speed=speed)


def later(seconds: float) -> datetime:
    return REAL + timedelta(seconds=seconds)


# Time at an instant --------------------------------------------------------------------------------------------------


def test_a_frozen_clock_stands_still() -> None:
    assert clock(Mode.FROZEN).at(later(1e6)) == clock(Mode.FROZEN).at(later(-1e6)) == SIM


@pytest.mark.parametrize("speed", [1, 60, MAX_SPEED])
def test_a_running_clock_runs_at_its_speed(speed: int) -> None:
    assert clock(Mode.RUNNING, speed=speed).at(later(90)) == SIM + timedelta(seconds=90 * speed)


def test_a_system_clock_is_real_time_but_never_before_its_start() -> None:
    assert clock(Mode.SYSTEM).at(SIM + timedelta(days=1)) == SIM + timedelta(days=1)
    assert clock(Mode.SYSTEM).at(SIM - timedelta(days=1)) == SIM


@given(seconds=st.floats(-1e9, 1e9), mode=st.sampled_from(Mode))
def test_no_answer_lies_before_the_anchor_whatever_real_time_does(seconds: float, mode: Mode) -> None:
    assert clock(mode, speed=MAX_SPEED).at(later(seconds)) >= SIM


@given(
    seconds=st.integers(0, 10**12),
    micros=st.integers(0, 10**6),
    speed=st.integers(1, MAX_SPEED),
    start=st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  zoned
)
def test_a_running_clock_stops_at_the_ceiling(seconds: int, micros: int, speed: int, start: datetime) -> None:
    elapsed = min(timedelta(seconds=seconds, microseconds=micros), datetime(9999, 1, 1, tzinfo=UTC) - REAL)
    running = clock(Mode.RUNNING, sim=start, speed=speed)
    now = running.at(REAL + elapsed)
    assert now <= LATEST
    assert running.freeze(now, real=REAL + elapsed).at(REAL) == now


def test_a_running_clock_reaches_the_ceiling_and_no_further() -> None:
    running = clock(Mode.RUNNING, sim=LATEST - timedelta(microseconds=3), speed=2)
    assert running.at(later(10)) == LATEST


# Operations ----------------------------------------------------------------------------------------------------------

_moves = st.sampled_from(["freeze", "run", "follow", "advance"])
_steps = st.tuples(
    _moves,
    st.integers(0, 10**8),  # real milliseconds since the step before
    st.integers(-(10**9), 10**9) | st.just(0),  # sandbox seconds from now
    st.integers(1, MAX_SPEED),
)


def _step(one: Clock, move: str, at: datetime, speed: int, real: datetime) -> Clock:
    moves: dict[str, Callable[[], Clock]] = {
        "freeze": lambda: one.freeze(at, real=real),
        "run": lambda: one.run(at, speed, real=real),
        "follow": lambda: one.follow(real=real),
        "advance": lambda: one.advance(at, real=real),
    }
    return moves[move]()


@given(steps=st.lists(_steps, max_size=30))
def test_time_never_goes_back_under_any_sequence_of_operations(steps: list[tuple[str, int, int, int]]) -> None:
    real, one = REAL, clock(Mode.FROZEN)
    last = one.at(real)
    for move, wait, ahead, speed in steps:
        real += timedelta(milliseconds=wait)
        now = one.at(real)
        assert now >= last
        at = now + timedelta(seconds=ahead)
        before, refused = one, False
        try:
            one = _step(one, move, at, speed, real)
        except (Conflict, RuleViolation):
            refused = True
        assert one.at(real) >= now
        if refused:
            assert one is before
        elif move != "follow":
            assert one.at(real) == at
        last = one.at(real)


@given(steps=st.lists(_steps, max_size=15), back=st.lists(st.integers(0, 10**9), min_size=15, max_size=15))
def test_a_moved_clock_never_answers_before_the_move_though_real_time_jumps_back(
    steps: list[tuple[str, int, int, int]], back: list[int]
) -> None:
    real, one, moved_at = REAL, clock(Mode.FROZEN), SIM
    for (move, wait, ahead, speed), jump in zip(steps, back, strict=False):
        real += timedelta(milliseconds=wait) - timedelta(seconds=jump)
        at = one.at(real) + timedelta(seconds=ahead)
        try:
            one = _step(one, move, at, speed, real)
        except (Conflict, RuleViolation):
            continue
        assert one.at(real) >= moved_at
        moved_at = one.at(real)
        assert one.at(real - timedelta(days=365)) >= moved_at


@pytest.mark.parametrize("move", ["freeze", "run", "advance"])
def test_a_move_to_an_earlier_instant_is_a_conflict_that_tells_the_time(move: str) -> None:
    with pytest.raises(Conflict, match="clock-backwards") as refusal:
        _step(clock(Mode.FROZEN), move, SIM - timedelta(microseconds=1), 1, REAL)
    assert refusal.value.extra == {"now": "2026-12-01T06:00:00Z"}


@pytest.mark.parametrize("move", ["freeze", "run", "advance"])
def test_a_move_to_the_present_instant_is_allowed(move: str) -> None:
    assert _step(clock(Mode.FROZEN), move, SIM, 1, REAL).at(REAL) == SIM


def test_following_real_time_from_ahead_of_it_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="clock-backwards"):
        clock(Mode.FROZEN, sim=REAL + timedelta(seconds=1)).follow(real=REAL)
    assert clock(Mode.FROZEN, sim=REAL).follow(real=REAL).mode is Mode.SYSTEM


def test_the_real_clock_is_not_advanced() -> None:
    with pytest.raises(Conflict, match="clock-is-real"):
        clock(Mode.SYSTEM).advance(SIM + timedelta(days=1), real=REAL)


@pytest.mark.parametrize("mode", [Mode.FROZEN, Mode.RUNNING])
def test_an_advance_keeps_the_mode_and_the_speed(mode: Mode) -> None:
    moved = clock(mode, speed=60).advance(SIM + timedelta(days=1), real=later(10))
    assert (moved.mode, moved.speed) == (mode, 60)
    assert moved.at(later(10)) == SIM + timedelta(days=1)


def test_running_without_an_instant_goes_on_from_now() -> None:
    assert clock(Mode.RUNNING, speed=2).run(None, 5, real=later(10)).at(later(11)) == SIM + timedelta(seconds=25)


@pytest.mark.parametrize("at", [EARLIEST, LATEST])
def test_the_first_and_the_last_instant_are_within_range(at: datetime) -> None:
    assert within_range(at) == at


@pytest.mark.parametrize("at", [EARLIEST - timedelta(seconds=1), LATEST + timedelta(seconds=1)])
def test_an_instant_beyond_them_is_refused_where_it_was_asked_for(at: datetime) -> None:
    with pytest.raises(RuleViolation, match="clock-out-of-range") as refusal:
        within_range(at, pointer="/clock/at")
    assert [fault.pointer for fault in refusal.value.faults] == ["/clock/at"]


def test_an_instant_with_an_offset_is_kept_in_utc() -> None:
    at = datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=3)))
    assert within_range(at).utcoffset() == timedelta()
    assert clock(Mode.FROZEN).freeze(at, real=REAL).anchor_sim.tzinfo is UTC


# Durations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P1W", timedelta(weeks=1)),
        ("P10D", timedelta(days=10)),
        ("PT36H", timedelta(hours=36)),
        ("PT90M", timedelta(minutes=90)),
        ("PT5S", timedelta(seconds=5)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("P1DT4S", timedelta(days=1, seconds=4)),
        ("PT0S", timedelta()),
        ("P007D", timedelta(days=7)),
    ],
)
def test_weeks_or_days_and_times_are_durations(text: str, duration: timedelta) -> None:
    assert read_duration(text) == duration


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_every_figure_counts(days: int, hours: int, minutes: int, seconds: int) -> None:
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert read_duration(f"P{days}DT{hours}H{minutes}M{seconds}S") == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1", "1D", "P1M", "P1Y", "P1Y2M", "P1WT", "P1DT", "P1W2D", "P1WT1H", "P1H", "PT1D", "P-1D"),
        *("-P1D", "+P1D", "P1.5D", "P1,5D", "p1d", " P1D", "P1D ", "P1D\n", "PT1S1M", "P1DT1M1H", "P99999999999999W"),
        *("P٣D", "P\uff11D", "PT٣H"),
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(RuleViolation, match="duration-malformed") as refusal:
        read_duration(text)
    assert [fault.pointer for fault in refusal.value.faults] == ["/by"]


# Days ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "zone", "day"),
    [
        ("2026-12-31 20:59", "Europe/Moscow", date(2026, 12, 31)),
        ("2026-12-31 21:00", "Europe/Moscow", date(2027, 1, 1)),
        ("2026-12-31 17:00", "Asia/Kamchatka", date(2027, 1, 1)),
        ("2026-12-31 21:30", "Europe/Kaliningrad", date(2026, 12, 31)),
    ],
)
def test_a_day_is_the_day_at_the_checkpoint(at: str, zone: str, day: date) -> None:
    assert local_day(utc(at), zone) == day


@given(
    st.dates(date(1901, 1, 1), date(8999, 1, 1)),
    st.sampled_from(["Europe/Moscow", "Asia/Kamchatka", "Europe/Kaliningrad", "Europe/Minsk", "Asia/Chita"]),
)
def test_the_end_of_a_day_is_the_first_instant_of_the_next(day: date, zone: str) -> None:
    end = end_of_day(day, zone)
    assert end.utcoffset() == timedelta()
    assert local_day(end, zone) == day + timedelta(days=1)
    assert local_day(end - timedelta(microseconds=1), zone) == day


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (utc("2026-12-01 06:00"), "2026-12-01T06:00:00Z"),
        (utc("2026-12-01 06:00") + timedelta(milliseconds=5), "2026-12-01T06:00:00.005000Z"),
        (datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=3))), "2026-12-01T06:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_a_fraction_only_where_there_is_one(at: datetime, text: str) -> None:
    assert instant_text(at) == text
