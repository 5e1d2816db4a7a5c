"""Named cases of DOMAIN §2 and §5, and of CONTRACTS §5: one rule each."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from app.domain.presence import NEVER, Presence, Span, Stay
from app.domain.stay import (
    Ending,
    InForce,
    Overstay,
    Terms,
    UsedUp,
    _shortest_by_period,
    always,
    assess,
    ending,
    entering,
)

DAY = timedelta(days=1)
YEAR = CalendarYear(name="calendar_year", max_days=90)
ROLLING = Rolling(name="rolling", max_days=90, window_days=180)
IN_ONE_GO = Continuous(name="continuous", max_days=90)


def day(text: str) -> date:
    return date.fromisoformat(text)


def stays(text: str) -> list[Stay]:
    """Read "2025-01-01/2025-03-11 2025-12-12/": days of entry and exit, the last one still to come."""
    pairs = [stay.split("/") for stay in text.split()]
    return [Stay(day(entered), day(left) if left else None) for entered, left in pairs]


def since(*spans: tuple[str, list[Limit]]) -> Terms:
    """Put limits in force from a day on, each until the next; the first ones since ever."""
    begins = [1, *(day(text).toordinal() for text, _ in spans[1:]), NEVER + 1]
    return tuple(
        InForce(begins=begins[place], until=begins[place + 1] - 1, limits=tuple(limits), regime=f"since {text}")
        for place, (text, limits) in enumerate(spans)
    )


VISA_FREE = since(("2014-01-01", [ROLLING, IN_ONE_GO]), ("2025-01-01", [YEAR, IN_ONE_GO]))
"""What is in force for visa-free visitors of Russia, before 2025 and since."""


def last_day(text: str, terms: Terms, on: str | None = None) -> date | None:
    """Tell the last lawful day of the last stay of a history, on the day of its entry or another."""
    history = stays(text)
    return assess(history, terms, day(on) if on else history[-1].entered_on).last_lawful_day


# DOMAIN §2: how the general rule reads -------------------------------------------------------------------------------


def test_after_70_days_of_2025_an_entry_on_12_december_lasts_90_days_20_of_them_in_2025() -> None:
    history = "2025-01-01/2025-03-11 2025-12-12/"
    assert assess(stays(history), VISA_FREE, day("2025-12-11")).days_used == 70
    assert last_day(history, VISA_FREE) == day("2026-03-11")
    assert assess(stays(history), VISA_FREE, day("2025-12-31")).days_left == 0
    assert assess(stays(history), VISA_FREE, day("2026-03-11")).overstay is None


def test_one_day_earlier_the_91st_day_of_2025_would_be_31_december() -> None:
    told = assess(stays("2025-01-01/2025-03-11 2025-12-11/"), VISA_FREE, day("2025-12-31"))
    assert (told.last_lawful_day, told.ended_by) == (day("2025-12-30"), "calendar_year")
    assert told.overstay == Overstay(
        begins_on=day("2025-12-31"), until=day("2025-12-31"), days=1, limit="calendar_year"
    )


def test_an_entry_on_31_december_lasts_90_days_89_of_them_in_the_new_year() -> None:
    history = stays("2025-12-31/")
    assert assess(history, VISA_FREE, day("2025-12-31")).last_lawful_day == day("2026-03-30")
    year, continuous = assess(history, VISA_FREE, day("2026-03-30")).standings
    assert (year.used, year.left) == (89, 1)
    assert (continuous.used, continuous.left) == (90, 0)


def test_a_stay_across_a_change_of_rules_is_judged_day_by_day_and_charged_to_the_year_by_its_days() -> None:
    history = stays("2024-11-01/")
    assert assess(history, VISA_FREE, day("2024-11-01")).last_lawful_day == day("2025-01-29")
    year, continuous = assess(history, VISA_FREE, day("2025-01-29")).standings
    assert (year.used, continuous.used) == (29, 90)
    assert continuous.begins_on == day("2024-11-01")


def test_days_before_2025_are_never_charged_to_2025() -> None:
    told = assess(stays("2024-08-01/2024-10-29 2025-01-01/"), VISA_FREE, day("2025-01-01"))
    assert (told.days_used, told.days_left, told.last_lawful_day) == (1, 89, day("2025-03-31"))


def test_a_day_of_2024_is_judged_by_the_rolling_window_though_it_is_asked_about_in_2025() -> None:
    told = assess(stays("2024-05-01/2024-06-29 2024-08-01/2024-09-05"), VISA_FREE, day("2025-06-01"))
    assert told.overstay == Overstay(begins_on=day("2024-08-31"), until=day("2024-09-05"), days=6, limit="rolling")
    assert told.regime == "since 2025-01-01"
    assert [one.limit for one in told.standings] == [YEAR, IN_ONE_GO]


def test_a_stay_unlawful_by_the_old_rules_is_lawful_again_by_the_new_ones() -> None:
    history = stays("2024-07-04/2024-09-30 2024-12-30/2025-01-05")
    told = assess(history, VISA_FREE, day("2025-01-05"))
    assert (told.overstay, told.days_used) == (None, 7)
    history = stays("2024-07-06/2024-10-01 2024-12-29/2025-01-05")
    told = assess(history, VISA_FREE, day("2025-01-05"))
    assert told.overstay == Overstay(begins_on=day("2024-12-31"), until=day("2024-12-31"), days=1, limit="rolling")


def test_new_rules_count_the_days_that_were_there_before_them() -> None:
    terms = since(("2014-01-01", [Unlimited(name="unlimited")]), ("2025-07-01", [YEAR]))
    told = assess(stays("2025-01-01/2025-06-30 2025-07-01/2025-07-02"), terms, day("2025-07-02"))
    assert told.days_used == 183
    assert told.overstay == Overstay(
        begins_on=day("2025-07-01"), until=day("2025-07-02"), days=2, limit="calendar_year"
    )


def test_a_time_without_rules_judges_nothing() -> None:
    terms = since(("2014-01-01", [PerEntry(name="visit", max_days=3)]), ("2025-01-01", []))
    told = assess(stays("2024-12-30/"), terms, day("2026-01-01"))
    assert (told.overstay, told.last_lawful_day, told.longest_stay, told.standings) == (None, None, None, ())


# DOMAIN §5: cases that a naive build gets wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entered_on", "last"),
    [
        ("2026-12-01", "2027-02-28"),
        ("2026-12-31", "2027-03-30"),
        ("2027-12-01", "2028-02-28"),
        ("2027-12-02", "2028-02-29"),
        ("2028-02-29", "2028-05-28"),
        ("2024-11-01", "2025-01-29"),
    ],
)
def test_ninety_days_end_on_the_day_of_entry_and_eighty_nine(entered_on: str, last: str) -> None:
    assert entering([], always([IN_ONE_GO]), day(entered_on)) == Ending(
        last_lawful_day=day(last), ended_by="continuous"
    )


@given(st.dates(date(1950, 1, 1), date(2900, 1, 1)), st.integers(1, 4000))
def test_as_many_days_are_lawful_as_the_limit_says(entered_on: date, max_days: int) -> None:
    told = assess([Stay(entered_on)], always([Continuous(name="x", max_days=max_days)]), entered_on)
    assert told.last_lawful_day == entered_on + (max_days - 1) * DAY
    assert (told.days_used, told.days_left, told.longest_stay) == (1, max_days - 1, max_days)


def test_29_february_is_a_day_of_its_year_like_any_other() -> None:
    year = always([CalendarYear(name="year", max_days=60)])
    assert last_day("2024-01-01/", year) == day("2024-02-29")
    assert last_day("2025-01-01/", year) == day("2025-03-01")
    assert last_day("2024-02-29/", always([Rolling(name="r", max_days=366, window_days=367)])) == day("2025-02-28")


def test_365_days_a_year_leave_out_only_31_december_of_leap_years() -> None:
    terms = always([CalendarYear(name="year", max_days=365)])
    assert last_day("2025-01-01/", terms) == day("2028-12-30")
    assert last_day("2025-01-01/", always([CalendarYear(name="year", max_days=366)])) is None


def test_an_exit_and_a_reentry_on_one_day_use_that_day_once() -> None:
    told = assess(stays("2025-03-01/2025-03-10 2025-03-10/"), always([YEAR]), day("2025-03-12"))
    assert (told.days_used, told.entered_on) == (12, day("2025-03-10"))


@pytest.mark.parametrize("again", ["2025-03-10", "2025-03-11"])
def test_a_reentry_on_the_day_of_exit_or_the_next_begins_a_new_continuous_stay(again: str) -> None:
    history = stays(f"2025-03-01/2025-03-10 {again}/")
    for limit in (Continuous(name="n", max_days=10), PerEntry(name="n", max_days=10)):
        told = assess(history, always([limit]), day(again))
        assert (told.entered_on, told.days_used, told.last_lawful_day) == (day(again), 1, day(again) + 9 * DAY)


def test_a_rolling_window_grows_again_so_that_two_free_days_mean_fifty_lawful_ones() -> None:
    told = assess(stays("2014-02-21/2014-04-20 2014-05-01/2014-06-09"), always([ROLLING]), day("2014-08-30"))
    assert (told.days_left, told.longest_stay) == (2, 50)


def test_a_past_overstay_does_not_silence_the_other_answers() -> None:
    told = assess(stays("2024-01-01/2024-06-30 2025-05-01/"), VISA_FREE, day("2025-05-10"))
    assert told.overstay == Overstay(begins_on=day("2024-03-31"), until=day("2024-06-30"), days=92, limit="rolling")
    assert (told.days_used, told.days_left, told.last_lawful_day) == (10, 80, day("2025-07-29"))
    assert (told.earliest_entry, told.longest_stay) == (day("2025-05-11"), 81)


def test_an_overstay_is_told_whichever_limit_the_past_stay_broke_and_how_long_ago() -> None:
    terms = always([YEAR, PerEntry(name="visit", max_days=30)])
    told = assess(stays("2010-01-01/2010-02-02 2025-01-01/2025-01-30"), terms, day("2025-06-01"))
    assert told.overstay == Overstay(begins_on=day("2010-01-31"), until=day("2010-02-02"), days=3, limit="visit")


def test_a_stay_that_is_not_recorded_is_not_charged() -> None:
    told = assess([], VISA_FREE, day("2025-06-01"))  # what a refused or an annulled entry leaves
    assert (told.days_used, told.days_left, told.overstay) == (0, 90, None)
    assert assess(stays("2025-01-01/2025-01-10"), VISA_FREE, day("2025-06-01")).days_used == 10


def test_a_stay_longer_than_was_planned_is_no_overstay_while_the_limits_allow_it() -> None:
    planned, real = stays("2025-03-01/2025-03-10"), stays("2025-03-01/")
    assert assess(planned, VISA_FREE, day("2025-03-09")) == assess(real, VISA_FREE, day("2025-03-09"))
    told = assess(real, VISA_FREE, day("2025-04-20"))
    assert (told.overstay, told.last_lawful_day) == (None, day("2025-05-29"))


def patent(until: str) -> FixedEnd:
    return FixedEnd(name="patent", until=day(until))


def test_each_payment_for_a_patent_moves_the_end() -> None:
    assert last_day("2025-01-10/", always([patent("2025-02-28")])) == day("2025-02-28")
    assert last_day("2025-01-10/", always([patent("2025-03-31")])) == day("2025-03-31")


def test_a_gap_between_payments_ends_the_patent_whatever_is_paid_later() -> None:
    told = assess(stays("2025-01-10/"), always([patent("2025-02-28")]), day("2025-03-20"))
    assert told.overstay == Overstay(begins_on=day("2025-03-01"), until=day("2025-03-20"), days=20, limit="patent")
    assert (told.last_lawful_day, told.days_left, told.earliest_entry) == (day("2025-02-28"), 0, None)


def test_a_new_patent_after_a_gap_leaves_the_days_between_unlawful() -> None:
    terms = since(("2025-01-01", [patent("2025-02-28")]), ("2025-03-11", [patent("2025-04-10")]))
    told = assess(stays("2025-01-10/"), terms, day("2025-03-20"))
    assert told.overstay == Overstay(begins_on=day("2025-03-01"), until=day("2025-03-10"), days=10, limit="patent")
    assert (told.last_lawful_day, told.days_left) == (day("2025-02-28"), 21)
    away = stays("2025-01-10/2025-02-28")
    assert assess(away, terms, day("2025-03-05")).earliest_entry == day("2025-03-11")


def test_a_backdated_payment_makes_the_days_lawful_that_were_not() -> None:
    told = assess(stays("2025-01-10/"), always([patent("2025-03-31")]), day("2025-03-20"))
    assert (told.overstay, told.last_lawful_day) == (None, day("2025-03-31"))


def test_a_treaty_shorter_than_the_general_rule_ends_the_stay_earlier() -> None:
    visit = PerEntry(name="treaty", max_days=30)
    assert entering([], always([visit]), day("2025-01-15")) == Ending(
        last_lawful_day=day("2025-02-13"), ended_by="treaty"
    )


def test_thirty_days_a_visit_and_ninety_a_year_are_allowed_at_once() -> None:
    terms = always([PerEntry(name="visit", max_days=30), YEAR])
    history = stays("2025-01-01/2025-01-30 2025-03-01/2025-03-30")
    assert entering(history, terms, day("2025-06-01")) == Ending(last_lawful_day=day("2025-06-30"), ended_by="visit")
    history += stays("2025-06-01/2025-06-20")
    assert entering(history, terms, day("2025-09-01")) == Ending(
        last_lawful_day=day("2025-09-10"), ended_by="calendar_year"
    )
    history += stays("2025-09-01/2025-09-10")
    assert entering(history, terms, day("2025-09-11")) == UsedUp(
        limit="calendar_year", since=day("2025-09-11"), earliest_entry=day("2026-01-01")
    )


# Kinds of limits -----------------------------------------------------------------------------------------------------

IN_A_PERIOD = PeriodFromFirstEntry(name="treaty", max_days=90, period_days=180)


def test_a_period_runs_from_the_first_entry_and_the_next_from_the_first_entry_after_it() -> None:
    history = stays("2025-01-10/2025-02-08 2025-08-01/")
    told = assess(history, always([IN_A_PERIOD]), day("2025-07-08"))
    assert (told.standings[0].begins_on, told.standings[0].until) == (day("2025-01-10"), day("2025-07-08"))
    assert told.days_used == 30
    told = assess(history, always([IN_A_PERIOD]), day("2025-08-01"))
    assert (told.standings[0].begins_on, told.days_used) == (day("2025-08-01"), 1)


def test_a_stay_that_goes_on_past_the_end_of_a_period_begins_the_next_on_the_next_day() -> None:
    history = stays("2025-01-01/2025-01-10 2025-06-20/")
    told = assess(history, always([IN_A_PERIOD]), day("2025-07-01"))
    assert (told.standings[0].begins_on, told.days_used) == (day("2025-06-30"), 2)
    assert told.last_lawful_day == day("2025-06-30") + 89 * DAY


def test_a_fixed_end_does_not_ask_when_the_stay_began() -> None:
    terms = always([FixedEnd(name="visa", until=day("2027-01-31"))])
    assert {last_day(f"{entered_on}/", terms) for entered_on in ("2026-01-01", "2027-01-31")} == {day("2027-01-31")}
    assert last_day("2027-02-01/", terms) is None


@pytest.mark.parametrize(
    ("on", "present", "away"), [("2027-01-01", 30, 31), ("2027-01-31", 0, 1), ("2027-02-01", 0, 0)]
)
def test_the_day_itself_is_left_to_somebody_who_has_not_entered_yet(on: str, present: int, away: int) -> None:
    terms = always([FixedEnd(name="visa", until=day("2027-01-31"))])
    told = assess(stays("2026-12-01/"), terms, day(on))
    assert (told.days_left, told.days_used) == (present, None)
    assert assess([], terms, day(on)).days_left == away


def test_an_unlimited_stay_has_no_figures_to_tell() -> None:
    told = assess(stays("2000-01-01/"), always([Unlimited(name="unlimited")]), day("2025-01-01"))
    assert (told.days_used, told.days_left, told.last_lawful_day, told.ended_by) == (None, None, None, None)
    assert (told.longest_stay, told.overstay, told.earliest_entry) == (None, None, day("2025-01-02"))


@pytest.mark.parametrize(
    "limit", [Rolling(name="n", max_days=7, window_days=3), Rolling(name="n", max_days=3, window_days=3)]
)
def test_a_window_with_room_for_all_of_its_days_never_ends_a_stay(limit: Rolling) -> None:
    told = assess(stays("2000-01-01/"), always([limit]), day("2025-01-01"))
    assert (told.days_used, told.last_lawful_day, told.longest_stay, told.overstay) == (3, None, None, None)


# Combinations --------------------------------------------------------------------------------------------------------


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.lists(st.integers(1, 500), min_size=1, max_size=6))
def test_the_earliest_end_wins_and_the_first_of_several_is_named(entered_on: date, lengths: list[int]) -> None:
    limits = [Continuous(name=f"limit {place}", max_days=days) for place, days in enumerate(lengths)]
    assert entering([], always(limits), entered_on) == Ending(
        last_lawful_day=entered_on + (min(lengths) - 1) * DAY, ended_by=f"limit {lengths.index(min(lengths))}"
    )


def test_the_first_limit_of_the_list_is_named_when_several_are_passed_on_one_day() -> None:
    one, other = Continuous(name="one", max_days=3), CalendarYear(name="other", max_days=3)
    for limits, name in (([one, other], "one"), ([other, one], "other")):
        told = assess(stays("2025-01-01/"), always(limits), day("2025-01-05"))
        assert told.ended_by == name
        assert told.overstay
        assert told.overstay.limit == name


def test_days_used_are_those_of_the_limit_with_the_fewest_left_the_first_of_several() -> None:
    in_one_go = Continuous(name="in one go", max_days=5)
    in_a_year = CalendarYear(name="in a year", max_days=12)
    visa = FixedEnd(name="visa", until=day("2025-01-24"))
    history = stays("2025-01-01/2025-01-07 2025-01-21/")
    told = assess(history, always([visa, in_one_go, in_a_year]), day("2025-01-23"))
    assert [(one.used, one.left) for one in told.standings] == [(None, 1), (3, 2), (10, 2)]
    assert (told.days_used, told.days_left) == (3, 1)
    assert assess(history, always([in_a_year, in_one_go]), day("2025-01-23")).days_used == 10


# The limit behind the end of a stay ----------------------------------------------------------------------------------


def test_the_limit_that_ends_the_current_stay_is_told_as_a_whole() -> None:
    for limits in ([YEAR, IN_ONE_GO], [IN_ONE_GO, YEAR]):
        told = assess(stays("2025-01-01/2025-01-20 2025-03-01/"), always(limits), day("2025-03-10"))
        assert (told.ended_by, told.last_lawful_day) == ("calendar_year", day("2025-05-09"))
        assert told.ending is YEAR


def test_the_limit_that_ends_a_stay_is_no_standing_where_the_rules_change_before_the_end() -> None:
    visit = PerEntry(name="visit", max_days=20)
    terms = since(("2014-01-01", [ROLLING]), ("2025-01-01", [visit]))
    told = assess(stays("2024-12-20/"), terms, day("2024-12-31"))
    assert (told.ended_by, told.last_lawful_day) == ("visit", day("2025-01-08"))
    assert [one.limit for one in told.standings] == [ROLLING]
    assert told.ending is visit


def test_a_limit_is_told_by_which_a_stay_has_ended_or_could_not_begin() -> None:
    visa = FixedEnd(name="visa", until=day("2025-01-31"))
    for history in ("2025-01-20/", "2025-02-01/"):
        told = assess(stays(history), always([visa]), day("2025-02-10"))
        assert (told.ended_by, told.days_left) == ("visa", 0)
        assert told.ending is visa


@pytest.mark.parametrize("history", ["", "2025-01-01/2025-03-31", "2025-06-02/"], ids=["never here", "gone", "to come"])
def test_no_limit_ends_the_stay_of_somebody_who_is_away(history: str) -> None:
    assert assess(stays(history), VISA_FREE, day("2025-06-01")).ending is None


@pytest.mark.parametrize("limits", [[], [Unlimited(name="unlimited")], [CalendarYear(name="year", max_days=366)]])
def test_no_limit_ends_a_stay_that_has_no_end(limits: list[Limit]) -> None:
    told = assess(stays("2025-06-01/"), always(limits), day("2025-06-10"))
    assert (told.entered_on, told.ended_by, told.ending) == (day("2025-06-01"), None, None)


# Histories -----------------------------------------------------------------------------------------------------------


def test_an_empty_history_leaves_everything() -> None:
    told = assess([], VISA_FREE, day("2025-06-01"))
    assert (told.entered_on, told.last_lawful_day, told.ended_by, told.overstay) == (None, None, None, None)
    assert (told.days_used, told.days_left) == (0, 90)
    assert (told.earliest_entry, told.longest_stay) == (day("2025-06-01"), 90)


def test_on_the_day_of_entry_one_day_is_used() -> None:
    told = assess(stays("2025-06-01/"), VISA_FREE, day("2025-06-01"))
    assert (told.entered_on, told.days_used, told.days_left) == (day("2025-06-01"), 1, 89)
    assert told.longest_stay == 90


def test_on_the_day_of_exit_the_stay_is_still_the_current_one() -> None:
    told = assess(stays("2025-06-01/2025-06-10"), VISA_FREE, day("2025-06-10"))
    assert (told.entered_on, told.last_lawful_day, told.earliest_entry) == (
        day("2025-06-01"),
        day("2025-08-29"),
        day("2025-06-11"),
    )
    assert assess(stays("2025-06-01/2025-06-10"), VISA_FREE, day("2025-06-11")).entered_on is None


def test_stays_that_overlap_are_one_and_each_of_their_days_counts_once() -> None:
    terms = always([PerEntry(name="visit", max_days=10)])
    told = assess(stays("2025-01-01/2025-01-08 2025-01-07/2025-01-12 2025-01-02/2025-01-03"), terms, day("2025-01-12"))
    assert (told.entered_on, told.days_used) == (day("2025-01-01"), 12)
    assert told.overstay == Overstay(begins_on=day("2025-01-11"), until=day("2025-01-12"), days=2, limit="visit")


def test_a_day_that_two_stays_share_is_unlawful_if_it_is_in_either() -> None:
    terms = always([PerEntry(name="visit", max_days=3)])
    told = assess(stays("2025-01-01/2025-01-04 2025-01-04/"), terms, day("2025-01-06"))
    assert told.overstay == Overstay(begins_on=day("2025-01-04"), until=day("2025-01-04"), days=1, limit="visit")
    assert (told.entered_on, told.last_lawful_day) == (day("2025-01-04"), day("2025-01-06"))


def test_stays_are_joined_before_they_are_cut() -> None:
    terms = always([PerEntry(name="visit", max_days=3)])
    told = assess(stays("2025-01-01/2025-01-10 2025-01-05/2025-01-20"), terms, day("2025-01-05"))
    assert told.entered_on == day("2025-01-01")
    told = assess(stays("2025-01-01/ 2025-01-05/2025-01-05"), terms, day("2025-01-05"))
    assert told.entered_on == day("2025-01-01")


def test_the_last_lawful_day_may_lie_in_the_past_and_is_none_if_no_day_was_lawful() -> None:
    terms = always([Rolling(name="r", max_days=3, window_days=10)])
    assert last_day("2025-01-01/", terms, on="2025-01-09") == day("2025-01-03")
    told = assess(stays("2025-01-01/2025-01-03 2025-01-04/"), terms, day("2025-01-04"))
    assert (told.last_lawful_day, told.ended_by, told.days_left) == (None, "r", 0)


def test_the_overstay_is_from_the_first_unlawful_day_to_the_last_and_counts_only_those() -> None:
    terms = always([PerEntry(name="visit", max_days=3)])
    told = assess(stays("2025-01-01/2025-01-05 2025-02-01/2025-02-02 2025-03-01/2025-03-04"), terms, day("2025-06-01"))
    assert told.overstay == Overstay(begins_on=day("2025-01-04"), until=day("2025-03-04"), days=3, limit="visit")


# Bookings ------------------------------------------------------------------------------------------------------------


def test_a_stay_that_begins_later_is_a_booking_and_uses_no_day_yet() -> None:
    told = assess(stays("2025-06-02/2025-08-30"), VISA_FREE, day("2025-06-01"))
    assert (told.days_used, told.entered_on, told.earliest_entry) == (0, None, day("2025-06-01"))


def test_the_longest_stay_leaves_every_booking_lawful() -> None:
    terms = always([YEAR])
    assert assess(stays("2025-09-01/2025-11-09"), terms, day("2025-03-01")).longest_stay == 20
    assert assess(stays("2025-09-01/2025-11-29"), terms, day("2025-03-01")).longest_stay == 0
    assert assess(stays("2025-09-01/2025-12-31"), terms, day("2025-03-01")).longest_stay == 0


def test_a_booking_without_an_exit_counts_as_its_first_day() -> None:
    told = assess(stays("2025-09-01/"), always([YEAR]), day("2025-03-01"))
    assert told.longest_stay == 89


def test_an_open_stay_and_a_booking_are_both_respected() -> None:
    history = stays("2025-03-01/ 2025-09-01/2025-09-30")
    told = assess(history, always([YEAR]), day("2025-03-10"))
    assert (told.entered_on, told.days_used, told.days_left) == (day("2025-03-01"), 10, 80)
    assert told.longest_stay == 90 - 9 - 30  # the open stay is taken as ended on the 9th
    assert told.last_lawful_day == day("2025-05-29")  # of a stay that goes on, whatever is booked


def test_a_stay_that_ends_on_the_day_that_a_booking_begins_or_before_it_does_not_join_it() -> None:
    terms = always([PerEntry(name="visit", max_days=10)])
    assert assess(stays("2025-01-08/2025-01-14"), terms, day("2025-01-01")).longest_stay == 8
    assert assess(stays("2025-01-06/2025-01-10"), terms, day("2025-01-01")).longest_stay == 10


def test_a_longer_stay_may_favour_a_booking_because_its_days_fall_into_other_periods() -> None:
    terms = always([PeriodFromFirstEntry(name="period", max_days=3, period_days=5)])
    assert assess(stays("2025-01-01/2025-01-01 2025-01-09/2025-01-12"), terms, day("2025-01-05")).longest_stay == 2
    for left_on, lawful in (("2025-01-05", False), ("2025-01-06", True), ("2025-01-07", False)):
        history = stays(f"2025-01-01/2025-01-01 2025-01-05/{left_on} 2025-01-09/2025-01-12")
        assert (assess(history, terms, day("2025-01-12")).overstay is None) is lawful


# An entry ------------------------------------------------------------------------------------------------------------


def test_an_entry_is_refused_since_the_day_after_the_one_that_used_the_last_of_the_allowance() -> None:
    history = stays("2025-01-01/2025-02-09 2025-03-01/2025-04-19")
    assert entering(history, VISA_FREE, day("2025-06-01")) == UsedUp(
        limit="calendar_year", since=day("2025-04-20"), earliest_entry=day("2026-01-01")
    )
    history = stays("2025-01-01/2025-04-10")  # ten days more than allowed
    assert entering(history, always([ROLLING]), day("2025-04-11")) == UsedUp(
        limit="rolling", since=day("2025-04-01"), earliest_entry=day("2025-07-10")
    )


def test_an_entry_after_a_fixed_end_is_refused_since_the_day_after_it_and_for_ever() -> None:
    terms = always([FixedEnd(name="visa", until=day("2025-01-31"))])
    refused = UsedUp(limit="visa", since=day("2025-02-01"), earliest_entry=None)
    assert entering([], terms, day("2025-03-01")) == refused
    assert refused.told() == {"limit": "visa", "since": "2025-02-01", "earliest_entry": None}


def test_an_entry_on_the_day_of_exit_is_judged_with_that_day_counted_once() -> None:
    history = stays("2025-01-01/2025-03-31")
    assert entering(history, VISA_FREE, day("2025-03-31")) == Ending(
        last_lawful_day=day("2025-03-31"), ended_by="calendar_year"
    )


def test_an_entry_without_limits_has_no_end() -> None:
    assert entering([], always([]), day("2026-12-01")) is None
    assert entering([], always([Unlimited(name="unlimited")]), day("2026-12-01")) is None


def test_an_entry_is_possible_again_if_the_day_comes_within_ten_years() -> None:
    on = day("2025-06-01")
    used = [FixedEnd(name="visa", until=day("2025-01-31"))]
    for days, earliest in ((3652, on + 3652 * DAY), (3653, None)):
        terms = since(("2014-01-01", [*used]), ((on + days * DAY).isoformat(), [YEAR]))
        assert assess([], terms, on).earliest_entry == earliest


def test_a_stay_of_which_no_day_was_lawful_had_to_end_the_day_before_it_began() -> None:
    terms = always([FixedEnd(name="visa", until=day("2025-01-31"))])
    assert ending([], terms, day("2025-03-01")) == Ending(last_lawful_day=day("2025-02-28"), ended_by="visa")
    assert ending([], terms, day("2025-01-01")) == Ending(last_lawful_day=day("2025-01-31"), ended_by="visa")


def test_the_tightest_limit_is_the_one_with_no_day_left() -> None:
    limits = [PerEntry(name="loose", max_days=11), PerEntry(name="tight", max_days=10)]
    told = assess([Stay(date(2026, 3, 1))], always(limits), date(2026, 3, 10))
    assert (told.days_used, told.days_left) == (10, 0)
    loose, tight = (standing.left for standing in told.standings)
    assert (loose, tight) == (1, 0)
    rolling = Rolling(name="used up by former stays", max_days=12, window_days=30)
    told = assess(
        [Stay(date(2026, 2, 20), date(2026, 2, 21)), Stay(date(2026, 3, 1))],
        always([PerEntry(name="loose", max_days=11), rolling]),
        date(2026, 3, 10),
    )
    assert (told.days_used, told.days_left) == (12, 0)


def test_a_stay_that_cannot_begin_says_when_one_can() -> None:
    used = UsedUp(limit="rolling", since=date(2026, 1, 2), earliest_entry=date(2026, 3, 4))
    assert used.told() == {"limit": "rolling", "since": "2026-01-02", "earliest_entry": "2026-03-04"}


FOUR_IN_TEN = always([PeriodFromFirstEntry(name="p", max_days=4, period_days=10)])


@pytest.mark.parametrize(
    ("spans", "terms", "booked", "longest", "expected"),
    [
        ([], always([ROLLING]), [(112, 113)], 50, [1]),
        ([], always([PeriodFromFirstEntry(name="p", max_days=10, period_days=10)]), [(112, 113)], 50, [1]),
        ([], FOUR_IN_TEN, [], 50, [1]),
        ([], FOUR_IN_TEN, [(112, 113)], 10, [1]),
        ([], FOUR_IN_TEN, [(112, 113)], 11, [11, 1]),
        ([], FOUR_IN_TEN, [(112, 113)], 25, [21, 11, 1]),  # the period that the booking is in, and the next
        ([], FOUR_IN_TEN, [(119, 121)], 50, [31, 21, 11, 1]),
        ([], FOUR_IN_TEN, [(105, 106)], 25, [11, 1]),
        ([(95, 96)], FOUR_IN_TEN, [(107, 107)], 9, [6, 1]),
        (
            [],
            (
                InForce(begins=1, until=139, limits=()),
                InForce(begins=140, until=NEVER, limits=FOUR_IN_TEN[0].limits),
            ),
            [(112, 113), (140, 140)],
            99,
            [51, 41, 21, 11, 1],  # those before the rule's first day begin later ones elsewhere
        ),
    ],
)
def test_the_periods_that_a_stay_may_reach_into_are_those_of_the_bookings(
    spans: list[Span], terms: Terms, booked: list[Span], longest: int, expected: list[int]
) -> None:
    assert _shortest_by_period(Presence(spans), terms, 100, longest, booked) == expected


def test_a_longer_stay_may_leave_a_booking_lawful_by_a_rule_that_comes_into_force_later() -> None:
    one_in_three = PeriodFromFirstEntry(name="period", max_days=1, period_days=3)
    terms = since(("2014-01-01", [PerEntry(name="visit", max_days=4)]), ("2025-01-10", [one_in_three]))
    booked = "2025-01-06/2025-01-07 2025-01-08/2025-01-10"
    # a stay to the 4th reaches into the period from the 4th, so that others begin on the 7th and on the 10th; after a
    # shorter one they begin with the booking on the 6th and on the 9th, in which the 10th is the second day
    assert assess(stays(booked), terms, day("2025-01-01")).longest_stay == 4
    for left_on, lawful in (("2025-01-03", False), ("2025-01-04", True)):
        told = assess(stays(f"2025-01-01/{left_on} {booked}"), terms, day("2025-01-10"))
        assert (told.overstay is None) is lawful


@pytest.mark.parametrize(
    "limit",
    [
        Unlimited(name="none"),
        CalendarYear(name="year", max_days=90),
        Rolling(name="window", max_days=90, window_days=180),
        PeriodFromFirstEntry(name="period", max_days=90, period_days=180),
        Continuous(name="stay", max_days=90),
    ],
    ids=lambda limit: limit.name,
)
def test_the_calendar_ends_and_nobody_enters_after_it(limit: Limit) -> None:
    last = date(9999, 12, 31)
    told = assess([Stay(last)], always([limit]), last)
    assert (told.days_left, told.earliest_entry) == (None if limit.name == "none" else 89, None)
    assert assess([], always([limit]), last).earliest_entry == last


def test_a_year_used_up_in_the_last_year_of_the_calendar_opens_no_more() -> None:
    used = [Stay(date(9999, 1, 1), date(9999, 3, 31))]
    assert entering(used, always([CalendarYear(name="year", max_days=90)]), date(9999, 12, 31)) == UsedUp(
        limit="year", since=date(9999, 4, 1), earliest_entry=None
    )


def test_a_longer_stay_may_leave_a_booking_lawful_that_a_shorter_one_would_not() -> None:
    four_in_ten = always([PeriodFromFirstEntry(name="period", max_days=4, period_days=10)])
    stays = [Stay(date(2026, 1, 7), date(2026, 1, 7)), Stay(date(2026, 1, 24), date(2026, 1, 28))]
    assert assess(stays, four_in_ten, date(2026, 1, 15)).longest_stay == 3
