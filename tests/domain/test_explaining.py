from dataclasses import replace
from datetime import date

import pytest

from app.domain.errors import Note
from app.domain.explaining import Difference, differences, explain, rule
from app.domain.limits import (
    CalendarYear,
    Continuous,
    FixedEnd,
    Limit,
    PerEntry,
    PeriodFromFirstEntry,
    Rolling,
    Unlimited,
)
from app.domain.presence import NEVER, Stay
from app.domain.stay import Assessment, InForce, Overstay, always, assess

ROLLING = Rolling(name="rolling", max_days=90, window_days=180)
YEAR = CalendarYear(name="calendar_year", max_days=90)
IN_ONE_GO = Continuous(name="continuous", max_days=90)
VISIT = PerEntry(name="visa_days", max_days=16)
PERIOD = PeriodFromFirstEntry(name="period_from_first_entry", max_days=90, period_days=180)
CONTRACT = FixedEnd(name="contract", until=date(2027, 1, 31))
UNLIMITED = Unlimited(name="unlimited")

ENTERED = date(2026, 12, 2)
TODAY = date(2026, 12, 11)
STAY = [Stay(ENTERED)]


def told(*limits: Limit, stays: list[Stay] | None = None, on: date = TODAY) -> Assessment:
    return assess(STAY if stays is None else stays, always(limits), on)


def note(code: str, **values: str) -> Note:
    return Note(code=code, values=values)


def since(begins: str, **values: str) -> dict[str, str]:
    """Days counted from a day to today."""
    return {"from": begins, "to": "2026-12-11", **values}


# The rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (ROLLING, note("rolling", limit="rolling", window_days="180", max_days="90")),
        (YEAR, note("calendar_year", limit="calendar_year", max_days="90")),
        (IN_ONE_GO, note("continuous", limit="continuous", max_days="90")),
        (VISIT, note("per_entry", limit="visa_days", max_days="16")),
        (PERIOD, note("period_from_first_entry", limit="period_from_first_entry", period_days="180", max_days="90")),
        (CONTRACT, note("fixed_end", limit="contract", until="2027-01-31")),
        (UNLIMITED, note("unlimited", limit="unlimited")),
    ],
    ids=lambda value: value.kind if isinstance(value, Limit) else "",
)
def test_a_limit_is_told_by_its_kind_with_its_figures(limit: Limit, expected: Note) -> None:
    assert rule(limit) == expected
    assert explain(told(limit))[0] == Note(code=f"rule_{expected.code}", values=expected.values)


# An explanation for each kind of limit -------------------------------------------------------------------------------


def test_a_rolling_window_is_explained_by_the_days_counted_back_from_today() -> None:
    assert explain(told(ROLLING)) == [
        note("rule_rolling", limit="rolling", window_days="180", max_days="90"),
        note("days_counted", **since("2026-06-15", limit="rolling", used="10", left="80")),
        note("days_left", left="80", on="2026-12-11"),
        note("stay_ends", entered_on="2026-12-02", limit="rolling", last_lawful_day="2027-03-01"),
        note("earliest_entry", earliest_entry="2026-12-12"),
        note("longest_stay", on="2026-12-11", days="81"),
    ]


def test_a_calendar_year_is_explained_by_the_days_since_1_january() -> None:
    assert explain(told(YEAR)) == [
        note("rule_calendar_year", limit="calendar_year", max_days="90"),
        note("days_counted", **since("2026-01-01", limit="calendar_year", used="10", left="80")),
        note("days_left", left="80", on="2026-12-11"),
        note("stay_ends", entered_on="2026-12-02", limit="calendar_year", last_lawful_day="2027-03-31"),
        note("earliest_entry", earliest_entry="2026-12-12"),
        note("longest_stay", on="2026-12-11", days="111"),
    ]


