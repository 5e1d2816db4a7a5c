from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from app.domain.border import (
    HAPPENED,
    Decision,
    Direction,
    Observed,
    Outcome,
    Reason,
    Report,
    decide_entry,
    decide_exit,
    decide_refusal,
)
from app.domain.card import Basis, Card, Crossing, Particulars, Purpose, State, Status, VisaKind, stays_on
from app.domain.cardless import decide_without_card, rank_for
from app.domain.errors import RuleViolation
from app.domain.events import Source
from app.domain.identity import BirthDate, DocumentKind
from app.domain.joining import CardStay, Waiting
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import UsedUp
from tests.builders import BREST, KAMCHATKA, POLICY, at_status, card, citizen, crossing, new_id, personal, utc, visa

ON_THE_SPOT = sorted(set(Source) - HAPPENED)
LATER = sorted(HAPPENED)


INSIDE = CardStay(number="ELSEWHERE", entered_at=utc("2026-11-20 09:00"), left_at=None, days=Stay(date(2026, 11, 20)))


def on_cards(stays: Sequence[Stay], *, inside: bool) -> list[CardStay]:
    """Put stays on other cards, from noon to noon by Moscow's time."""
    noon = time(9, tzinfo=UTC)

    def at(day: date) -> datetime:
        return datetime.combine(day, noon)

    return [
        CardStay(
            number=f"OTHER{place}",
            entered_at=at(stay.entered_on),
            left_at=at(stay.left_on) if stay.left_on else None,
            days=stay,
        )
        for place, stay in enumerate(stays)
    ] + [INSIDE] * inside


def entry(
    made: Card | None = None,
    person: Particulars | None = None,
    at: Crossing | None = None,
    *,
    inside: bool = False,
    stays: Sequence[Stay] = (),
    left_at: datetime | None = None,
    policy: Policy = POLICY,
    **told: Any,  # noqa: ANN401  fields of a report
) -> Outcome:
    report = Report(crossing=at or crossing(), **told)
    known = on_cards(stays, inside=inside)
    return decide_entry(made or card(), person or personal(), report, stays=known, left_at=left_at, policy=policy)


def exit_at(made: Card, at: Crossing, **told: Any) -> Outcome:  # noqa: ANN401
    return decide_exit(made, Report(crossing=at, **told))


def refusal(
    made: Card | None = None,
    person: Particulars | None = None,
    at: Crossing | None = None,
    *,
    inside: bool = False,
    stays: Sequence[Stay] = (),
    policy: Policy = POLICY,
    **told: Any,  # noqa: ANN401
) -> Outcome:
    report = Report(crossing=at or crossing(), **told)
    known = on_cards(stays, inside=inside)
    return decide_refusal(made or card(), person or personal(), report, stays=known, policy=policy)


def refused(reason: Reason) -> Outcome:
    return Outcome(decision=Decision.REFUSE, reason=reason)


def saw(decision: Decision, reason: str | None = None) -> Observed:
    return Observed(decision=decision, reason=reason)


# Entry ---------------------------------------------------------------------------------------------------------------


def test_the_holder_of_a_declared_card_is_admitted_for_as_long_as_the_policy_gives() -> None:
    outcome = entry()
    assert (outcome.decision, outcome.reason, outcome.flags) == (Decision.ADMIT, Reason.ADMITTED, [])
    assert outcome.card is not None
    assert outcome.card.state is State.ACTIVE
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2027, 3, 1), "continuous")


def test_a_visa_ends_the_stay_that_it_admits_to() -> None:
    outcome = entry(card(basis=Basis.VISA), personal(visa=visa(days_granted=16)))
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2026, 12, 17), "visa_days")


def test_a_visa_ends_no_stay_that_rests_on_another_ground() -> None:
    outcome = entry(card(basis=Basis.VISA_FREE), personal(visa=visa(days_granted=16)))
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2027, 3, 1), "continuous")


@pytest.mark.parametrize(
    ("applied_on", "last_day"),
    [(date(2025, 8, 22), date(2026, 12, 17)), (date(2025, 8, 23), date(2026, 12, 31))],
    ids=["16 days", "30 days"],
)
def test_the_day_an_electronic_visa_was_applied_for_decides_and_not_the_day_of_entry(
    applied_on: date, last_day: date
) -> None:
    person = personal(visa=visa(kind=VisaKind.E_VISA, applied_on=applied_on))
    outcome = entry(card(basis=Basis.E_VISA), person)
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (last_day, "per_entry")


def test_a_shorter_wish_does_not_shorten_the_right() -> None:
    outcome = entry(card(intended_until=date(2026, 12, 12)))
    assert outcome.card is not None
    assert outcome.card.last_lawful_day == date(2027, 3, 1)


# Former stays --------------------------------------------------------------------------------------------------------

SIXTY_DAYS = [Stay(date(2026, 1, 10), date(2026, 2, 8)), Stay(date(2026, 5, 1), date(2026, 5, 30))]
ALL_NINETY = [*SIXTY_DAYS, Stay(date(2026, 7, 1), date(2026, 7, 30))]


def test_a_second_stay_in_one_calendar_year_ends_when_ninety_days_of_it_are_used() -> None:
    autumn = card(intended_from=date(2026, 10, 1), lapses_at=utc("2026-10-04 21:00"))
    outcome = entry(autumn, at=crossing("2026-10-01 10:00"), stays=SIXTY_DAYS)
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2026, 10, 30), "calendar_year")


