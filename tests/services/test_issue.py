import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.db.sandboxes import real_now
from app.domain.application import Application
from app.domain.border import Reason
from app.domain.card import Basis, Purpose, State, Status, VisaKind
from app.domain.errors import Conflict, Forbidden, RuleViolation
from app.domain.identity import BirthDate, DocumentKind
from app.domain.number import PaperNumber, agrees
from app.services import border, cards, policies, sandboxes
from app.services.access import Context, Role
from tests.builders import (
    DEMO_START,
    KAMCHATKA,
    advance,
    application,
    context_of,
    crossing_at,
    entry_at,
    holder,
    intended,
    once,
    passport,
    utc,
    visa_fields,
    zone_lines,
)

PAPER = PaperNumber(series="0001", number="0234567")


async def test_a_declaration_is_kept_and_shown_as_it_was_made(ctx: Context) -> None:
    made = await cards.issue(ctx, application(reference="our-17", paper=PAPER), once())
    shown = await cards.show(ctx, made.card.number)
    assert shown == made
    assert agrees(made.card.number)
    assert made.card.status_at(made.instant) is Status.DECLARED
    assert (made.card.reference, made.card.paper_series, made.card.paper_number) == ("our-17", "0001", "0234567")
    assert made.card.declared_at == made.instant == DEMO_START
    assert made.personal is not None
    assert '"surname":"Абдуллаев"' in made.personal.decode()


async def test_a_declaration_lapses_at_midnight_in_moscow_after_the_days_of_grace(ctx: Context) -> None:
    made = await cards.issue(ctx, application(intended=intended("2026-12-10")), once())
    assert made.card.lapses_at == utc("2026-12-13 21:00")


async def test_a_declaration_for_a_known_checkpoint_lapses_at_midnight_there(ctx: Context) -> None:
    made = await cards.issue(ctx, application(intended=intended("2026-12-10", checkpoint=KAMCHATKA)), once())
    assert made.card.zone == "Asia/Kamchatka"
    assert made.card.lapses_at == utc("2026-12-13 12:00")


async def test_a_card_issued_with_an_entry_is_active_to_the_end_of_the_ninetieth_day(ctx: Context) -> None:
    made = await cards.issue(ctx, application(entry=entry_at()), once())
    card = made.card
    assert card.state is State.ACTIVE
    assert (card.entered_on, card.last_lawful_day) == (date(2026, 12, 1), date(2027, 2, 28))
    assert card.ended_by == "continuous"
    assert card.ends_at == utc("2027-02-28 21:00")
    assert card.days_left_at(made.instant) == 89


async def test_the_day_of_entry_is_the_day_at_the_checkpoint(ctx: Context) -> None:
    entry = entry_at(KAMCHATKA, utc("2026-11-30 17:00"))  # 05:00 of 1 December there, 20:00 of 30 November in Moscow
    made = await cards.issue(ctx, application(entry=entry), once())
    assert made.card.entered_on == date(2026, 12, 1)


async def test_a_stay_on_a_visa_ends_with_the_visa(ctx: Context) -> None:
    wish = application(basis=Basis.VISA, visa=visa_fields(), entry=entry_at())
    made = await cards.issue(ctx, wish, once())
    assert (made.card.last_lawful_day, made.card.ended_by) == (date(2027, 1, 31), "visa")


async def test_an_entry_needs_the_scope_of_the_border(ctx: Context) -> None:
    key = await sandboxes.add_key(ctx, name="airline", role=Role.CARRIER, scopes=(), expires_at=None, attempt=once())
    carrier = await context_of(ctx.registry, key.key)
    with pytest.raises(Forbidden, match="scope-missing"):
        await cards.issue(carrier, application(entry=entry_at()), once())
    assert (await cards.issue(carrier, application(), once())).card.state is State.DECLARED


# The same person -----------------------------------------------------------------------------------------------------


