from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.card import Basis, Card, Ground, Particulars, Purpose, State, VisaKind
from app.domain.changes import judged
from app.domain.conditions import Traveller
from app.domain.errors import RuleViolation
from app.domain.grounds import TrueGround, corrected, first_ground, terms_of
from app.domain.presence import FIRST_DAY, NEVER, Stay
from app.domain.stay import UsedUp, assess, entering, on_day
from tests.builders import POLICY, card, citizen, personal, visa

ENTERED_ON, NINETIETH_DAY = date(2026, 12, 2), date(2027, 3, 1)
SIXTY_FIVE_USED = [Stay(date(2026, 1, 1), date(2026, 3, 6))]
"""Leaves 25 days of 2026: from 2 to 26 December."""
End = tuple[date | None, str | None]


def ground(begins_on: str | None, until: str | None = None, basis: Basis = Basis.PATENT, **visa_days: date) -> Ground:
    return Ground(
        begins_on=date.fromisoformat(begins_on) if begins_on else None,
        basis=basis,
        purpose=Purpose.EMPLOYMENT,
        until=date.fromisoformat(until) if until else None,
        **visa_days,  # type: ignore[arg-type]  # days only
    )


VISA_FREE = ground(None, basis=Basis.VISA_FREE)
"""What a worker without a visa enters on on 2 December."""


def resting_on(*grounds: Ground, shortened_to: date | None = None) -> Card:
    return card(
        State.ACTIVE,
        purpose=Purpose.EMPLOYMENT,
        basis=grounds[-1].basis if grounds else Basis.VISA_FREE,
        grounds=grounds,
        shortened_to=shortened_to,
    )


def end_of(made: Card, person: Particulars | None = None, stays: Sequence[Stay] = ()) -> End:
    after = judged(made, person or personal(), stays, POLICY)
    return after.last_lawful_day, after.ended_by


# The ground applied with ---------------------------------------------------------------------------------------------


def test_the_first_ground_is_the_one_applied_with_and_holds_from_the_beginning() -> None:
    assert first_ground(card(purpose=Purpose.TRANSIT), personal()) == Ground(
        begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.TRANSIT
    )


def test_of_a_visa_the_first_ground_keeps_the_days_and_nothing_personal() -> None:
    granted = visa(kind=VisaKind.E_VISA, days_granted=16, applied_on=date(2026, 11, 1))
    assert first_ground(card(basis=Basis.E_VISA), personal(visa=granted)) == Ground(
        begins_on=None,
        basis=Basis.E_VISA,
        purpose=Purpose.TOURISM,
        visa_until=date(2027, 1, 31),
        visa_days=16,
        applied_on=date(2026, 11, 1),
    )


def test_a_visa_that_the_stay_does_not_rest_on_is_no_part_of_its_ground() -> None:
    assert first_ground(card(), personal(visa=visa(days_granted=16))) == first_ground(card(), personal())


@pytest.mark.parametrize(
    ("basis", "person"),
    [
        (Basis.VISA_FREE, personal()),
        (Basis.VISA_FREE, citizen("OMN")),
        (Basis.VISA, personal(visa=visa(days_granted=16))),
        (Basis.E_VISA, personal(visa=visa(kind=VisaKind.E_VISA, applied_on=date(2026, 11, 1)))),
        (Basis.PATENT, personal()),
        (Basis.RESIDENCE_APPLICATION, personal()),
        (Basis.VISA_FREE, citizen("BLR")),
    ],
)
def test_a_stay_on_the_ground_applied_with_is_judged_the_same_whether_that_is_written_down_or_not(
    basis: Basis, person: Particulars
) -> None:
    silent = card(State.ACTIVE, basis=basis)
    traveller = Traveller.of(basis, silent.purpose, person)
    told = replace(silent, grounds=(first_ground(silent, person),))
    assert terms_of(POLICY, traveller, silent) == POLICY.terms(traveller)
    assert terms_of(POLICY, traveller, told) == POLICY.terms(traveller)