def test_a_second_stay_that_reaches_the_new_year_goes_on_with_its_days() -> None:
    outcome = entry(stays=SIXTY_DAYS)  # 2 December: 30 days are left of a year that has 30
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2027, 3, 1), "continuous")


def test_nobody_is_admitted_without_a_day_left_and_is_told_since_when_and_when_again() -> None:
    used_up = UsedUp(limit="calendar_year", since=date(2026, 7, 31), earliest_entry=date(2027, 1, 1))
    assert entry(stays=ALL_NINETY) == Outcome(
        decision=Decision.REFUSE, reason=Reason.STAY_USED_UP, card=None, used_up=used_up
    )


def test_new_year_at_the_checkpoint_opens_the_country_again() -> None:
    winter = card(intended_from=date(2027, 1, 1), lapses_at=utc("2027-01-04 12:00"))
    midnight_there = "2026-12-31 12:00"
    admitted = entry(winter, at=crossing(midnight_there, zone="Asia/Kamchatka"), stays=ALL_NINETY)
    assert admitted.card is not None
    assert (admitted.card.entered_on, admitted.card.last_lawful_day) == (date(2027, 1, 1), date(2027, 3, 31))
    still_december = entry(winter, at=crossing(midnight_there, zone="Europe/Moscow"), stays=ALL_NINETY)
    assert still_december.reason is Reason.STAY_USED_UP


def test_stays_that_began_after_the_crossing_are_not_charged_to_it() -> None:
    late_record = crossing("2026-06-30 10:00")
    early = card(intended_from=date(2026, 6, 30), lapses_at=utc("2026-07-03 21:00"))
    left_at = utc("2026-06-30 12:00")
    outcome = entry(early, at=late_record, stays=ALL_NINETY, left_at=left_at, source=Source.LATE_UPLOAD)
    assert outcome.card is not None
    assert outcome.card.last_lawful_day == date(2026, 7, 29)


def test_nobody_enters_now_before_the_last_exit() -> None:
    with pytest.raises(RuleViolation) as refusal:
        entry(at=crossing("2026-06-30 10:00"), stays=ALL_NINETY)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/occurred_at", "before-the-last-exit")]


def test_a_document_that_has_expired_by_what_was_shown_is_refused() -> None:
    shown_on = crossing().on
    assert entry(expires_on=shown_on - timedelta(days=1)) == refused(Reason.DOCUMENT_EXPIRED)
    assert entry(person=personal(expires_on=date(2020, 1, 1)), expires_on=date(2030, 1, 1)).card is not None


def test_a_visa_that_the_stay_does_not_rest_on_refuses_nobody() -> None:
    assert entry(card(basis=Basis.VISA_FREE), personal(visa=visa(valid_until=date(2026, 11, 1)))).card is not None


def test_what_is_wrong_with_card_or_papers_is_told_before_days_that_are_used_up() -> None:
    assert entry(card(State.DEPARTED), stays=ALL_NINETY) == refused(Reason.NUMBER_SPENT)
    assert entry(person=personal(expires_on=date(2020, 1, 1)), stays=ALL_NINETY) == refused(Reason.DOCUMENT_EXPIRED)
    assert entry(stays=ALL_NINETY, inside=True) == refused(Reason.ALREADY_INSIDE)


def test_whoever_has_declared_is_admitted_where_a_declaration_is_compulsory() -> None:
    worker = card(purpose=Purpose.EMPLOYMENT)
    assert entry(worker, policy=POLICY.with_drafts(["advance-application-2026"])).reason is Reason.ADMITTED


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.WITHDRAWN, Reason.CARD_WITHDRAWN),
        (State.SUPERSEDED, Reason.CARD_SUPERSEDED),
        (State.REPLACED, Reason.CARD_REPLACED),
        (State.ANNULLED, Reason.CARD_ANNULLED),
        (State.DEPARTED, Reason.NUMBER_SPENT),
        (State.REFUSED, Reason.NUMBER_SPENT),
        (State.ACTIVE, Reason.ALREADY_INSIDE),
    ],
)
def test_a_card_that_is_not_declared_is_refused_with_its_reason(state: State, reason: Reason) -> None:
    assert entry(card(state)) == refused(reason)


def test_every_status_but_declared_is_refused() -> None:
    admitted = [state for state in State if entry(card(state)).decision is Decision.ADMIT]
    assert admitted == [State.DECLARED]


def test_a_lapsed_card_is_refused_from_the_instant_it_lapses() -> None:
    assert entry(at=crossing("2026-12-13 21:00")) == refused(Reason.CARD_LAPSED)
    assert entry(at=crossing("2026-12-13 20:59")).decision is Decision.ADMIT


def test_nobody_enters_twice_on_one_card_not_even_after_the_stay_is_over() -> None:
    assert entry(card(State.ACTIVE), at=crossing("2027-06-01 00:00")) == refused(Reason.ALREADY_INSIDE)


def test_somebody_inside_on_another_card_is_refused_whatever_this_one_is() -> None:
    for made in (card(), card(State.SUPERSEDED), card(State.DEPARTED)):
        assert entry(made, inside=True) == refused(Reason.ALREADY_INSIDE)
    assert entry(person=personal(expires_on=date(2020, 1, 1)), inside=True) == refused(Reason.ALREADY_INSIDE)


