"""Published cases of counting stays (tests/data/stay.json), each figure of theirs told in ours."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import pytest

from app.domain.limits import CalendarYear, Continuous, Limit, PerEntry, Rolling
from app.domain.presence import Stay
from app.domain.stay import Assessment, Ending, Overstay, always, assess, entering

DAY = timedelta(days=1)


class RuleOfAll(TypedDict):
    max_days: int
    window_days: int
    entry_and_exit_days_count: bool
    overlaps_count_once: bool


class Vector(TypedDict):
    id: str
    rule: RuleOfAll | str
    n_days: NotRequired[int]
    stays: list[tuple[str, str | None]]
    check_date: str
    check_kind: NotRequired[str]
    expected: dict[str, object]
    own_max_stay_then: NotRequired[int]
    holdout_fields: NotRequired[list[str]]
    agrees_with_own_inclusive_arithmetic: NotRequired[bool]


class Vectors(TypedDict):
    about: str
    fields: dict[str, str]
    rolling_90_180: list[Vector]
    published_examples: list[Vector]


VECTORS = cast("Vectors", json.loads((Path(__file__).parents[1] / "data" / "stay.json").read_text("utf-8")))
ALL = [*VECTORS["rolling_90_180"], *VECTORS["published_examples"]]


class Asked:
    """A case, put to the calculator."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        self.on = date.fromisoformat(vector["check_date"])
        self.limits = limits_of(vector)
        self.stays = [
            Stay(date.fromisoformat(entered), date.fromisoformat(left) if left else None)
            for entered, left in vector["stays"]
        ]

    def assessed(self, on: date | None = None, stays: list[Stay] | None = None) -> Assessment:
        return assess(self.stays if stays is None else stays, always(self.limits), on or self.on)

    @property
    def max_days(self) -> int:
        first = self.limits[0]
        assert isinstance(first, (Rolling, CalendarYear, Continuous))
        return first.max_days

    @property
    def overstay(self) -> Overstay:
        overstay = self.assessed().overstay
        assert overstay is not None
        return overstay

    def leaves_today(self) -> bool:
        return any(stay.left_on == self.on for stay in self.stays)

    def planned(self) -> date:
        """The last day of a stay that begins on the check date."""
        ending = entering(self.stays, always(self.limits), self.on)
        assert isinstance(ending, Ending)
        return ending.last_lawful_day

    def controlled(self) -> date:
        """The last day of the stay that goes on; of one that begins today, when away."""
        current = self.assessed()
        return self.planned() if current.entered_on is None else told(current.last_lawful_day)

    def full_reentry(self) -> date:
        """The first day after the stay from which on the whole allowance could be spent in one go."""
        day = self.on + DAY
        while self.assessed(day).longest_stay != self.max_days:
            day += DAY
        return day


def told(day: date | None) -> date:
    assert day is not None
    return day


def limits_of(vector: Vector) -> list[Limit]:
    """Read the rule, whole or by its name. The Russian rules cap a continuous stay as well (DOMAIN §2)."""
    rolling = Rolling(name="rolling", max_days=90, window_days=180)
    ninety_in_one_go = Continuous(name="continuous", max_days=90)
    match vector["rule"]:
        case "rolling_90_180":
            return [rolling]
        case "ru_rolling_90_180":
            return [rolling, ninety_in_one_go]
        case "ru_calendar_year_90":
            return [CalendarYear(name="calendar_year", max_days=90), ninety_in_one_go]
        case "fixed_n_days_inclusive":
            return [PerEntry(name="visa", max_days=vector["n_days"])]
        case {"max_days": int(max_days), "window_days": int(window_days)}:
            return [Rolling(name="rolling", max_days=max_days, window_days=window_days)]
        case other:
            pytest.fail(f"unknown rule {other}")


def overstay_spans(asked: Asked) -> list[dict[str, object]]:
    """Tell the unlawful days as one span, which is what they are in every case given: no lawful day lies between."""
    overstay = asked.overstay
    assert overstay.days == (overstay.until - overstay.begins_on).days + 1
    return [
        {
            "window_days_at_exit": asked.assessed(overstay.until).days_used,
            "from": overstay.begins_on.isoformat(),
            "to": overstay.until.isoformat(),
            "overstay_days": overstay.days,
        }
    ]


def planning_days(asked: Asked) -> int | None:
    """Tell the days that the page authorises: ours, but without the check date itself if somebody leaves on it.

    For the page that day is spent already; for us it is the first one of the stay that is planned.
    """
    longest = asked.assessed().longest_stay
    return longest - 1 if longest is not None and asked.leaves_today() else longest