async def test_a_new_declaration_supersedes_the_one_before(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), once())
    second = await cards.issue(ctx, application(), once())
    before = await cards.show(ctx, first.card.number)
    assert second.card.supersedes == first.card.number
    assert (before.card.state, before.card.superseded_by) == (State.SUPERSEDED, second.card.number)
    assert before.card.version == 2
    assert before.card.traveller_id == second.card.traveller_id


async def test_a_card_issued_at_the_border_supersedes_the_declaration(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), once())
    second = await cards.issue(ctx, application(entry=entry_at()), once())
    assert second.card.supersedes == first.card.number
    assert (await cards.show(ctx, first.card.number)).card.state is State.SUPERSEDED


async def test_a_lapsed_declaration_is_not_superseded(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), once())
    await advance(ctx, utc("2026-12-14 00:00"))
    second = await cards.issue(ctx, application(intended=intended("2026-12-20")), once())
    assert second.card.supersedes is None
    before = await cards.show(ctx, first.card.number)
    assert before.card.status_at(before.instant) is Status.LAPSED


async def test_a_second_card_with_an_entry_conflicts_with_the_open_one_and_names_it(ctx: Context) -> None:
    first = await cards.issue(ctx, application(entry=entry_at()), once())
    with pytest.raises(Conflict, match="open-card-exists") as refusal:
        await cards.issue(ctx, application(entry=entry_at()), once())
    assert refusal.value.extra == {"card": first.card.number}


async def test_an_overstayed_card_is_open_too(ctx: Context) -> None:
    await cards.issue(ctx, application(entry=entry_at()), once())
    await advance(ctx, utc("2027-06-01 00:00"))
    with pytest.raises(Conflict, match="open-card-exists"):
        await cards.issue(ctx, application(entry=entry_at()), once())


async def test_somebody_inside_may_declare_the_next_journey(ctx: Context) -> None:
    inside = await cards.issue(ctx, application(entry=entry_at()), once())
    next_one = await cards.issue(ctx, application(intended=intended("2027-03-10")), once())
    assert next_one.card.supersedes is None
    assert next_one.card.traveller_id == inside.card.traveller_id
    assert (await cards.show(ctx, inside.card.number)).card == inside.card


async def test_after_the_exit_a_new_card_can_be_issued(ctx: Context) -> None:
    first = await cards.issue(ctx, application(entry=entry_at()), once())
    await border.leave(ctx, first.card.number, crossing_at(), once())
    second = await cards.issue(ctx, application(entry=entry_at()), once())
    assert second.card.number != first.card.number
    assert second.card.traveller_id == first.card.traveller_id


async def test_a_second_stay_in_one_calendar_year_ends_when_ninety_days_of_it_are_used(ctx: Context) -> None:
    first = await cards.issue(ctx, application(entry=entry_at(occurred_at=utc("2026-01-10 09:00"))), once())
    assert (first.card.last_lawful_day, first.card.ended_by) == (date(2026, 4, 9), "calendar_year")
    await border.leave(ctx, first.card.number, crossing_at(occurred_at=utc("2026-03-30 09:00")), once())  # 80 days
    second = await cards.issue(ctx, application(entry=entry_at()), once())
    assert (second.card.last_lawful_day, second.card.ended_by) == (date(2026, 12, 10), "calendar_year")
    assert second.card.days_left_at(second.instant) == 9


async def test_a_stay_that_was_too_long_uses_the_year_up_and_nothing_is_issued(ctx: Context) -> None:
    first = await cards.issue(ctx, application(entry=entry_at(occurred_at=utc("2026-01-10 09:00"))), once())
    await border.leave(ctx, first.card.number, crossing_at(occurred_at=utc("2026-05-30 09:00")), once())
    with pytest.raises(RuleViolation, match="stay-used-up") as refusal:
        await cards.issue(ctx, application(entry=entry_at()), once())
    assert refusal.value.extra == {"limit": "calendar_year", "since": "2026-04-10", "earliest_entry": "2027-01-01"}
    assert sum((await sandboxes.current(ctx)).counts.values()) == 1
    await advance(ctx, utc("2026-12-31 21:00"))
    again = await cards.issue(ctx, application(entry=entry_at()), once())
    assert again.card.last_lawful_day == date(2027, 3, 31)