@pytest.mark.parametrize(
    ("expires_on", "reason"),
    [
        (date(2026, 12, 1), Reason.DOCUMENT_EXPIRED),
        (date(2026, 12, 2), Reason.ADMITTED),
        (None, Reason.ADMITTED),
    ],
)
def test_a_document_holds_through_the_day_it_expires(expires_on: date | None, reason: Reason) -> None:
    assert entry(person=personal(expires_on=expires_on)).reason is reason


def test_a_document_is_judged_by_the_local_day_of_the_crossing() -> None:
    person = personal(expires_on=date(2026, 12, 2))
    late = "2026-12-02 21:30"
    assert entry(person=person, at=crossing(late, zone="Europe/Kaliningrad")).reason is Reason.ADMITTED
    assert entry(person=person, at=crossing(late, zone="Europe/Moscow")).reason is Reason.DOCUMENT_EXPIRED


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "reason"),
    [
        (date(2026, 12, 2), date(2026, 12, 2), Reason.ADMITTED),
        (date(2026, 12, 3), date(2026, 12, 9), Reason.VISA_NOT_VALID),
        (date(2026, 11, 1), date(2026, 12, 1), Reason.VISA_NOT_VALID),
    ],
)
def test_a_visa_must_cover_the_day_of_entry(valid_from: date, valid_until: date, reason: Reason) -> None:
    person = personal(visa=visa(valid_from=valid_from, valid_until=valid_until))
    assert entry(card(basis=Basis.VISA), person).reason is reason


@pytest.mark.parametrize(
    ("entries", "used", "reason"),
    [
        (1, 0, Reason.ADMITTED),
        (1, 1, Reason.VISA_NOT_VALID),
        (2, 1, Reason.ADMITTED),
        (2, 2, Reason.VISA_NOT_VALID),
        (None, 99, Reason.ADMITTED),
    ],
)
def test_a_visa_is_good_for_as_many_entries_as_it_allows(entries: int | None, used: int, reason: Reason) -> None:
    by_visa = card(basis=Basis.VISA)
    assert entry(by_visa, personal(visa=visa(entries=entries)), visa_used=used).reason is reason


def test_an_entry_too_many_that_has_happened_is_recorded_and_flagged() -> None:
    outcome = entry(card(basis=Basis.VISA), personal(visa=visa()), visa_used=1, source=Source.LATE_UPLOAD)
    assert (outcome.decision, outcome.flags) == (Decision.RECORDED, ["visa_not_valid"])
    assert outcome.card is not None
    assert outcome.card.last_lawful_day == date(2027, 1, 31)


def test_what_is_wrong_with_the_card_is_told_before_what_is_wrong_with_the_papers() -> None:
    expired = personal(expires_on=date(2020, 1, 1), visa=visa(valid_until=date(2020, 1, 1)))
    assert entry(card(State.SUPERSEDED), expired) == refused(Reason.CARD_SUPERSEDED)
    assert entry(person=expired) == refused(Reason.DOCUMENT_EXPIRED)


def test_a_document_that_is_not_the_holders_is_refused() -> None:
    assert entry(fits=False) == refused(Reason.DOCUMENT_DIFFERS)
    assert entry(fits=False, person=personal(expires_on=date(2020, 1, 1))) == refused(Reason.DOCUMENT_DIFFERS)
    assert entry(fits=False, stays=ALL_NINETY) == refused(Reason.DOCUMENT_DIFFERS)


def test_what_the_rules_ask_and_nobody_has_said_is_to_be_brought() -> None:
    person = personal(visa=visa(kind=VisaKind.E_VISA, applied_on=None))
    assert entry(card(basis=Basis.E_VISA), person) == Outcome(
        decision=Decision.MORE_DATA, reason=Reason.MORE_DATA, missing=["/visa/applied_on"]
    )


@pytest.mark.parametrize(
    ("made", "person"),
    [
        (card(), citizen("RUS")),
        (card(), citizen("BLR")),
        (card(purpose=Purpose.OFFICIAL), citizen("UZB", DocumentKind.DIPLOMATIC_PASSPORT)),
    ],
    ids=["own citizen", "Belarus", "diplomat"],
)
def test_whoever_needs_no_card_comes_in_and_the_card_is_left_as_it_is(made: Card, person: Particulars) -> None:
    assert entry(made, person) == Outcome(decision=Decision.RECORDED, reason=Reason.EXEMPT)


def test_whoever_needs_no_card_at_first_is_admitted_on_the_one_declared() -> None:
    assert entry(person=citizen("KGZ")).decision is Decision.ADMIT


def test_an_entry_is_judged_by_the_policy_of_its_day_which_the_card_then_names() -> None:
    outcome = entry(card(policy_version=1), policy=replace(POLICY, policy_id="house", version=9))
    assert outcome.card is not None
    assert (outcome.card.policy_id, outcome.card.policy_version, outcome.card.version) == ("house", 9, 2)


# What has happened already -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [Source.LATE_UPLOAD, Source.DIGITISED, Source.FOREIGN_AUTHORITY, Source.INFERRED])
def test_what_these_tell_of_has_happened(source: Source) -> None:
    assert Report(crossing=crossing(), source=source).has_happened