def test_where_the_rules_ask_what_nobody_has_said_no_terms_are_given() -> None:
    unknown = ground("2026-12-20", basis=Basis.E_VISA, visa_until=date(2027, 1, 31))
    for made in (card(State.ACTIVE, basis=Basis.E_VISA), resting_on(VISA_FREE, unknown)):
        person = personal(visa=visa(kind=VisaKind.E_VISA, applied_on=None))
        with pytest.raises(RuleViolation, match="application-date-needed"):
            terms_of(POLICY, Traveller.of(made.basis, made.purpose, person), made)


# A work patent -------------------------------------------------------------------------------------------------------


def test_each_payment_extends_the_stay_to_the_day_paid_through() -> None:
    first, second = ground("2026-12-20", "2027-01-19"), ground("2027-01-20", "2027-02-19")
    third = ground("2027-02-20", "2027-06-19")
    assert end_of(resting_on()) == (NINETIETH_DAY, "continuous")
    assert end_of(resting_on(VISA_FREE, first)) == (date(2027, 1, 19), "paid_through")
    assert end_of(resting_on(VISA_FREE, first, second)) == (date(2027, 2, 19), "paid_through")
    assert end_of(resting_on(VISA_FREE, first, second, third)) == (date(2027, 6, 19), "paid_through")


def test_a_gap_between_payments_ends_the_stay_on_the_last_day_paid_for() -> None:
    made = resting_on(VISA_FREE, ground("2026-12-20", "2027-01-19"), ground("2027-01-21", "2027-02-19"))
    assert end_of(made) == (date(2027, 1, 19), "paid_through")


def test_a_backdated_payment_closes_a_gap() -> None:
    gap = (VISA_FREE, ground("2026-12-20", "2027-01-19"), ground("2027-02-01", "2027-02-28"))
    assert end_of(resting_on(*gap)) == (date(2027, 1, 19), "paid_through")
    assert end_of(resting_on(*gap, ground("2027-01-20", "2027-01-30"))) == (date(2027, 1, 30), "paid_through")
    assert end_of(resting_on(*gap, ground("2027-01-20", "2027-01-31"))) == (date(2027, 2, 28), "paid_through")


def test_payments_may_overlap_and_a_shorter_one_takes_nothing_away() -> None:
    long, short = ground("2026-12-20", "2027-04-19"), ground("2027-01-01", "2027-01-31")
    assert end_of(resting_on(VISA_FREE, long, short)) == (date(2027, 4, 19), "paid_through")
    assert end_of(resting_on(VISA_FREE, short, long)) == (date(2027, 4, 19), "paid_through")
    reaches_over = ground("2027-04-10", "2027-05-19")
    assert end_of(resting_on(VISA_FREE, long, reaches_over)) == (date(2027, 5, 19), "paid_through")


def test_a_patent_that_comes_after_the_lawful_days_saves_nothing() -> None:
    day_after = ground("2027-03-02", "2027-04-01")
    too_late = ground("2027-03-03", "2027-04-01")
    assert end_of(resting_on(VISA_FREE, day_after)) == (date(2027, 4, 1), "paid_through")
    assert end_of(resting_on(VISA_FREE, too_late)) == (NINETIETH_DAY, "continuous")


_payments = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 60)), max_size=5)


@given(_payments)
def test_a_stay_on_patents_ends_before_the_first_day_that_no_payment_covers(payments: list[tuple[int, int]]) -> None:
    paid = [(ENTERED_ON + timedelta(begins), ENTERED_ON + timedelta(begins + days)) for begins, days in payments]
    grounds = [
        Ground(begins_on=begins, basis=Basis.PATENT, purpose=Purpose.EMPLOYMENT, until=until) for begins, until in paid
    ]
    begun = min((begins for begins, _ in paid), default=date.max)
    day = ENTERED_ON
    while day <= NINETIETH_DAY if day < begun else any(begins <= day <= until for begins, until in paid):
        day += timedelta(days=1)
    assert end_of(resting_on(VISA_FREE, *grounds))[0] == day - timedelta(days=1)


