"""Policies made by hand, row by row: how dated and conditional rows apply, whatever the figures of the data are."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.card import Basis, Purpose
from app.domain.conditions import Condition, Row, Sure, Traveller
from app.domain.duties import Duty, DutyKind, Unit, Who
from app.domain.errors import Fault, RuleViolation
from app.domain.identity import DocumentKind
from app.domain.limits import CalendarYear, FixedEnd, Limit, PerEntry, Unlimited
from app.domain.policy import (
    Declaration,
    Exemption,
    FromPapers,
    Paper,
    Policy,
    Regime,
    require_valid_visa,
)
from app.domain.presence import NEVER
from app.domain.stay import InForce, Terms
from tests.builders import utc, visa

ALI = Traveller(citizenship="UZB", basis=Basis.VISA_FREE, purpose=Purpose.TOURISM, document=DocumentKind.PASSPORT)
OLGA = replace(ALI, citizenship="KAZ")
ANYBODY = Condition()
UZBEKS = Condition(citizenships=frozenset({"UZB"}))
KAZAKHS = Condition(citizenships=frozenset({"KAZ"}))
APPLIED_IN_TIME = Condition(applied_from=date(2025, 8, 23))
FIRST, LAST = "0001-01-01", "9999-12-31"
THREE, FIVE, SEVEN = (PerEntry(name="per_entry", max_days=days) for days in (3, 5, 7))


def day(text: str) -> date:
    return date.fromisoformat(text)


def policy(*rows: Row, grace: int = 3) -> Policy:
    return Policy(
        policy_id="test",
        version=1,
        title={"en": "Test", "ru": "Проба"},
        declaration_grace_days=grace,
        exemptions=tuple(row for row in rows if isinstance(row, Exemption)),
        declarations=tuple(row for row in rows if isinstance(row, Declaration)),
        regimes=tuple(row for row in rows if isinstance(row, Regime)),
        duties=tuple(row for row in rows if isinstance(row, Duty)),
    )


def regime(
    row_id: str,
    *limits: Limit | FromPapers,
    since: str = FIRST,
    until: str = LAST,
    when: Condition = ANYBODY,
    draft: bool = False,
) -> Regime:
    return Regime(row_id=row_id, limits=limits, begins_on=day(since), until=day(until), when=when, draft=draft)


def exemption(row_id: str, days: int | None = None, when: Condition = ANYBODY) -> Exemption:
    return Exemption(row_id=row_id, days=days, when=when, source="hand", sure=Sure.INFERRED)


def declaration(row_id: str, when: Condition = ANYBODY) -> Declaration:
    return Declaration(row_id=row_id, when=when, source="hand", sure=Sure.INFERRED)


def duty(row_id: str, kind: DutyKind = DutyKind.REGISTRATION, when: Condition = ANYBODY) -> Duty:
    return Duty(
        row_id=row_id,
        kind=kind,
        who=Who.HOST,
        unit=Unit.CALENDAR_DAYS,
        days=7,
        when=when,
        source="hand",
        sure=Sure.INFERRED,
    )


def piece(since: str, until: str, name: str | None, *limits: Limit) -> InForce:
    return InForce(begins=day(since).toordinal(), until=day(until).toordinal(), limits=limits, regime=name)


# Which regime judges which day ---------------------------------------------------------------------------------------


def test_a_regime_without_dates_judges_every_day_there_is() -> None:
    assert policy(regime("a", THREE)).terms(ALI) == (InForce(begins=1, until=NEVER, limits=(THREE,), regime="a"),)


def test_of_two_regimes_for_one_day_the_first_row_decides() -> None:
    first, second = regime("a", THREE), regime("b", FIVE)
    assert policy(first, second).terms(ALI) == (piece(FIRST, LAST, "a", THREE),)
    assert policy(second, first).terms(ALI) == (piece(FIRST, LAST, "b", FIVE),)


def test_a_regime_for_others_is_passed_over() -> None:
    rules = policy(regime("a", THREE, when=KAZAKHS), regime("b", FIVE))
    assert rules.terms(ALI) == (piece(FIRST, LAST, "b", FIVE),)
    assert rules.terms(OLGA) == (piece(FIRST, LAST, "a", THREE),)


def test_a_regime_judges_its_first_and_its_last_day_and_days_without_one_are_not_judged() -> None:
    assert policy(regime("a", THREE, since="2025-01-01", until="2025-09-10")).terms(ALI) == (
        piece(FIRST, "2024-12-31", None),
        piece("2025-01-01", "2025-09-10", "a", THREE),
        piece("2025-09-11", LAST, None),
    )


def test_a_regime_of_one_day_judges_that_day() -> None:
    assert policy(regime("a", THREE, since="2025-01-01", until="2025-01-01")).terms(ALI) == (
        piece(FIRST, "2024-12-31", None),
        piece("2025-01-01", "2025-01-01", "a", THREE),
        piece("2025-01-02", LAST, None),
    )


def test_between_two_regimes_there_may_be_a_gap() -> None:
    rules = policy(regime("b", FIVE, since="2026-01-01"), regime("a", THREE, until="2024-12-31"))
    assert rules.terms(ALI) == (
        piece(FIRST, "2024-12-31", "a", THREE),
        piece("2025-01-01", "2025-12-31", None),
        piece("2026-01-01", LAST, "b", FIVE),
    )


def test_a_regime_begins_on_the_day_after_another_ends() -> None:
    rules = policy(regime("b", FIVE, since="2025-01-01"), regime("a", THREE, until="2024-12-31"))
    assert rules.terms(ALI) == (piece(FIRST, "2024-12-31", "a", THREE), piece("2025-01-01", LAST, "b", FIVE))


def test_a_later_row_holds_again_when_an_earlier_one_has_ended() -> None:
    rules = policy(regime("a", THREE, since="2025-06-01", until="2025-06-30"), regime("b", FIVE))
    assert rules.terms(ALI) == (
        piece(FIRST, "2025-05-31", "b", FIVE),
        piece("2025-06-01", "2025-06-30", "a", THREE),
        piece("2025-07-01", LAST, "b", FIVE),
    )


def test_what_goes_on_unchanged_is_one_piece_though_hidden_rows_begin_and_end_meanwhile() -> None:
    rules = policy(regime("a", THREE), regime("b", FIVE, since="2025-06-01", until="2025-06-30"))
    assert rules.terms(ALI) == (piece(FIRST, LAST, "a", THREE),)


def test_regimes_of_the_same_limits_stay_two_pieces_as_each_has_its_name() -> None:
    rules = policy(regime("a", THREE, until="2024-12-31"), regime("b", THREE))
    assert rules.terms(ALI) == (piece(FIRST, "2024-12-31", "a", THREE), piece("2025-01-01", LAST, "b", THREE))


def test_no_regime_at_all_judges_nothing() -> None:
    assert policy().terms(ALI) == (piece(FIRST, LAST, None),)
    assert policy(regime("a", THREE, when=KAZAKHS)).terms(ALI) == (piece(FIRST, LAST, None),)


DAYS = [day("2025-01-01") + timedelta(days=ahead) for ahead in range(40)]


@st.composite
def dated_rows(draw: st.DrawFn) -> list[Regime]:
    """Draw rows that begin and end within forty days, or at no time; some for others, some drafts."""
    rows = []
    for place in range(draw(st.integers(0, 6))):
        begins, ends = sorted(draw(st.tuples(*[st.sampled_from(DAYS)] * 2)))
        rows.append(
            Regime(
                row_id=f"row {place}",
                limits=(Unlimited(name=f"limit {place}"),),
                begins_on=draw(st.sampled_from([begins, date.min])),
                until=draw(st.sampled_from([ends, date.max])),
                when=draw(st.sampled_from([ANYBODY, UZBEKS, KAZAKHS])),
                draft=draw(st.booleans()),
            )
        )
    return rows


@given(rows=dated_rows(), choice=st.data())
def test_each_day_is_judged_by_the_first_row_that_fits_it(rows: list[Regime], choice: st.DataObject) -> None:
    drafts = {row.row_id for row in rows if row.draft}
    on = choice.draw(st.sets(st.sampled_from(sorted(drafts))) if drafts else st.just(set[str]()))
    terms = policy(*rows).with_drafts(on).terms(ALI)
    assert [one.begins for one in terms] == [1, *(one.until + 1 for one in terms[:-1])]
    assert terms[-1].until == NEVER
    assert all(one.begins <= one.until for one in terms)
    assert all(one.regime != other.regime for one, other in pairwise(terms))
    fitting = [row for row in rows if row.when is not KAZAKHS and (not row.draft or row.row_id in on)]
    for asked in [date.min, DAYS[0] - timedelta(days=1), *DAYS, DAYS[-1] + timedelta(days=1), date.max]:
        found = [row for row in fitting if row.begins_on <= asked <= row.until]
        [judging] = [one for one in terms if one.begins <= asked.toordinal() <= one.until]
        expected = (found[0].row_id, found[0].limits) if found else (None, ())
        assert (judging.regime, judging.limits) == expected


def test_the_terms_of_a_traveller_are_worked_out_once() -> None:
    rules = policy(regime("a", THREE, when=KAZAKHS), regime("b", FIVE))
    terms = rules.terms(ALI)
    assert rules.terms(replace(ALI)) is terms
    assert rules.terms(OLGA) is not terms


def test_a_policy_is_the_same_whoever_has_asked_it_and_tells_nobody() -> None:
    asked, fresh = policy(regime("a", THREE)), policy(regime("a", THREE))
    asked.terms(ALI)
    assert asked == fresh
    assert repr(asked) == repr(fresh)


def test_terms_are_kept_for_ten_thousand_travellers_and_right_for_any_number() -> None:
    rules = policy(regime("a", FromPapers(name="ground", days=False, paper=Paper.GROUND, source="s", sure=Sure.OPEN)))

    def terms_until(ahead: int) -> Terms:
        return rules.terms(replace(ALI, ground_until=date.fromordinal(700_000 + ahead)))

    first = terms_until(0)
    for ahead in range(1, 10_000):
        terms_until(ahead)
    assert terms_until(0) is first
    terms_until(10_000)
    assert terms_until(0) is not first
    assert terms_until(0) == first


def test_a_regime_is_found_by_its_name() -> None:
    first, second = regime("a", THREE), regime("b", FIVE)
    assert policy(first, second).regime("b") is second


def test_rows_are_listed_in_the_order_of_the_document() -> None:
    rows = exemption("exemption"), declaration("declaration"), regime("regime", THREE), duty("duty")
    assert tuple(policy(*reversed(rows)).rows()) == rows


# Judging every day by what is in force on one ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "name", "limit"),
    [
        (FIRST, "a", THREE),
        ("2024-12-31", "a", THREE),
        ("2025-01-01", "b", FIVE),
        ("2025-12-31", "b", FIVE),
        ("2027-01-01", "c", SEVEN),
        (LAST, "c", SEVEN),
    ],
)
def test_what_is_in_force_on_a_day_is_put_in_force_for_all_time(on: str, name: str, limit: Limit) -> None:
    rules = policy(
        regime("a", THREE, until="2024-12-31"),
        regime("b", FIVE, since="2025-01-01", until="2025-12-31"),
        regime("c", SEVEN, since="2027-01-01"),
    )
    assert rules.terms_as_in_force_on(ALI, day(on)) == (piece(FIRST, LAST, name, limit),)


@pytest.mark.parametrize("on", ["2024-12-31", "2025-01-02"])
def test_what_nothing_judged_on_a_day_is_judged_by_nothing(on: str) -> None:
    rules = policy(regime("a", THREE, since="2025-01-01", until="2025-01-01"))
    assert rules.terms_as_in_force_on(ALI, day(on)) == (piece(FIRST, LAST, None),)


# Drafts --------------------------------------------------------------------------------------------------------------

DRAFTED = policy(
    regime("new", THREE, since="2026-07-01", draft=True),
    regime("newer", SEVEN, draft=True),
    regime("old", FIVE),
    replace(exemption("no card", when=KAZAKHS), draft=True),
    replace(declaration("declare"), draft=True),
    replace(duty("course", DutyKind.ADAPTATION_COURSE), draft=True),
)


def test_drafts_are_off_unless_they_are_switched_on() -> None:
    assert DRAFTED.drafts == frozenset()
    assert DRAFTED.terms(ALI) == (piece(FIRST, LAST, "old", FIVE),)
    assert DRAFTED.duties_after(ALI, day("2026-12-01")) == ()
    DRAFTED.require_declaration(ALI, day("2026-12-01"))
    DRAFTED.require_card(OLGA, begins_on=day("2026-12-01"), until=None, today=day("2026-12-01"))


def test_a_draft_that_is_switched_on_holds_like_any_row_and_from_its_day_on() -> None:
    assert DRAFTED.with_drafts(["new"]).terms(ALI) == (
        piece(FIRST, "2026-06-30", "old", FIVE),
        piece("2026-07-01", LAST, "new", THREE),
    )


def test_exactly_the_drafts_named_are_on() -> None:
    switched = DRAFTED.with_drafts(["newer"])
    assert switched.drafts == {"newer"}
    assert switched.with_drafts(["new", "course"]).drafts == {"new", "course"}
    assert switched.with_drafts([]).terms(ALI) == (piece(FIRST, LAST, "old", FIVE),)
    assert switched.with_drafts(name for name in ("newer", "new")).drafts == {"newer", "new"}


def test_switching_drafts_makes_a_new_policy_and_leaves_the_old_one() -> None:
    before = DRAFTED.terms(ALI)
    assert DRAFTED.with_drafts(["newer"]).terms(ALI) == (piece(FIRST, LAST, "newer", SEVEN),)
    assert DRAFTED.terms(ALI) is before
    assert DRAFTED.with_drafts(["newer"]) != DRAFTED


def test_drafts_of_every_kind_of_row_can_be_switched_on() -> None:
    everything = DRAFTED.with_drafts(["course", "declare", "new", "newer", "no card"])
    assert [one.row_id for one in everything.duties_after(ALI, day("2026-12-01"))] == ["course"]
    with pytest.raises(RuleViolation, match="declaration-needed"):
        everything.require_declaration(ALI, day("2026-12-01"))
    with pytest.raises(RuleViolation, match="no-card-needed"):
        everything.require_card(OLGA, begins_on=day("2026-12-01"), until=None, today=day("2026-12-01"))


@pytest.mark.parametrize(
    ("rules", "named", "unknown", "known"),
    [
        (DRAFTED, ["newest"], "newest", "course, declare, new, newer, no card"),
        (DRAFTED, ["old"], "old", "course, declare, new, newer, no card"),
        (DRAFTED, ["z", "new", "a"], "a, z", "course, declare, new, newer, no card"),
        (policy(regime("old", FIVE)), ["new"], "new", "-"),
    ],
    ids=["no row", "no draft", "among known ones", "no drafts at all"],
)
def test_only_drafts_can_be_switched_on(rules: Policy, named: list[str], unknown: str, known: str) -> None:
    with pytest.raises(RuleViolation, match="unknown-draft") as refusal:
        rules.with_drafts(named)
    values = {"draft": unknown, "known": known}
    assert refusal.value.faults == (Fault(pointer="/drafts", code="unknown-draft", values=values),)
    assert refusal.value.values == values


# Figures of the traveller's papers -----------------------------------------------------------------------------------

VISA_END = FromPapers(name="visa", days=False, paper=Paper.VISA, source="visa law", sure=Sure.SECONDARY)
VISA_DAYS = FromPapers(name="visa_days", days=True, paper=Paper.VISA, source="visa days", sure=Sure.QUOTED)
GROUND_END = FromPapers(name="contract", days=False, paper=Paper.GROUND, source="treaty", sure=Sure.OPEN)
YEAR = CalendarYear(name="calendar_year", max_days=90)


def test_the_end_and_the_days_of_a_visa_and_the_end_of_a_ground_come_from_the_traveller() -> None:
    known = replace(ALI, visa_until=day("2027-01-31"), visa_days=16, ground_until=day("2027-05-05"))
    assert regime("a", VISA_END, YEAR, VISA_DAYS, GROUND_END).made_for(known) == (
        FixedEnd(name="visa", until=day("2027-01-31"), source="visa law", sure="S"),
        YEAR,
        PerEntry(name="visa_days", max_days=16, source="visa days", sure="Q"),
        FixedEnd(name="contract", until=day("2027-05-05"), source="treaty", sure="?"),
    )


@pytest.mark.parametrize(
    ("traveller", "names"),
    [
        (ALI, ["calendar_year"]),
        (replace(ALI, visa_until=day("2027-01-31")), ["visa", "calendar_year"]),
        (replace(ALI, visa_days=16), ["calendar_year", "visa_days"]),
        (replace(ALI, ground_until=day("2027-05-05")), ["calendar_year", "contract"]),
    ],
    ids=["nothing", "the visa's end", "the visa's days", "the ground's end"],
)
def test_what_the_papers_do_not_say_limits_nothing(traveller: Traveller, names: Sequence[str]) -> None:
    made = regime("a", VISA_END, YEAR, VISA_DAYS, GROUND_END).made_for(traveller)
    assert [limit.name for limit in made] == names


@pytest.mark.parametrize(
    ("traveller", "names"),
    [
        (ALI, ("visa", "contract")),
        (replace(ALI, visa_until=day("2027-01-31")), ("contract",)),
        (replace(ALI, ground_until=day("2027-05-05")), ("visa",)),
        (replace(ALI, visa_days=16), ("visa", "contract")),
        (replace(ALI, visa_until=day("2027-01-31"), ground_until=day("2027-05-05")), ()),
    ],
    ids=["nothing", "the visa's end", "the ground's end", "the visa's days", "both ends"],
)
def test_a_last_day_that_the_papers_do_not_tell_is_unsaid(traveller: Traveller, names: tuple[str, ...]) -> None:
    assert regime("a", VISA_END, YEAR, VISA_DAYS, GROUND_END).unsaid(traveller) == names


@pytest.mark.parametrize("traveller", [ALI, replace(ALI, visa_days=16)], ids=["not told", "told"])
def test_the_days_of_a_visa_are_no_last_day_and_never_unsaid(traveller: Traveller) -> None:
    assert regime("a", VISA_DAYS).unsaid(traveller) == ()


def test_a_limit_of_the_policy_itself_is_never_unsaid() -> None:
    until = FixedEnd(name="visa", until=day("2027-01-31"))
    assert regime("a", YEAR, THREE, Unlimited(name="unlimited"), until).unsaid(ALI) == ()
    assert regime("a").unsaid(ALI) == ()


def test_a_regime_of_unknown_papers_is_in_force_and_limits_nothing() -> None:
    assert policy(regime("a", VISA_END)).terms(ALI) == (piece(FIRST, LAST, "a"),)


def test_terms_have_the_figures_of_each_travellers_papers() -> None:
    rules = policy(regime("a", VISA_DAYS))
    for days in (16, 30):
        limit = PerEntry(name="visa_days", max_days=days, source="visa days", sure="Q")
        assert rules.terms(replace(ALI, visa_days=days)) == (piece(FIRST, LAST, "a", limit),)


def test_terms_that_hang_on_an_unknown_day_of_application_are_refused_until_it_is_known() -> None:
    rules = policy(regime("a", THREE, when=APPLIED_IN_TIME), regime("b", FIVE))
    for _ in range(2):
        with pytest.raises(RuleViolation, match="application-date-needed"):
            rules.terms(ALI)
    assert rules.terms(replace(ALI, applied_on=day("2025-08-22"))) == (piece(FIRST, LAST, "b", FIVE),)
    assert rules.terms(replace(ALI, applied_on=day("2025-08-23"))) == (piece(FIRST, LAST, "a", THREE),)


def test_a_draft_that_is_off_asks_for_no_day_of_application() -> None:
    rules = policy(regime("a", THREE, when=APPLIED_IN_TIME, draft=True), regime("b", FIVE))
    assert rules.terms(ALI) == (piece(FIRST, LAST, "b", FIVE),)
    with pytest.raises(RuleViolation, match="application-date-needed"):
        rules.with_drafts(["a"]).terms(ALI)


# Who needs a card ----------------------------------------------------------------------------------------------------

BEGINS = day("2026-12-01")


def refused_card(rules: Policy, traveller: Traveller, until: date | None, today: date = BEGINS) -> RuleViolation:
    with pytest.raises(RuleViolation, match=r"^no-card-needed$") as refusal:
        rules.require_card(traveller, begins_on=BEGINS, until=until, today=today)
    return refusal.value


def test_whoever_no_exemption_is_about_gets_a_card() -> None:
    policy(exemption("kazakhs", when=KAZAKHS)).require_card(ALI, begins_on=BEGINS, until=None, today=BEGINS)


@pytest.mark.parametrize("until", [None, BEGINS, day("2036-12-01")])
def test_whoever_is_exempt_for_good_gets_no_card_however_long_the_stay(until: date | None) -> None:
    refusal = refused_card(policy(exemption("own", when=UZBEKS)), ALI, until)
    assert refusal.faults == (Fault(pointer="/holder/citizenship", code="no-card-needed"),)
    assert refusal.extra == {"exemption": "own"}
    assert refusal.values == {"exemption": "own"}


THIRTY_DAYS = policy(exemption("short stay", days=30))


@pytest.mark.parametrize(
    ("until", "today"),
    [
        (None, "2026-12-01"),
        (None, "2026-11-01"),
        ("2026-12-01", "2026-12-01"),
        ("2026-12-30", "2026-12-01"),
        (None, "2026-12-30"),
        ("2026-12-30", "2026-12-30"),
    ],
)
def test_up_to_the_thirtieth_day_of_a_stay_no_card_is_needed(until: str | None, today: str) -> None:
    refusal = refused_card(THIRTY_DAYS, ALI, day(until) if until else None, day(today))
    values = {"needed_from": "2026-12-31"}
    assert refusal.faults == (Fault(pointer="/holder/citizenship", code="card-needed-later", values=values),)
    assert refusal.extra == {"exemption": "short stay", "needed_from": "2026-12-31"}


@pytest.mark.parametrize(
    ("until", "today"),
    [
        ("2026-12-31", "2026-12-01"),
        ("2027-06-01", "2026-12-01"),
        (None, "2026-12-31"),
        ("2026-12-05", "2026-12-31"),
        ("2026-12-05", "2027-03-01"),
    ],
)
def test_from_the_thirty_first_day_on_meant_or_come_a_card_is_needed(until: str | None, today: str) -> None:
    THIRTY_DAYS.require_card(ALI, begins_on=BEGINS, until=day(until) if until else None, today=day(today))


def test_an_exemption_of_one_day_ends_with_the_day_of_entry() -> None:
    rules = policy(exemption("one day", days=1))
    refusal = refused_card(rules, ALI, BEGINS)
    assert refusal.extra == {"exemption": "one day", "needed_from": "2026-12-02"}
    rules.require_card(ALI, begins_on=BEGINS, until=day("2026-12-02"), today=BEGINS)


def test_of_two_exemptions_the_first_row_decides() -> None:
    for_good, short = exemption("for good"), exemption("short", days=30)
    assert refused_card(policy(for_good, short), ALI, day("2027-06-01")).extra == {"exemption": "for good"}
    policy(short, for_good).require_card(ALI, begins_on=BEGINS, until=day("2027-06-01"), today=BEGINS)


@pytest.mark.parametrize(
    ("since", "until", "exempt"),
    [
        ("2026-12-01", LAST, True),
        ("2026-12-02", LAST, False),
        (FIRST, "2026-12-01", True),
        (FIRST, "2026-11-30", False),
    ],
)
def test_an_exemption_is_judged_on_the_day_the_stay_begins(since: str, until: str, *, exempt: bool) -> None:
    rules = policy(replace(exemption("dated"), begins_on=day(since), until=day(until)))
    if exempt:
        assert refused_card(rules, ALI, None, day("2026-11-15")).extra == {"exemption": "dated"}
    else:
        rules.require_card(ALI, begins_on=BEGINS, until=None, today=day("2026-11-15"))


# Who must have declared ----------------------------------------------------------------------------------------------

DECLARE = replace(declaration("declare", when=UZBEKS), begins_on=day("2026-07-01"), until=day("2026-12-31"))


@pytest.mark.parametrize("on", ["2026-07-01", "2026-12-31"])
def test_an_entry_without_a_declaration_is_refused_where_one_is_compulsory(on: str) -> None:
    with pytest.raises(RuleViolation, match=r"^declaration-needed$") as refusal:
        policy(DECLARE, declaration("other")).require_declaration(ALI, day(on))
    values = {"since": "2026-07-01", "rule": "declare"}
    assert refusal.value.faults == (Fault(pointer="/entry", code="declaration-needed", values=values),)
    assert refusal.value.values == values


@pytest.mark.parametrize(
    ("traveller", "on"),
    [(ALI, "2026-06-30"), (ALI, "2027-01-01"), (OLGA, "2026-07-01")],
    ids=["before", "after", "others"],
)
def test_where_no_declaration_is_compulsory_nobody_is_refused(traveller: Traveller, on: str) -> None:
    policy(DECLARE).require_declaration(traveller, day(on))


def test_a_declaration_lapses_at_local_midnight_after_the_days_of_grace() -> None:
    rules = policy(grace=3)
    assert rules.lapses_at(day("2026-12-10"), "Europe/Moscow") == utc("2026-12-13 21:00")
    assert rules.lapses_at(day("2026-12-10"), "Asia/Kamchatka") == utc("2026-12-13 12:00")
    assert rules.lapses_at(day("2026-12-10"), "Europe/Kaliningrad") == utc("2026-12-13 22:00")


@pytest.mark.parametrize(
    ("begins_on", "grace", "lapses_at"),
    [
        ("2026-12-10", 0, utc("2026-12-10 21:00")),
        ("2026-12-10", 1, utc("2026-12-11 21:00")),
        ("2028-02-26", 3, utc("2028-02-29 21:00")),
        ("2026-12-29", 3, utc("2027-01-01 21:00")),
    ],
)
def test_the_days_of_grace_are_counted_after_the_intended_day(begins_on: str, grace: int, lapses_at: datetime) -> None:
    assert policy(grace=grace).lapses_at(day(begins_on), "Europe/Moscow") == lapses_at


# What is to be done --------------------------------------------------------------------------------------------------


def test_of_the_duties_of_a_kind_the_first_row_that_fits_decides() -> None:
    rules = policy(
        duty("kazakh registration", when=KAZAKHS),
        duty("registration"),
        duty("course", DutyKind.ADAPTATION_COURSE),
        duty("second registration"),
        duty("second course", DutyKind.ADAPTATION_COURSE),
        duty("departure", DutyKind.DEPARTURE),
    )

    def named(traveller: Traveller) -> list[str]:
        return [one.row_id for one in rules.duties_after(traveller, day("2026-12-01"))]

    assert named(ALI) == ["registration", "course", "departure"]
    assert named(OLGA) == ["kazakh registration", "course", "departure"]


@pytest.mark.parametrize(
    ("entered_on", "expected"),
    [("2026-06-30", "old"), ("2026-07-01", "new"), ("2026-12-31", "new"), ("2027-01-01", "old")],
)
def test_the_day_of_entry_decides_which_duty_holds(entered_on: str, expected: str) -> None:
    rules = policy(replace(duty("new"), begins_on=day("2026-07-01"), until=day("2026-12-31")), duty("old"))
    assert [one.row_id for one in rules.duties_after(ALI, day(entered_on))] == [expected]


def test_a_policy_without_duties_lays_none() -> None:
    assert policy().duties_after(ALI, day("2026-12-01")) == ()


# Visas ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [date(2026, 12, 1), date(2027, 1, 31)])
def test_a_visa_is_good_on_its_first_and_on_its_last_day(on: date) -> None:
    require_valid_visa(visa(), on)


@pytest.mark.parametrize("on", [date(2026, 11, 30), date(2027, 2, 1)])
def test_a_visa_is_not_good_the_day_before_or_after(on: date) -> None:
    with pytest.raises(RuleViolation, match=r"^visa-not-valid$") as refusal:
        require_valid_visa(visa(), on)
    values = {"on": f"{on}", "valid_from": "2026-12-01", "valid_until": "2027-01-31"}
    assert refusal.value.faults == (Fault(pointer="/visa", code="visa-not-valid", values=values),)
    assert refusal.value.values == values


def test_no_visa_is_nobodys_trouble() -> None:
    require_valid_visa(None, date(2026, 12, 1))