@pytest.mark.parametrize("source", ON_THE_SPOT)
def test_whoever_asks_on_the_spot_can_be_refused(source: Source) -> None:
    assert not Report(crossing=crossing(), source=source).has_happened
    assert entry(card(State.WITHDRAWN), source=source) == refused(Reason.CARD_WITHDRAWN)
    assert entry(person=personal(expires_on=date(2020, 1, 1)), source=source) == refused(Reason.DOCUMENT_EXPIRED)
    assert entry(stays=ALL_NINETY, source=source).decision is Decision.REFUSE


@pytest.mark.parametrize("source", LATER)
def test_a_lawful_entry_is_the_same_told_later(source: Source) -> None:
    assert entry(source=source) == entry()


@pytest.mark.parametrize("source", LATER)
@pytest.mark.parametrize("status", sorted(set(Status) - {Status.DECLARED}))
def test_an_entry_that_has_happened_is_recorded_whatever_its_card_is(status: Status, source: Source) -> None:
    made, instant = at_status(status)
    there = replace(crossing(), occurred_at=instant)
    own = entry(made, at=there)
    outcome = entry(made, at=there, source=source)
    assert own.decision is Decision.REFUSE
    assert (outcome.decision, outcome.reason, outcome.flags) == (Decision.RECORDED, own.reason, [own.reason])
    assert (outcome.card is not None) == (status is Status.LAPSED)


def test_who_came_on_a_lapsed_declaration_is_inside_from_then_on() -> None:
    outcome = entry(at=crossing("2026-12-20 10:00"), source=Source.LATE_UPLOAD)
    assert (outcome.reason, outcome.flags) == (Reason.CARD_LAPSED, ["card_lapsed"])
    assert outcome.card is not None
    assert (outcome.card.state, outcome.card.entered_on) == (State.ACTIVE, date(2026, 12, 20))
    assert (outcome.card.lapses_at, outcome.card.last_lawful_day) == (None, date(2027, 3, 19))


@pytest.mark.parametrize(
    ("person", "fits", "flag"),
    [
        (personal(expires_on=date(2020, 1, 1)), True, "document_expired"),
        (personal(), False, "document_differs"),
    ],
)
def test_an_entry_that_would_have_been_refused_is_flagged_and_ends_when_the_policy_says(
    person: Particulars, flag: str, *, fits: bool
) -> None:
    outcome = entry(person=person, fits=fits, source=Source.LATE_UPLOAD)
    assert (outcome.decision, outcome.reason, outcome.flags) == (Decision.RECORDED, flag, [flag])
    assert outcome.card == entry().card


def test_an_entry_without_a_day_left_is_recorded_as_an_overstay_from_its_first_day() -> None:
    outcome = entry(stays=ALL_NINETY, source=Source.LATE_UPLOAD)
    assert (outcome.decision, outcome.reason, outcome.flags) == (
        Decision.RECORDED,
        Reason.STAY_USED_UP,
        ["stay_used_up"],
    )
    assert outcome.used_up == UsedUp(limit="calendar_year", since=date(2026, 7, 31), earliest_entry=date(2027, 1, 1))
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2026, 12, 1), "calendar_year")
    assert outcome.card.status_at(crossing().occurred_at) is Status.OVERSTAYED


def test_nobody_gets_a_second_open_stay_by_an_entry_told_later() -> None:
    assert entry(inside=True, source=Source.LATE_UPLOAD) == Outcome(
        decision=Decision.RECORDED, reason=Reason.ALREADY_INSIDE, flags=["already_inside"]
    )


@pytest.mark.parametrize("source", LATER)
def test_whoever_was_inside_then_is_flagged_though_the_other_stay_is_over_by_now(source: Source) -> None:
    stays = [Stay(date(2026, 11, 20), date(2026, 12, 5))]
    outcome = entry(stays=stays, source=source)
    assert (outcome.decision, outcome.reason, outcome.flags) == (
        Decision.RECORDED,
        Reason.ALREADY_INSIDE,
        ["already_inside"],
    )
    assert outcome.card is None
    assert entry(at=crossing("2026-12-05 10:00"), stays=stays, source=source).decision is Decision.ADMIT


def test_what_was_wrong_with_the_papers_is_kept_of_an_entry_into_another_stay() -> None:
    expired = personal(expires_on=date(2020, 1, 1))
    assert entry(inside=True, fits=False, source=Source.LATE_UPLOAD).flags == ["already_inside", "document_differs"]
    outcome = entry(person=expired, inside=True, source=Source.LATE_UPLOAD)
    assert outcome.flags == ["already_inside", "document_expired"]
    again = Report.of(
        Waiting(
            fact_id=new_id(),
            number=None,
            crossing=crossing(),
            source=Source.LATE_UPLOAD,
            flags=frozenset(outcome.flags),
        )
    )
    told = decide_entry(card(), personal(), again, stays=[], policy=POLICY)
    assert (told.reason, told.flags) == (Reason.DOCUMENT_EXPIRED, ["document_expired"])
    assert told.card is not None


LATER_STAY = [Stay(date(2026, 12, 20))]