async def test_a_declaration_for_a_year_that_is_used_up_is_accepted(ctx: Context) -> None:
    first = await cards.issue(ctx, application(entry=entry_at(occurred_at=utc("2026-01-10 09:00"))), once())
    await border.leave(ctx, first.card.number, crossing_at(occurred_at=utc("2026-05-30 09:00")), once())
    assert (await cards.issue(ctx, application(), once())).card.state is State.DECLARED


@pytest.mark.parametrize(
    "same",
    [
        application("fa 123-4567"),
        application(holder=holder(surname="Karimov")),
        application(holder=holder(given_names="ALI")),
        application(holder=holder(given_names="Алишер", given_names_latin="Ali")),
        application(document=passport(expires_on=date(2032, 1, 1))),
    ],
    ids=["number spelled otherwise", "other surname", "in Latin letters", "the passport's Latin form", "other expiry"],
)
async def test_the_same_document_birth_date_and_given_names_are_the_same_person(ctx: Context, same: object) -> None:
    first = await cards.issue(ctx, application(), once())
    second = await cards.issue(ctx, same, once())  # type: ignore[arg-type]
    assert second.card.supersedes == first.card.number


@pytest.mark.parametrize(
    "other",
    [
        application("FA1234568"),
        application(document=passport(issuing_state="KGZ")),
        application(holder=holder(birth_date=BirthDate.parse("1990-05-13"))),
        application(holder=holder(birth_date=BirthDate.parse("1990-05"))),
        application(holder=holder(given_names="Вали")),
        application("FAI234567"),
    ],
    ids=["number", "issuing state", "birth day", "birth month only", "given names", "I for 1"],
)
async def test_whoever_differs_in_any_of_these_is_another_person(ctx: Context, other: object) -> None:
    first = await cards.issue(ctx, application(), once())
    second = await cards.issue(ctx, other, once())  # type: ignore[arg-type]
    assert second.card.supersedes is None
    assert second.card.traveller_id != first.card.traveller_id


async def test_twins_on_one_parents_passport_are_two_persons_and_both_may_be_inside(ctx: Context) -> None:
    born = BirthDate.parse("2020-02-29")
    first = await cards.issue(
        ctx, application(holder=holder(given_names="Хасан", birth_date=born), entry=entry_at()), once()
    )
    second = await cards.issue(
        ctx, application(holder=holder(given_names="Хусан", birth_date=born), entry=entry_at()), once()
    )
    assert first.card.traveller_id != second.card.traveller_id
    assert (await cards.show(ctx, first.card.number)).card.state is State.ACTIVE


async def test_a_zone_and_fields_make_the_same_person(ctx: Context) -> None:
    typed = await cards.issue(ctx, application(), once())
    fields = application()
    zone = await cards.issue(
        ctx,
        application(
            lines=zone_lines(),
            holder=type(fields.holder)(),
            document=type(fields.document)(),
        ),
        once(),
    )
    assert zone.card.supersedes == typed.card.number
    assert zone.personal is not None
    assert '"surname":"ABDULLAEV"' in zone.personal.decode()


# Refusals ------------------------------------------------------------------------------------------------------------


async def test_russian_citizens_get_no_card(ctx: Context) -> None:
    russian = application(holder=holder(citizenship="RUS"), document=passport(issuing_state="RUS"))
    with pytest.raises(RuleViolation, match="no-card-needed"):
        await cards.issue(ctx, russian, once())


def kazakh(until: str | None, kind: DocumentKind = DocumentKind.PASSPORT) -> Application:
    """A Kazakh who comes on 10 December and means to stay until a day."""
    return application(
        holder=holder(citizenship="KAZ"),
        document=passport(kind=kind, issuing_state="KAZ"),
        intended=intended("2026-12-10", until),
    )


