# ruff: noqa: ANN401  changes are fields of many types

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from app.db.cards import LOOKUP_LIMIT
from app.domain.card import Card
from app.domain.checking import Answer, Check, Reason
from app.domain.errors import RuleViolation
from app.domain.identity import BirthDate
from app.domain.number import PaperNumber
from app.policies import sentences
from app.services import border, cards, lookups
from app.services.access import Context
from app.services.lookups import AccessPurpose, Match, MatchedBy
from tests.builders import (
    NO_CARD,
    advance,
    application,
    crossing_at,
    document_given,
    entry_at,
    holder,
    intended,
    once,
    passport,
    utc,
    zone_lines,
)


def numbers(matches: Sequence[Match]) -> list[str]:
    return [one.shown.card.number for one in matches]


async def issued(ctx: Context, number: str = "FA1234567", **changes: Any) -> Card:
    return (await cards.issue(ctx, application(number, **changes), once())).card


async def by_document(ctx: Context, number: str, birth_date: str | None = "1990-05-12") -> list[Match]:
    return await lookups.by_document(ctx, document_given(number, birth_date), departed=False)


async def by_name(ctx: Context, name: str, birth_date: str = "1990-05-12") -> list[Match]:
    return await lookups.by_name(ctx, name, BirthDate.parse(birth_date), departed=False)


# By document ---------------------------------------------------------------------------------------------------------