def test_an_entry_before_a_later_stay_waits_for_its_exit() -> None:
    waiting = entry(stays=LATER_STAY, source=Source.LATE_UPLOAD)
    assert (waiting.decision, waiting.reason, waiting.flags) == (
        Decision.RECORDED,
        Reason.ADMITTED,
        ["waits_for_exit"],
    )
    assert waiting.card is None
    left = entry(stays=LATER_STAY, left_at=utc("2026-12-10 10:00"), source=Source.LATE_UPLOAD)
    assert (left.decision, left.flags) == (Decision.ADMIT, [])
    assert left.card is not None
    lapsed = crossing("2026-12-15 10:00")
    assert entry(at=lapsed, stays=LATER_STAY, source=Source.LATE_UPLOAD).flags == ["card_lapsed", "waits_for_exit"]


def test_an_officer_admits_nobody_who_is_inside_by_now() -> None:
    assert entry(stays=LATER_STAY) == refused(Reason.ALREADY_INSIDE)


def test_nobody_enters_now_before_an_exit_of_the_same_day() -> None:
    stays = [Stay(date(2026, 11, 20), date(2026, 12, 2))]  # left at noon by Moscow's time
    with pytest.raises(RuleViolation):
        entry(at=crossing("2026-12-02 08:59"), stays=stays)
    assert entry(at=crossing("2026-12-02 09:00"), stays=stays).decision is Decision.ADMIT


def test_nobody_enters_before_being_born_and_whoever_did_was_somebody_else() -> None:
    ali = personal()
    newborn = replace(ali, holder=replace(ali.holder, birth_date=BirthDate.parse("2026-12-03")))
    with pytest.raises(RuleViolation) as refusal:
        entry(person=newborn)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/occurred_at", "before-birth")]
    assert entry(person=newborn, source=Source.LATE_UPLOAD) == Outcome(
        decision=Decision.RECORDED, reason=Reason.DOCUMENT_DIFFERS, flags=["document_differs", "before_birth"]
    )
    assert entry(person=newborn, at=crossing("2026-12-03 10:00")).decision is Decision.ADMIT


def test_a_paper_number_of_another_live_card_is_asked_for_now_and_left_to_that_card_in_hindsight() -> None:
    printed = card(paper_series="4601", paper_number="0123456")
    assert entry(printed, paper_taken=True) == Outcome(
        decision=Decision.MORE_DATA, reason=Reason.MORE_DATA, missing=["/paper"], flags=["paper_number_in_use"]
    )
    outcome = entry(printed, paper_taken=True, source=Source.LATE_UPLOAD)
    assert (outcome.decision, outcome.flags) == (Decision.ADMIT, ["paper_number_in_use"])
    assert outcome.card is not None
    assert (outcome.card.paper_series, outcome.card.paper_number) == (None, None)


def test_the_last_day_that_counts_is_that_of_the_document_shown() -> None:
    expired = personal(expires_on=date(2020, 1, 1))
    assert entry(person=expired, other_document=True).decision is Decision.ADMIT
    assert entry(person=expired, other_document=True, expires_on=date(2030, 1, 1)).decision is Decision.ADMIT
    shown = entry(other_document=True, expires_on=date(2020, 1, 1))
    assert shown == refused(Reason.DOCUMENT_EXPIRED)
    assert entry(person=expired) == refused(Reason.DOCUMENT_EXPIRED)


def test_an_entry_of_which_the_rules_ask_more_than_is_known_is_recorded_without_an_end() -> None:
    person = personal(visa=visa(kind=VisaKind.E_VISA, applied_on=None))
    outcome = entry(card(basis=Basis.E_VISA), person, source=Source.LATE_UPLOAD)
    assert (outcome.decision, outcome.flags, outcome.missing) == (
        Decision.RECORDED,
        ["more_data"],
        ["/visa/applied_on"],
    )
    assert outcome.card is not None
    assert (outcome.card.state, outcome.card.last_lawful_day, outcome.card.ends_at) == (State.ACTIVE, None, None)


def test_an_entry_told_later_is_judged_by_the_zone_and_the_day_on_which_it_was() -> None:
    outcome = entry(at=crossing("2026-12-31 17:00", KAMCHATKA, "Asia/Kamchatka"), source=Source.DIGITISED)
    assert outcome.card is not None
    assert (outcome.card.entered_on, outcome.card.zone) == (date(2027, 1, 1), "Asia/Kamchatka")
    assert outcome.card.last_lawful_day == date(2027, 3, 31)


# What an officer decided on the spot ---------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [Source.OFFICER, Source.LATE_UPLOAD])
@pytest.mark.parametrize(
    ("made", "observed", "differs"),
    [
        (card(), Decision.ADMIT, False),
        (card(), Decision.REFUSE, True),
        (card(State.WITHDRAWN), Decision.REFUSE, False),
        (card(State.WITHDRAWN), Decision.ADMIT, True),
    ],
)
def test_an_officer_who_decided_otherwise_than_the_registry_is_told_so(
    made: Card, observed: Decision, source: Source, *, differs: bool
) -> None:
    assert entry(made, source=source, observed=saw(observed)).observed_differs is differs


@pytest.mark.parametrize("source", Source)
def test_nobody_differs_who_has_told_no_decision(source: Source) -> None:
    assert not entry(source=source).observed_differs
    assert not entry(card(State.WITHDRAWN), source=source).observed_differs