@pytest.mark.parametrize(
    ("limit", "name", "left", "last", "longest"),
    [(IN_ONE_GO, "continuous", "80", "2027-03-01", "90"), (VISIT, "visa_days", "6", "2026-12-17", "16")],
)
def test_a_limit_of_one_stay_is_explained_by_the_days_since_the_entry_and_begins_anew(
    limit: Continuous, name: str, left: str, last: str, longest: str
) -> None:
    assert explain(told(limit)) == [
        note(f"rule_{limit.kind}", limit=name, max_days=str(limit.max_days)),
        note("days_counted", **since("2026-12-02", limit=name, used="10", left=left)),
        note("days_left", left=left, on="2026-12-11"),
        note("stay_ends", entered_on="2026-12-02", limit=name, last_lawful_day=last),
        note("earliest_entry", earliest_entry="2026-12-12"),
        note("longest_stay", on="2026-12-11", days=longest),
    ]


def test_a_period_is_explained_by_the_days_since_it_began() -> None:
    stays = [Stay(date(2026, 8, 1), date(2026, 8, 20)), *STAY]
    assert explain(told(PERIOD, stays=stays))[:4] == [
        note("rule_period_from_first_entry", limit="period_from_first_entry", period_days="180", max_days="90"),
        note("days_counted", **since("2026-08-01", limit="period_from_first_entry", used="30", left="60")),
        note("days_left", left="60", on="2026-12-11"),
        note("stay_ends", entered_on="2026-12-02", limit="period_from_first_entry", last_lawful_day="2027-04-27"),
    ]


def test_a_fixed_end_counts_no_days_used() -> None:
    assert explain(told(CONTRACT)) == [
        note("rule_fixed_end", limit="contract", until="2027-01-31"),
        note("days_left", left="51", on="2026-12-11"),
        note("stay_ends", entered_on="2026-12-02", limit="contract", last_lawful_day="2027-01-31"),
        note("earliest_entry", earliest_entry="2026-12-12"),
        note("longest_stay", on="2026-12-11", days="52"),
    ]


def test_without_limits_nothing_is_counted_and_nothing_ends() -> None:
    assert explain(told(UNLIMITED)) == [
        note("rule_unlimited", limit="unlimited"),
        note("days_unlimited"),
        note("stay_has_no_end", entered_on="2026-12-02", limit=""),
        note("earliest_entry", earliest_entry="2026-12-12"),
        note("longest_stay_unlimited", on="2026-12-11"),
    ]


def test_a_day_without_rules_is_said_not_to_be_judged() -> None:
    assert explain(told()) == [note("stay_not_judged")]


def test_a_limit_that_is_not_in_force_yet_is_told_where_it_ends_the_stay() -> None:
    later = date(2026, 7, 18).toordinal()
    visit = PerEntry(name="per_entry", max_days=30, source="an agreement")
    terms = (
        InForce(begins=1, until=later - 1, limits=(YEAR,)),
        InForce(begins=later, until=NEVER, limits=(visit,)),
    )
    notes = explain(assess([Stay(date(2026, 7, 1))], terms, date(2026, 7, 10)))
    [told_later] = [one for one in notes if one.code == "other_rule_ends"]
    assert told_later.values == {"limit": "per_entry", "max_days": "30", "source": "an agreement"}
    assert [one.code for one in explain(told(YEAR))].count("other_rule_ends") == 0


def test_of_several_limits_all_are_told_before_all_are_counted() -> None:
    found = explain(told(YEAR, CONTRACT, VISIT))
    assert [(one.code, one.values.get("limit")) for one in found] == [
        ("rule_calendar_year", "calendar_year"),
        ("rule_fixed_end", "contract"),
        ("rule_per_entry", "visa_days"),
        ("days_counted", "calendar_year"),
        ("days_counted", "visa_days"),
        ("days_left", None),
        ("stay_ends", "visa_days"),
        ("earliest_entry", None),
        ("longest_stay", None),
    ]


# No stay, and stays that went wrong ----------------------------------------------------------------------------------


def test_whoever_is_away_is_told_of_no_stay() -> None:
    stays = [Stay(ENTERED, date(2026, 12, 4))]
    assert explain(told(YEAR, stays=stays)) == [
        note("rule_calendar_year", limit="calendar_year", max_days="90"),
        note("days_counted", **since("2026-01-01", limit="calendar_year", used="3", left="87")),
        note("days_left", left="87", on="2026-12-11"),
        note("earliest_entry", earliest_entry="2026-12-11"),
        note("longest_stay", on="2026-12-11", days="111"),
    ]