async def test_a_card_is_found_by_its_document_and_opened(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    found = await by_document(ctx, "fa 123-4567")
    assert found == [Match(shown=made, matched_by=MatchedBy.DOCUMENT, exact=True)]


@pytest.mark.parametrize("asked", ["FAI234567", "FAL234567", "fa l234567"])
async def test_a_number_read_with_a_letter_for_a_figure_is_found_but_not_exact(ctx: Context, asked: str) -> None:
    card = await issued(ctx)
    found = await by_document(ctx, asked)
    assert numbers(found) == [card.number]
    assert not found[0].exact


async def test_an_exact_number_and_a_folded_one_are_told_apart(ctx: Context) -> None:
    zero, letter = await issued(ctx, "FA0000001"), await issued(ctx, "FAO000001")
    found = {one.shown.card.number: one.exact for one in await by_document(ctx, "FA0000001")}
    assert found == {zero.number: True, letter.number: False}


async def test_another_state_birth_date_or_number_finds_nothing(ctx: Context) -> None:
    await issued(ctx)
    assert await by_document(ctx, "FA1234568") == []
    assert await by_document(ctx, "FA1234567", "1990-05-13") == []
    other_state = lookups.DocumentGiven(issuing_state="KGZ", number="FA1234567", birth_date=None)
    assert await lookups.by_document(ctx, other_state, departed=False) == []


@pytest.mark.parametrize(
    ("kept", "asked", "found"),
    [
        ("1990-05-12", "1990-05-12", True),
        ("1990-05-12", "1990-05", True),
        ("1990-05-12", "1990", True),
        ("1990-05", "1990-05-12", True),
        ("1990", "1990-05-12", True),
        ("1990", "1990", True),
        ("1990", "1990-02", True),
        ("1990-05", "1990-06-01", False),
        ("1990-05-12", "1991", False),
        ("1991", "1990-05-12", False),
    ],
)
@pytest.mark.parametrize("by", ["document", "name"])
async def test_birth_dates_may_be_partial_on_either_side(
    ctx: Context, kept: str, asked: str, *, found: bool, by: str
) -> None:
    card = await issued(ctx, holder=holder(birth_date=BirthDate.parse(kept)))
    matches = await (by_document(ctx, "FA1234567", asked) if by == "document" else by_name(ctx, "Abdullaev", asked))
    assert numbers(matches) == ([card.number] if found else [])


async def test_twins_on_one_passport_are_both_found(ctx: Context) -> None:
    first = await issued(ctx, holder=holder(given_names="Хасан"))
    second = await issued(ctx, holder=holder(given_names="Хусан"))
    assert sorted(numbers(await by_document(ctx, "FA1234567"))) == sorted([first.number, second.number])


async def test_a_document_number_with_odd_characters_is_refused(ctx: Context) -> None:
    with pytest.raises(RuleViolation, match="document-number-unfit"):
        await by_document(ctx, "FA№1")


async def test_a_zone_finds_what_its_document_finds(ctx: Context) -> None:
    card = await issued(ctx)
    assert numbers(await lookups.by_zone(ctx, zone_lines(), departed=False)) == [card.number]


async def test_a_misread_zone_finds_nobody_else(ctx: Context) -> None:
    first, second = zone_lines()
    assert await lookups.by_zone(ctx, [first, "GA" + second[2:]], departed=False) == []


# By name -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Абдуллаев Али", "ali abdullayev", "Abdulloyev", "АЛИ", "Али Abdullaev"])
async def test_a_name_is_found_in_any_order_and_script(ctx: Context, name: str) -> None:
    card = await issued(ctx)
    found = await by_name(ctx, name)
    assert [(one.shown.card.number, one.matched_by) for one in found] == [(card.number, MatchedBy.NAME)]


@pytest.mark.parametrize("name", ["Каримов", "Абдуллаев Вали", ""])
async def test_another_name_finds_nothing(ctx: Context, name: str) -> None:
    await issued(ctx)
    assert await by_name(ctx, name) == []


async def test_a_person_is_found_by_the_name_on_each_card(ctx: Context) -> None:
    first = await issued(ctx, entry=entry_at())
    second = await issued(ctx, holder=holder(surname="Каримов"), intended=intended("2027-03-01"))
    assert first.traveller_id == second.traveller_id
    assert numbers(await by_name(ctx, "Абдуллаев")) == [first.number]
    assert numbers(await by_name(ctx, "Каримов")) == [second.number]


async def test_a_question_that_too_many_people_answer_is_refused(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.db.cards.LOOKUP_LIMIT", 3)  # the figure, not the rule
    for number in range(4):
        await issued(ctx, f"FA{number:07}")
    with pytest.raises(RuleViolation, match="lookup-too-wide"):
        await by_name(ctx, "Абдуллаев")
    assert LOOKUP_LIMIT == 500


# By paper, by number -------------------------------------------------------------------------------------------------


async def test_a_paper_card_is_found_as_text_with_its_leading_zeros(ctx: Context) -> None:
    card = await issued(ctx, paper=PaperNumber(series="0001", number="0012345"))

    async def found(series: str, number: str) -> list[Match]:
        return await lookups.by_paper(ctx, PaperNumber(series=series, number=number), departed=False)

    assert [(one.shown.card.number, one.matched_by) for one in await found("0001", "0012345")] == [
        (card.number, MatchedBy.PAPER)
    ]
    assert await found("0001", "12345") == []
    assert await found("0002", "0012345") == []


async def test_the_own_card_is_found_by_number_and_birth_date_only(ctx: Context) -> None:
    card = await issued(ctx)

    async def found(number: str, birth_date: str) -> list[str]:
        return numbers(await lookups.by_number(ctx, number, BirthDate.parse(birth_date), departed=False))

    spelled = f"{card.number[:4]}-{card.number[4:8]} {card.number[8:]}".lower()
    assert await found(spelled, "1990-05-12") == [card.number]
    assert await found(spelled, "1990-05-13") == []
    for number in (NO_CARD, "not a number", card.number[:-1] + ("0" if card.number[-1] != "0" else "1")):
        assert await found(number, "1990-05-12") == []


# Which cards, in which order -----------------------------------------------------------------------------------------


async def test_departed_cards_are_found_on_request_only(ctx: Context) -> None:
    card = await issued(ctx, entry=entry_at(), paper=PaperNumber(series="0001", number="0012345"))
    await border.leave(ctx, card.number, crossing_at(), once())
    birth_date = BirthDate.parse("1990-05-12")
    for departed, found in ((False, []), (True, [card.number])):
        assert numbers(await lookups.by_document(ctx, document_given(), departed=departed)) == found
        assert numbers(await lookups.by_name(ctx, "Али", birth_date, departed=departed)) == found
        assert numbers(await lookups.by_number(ctx, card.number, birth_date, departed=departed)) == found
        paper = PaperNumber(series="0001", number="0012345")
        assert numbers(await lookups.by_paper(ctx, paper, departed=departed)) == found
        assert numbers(await lookups.by_zone(ctx, zone_lines(), departed=departed)) == found


async def test_superseded_and_lapsed_cards_are_not_found(ctx: Context) -> None:
    first, second = await issued(ctx), await issued(ctx)
    assert numbers(await by_document(ctx, "FA1234567")) == [second.number]
    await advance(ctx, utc("2026-12-20 00:00"))
    assert await by_document(ctx, "FA1234567") == []
    for number in (first.number, second.number):
        assert await lookups.by_number(ctx, number, BirthDate.parse("1990"), departed=True) == []


async def test_overstayed_cards_are_found(ctx: Context) -> None:
    card = await issued(ctx, entry=entry_at())
    await advance(ctx, utc("2027-06-01 00:00"))
    assert numbers(await by_document(ctx, "FA1234567")) == [card.number]


async def test_the_newest_entry_comes_first_and_the_never_entered_last(ctx: Context) -> None:
    oldest = await issued(ctx, entry=entry_at(occurred_at=utc("2026-10-01 00:00")))
    await border.leave(ctx, oldest.number, crossing_at(occurred_at=utc("2026-10-10 00:00")), once())
    newest = await issued(ctx, entry=entry_at())
    never = await issued(ctx, intended=intended("2027-02-01"))
    found = await lookups.by_document(ctx, document_given(), departed=True)
    assert numbers(found) == [newest.number, oldest.number, never.number]


# Checks --------------------------------------------------------------------------------------------------------------


async def answers(ctx: Context, purpose: AccessPurpose, *asked: lookups.DocumentGiven) -> list[tuple[Answer, Reason]]:
    return [(one.answer, one.reason) for one in await lookups.check(ctx, asked, purpose)]


async def test_checks_are_answered_in_the_order_asked(ctx: Context) -> None:
    await issued(ctx, "FA0000001")
    await issued(ctx, "FA0000002", entry=entry_at())
    asked = [document_given(number) for number in ("FA0000002", "FA0000009", "FA0000001", "FA0000002")]
    assert await lookups.check(ctx, asked, AccessPurpose.BOARDING) == [
        Check(answer=Answer.OK, reason=Reason.STAY_LAWFUL, last_lawful_day=date(2027, 2, 28)),
        Check(answer=Answer.NOT_OK, reason=Reason.NO_CARD),
        Check(answer=Answer.OK, reason=Reason.CARD_DECLARED),
        Check(answer=Answer.OK, reason=Reason.STAY_LAWFUL, last_lawful_day=date(2027, 2, 28)),
    ]
    assert await lookups.check(ctx, [], AccessPurpose.BOARDING) == []


async def test_a_declared_card_is_good_for_boarding_only(ctx: Context) -> None:
    await issued(ctx)
    for purpose in AccessPurpose:
        good = Answer.OK if purpose is AccessPurpose.BOARDING else Answer.NOT_OK
        assert await answers(ctx, purpose, document_given()) == [(good, Reason.CARD_DECLARED)]


async def test_a_lapsed_declaration_is_not_good(ctx: Context) -> None:
    await issued(ctx)
    await advance(ctx, utc("2026-12-13 21:00"))
    assert await answers(ctx, AccessPurpose.BOARDING, document_given()) == [(Answer.NOT_OK, Reason.CARD_LAPSED)]


async def test_a_stay_that_has_ended_is_not_good_and_says_since_when(ctx: Context) -> None:
    await issued(ctx, entry=entry_at())
    await advance(ctx, utc("2027-02-28 21:00"))
    [one] = await lookups.check(ctx, [document_given()], AccessPurpose.EMPLOYMENT)
    assert one == Check(answer=Answer.NOT_OK, reason=Reason.STAY_ENDED, last_lawful_day=date(2027, 2, 28))


async def test_somebody_inside_is_judged_by_the_stay_and_not_by_a_later_declaration(ctx: Context) -> None:
    await issued(ctx, entry=entry_at())
    await issued(ctx, intended=intended("2027-03-01"))
    assert await answers(ctx, AccessPurpose.EMPLOYMENT, document_given()) == [(Answer.OK, Reason.STAY_LAWFUL)]


async def test_a_shared_passport_without_a_birth_date_needs_more_data(ctx: Context) -> None:
    await issued(ctx, holder=holder(given_names="Хасан", birth_date=BirthDate.parse("2020-02-29")), entry=entry_at())
    await issued(ctx, document=passport())
    without, child, parent = (document_given(birth_date=day) for day in (None, "2020-02-29", "1990-05-12"))
    assert await answers(ctx, AccessPurpose.BOARDING, without, child, parent) == [
        (Answer.MORE_DATA, Reason.SEVERAL_HOLDERS),
        (Answer.OK, Reason.STAY_LAWFUL),
        (Answer.OK, Reason.CARD_DECLARED),
    ]


async def test_a_departed_traveller_has_no_card(ctx: Context) -> None:
    card = await issued(ctx, entry=entry_at())
    await border.leave(ctx, card.number, crossing_at(), once())
    assert await answers(ctx, AccessPurpose.BOARDING, document_given()) == [(Answer.NOT_OK, Reason.NO_CARD)]


def test_every_reason_of_a_check_has_its_sentence() -> None:
    assert set(Reason) <= sentences.notes().keys()