@pytest.mark.parametrize("source", Source)
def test_who_was_turned_away_on_the_spot_has_not_entered(source: Source) -> None:
    for made, agrees in ((card(), False), (card(State.SUPERSEDED), True)):
        outcome = entry(made, source=source, observed=saw(Decision.REFUSE, "no funds"))
        refused = agrees and source not in LATER  # the registry says so itself
        assert (outcome.decision, outcome.card) == (Decision.REFUSE if refused else Decision.RECORDED, None)
        assert outcome.observed_differs is not agrees


@pytest.mark.parametrize("source", Source)
def test_who_was_only_recorded_on_the_spot_has_crossed(source: Source) -> None:
    observed = saw(Decision.RECORDED)
    assert entry(source=source, observed=observed) == entry(source=source)
    assert exit_at(card(State.ACTIVE), crossing("2026-12-05 10:00"), source=source, observed=observed).card is not None


@pytest.mark.parametrize("source", LATER)
def test_who_was_let_in_on_the_spot_has_entered_though_the_registry_would_have_refused(source: Source) -> None:
    expired = personal(expires_on=date(2020, 1, 1))
    outcome = entry(person=expired, source=source, observed=saw(Decision.ADMIT))
    assert (outcome.decision, outcome.flags, outcome.observed_differs) == (
        Decision.RECORDED,
        ["document_expired"],
        True,
    )
    assert outcome.card is not None


@pytest.mark.parametrize("since", [State.WITHDRAWN, State.SUPERSEDED])
def test_whoever_entered_before_the_declaration_was_taken_back_is_inside_on_it(since: State) -> None:
    taken_back = card(since)
    assert entry(taken_back).card is None
    outcome = entry(taken_back, status=Status.DECLARED, source=Source.LATE_UPLOAD)
    assert (outcome.decision, outcome.reason) == (Decision.ADMIT, Reason.ADMITTED)
    assert outcome.card is not None
    assert outcome.card.state is State.ACTIVE
    after = entry(taken_back, source=Source.LATE_UPLOAD)  # and whoever came afterwards is not
    assert (after.decision, after.card) == (Decision.RECORDED, None)


def test_whoever_needs_no_card_gets_no_stay_on_one_in_hindsight() -> None:
    outcome = entry(person=citizen("BLR"), source=Source.LATE_UPLOAD)
    assert (outcome.decision, outcome.reason, outcome.card, outcome.flags) == (
        Decision.RECORDED,
        Reason.EXEMPT,
        None,
        [],
    )


# Exits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", [Decision.REFUSE, Decision.MORE_DATA])
def test_whom_an_officer_did_not_let_out_has_not_left(decision: Decision) -> None:
    inside = card(State.ACTIVE)
    outcome = exit_at(inside, crossing("2026-12-05 10:00"), source=Source.LATE_UPLOAD, observed=saw(decision))
    assert (outcome.decision, outcome.card, outcome.observed_differs) == (Decision.RECORDED, None, True)


def test_an_exit_on_the_spot_before_the_entry_is_refused_and_one_told_later_recorded() -> None:
    inside = card(State.ACTIVE)
    assert inside.entered_at is not None
    early = replace(crossing(), occurred_at=inside.entered_at - timedelta(hours=1))
    with pytest.raises(RuleViolation):
        exit_at(inside, early)
    assert exit_at(inside, early, source=Source.LATE_UPLOAD).reason is Reason.EXIT_WITHOUT_ENTRY


# Which card ----------------------------------------------------------------------------------------------------------


CARDS = [(state, None) for state in State] + [(State.DEPARTED, source) for source in (Source.INFERRED, Source.OFFICER)]


@pytest.mark.parametrize(
    ("way", "source", "ranked"),
    [
        (Direction.ENTRY, Source.OFFICER, [{"active"}, {"declared"}]),
        # an entry that has happened may lie before the one on the open card
        (Direction.ENTRY, Source.LATE_UPLOAD, [{"declared"}, {"active"}]),
        (Direction.EXIT, Source.OFFICER, [{"active"}, {"departed inferred"}]),
        # and an exit that has happened waits for an entry that may still come
        (
            Direction.EXIT,
            Source.LATE_UPLOAD,
            [{"active"}, {"departed inferred"}, {"declared"}, {"superseded", "withdrawn"}],
        ),
    ],
)
def test_the_card_that_a_crossing_without_a_number_is_about_is_found_in_an_order(
    way: Direction, source: Source, ranked: list[set[str]]
) -> None:
    by_rank: dict[int, set[str]] = {}
    for state, exit_source in CARDS:
        rank = rank_for(way, Report(crossing=crossing(), source=source), state, exit_source)
        if rank is not None:
            by_rank.setdefault(rank, set()).add(" ".join(filter(None, [state, exit_source])))
    assert [by_rank[rank] for rank in sorted(by_rank)] == ranked


# Refusal -------------------------------------------------------------------------------------------------------------


def test_a_refusal_spends_the_number_and_charges_no_day() -> None:
    outcome = refusal()
    assert (outcome.decision, outcome.reason) == (Decision.REFUSE, Reason.NUMBER_SPENT)
    assert outcome.card == replace(card(), version=2, state=State.REFUSED)
    assert stays_on([outcome.card]) == []
    assert entry(outcome.card) == refused(Reason.NUMBER_SPENT)