DERIVED: Mapping[str, Callable[[Asked], object]] = {
    "days_used": lambda asked: asked.assessed().days_used,
    "days_remaining": lambda asked: asked.assessed().days_left,
    # ours stops at 0; theirs is the same difference with its sign
    "signed_days_remaining": lambda asked: asked.max_days - (asked.assessed().days_used or 0),
    "max_stay_from_check_date": lambda asked: asked.assessed().longest_stay,
    "max_stay_if_enter_on_check_date": lambda asked: asked.assessed().longest_stay,
    "latest_exit": lambda asked: asked.planned().isoformat(),
    "official_authorised_days_planning": planning_days,
    "official_possible_stay_until": lambda asked: asked.controlled().isoformat(),
    "days_until_must_leave": lambda asked: (told(asked.assessed().last_lawful_day) - asked.on).days,
    "last_legal_day": lambda asked: told(asked.assessed().last_lawful_day).isoformat(),
    "overstay": lambda asked: asked.assessed().overstay is not None,
    "overstay_days": lambda asked: asked.overstay.days,
    "overstay_spans": overstay_spans,
    "first_violation": lambda asked: asked.overstay.begins_on.isoformat(),
    # the days of each stay by itself, as they stand at its end
    "days_used_by_stay": lambda asked: [asked.assessed(stay.left_on, [stay]).days_used for stay in asked.stays],
    "window_start": lambda asked: told(asked.assessed().standings[0].begins_on).isoformat(),
    "earliest_entry": lambda asked: told(asked.assessed().earliest_entry).isoformat(),
    "earliest_full_reentry": lambda asked: asked.full_reentry().isoformat(),
    "earliest_reentry_year": lambda asked: told(asked.assessed().earliest_entry).year,
}
"""Each figure of theirs, from ours."""

ABOUT_THE_CASE = {"id", "authority", "source", "url", "note", "expected_basis", "answer_from"}
"""Where a case comes from: nothing to compute."""
READ = {"rule", "n_days", "stays", "check_date", "check_kind", "expected"}
ASSERTED = {"own_max_stay_then", "holdout_fields", "agrees_with_own_inclusive_arithmetic"}
IN_A_RULE = {"max_days", "window_days", "entry_and_exit_days_count", "overlaps_count_once"}


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector["id"])
def test_every_published_figure_is_ours(vector: Vector) -> None:
    asked = Asked(vector)
    assert {field: DERIVED[field](asked) for field in vector["expected"]} == vector["expected"]


def test_no_field_of_the_file_goes_unread() -> None:
    assert set(VECTORS) == {"about", "fields", "rolling_90_180", "published_examples"}
    assert set().union(*ALL) == ABOUT_THE_CASE | READ | ASSERTED
    assert {field for vector in ALL for field in vector["expected"]} | set(VECTORS["fields"]) == set(DERIVED)
    assert set().union(*(vector["rule"] for vector in ALL if isinstance(vector["rule"], dict))) == IN_A_RULE


def test_every_case_counts_as_we_do() -> None:
    for vector in VECTORS["rolling_90_180"]:
        assert isinstance(vector["rule"], dict)
        assert vector["rule"]["entry_and_exit_days_count"]
        assert vector["rule"]["overlaps_count_once"]
    assert all(vector["agrees_with_own_inclusive_arithmetic"] for vector in VECTORS["published_examples"])
    assert all(set(vector.get("holdout_fields", [])) <= set(vector["expected"]) for vector in ALL)


def test_the_kind_of_check_says_whether_somebody_is_there() -> None:
    present = {
        vector["check_kind"]: Asked(vector).assessed().entered_on is not None
        for vector in VECTORS["published_examples"]
    }
    assert present == {
        "planned_entry": False,
        "exit_control_last_stay_could_continue": True,
        "reentry_question": True,
        "last_legal_day": True,
    }


# What the notes add --------------------------------------------------------------------------------------------------


def named(name: str) -> Asked:
    return Asked(next(vector for vector in ALL if vector["id"] == name))


def with_own_stay() -> Iterator[Asked]:
    return (Asked(vector) for vector in ALL if "own_max_stay_then" in vector)


def test_the_full_allowance_is_back_on_the_first_day_of_a_lawful_entry() -> None:
    for asked in with_own_stay():
        assert asked.assessed().earliest_entry == asked.full_reentry()
        assert asked.assessed(asked.full_reentry()).longest_stay == asked.vector["own_max_stay_then"]


def test_an_overstay_long_past_is_told_and_does_not_block_a_plan() -> None:
    assessed = named("nf-old-overstay").assessed()
    assert assessed.overstay == Overstay(begins_on=date(2025, 4, 1), until=date(2025, 4, 10), days=10, limit="rolling")
    assert assessed.longest_stay == 90


def test_two_days_left_on_the_day_of_entry_can_be_fifty_lawful_ones() -> None:
    asked = named("sem-2014-5b")
    assert (asked.assessed().days_left, asked.assessed().longest_stay) == (2, 50)


def test_a_stay_that_was_to_go_on_is_counted_up_to_the_day_of_the_check() -> None:
    asked = named("ts-EDGE-001-clip")
    assert asked.stays[0].left_on == asked.on + DAY
    assert asked.assessed().days_used == 2


def test_the_day_of_entry_is_the_first_day_and_not_the_day_before_it() -> None:
    assert named("ru-2017-9111").assessed().last_lawful_day == date(2017, 9, 26) + 89 * DAY
    assert named("ru-evisa-2017").assessed().last_lawful_day == date(2017, 10, 5) + 7 * DAY


def test_the_days_of_a_year_are_back_on_its_first_day() -> None:
    asked = named("ru-2025-pravoved")
    assert (asked.assessed().days_used, asked.assessed().earliest_entry) == (90, date(2026, 1, 1))


def test_a_remainder_below_nothing_is_nothing_for_us() -> None:
    assert named("kata-6-overstay").assessed().days_left == 0