# Other grounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("basis", "ended_by"),
    [
        (Basis.EDUCATION, "course"),
        (Basis.EAEU_CONTRACT, "contract"),
        (Basis.EAEU_FAMILY, "contract"),
        (Basis.HIGHLY_QUALIFIED, "contract"),
        (Basis.COMPATRIOT, "certificate"),
        (Basis.VISA_FREE, "extension"),
        (Basis.TREATY, "extension"),
    ],
)
def test_a_ground_gives_its_own_last_day_from_the_day_on_which_the_stay_rests_on_it(
    basis: Basis, ended_by: str
) -> None:
    assert end_of(resting_on(VISA_FREE, ground("2026-12-20", "2027-06-30", basis))) == (date(2027, 6, 30), ended_by)


def test_an_extension_without_another_basis_counts_no_days_from_then_on() -> None:
    extended = resting_on(VISA_FREE, ground("2026-12-20", "2027-08-31", Basis.VISA_FREE))
    assert end_of(extended, stays=SIXTY_FIVE_USED) == (date(2027, 8, 31), "extension")


def test_days_before_a_ground_are_judged_by_the_former_one() -> None:
    assert end_of(resting_on(), stays=SIXTY_FIVE_USED) == (date(2026, 12, 26), "calendar_year")
    in_time = ground("2026-12-27", "2027-06-30", Basis.EDUCATION)
    too_late = ground("2026-12-28", "2027-06-30", Basis.EDUCATION)
    assert end_of(resting_on(VISA_FREE, in_time), stays=SIXTY_FIVE_USED) == (date(2027, 6, 30), "course")
    assert end_of(resting_on(VISA_FREE, too_late), stays=SIXTY_FIVE_USED) == (date(2026, 12, 26), "calendar_year")


def test_while_an_application_for_residence_is_examined_the_stay_has_no_end() -> None:
    examined = ground("2026-12-20", basis=Basis.RESIDENCE_APPLICATION)
    assert end_of(resting_on(VISA_FREE, examined)) == (None, None)
    decided = ground("2027-05-01", "2027-05-15", Basis.VISA_FREE)
    assert end_of(resting_on(VISA_FREE, examined, decided)) == (date(2027, 5, 15), "extension")


def test_a_citizen_who_may_stay_for_ever_may_do_so_on_any_ground() -> None:
    assert end_of(resting_on(VISA_FREE, ground("2026-12-20", "2027-01-19")), citizen("BLR")) == (None, None)


def test_another_purpose_is_judged_by_the_treaty_that_covers_it_from_its_day_on() -> None:
    """Oman: 30 days for a visit, but not for employment, which the general rule judges."""
    visiting = Ground(begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.TOURISM)
    working = Ground(begins_on=date(2026, 12, 20), basis=Basis.VISA_FREE, purpose=Purpose.EMPLOYMENT)
    assert end_of(resting_on(visiting), citizen("OMN")) == (date(2026, 12, 31), "per_entry")
    stays_a_visit = replace(working, purpose=Purpose.PRIVATE)
    assert end_of(resting_on(visiting, stays_a_visit), citizen("OMN")) == (date(2026, 12, 31), "per_entry")
    assert end_of(resting_on(visiting, working), citizen("OMN")) == (NINETIETH_DAY, "continuous")
    too_late = replace(working, begins_on=date(2027, 1, 2))
    assert end_of(resting_on(visiting, too_late), citizen("OMN")) == (date(2026, 12, 31), "per_entry")


def test_of_two_grounds_from_one_day_on_the_one_recorded_later_holds() -> None:
    course, contract = (
        ground("2026-12-20", "2027-06-30", Basis.EDUCATION),
        ground("2026-12-20", "2027-05-31", Basis.HIGHLY_QUALIFIED),
    )
    assert end_of(resting_on(VISA_FREE, course, contract)) == (date(2027, 5, 31), "contract")
    assert end_of(resting_on(VISA_FREE, contract, course)) == (date(2027, 6, 30), "course")


def test_grounds_hold_in_the_order_of_their_days_whenever_they_were_recorded() -> None:
    patent = ground("2026-12-20", "2027-01-19")
    course = ground("2027-01-20", "2027-06-30", Basis.EDUCATION)
    assert end_of(resting_on(VISA_FREE, course, patent)) == (date(2027, 6, 30), "course")
    assert end_of(resting_on(VISA_FREE, patent, course)) == (date(2027, 6, 30), "course")