@pytest.mark.parametrize(
    ("person", "fits", "inside", "reason"),
    [
        (personal(expires_on=date(2020, 1, 1)), True, False, Reason.DOCUMENT_EXPIRED),
        (personal(), False, False, Reason.DOCUMENT_DIFFERS),
        (personal(), True, True, Reason.ALREADY_INSIDE),
    ],
)
def test_a_refusal_gives_the_reason_for_which_the_registry_would_have_refused(
    person: Particulars, reason: Reason, *, fits: bool, inside: bool
) -> None:
    outcome = refusal(person=person, fits=fits, inside=inside)
    assert (outcome.reason, outcome.observed_differs) == (reason, False)
    assert outcome.card is not None
    assert outcome.card.state is State.REFUSED


def test_a_refusal_for_days_used_up_tells_by_which_limit_and_when_again() -> None:
    outcome = refusal(stays=ALL_NINETY)
    assert outcome.reason is Reason.STAY_USED_UP
    assert outcome.used_up == entry(stays=ALL_NINETY).used_up
    assert outcome.used_up is not None


def test_whoever_refuses_where_the_registry_would_have_admitted_differs_from_it() -> None:
    assert refusal().observed_differs
    assert not refusal(person=personal(expires_on=date(2020, 1, 1))).observed_differs


@pytest.mark.parametrize("status", Status)
def test_only_a_card_that_can_still_be_entered_on_is_spent_by_a_refusal(status: Status) -> None:
    made, instant = at_status(status)
    outcome = refusal(made, at=replace(crossing(), occurred_at=instant))
    assert outcome.decision is Decision.REFUSE
    assert (outcome.card is not None) == (status in {Status.DECLARED, Status.LAPSED})


# Exit ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("2027-03-01 20:59", Reason.DEPARTED),
        ("2027-03-01 21:00", Reason.DEPARTED_AFTER_OVERSTAY),
    ],
)
def test_an_exit_is_a_departure_late_or_not(at: str, reason: Reason) -> None:
    outcome = exit_at(card(State.ACTIVE), crossing(at, BREST, "Europe/Minsk"))
    assert (outcome.decision, outcome.reason, outcome.flags) == (Decision.RECORDED, reason, [])
    assert outcome.card is not None
    assert (outcome.card.state, outcome.card.checkpoint_out) == (State.DEPARTED, BREST)


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACTIVE}))
def test_an_exit_without_an_open_stay_is_recorded_flagged_and_changes_nothing(state: State) -> None:
    assert exit_at(card(state), crossing("2027-06-01 00:00")) == Outcome(
        decision=Decision.RECORDED, reason=Reason.EXIT_WITHOUT_ENTRY, card=None, flags=["exit_without_entry"]
    )


def test_an_exit_before_the_entry_belongs_to_no_stay() -> None:
    lone = Outcome(decision=Decision.RECORDED, reason=Reason.EXIT_WITHOUT_ENTRY, flags=["exit_without_entry"])
    assert exit_at(card(State.ACTIVE), crossing("2026-12-02 09:59"), source=Source.LATE_UPLOAD) == lone
    assert exit_at(card(State.ACTIVE), crossing("2026-12-02 10:00")).reason is Reason.DEPARTED
    inferred = card(State.DEPARTED, exit_source=Source.INFERRED)
    assert exit_at(inferred, crossing("2026-12-02 09:59")) == lone


def test_a_second_exit_belongs_to_no_stay() -> None:
    left = card(State.DEPARTED, exit_source=Source.OFFICER)
    for source in Source:
        outcome = exit_at(left, crossing("2027-01-12 10:00"), source=source)
        assert (outcome.reason, outcome.card) == (Reason.EXIT_WITHOUT_ENTRY, None)


@pytest.mark.parametrize("source", Source)
def test_an_exit_keeps_how_it_is_known(source: Source) -> None:
    outcome = exit_at(card(State.ACTIVE), crossing("2027-01-10 10:00"), source=source)
    assert outcome.card is not None
    assert outcome.card.exit_source is source


@pytest.mark.parametrize("source", sorted(set(Source) - {Source.INFERRED}))
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("2027-01-05 10:00", Reason.DEPARTED),
        ("2027-01-20 10:00", Reason.DEPARTED),
        ("2027-03-01 21:00", Reason.DEPARTED_AFTER_OVERSTAY),
    ],
    ids=["earlier", "later", "after the end"],
)
def test_an_exit_that_is_seen_takes_the_place_of_an_inferred_one(at: str, reason: Reason, source: Source) -> None:
    inferred = card(State.DEPARTED, exit_source=Source.INFERRED)
    outcome = exit_at(inferred, crossing(at), source=source)
    assert (outcome.decision, outcome.reason, outcome.flags) == (
        Decision.RECORDED,
        reason,
        ["inferred_exit_replaced"],
    )
    assert outcome.card is not None
    assert (outcome.card.left_at, outcome.card.exit_source) == (utc(at), source)


def test_an_exit_that_was_refused_replaces_no_inferred_one() -> None:
    inferred = card(State.DEPARTED, exit_source=Source.INFERRED)
    outcome = exit_at(inferred, crossing("2027-01-12 10:00"), observed=saw(Decision.REFUSE))
    assert (outcome.reason, outcome.flags, outcome.card) == (Reason.DEPARTED, [], None)