async def test_a_citizen_of_the_union_gets_a_card_for_thirty_one_days_or_on_an_identity_card(ctx: Context) -> None:
    for until in (None, "2027-01-08"):
        with pytest.raises(RuleViolation, match="no-card-needed") as refusal:
            await cards.issue(ctx, kazakh(until), once())
        assert refusal.value.extra == {"exemption": "eaeu-short-stay", "needed_from": "2027-01-09"}
    for wish in (kazakh("2027-01-09"), kazakh("2026-12-10", DocumentKind.ID_CARD)):
        assert (await cards.issue(ctx, wish, once())).card.state is State.DECLARED


async def test_a_citizen_of_the_union_inside_without_a_card_gets_one_on_the_thirty_first_day(ctx: Context) -> None:
    entered = replace(kazakh(None), intended=None, entry=entry_at(occurred_at=utc("2026-12-01 05:00")))
    await advance(ctx, utc("2026-12-30 20:59"))
    with pytest.raises(RuleViolation, match="no-card-needed") as refusal:
        await cards.issue(ctx, entered, once())
    assert refusal.value.extra["needed_from"] == "2026-12-31"
    await advance(ctx, utc("2026-12-30 21:00"))
    made = await cards.issue(ctx, entered, once())
    assert (made.card.entered_on, made.card.last_lawful_day) == (date(2026, 12, 1), date(2027, 2, 28))


async def test_an_electronic_visa_is_judged_by_the_day_it_was_applied_for(ctx: Context) -> None:
    def on(applied_on: date | None, number: str) -> Application:
        visa = visa_fields(kind=VisaKind.E_VISA, applied_on=applied_on)
        return application(number, basis=Basis.E_VISA, visa=visa, entry=entry_at())

    before = await cards.issue(ctx, on(date(2025, 8, 22), "FA0000001"), once())
    since = await cards.issue(ctx, on(date(2025, 8, 23), "FA0000002"), once())
    assert (before.card.last_lawful_day, since.card.last_lawful_day) == (date(2026, 12, 16), date(2026, 12, 30))
    with pytest.raises(RuleViolation) as refusal:
        await cards.issue(ctx, on(None, "FA0000003"), once())
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [
        ("/visa/applied_on", "application-date-needed")
    ]


async def test_an_entry_without_a_declaration_is_refused_by_the_draft_only_while_it_is_on(ctx: Context) -> None:
    def worker(number: str) -> Application:
        return application(number, purpose=Purpose.EMPLOYMENT, entry=entry_at())

    assert (await cards.issue(ctx, worker("FA0000001"), once())).card.state is State.ACTIVE
    await policies.choose(ctx, None, ["advance-application-2026"])
    with pytest.raises(RuleViolation) as refusal:
        await cards.issue(ctx, worker("FA0000002"), once())
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/entry", "declaration-needed")]
    await policies.choose(ctx, None, [])
    assert (await cards.issue(ctx, worker("FA0000002"), once())).card.state is State.ACTIVE


async def test_a_paper_number_on_a_live_card_is_in_use(ctx: Context) -> None:
    await cards.issue(ctx, application(paper=PAPER, entry=entry_at()), once())
    with pytest.raises(Conflict, match="paper-number-in-use"):
        await cards.issue(ctx, application("FA7654321", paper=PAPER, entry=entry_at()), once())


async def test_a_paper_number_is_free_again_after_the_exit(ctx: Context) -> None:
    first = await cards.issue(ctx, application(paper=PAPER, entry=entry_at()), once())
    await border.leave(ctx, first.card.number, crossing_at(), once())
    second = await cards.issue(ctx, application("FA7654321", paper=PAPER, entry=entry_at()), once())
    assert second.card.paper_number == PAPER.number


async def test_checkpoints_that_do_not_exist_are_refused_at_their_fields(ctx: Context) -> None:
    wish = application(entry=entry_at("NARNIA-ROAD"), intended=intended(checkpoint="MORDOR-FOOT"))
    with pytest.raises(RuleViolation, match="validation-failed") as refusal:
        await cards.issue(ctx, wish, once())
    assert {fault.pointer for fault in refusal.value.faults} == {"/entry/checkpoint", "/intended/checkpoint"}