def test_a_payment_prolongs_no_other_ground() -> None:
    patent = ground("2026-12-20", "2027-06-19")
    course = ground("2027-01-20", "2027-02-28", Basis.EDUCATION)
    assert end_of(resting_on(VISA_FREE, patent, course)) == (date(2027, 2, 28), "course")


def test_another_visa_ends_the_stay_from_its_day_on_and_the_former_one_prolongs_it() -> None:
    first = ground(None, basis=Basis.VISA, visa_until=date(2027, 1, 31))
    longer = ground("2027-01-20", basis=Basis.VISA, visa_until=date(2027, 4, 30))
    shorter = ground("2027-01-20", basis=Basis.VISA, visa_until=date(2027, 1, 25))
    assert end_of(resting_on(first, longer)) == (date(2027, 4, 30), "visa")
    assert end_of(resting_on(first, shorter)) == (date(2027, 1, 31), "visa")


# Shortening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "grounds",
    [
        (),
        (VISA_FREE, ground("2026-12-20", "2027-06-19")),
        (VISA_FREE, ground("2026-12-20", basis=Basis.RESIDENCE_APPLICATION)),
    ],
    ids=["visa-free", "patent", "no end"],
)
def test_a_shortened_stay_ends_on_the_offices_day_whatever_it_rests_on(grounds: Sequence[Ground]) -> None:
    assert end_of(resting_on(*grounds, shortened_to=date(2027, 1, 10))) == (date(2027, 1, 10), "shortening")


@pytest.mark.parametrize("until", [date(2026, 12, 2), date(2026, 12, 5)])
def test_a_stay_may_be_shortened_to_a_day_that_is_past(until: date) -> None:
    made = judged(resting_on(shortened_to=until), personal(), [], POLICY)
    assert (made.last_lawful_day, made.ended_by) == (until, "shortening")
    terms = terms_of(POLICY, Traveller.of(made.basis, made.purpose, personal()), made)
    over = assess([Stay(ENTERED_ON)], terms, date(2026, 12, 20)).overstay
    assert over is not None
    assert (over.begins_on, over.limit) == (until + timedelta(days=1), "shortening")


def test_a_shortening_gives_no_day_that_the_rules_do_not_give() -> None:
    assert end_of(resting_on(shortened_to=date(2027, 12, 31))) == (NINETIETH_DAY, "continuous")


def test_a_shortened_stay_names_where_that_comes_from() -> None:
    made = resting_on(shortened_to=date(2027, 1, 10))
    terms = terms_of(POLICY, Traveller.of(made.basis, made.purpose, personal()), made)
    sources = [limit.source for limit in on_day(terms, ENTERED_ON.toordinal()).limits if limit.name == "shortening"]
    assert sources == ["the office's decision on this card"]


# What was recorded wrongly -------------------------------------------------------------------------------------------


def true(begins_on: str, until: str | None = None) -> TrueGround:
    return TrueGround(begins_on=date.fromisoformat(begins_on), until=date.fromisoformat(until) if until else None)


def working(day: str, until: str, purpose: Purpose) -> Ground:
    return replace(ground(day, until), purpose=purpose)


def test_of_several_grounds_from_one_day_on_the_one_recorded_last_is_corrected() -> None:
    first, second = ground("2026-12-20", "2027-01-19"), ground("2026-12-20", "2036-02-19")
    later = ground("2027-01-20", "2027-03-19")
    recorded = (VISA_FREE, first, second, later)
    truly = replace(second, until=date(2027, 2, 19))
    assert corrected(recorded, true("2026-12-20", "2027-02-19")) == (VISA_FREE, first, truly, later)
    assert corrected(recorded, true("2026-12-20")) == (VISA_FREE, first, later)