def test_a_limit_of_one_stay_counts_nothing_for_whoever_is_away() -> None:
    codes = [one.code for one in explain(told(IN_ONE_GO, stays=[]))]
    assert codes == ["rule_continuous", "days_left", "earliest_entry", "longest_stay"]


def test_an_overstay_is_told_after_the_stay() -> None:
    short = PerEntry(name="visa_days", max_days=4)
    found = explain(told(short))
    assert found[2:5] == [
        note("days_left", left="0", on="2026-12-11"),
        note("stay_ends", entered_on="2026-12-02", limit="visa_days", last_lawful_day="2026-12-05"),
        note("stay_overstayed", **{"from": "2026-12-06", "to": "2026-12-11", "days": "6", "limit": "visa_days"}),
    ]


def test_a_past_overstay_is_told_to_whoever_is_away() -> None:
    short = PerEntry(name="visa_days", max_days=4)
    found = explain(told(short, stays=[Stay(date(2026, 3, 1), date(2026, 3, 6))]))
    assert found[2] == note(
        "stay_overstayed", **{"from": "2026-03-05", "to": "2026-03-06", "days": "2", "limit": "visa_days"}
    )


def test_a_stay_of_which_no_day_was_lawful_is_told_so() -> None:
    ended = FixedEnd(name="visa", until=date(2026, 12, 1))
    assert explain(told(ended)) == [
        note("rule_fixed_end", limit="visa", until="2026-12-01"),
        note("days_left", left="0", on="2026-12-11"),
        note("stay_never_lawful", entered_on="2026-12-02", limit="visa"),
        note("stay_overstayed", **{"from": "2026-12-02", "to": "2026-12-11", "days": "10", "limit": "visa"}),
        note("no_entry_in_ten_years"),
        note("longest_stay", on="2026-12-11", days="0"),
    ]


# Differences ---------------------------------------------------------------------------------------------------------

ONE = Assessment(
    on=TODAY,
    entered_on=ENTERED,
    days_used=10,
    days_left=80,
    last_lawful_day=date(2027, 3, 1),
    ended_by="continuous",
    earliest_entry=date(2026, 12, 12),
    longest_stay=90,
    overstay=None,
    standings=(),
    regime="a",
)
OVERSTAY = Overstay(begins_on=ENTERED, until=TODAY, days=10, limit="visa")


def test_two_assessments_that_agree_do_not_differ() -> None:
    assert differences(ONE, replace(ONE)) == []


def test_numbers_that_differ_are_listed_in_the_order_of_an_answer() -> None:
    other = replace(
        ONE,
        days_used=0,
        days_left=None,
        last_lawful_day=None,
        ended_by="visa",
        earliest_entry=None,
        longest_stay=0,
        overstay=OVERSTAY,
    )
    assert differences(ONE, other) == [
        Difference(field="days_used", a=10, b=0),
        Difference(field="days_left", a=80, b=None),
        Difference(field="last_lawful_day", a=date(2027, 3, 1), b=None),
        Difference(field="ended_by", a="continuous", b="visa"),
        Difference(field="earliest_entry", a=date(2026, 12, 12), b=None),
        Difference(field="longest_stay", a=90, b=0),
        Difference(field="overstay", a=None, b=OVERSTAY),
    ]
    assert [one.b for one in differences(other, ONE)] == [one.a for one in differences(ONE, other)]


def test_only_what_differs_is_listed() -> None:
    assert differences(ONE, replace(ONE, longest_stay=None)) == [Difference(field="longest_stay", a=90, b=None)]
    shorter = replace(OVERSTAY, days=9)
    assert differences(replace(ONE, overstay=OVERSTAY), replace(ONE, overstay=shorter)) == [
        Difference(field="overstay", a=OVERSTAY, b=shorter)
    ]


def test_the_rules_themselves_are_no_difference() -> None:
    standings = told(YEAR).standings
    assert differences(ONE, replace(ONE, regime="b", standings=standings, entered_on=None)) == []
