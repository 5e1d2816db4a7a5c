"""DOMAIN §5 case 18: the entry date is corrected: last day and deadlines move, the old version stays readable."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body, entering
from tests.cases.steps import answered, card_of, change, due, history_of, issue, move_to, overstays, past_stay


async def corrected(client: AsyncClient, truly: str) -> tuple[Body, Body]:
    """Let a worker in on 1 December; on the 5th the entry is found to have been another day. Both versions."""
    card = await issue(client, entering(purpose="employment"))
    assert (card["entered"]["on"], card["last_lawful_day"]) == ("2026-12-01", "2027-02-28")
    await move_to(client, "2026-12-05T06:00:00Z")
    after = await change(client, card["number"], "correction", entry={"occurred_at": f"{truly}T09:00:00+03:00"})
    return card, after


@pytest.mark.parametrize(
    ("truly", "last", "days"),
    [
        # 3 + 31 + 31 + 25 = 90; 15 and 30 days after 28 November
        ("2026-11-28", "2027-02-25", {"registration": "2026-12-13", "patent_application": "2026-12-28"}),
        # 28 + 31 + 28 + 3 = 90; 15 and 30 days after 4 December
        ("2026-12-04", "2027-03-03", {"registration": "2026-12-19", "patent_application": "2027-01-03"}),
    ],
)
async def test_the_last_day_and_every_deadline_move(
    client: AsyncClient, truly: str, last: str, days: dict[str, str]
) -> None:
    """DOMAIN §5 case 18; §3: Uzbekistan 15, patent application 30 days, from the day after entry."""
    card, after = await corrected(client, truly)
    assert (after["entered"]["on"], after["last_lawful_day"], after["version"]) == (truly, last, card["version"] + 1)
    told = await due(client, card["number"])
    assert {kind: told[kind] for kind in days} == days
    assert told["departure"] == last


async def test_the_old_version_stays_readable(client: AsyncClient) -> None:
    """DOMAIN §5 case 18: "the old version stays readable": by what was known on 3 December, and in the history."""
    card, _ = await corrected(client, "2026-11-28")
    known = await card_of(client, card["number"], known_at="2026-12-03T06:00:00Z")
    assert (known["entered"]["on"], known["last_lawful_day"], known["version"]) == ("2026-12-01", "2027-02-28", 1)
    assert (await card_of(client, card["number"]))["last_lawful_day"] == "2027-02-25"
    entered, correction = (await history_of(client, card["number"]))[1:]
    assert (entered["type"], entered["occurred_on"], correction["corrects"]) == (
        *("card.entered", "2026-12-01"),
        entered["fact"],
    )
    assert correction["reason"] == "a case"


async def test_a_correction_may_show_that_the_stay_has_ended(client: AsyncClient) -> None:
    """DOMAIN §2: from 20 August, 12 + 30 + 31 + 17 = 90: 17 November, so that by 5 December 18 days are over."""
    card, after = await corrected(client, "2026-08-20")
    assert (after["last_lawful_day"], after["status"]) == ("2026-11-17", "overstayed")
    assert await overstays(client) == {card["number"]: 18}


async def test_a_corrected_checkpoint_moves_the_day_too(client: AsyncClient) -> None:
    """DOMAIN §2: the calendar day at the checkpoint: 18:00 in Moscow is 03:00 of the next day in Kamchatka.

    From 1 December the 90th day is 28 February, which ends there at 12:00 UTC.
    """
    card = await issue(client, entering(at="2026-11-30T15:00:00Z"))
    assert (card["entered"]["on"], card["last_lawful_day"]) == ("2026-11-30", "2027-02-27")
    truly = {"checkpoint": "PETROPAVLOVSK-KAMCHATSKY-SEA"}
    after = await change(client, card["number"], "correction", entry=truly)
    assert (after["entered"]["on"], after["entered"]["occurred_at"]) == ("2026-12-01", "2026-11-30T15:00:00Z")
    assert (after["last_lawful_day"], after["ends_at"]) == ("2027-02-28", "2027-02-28T12:00:00Z")


async def test_a_former_stay_corrected_moves_the_end_of_the_present_one(client: AsyncClient) -> None:
    """DOMAIN §2: 90 days in one calendar year, over all stays of the person.

    1 August to 9 September are forty days, and from 1 October fifty are left, until 19 November (31 + 19). Entered on
    11 August instead it was thirty days: sixty are left, until 29 November (31 + 29).
    """
    former = await past_stay(client, "2026-08-01", "2026-09-09")
    card = await issue(client, entering(at="2026-10-01T09:00:00Z"))
    assert card["last_lawful_day"] == "2026-11-19"
    await change(client, former, "correction", entry={"occurred_at": "2026-08-11T09:00:00Z"})
    assert (await card_of(client, card["number"]))["last_lawful_day"] == "2026-11-29"


async def test_a_corrected_exit_may_share_its_day_with_the_next_entry(client: AsyncClient) -> None:
    """DOMAIN §5 cases 7 and 18: to have left and come back on one day is lawful; a day later it would be two stays."""
    former = await past_stay(client, "2026-11-01", "2026-11-10")
    card = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    await change(client, former, "correction", exit={"occurred_at": "2026-11-20T06:00:00Z"})
    body = {"kind": "correction", "reason": "a case", "exit": {"occurred_at": "2026-11-21T06:00:00Z"}}
    late = await client.post(f"/v1/cards/{former}/changes", json=body, headers={"If-Match": "*"})
    (fault,) = answered(late, 422)["errors"]
    assert (fault["pointer"], fault["code"]) == ("/exit/occurred_at", "overlaps-another-stay")
    assert (await card_of(client, former))["left"]["on"] == card["entered"]["on"] == "2026-11-20"