def test_a_change_of_purpose_is_corrected_with_what_it_took_over() -> None:
    paid = ground("2026-12-20", "2036-01-19")
    private = working("2026-12-25", "2036-01-19", Purpose.PRIVATE)
    again = working("2026-12-27", "2036-01-19", Purpose.EMPLOYMENT)
    another = working("2027-01-05", "2027-02-19", Purpose.EMPLOYMENT)
    recorded = (VISA_FREE, paid, private, again, another)
    day = date(2027, 1, 19)
    truly = (VISA_FREE, *(replace(one, until=day) for one in (paid, private, again)), another)
    assert corrected(recorded, true("2026-12-20", "2027-01-19")) == truly
    assert corrected(recorded, true("2026-12-20")) == (
        VISA_FREE,
        replace(VISA_FREE, begins_on=date(2026, 12, 25), purpose=Purpose.PRIVATE),
        replace(VISA_FREE, begins_on=date(2026, 12, 27), purpose=Purpose.EMPLOYMENT),
        another,
    )


def test_a_second_payment_for_the_same_days_is_not_corrected_with_the_first() -> None:
    first, second = ground("2026-12-20", "2027-01-19"), ground("2026-12-21", "2027-01-19")
    assert corrected((VISA_FREE, first, second), true("2026-12-20")) == (VISA_FREE, second)
    truly = replace(first, until=date(2026, 12, 31))
    assert corrected((VISA_FREE, first, second), true("2026-12-20", "2026-12-31")) == (VISA_FREE, truly, second)


@pytest.mark.parametrize(
    ("truly", "pointer", "code"),
    [
        (true("2026-12-21", "2027-01-19"), "/ground/from", "ground-not-recorded"),
        (true("2026-12-20", "2026-12-19"), "/ground/until", "ends-before-it-begins"),
        (true("2027-01-20", "2027-02-19"), "/ground/until", "no-last-day"),
    ],
)
def test_a_ground_is_corrected_to_what_can_be(truly: TrueGround, pointer: str, code: str) -> None:
    by_visa = ground("2027-01-20", basis=Basis.VISA, visa_until=date(2027, 4, 30))
    with pytest.raises(RuleViolation) as refusal:
        corrected((VISA_FREE, ground("2026-12-20", "2027-01-19"), by_visa), truly)
    (fault,) = refusal.value.faults
    assert (fault.pointer, fault.code) == (pointer, code)
    if code == "ground-not-recorded":
        assert fault.values == {"known": "2026-12-20, 2027-01-20"}


# Every day -----------------------------------------------------------------------------------------------------------

_days = st.none() | st.dates(date(2026, 11, 1), date(2027, 6, 30))
_later_grounds = st.lists(
    st.builds(
        Ground,
        begins_on=st.dates(date(2024, 11, 1), date(2027, 6, 30)),
        basis=st.sampled_from([Basis.VISA_FREE, Basis.PATENT, Basis.EDUCATION, Basis.VISA]),
        purpose=st.sampled_from(Purpose),
        until=_days,
        visa_until=_days,
    ),
    max_size=5,
)


@given(later=_later_grounds, shortened_to=_days, code=st.sampled_from(["UZB", "OMN", "UKR", "BLR"]))
def test_every_day_of_the_calendar_is_judged_by_one_ground(
    later: list[Ground], shortened_to: date | None, code: str
) -> None:
    made = resting_on(VISA_FREE, *later, shortened_to=shortened_to)
    terms = terms_of(POLICY, Traveller.of(made.basis, made.purpose, citizen(code)), made)
    assert (terms[0].begins, terms[-1].until) == (FIRST_DAY, NEVER)
    assert all(one.until + 1 == other.begins for one, other in pairwise(terms))
    assert all(one.begins <= one.until for one in terms)


@given(later=_later_grounds)
def test_nothing_that_happens_later_changes_how_the_days_before_are_judged(later: list[Ground]) -> None:
    first = min((one.begins_on for one in later if one.begins_on), default=date.max)
    made = resting_on(VISA_FREE, *later)
    traveller = Traveller.of(Basis.VISA_FREE, Purpose.EMPLOYMENT, personal())
    end, without = (entering([], terms_of(POLICY, traveller, one), ENTERED_ON) for one in (made, resting_on(VISA_FREE)))
    assert without is not None
    assert not isinstance(without, UsedUp)
    if without.last_lawful_day < first - timedelta(days=1):
        assert end == without