async def test_a_refused_application_leaves_nothing_behind(ctx: Context) -> None:
    with pytest.raises(RuleViolation):
        await cards.issue(ctx, application(entry=entry_at(occurred_at=utc("2026-12-01 06:01"))), once())
    assert not any((await sandboxes.current(ctx)).counts.values())


# Races ---------------------------------------------------------------------------------------------------------------


async def test_of_twenty_who_enter_as_one_person_at_once_exactly_one_does(ctx: Context) -> None:
    results = await asyncio.gather(
        *(cards.issue(ctx, application(entry=entry_at()), once()) for _ in range(20)), return_exceptions=True
    )
    issued = [one for one in results if isinstance(one, cards.Shown)]
    refused = [one for one in results if isinstance(one, Conflict)]
    assert (len(issued), len(refused)) == (1, 19)
    assert {one.code for one in refused} == {"open-card-exists"}
    assert {one.extra["card"] for one in refused} == {issued[0].card.number}
    assert (await sandboxes.current(ctx)).counts[Status.ACTIVE] == 1


async def test_of_twenty_declarations_of_one_person_at_once_one_remains(ctx: Context) -> None:
    made = await asyncio.gather(*(cards.issue(ctx, application(), once()) for _ in range(20)))
    counts = (await sandboxes.current(ctx)).counts
    assert (counts[Status.DECLARED], counts[Status.SUPERSEDED]) == (1, 19)
    now = {one.card.number: (await cards.show(ctx, one.card.number)).card for one in made}
    for number, card in now.items():
        if card.superseded_by:
            assert now[card.superseded_by].supersedes == number


async def test_a_declaration_and_an_entry_of_one_person_at_once_end_in_an_order_that_could_have_been(
    ctx: Context, other_worker: Context
) -> None:
    declared = await cards.issue(ctx, application(), once())
    entered, again = await asyncio.gather(
        border.enter(ctx, declared.card.number, crossing_at(), once()),
        cards.issue(other_worker, application(), once()),
    )
    if entered.reason is Reason.ADMITTED:
        assert again.card.supersedes is None
    else:
        assert entered.reason is Reason.CARD_SUPERSEDED
        assert again.card.supersedes == declared.card.number


async def test_an_entry_before_the_last_recorded_exit_of_the_same_person_is_refused(ctx: Context) -> None:
    first = await cards.issue(ctx, application(entry=entry_at(occurred_at=utc("2026-10-01 12:00"))), once())
    left = crossing_at(occurred_at=utc("2026-11-01 12:00"))
    await border.leave(ctx, first.card.number, left, once())
    with pytest.raises(RuleViolation, match="before-the-last-exit"):
        await cards.issue(ctx, application(entry=entry_at(occurred_at=utc("2026-11-01 11:59"))), once())
    again = await cards.issue(ctx, application(entry=entry_at(occurred_at=utc("2026-11-01 12:00"))), once())
    assert again.card.entered_on == date(2026, 11, 1)


# Somebody new --------------------------------------------------------------------------------------------------------


async def test_real_time_that_is_supposed_is_never_later_than_the_databases(ctx: Context) -> None:
    for _ in range(20):
        await ctx.confirm()
        supposed = ctx.registry.real_at_least()
        assert supposed
        # the clock of SQLite ticks in milliseconds
        assert timedelta(milliseconds=-1) < await real_now(ctx.db) - supposed < timedelta(seconds=1)


async def test_what_somebody_new_is_refused_is_granted_to_whoever_declared_before(ctx: Context) -> None:
    declared = await cards.issue(ctx, application(purpose=Purpose.EMPLOYMENT), once())
    await policies.choose(ctx, None, ["advance-application-2026"])
    entered = await cards.issue(ctx, application(purpose=Purpose.EMPLOYMENT, entry=entry_at()), once())
    assert (entered.card.state, entered.card.supersedes) == (State.ACTIVE, declared.card.number)