def test_an_exit_that_was_seen_takes_no_place_before_a_later_stay() -> None:
    inferred = card(State.DEPARTED, exit_source=Source.INFERRED)
    later = on_cards([Stay(date(2027, 2, 1), date(2027, 2, 3))], inside=False)
    late = Report(crossing=crossing("2027-02-10 10:00"))
    assert decide_exit(inferred, late, stays=later).reason is Reason.EXIT_WITHOUT_ENTRY
    early = Report(crossing=crossing("2027-01-20 10:00"))
    assert decide_exit(inferred, early, stays=later).flags == ["inferred_exit_replaced"]


def test_an_exit_moves_back_where_the_one_on_the_card_is_that_of_another_stay() -> None:
    left = card(State.DEPARTED, exit_source=Source.OFFICER)
    report = Report(crossing=crossing("2026-12-20 10:00"), source=Source.LATE_UPLOAD)
    outcome = decide_exit(left, report, moved=True)
    assert (outcome.reason, outcome.flags) == (Reason.DEPARTED, ["exit_moved"])
    assert outcome.card is not None
    assert outcome.card.left_at == utc("2026-12-20 10:00")


def test_a_second_inference_replaces_nothing() -> None:
    inferred = card(State.DEPARTED, exit_source=Source.INFERRED)
    outcome = exit_at(inferred, crossing("2027-01-12 10:00"), source=Source.INFERRED)
    assert (outcome.reason, outcome.card) == (Reason.EXIT_WITHOUT_ENTRY, None)


def test_who_leaves_on_a_document_that_is_not_known_has_left_and_is_flagged() -> None:
    outcome = exit_at(card(State.ACTIVE), crossing("2027-01-10 10:00"), fits=False)
    assert (outcome.reason, outcome.flags) == (Reason.DEPARTED, ["document_differs"])
    assert outcome.card is not None
    lone = exit_at(card(), crossing("2027-01-10 10:00"), fits=False)
    assert lone.flags == ["document_differs", "exit_without_entry"]


def test_who_lost_the_card_may_leave() -> None:
    lost = card(State.ACTIVE, lost_at=utc("2026-12-05 10:00"))
    assert exit_at(lost, crossing("2027-01-10 10:00")).reason is Reason.DEPARTED


# Without a card ------------------------------------------------------------------------------------------------------


def without_card(
    direction: Direction,
    citizenship: str | None = "UZB",
    kind: DocumentKind | None = DocumentKind.PASSPORT,
    **told: Any,  # noqa: ANN401
) -> Outcome:
    report = Report(crossing=crossing(), **told)
    return decide_without_card(direction, report, citizenship=citizenship, kind=kind, policy=POLICY)


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("citizenship", ["UZB", "ARM", None])
def test_an_exit_without_a_card_is_recorded_and_nothing_is_invented(citizenship: str | None, source: Source) -> None:
    assert without_card(Direction.EXIT, citizenship, source=source) == Outcome(
        decision=Decision.RECORDED, reason=Reason.EXIT_WITHOUT_ENTRY, flags=["exit_without_entry"]
    )


def test_an_exit_of_somebody_who_never_needs_a_card_is_no_wonder() -> None:
    assert without_card(Direction.EXIT, "RUS") == Outcome(decision=Decision.RECORDED, reason=Reason.EXEMPT)


@pytest.mark.parametrize("source", ON_THE_SPOT)
def test_whoever_needs_a_card_and_has_none_must_get_one_first(source: Source) -> None:
    assert without_card(Direction.ENTRY, source=source) == Outcome(
        decision=Decision.MORE_DATA, reason=Reason.MORE_DATA, missing=["/card"], flags=["no_card"]
    )


@pytest.mark.parametrize("source", LATER)
def test_an_entry_without_a_card_that_has_happened_is_recorded(source: Source) -> None:
    assert without_card(Direction.ENTRY, source=source) == Outcome(
        decision=Decision.RECORDED, reason=Reason.MORE_DATA, missing=["/card"], flags=["no_card"]
    )


def test_whose_citizenship_nobody_has_said_is_asked_for_it() -> None:
    assert without_card(Direction.ENTRY, None).missing == ["/holder/citizenship"]


def test_an_officer_who_let_somebody_in_without_a_card_decided_otherwise() -> None:
    assert without_card(Direction.ENTRY, observed=saw(Decision.ADMIT)).observed_differs
    assert not without_card(Direction.ENTRY, observed=saw(Decision.MORE_DATA)).observed_differs


@pytest.mark.parametrize(
    ("citizenship", "kind", "needed_from"),
    [
        ("RUS", None, None),
        ("BLR", DocumentKind.ID_CARD, None),
        ("KGZ", DocumentKind.PASSPORT, date(2027, 1, 1)),
    ],
)
def test_whoever_needs_no_card_comes_in_without_one_and_is_told_from_when_on_one_is_needed(
    citizenship: str, kind: DocumentKind | None, needed_from: date | None
) -> None:
    assert without_card(Direction.ENTRY, citizenship, kind) == Outcome(
        decision=Decision.RECORDED, reason=Reason.EXEMPT, needed_from=needed_from
    )


def test_an_identity_card_that_cannot_be_stamped_asks_for_a_card_from_the_first_day() -> None:
    assert without_card(Direction.ENTRY, "KGZ", DocumentKind.ID_CARD).decision is Decision.MORE_DATA
