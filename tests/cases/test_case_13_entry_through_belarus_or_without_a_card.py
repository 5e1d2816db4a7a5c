"""DOMAIN §5 case 13: entry through Belarus, or no card at all."""

from httpx2 import AsyncClient

from tests.api.bodies import Body, declaration, entering
from tests.cases.steps import all_cards, answered, at_border, due, history_of, issue, scan, seen


async def in_belarus(client: AsyncClient) -> str:
    """Find a checkpoint where the marks are Minsk's."""
    items = answered(await client.get("/v1/reference/checkpoints"), 200)["items"]
    code: str = next(one["code"] for one in items if one["zone"] == "Europe/Minsk")
    return code


async def test_a_mark_of_the_belarusian_authority_opens_the_stay(client: AsyncClient) -> None:
    """DOMAIN §1: "since 2025-01-11 Belarusian entry marks are recognised: … zone Europe/Minsk … foreign_authority".

    The mark of 20 November is told on 1 December, and the stay runs from it: 11 + 31 + 31 + 17 = 90, on 17 February;
    registration 15 days after it, on 5 December. A stay from the day of telling would end on 28 February.
    """
    number = (await issue(client, declaration(intended={"from": "2026-11-30"})))["number"]
    post = await in_belarus(client)
    mark: Body = {"checkpoint": post, "occurred_at": "2026-11-20T09:00:00+03:00", "source": "foreign_authority"}
    card = (await at_border(client, number, "entry", **mark))["card"]
    assert card["entered"] == {
        "checkpoint": post,
        "occurred_at": "2026-11-20T06:00:00Z",
        "zone": "Europe/Minsk",
        "on": "2026-11-20",
    }
    assert (card["status"], card["last_lawful_day"]) == ("active", "2027-02-17")
    assert (await due(client, number))["registration"] == "2026-12-05"
    assert (await history_of(client, number))[-1]["source"] == "foreign_authority"


async def test_the_exit_may_be_anywhere(client: AsyncClient) -> None:
    """DOMAIN §1: Russia and Belarus have a single form; the stay begun there ends at a Russian checkpoint."""
    entry = {"checkpoint": await in_belarus(client), "occurred_at": "2026-11-20T06:00:00Z"}
    number = (await issue(client, entering(entry=entry)))["number"]
    told = await at_border(client, number, "exit")
    assert (told["reason"], told["card"]["left"]["zone"]) == ("departed", "Europe/Moscow")


async def test_an_entry_with_no_card_at_all_is_recorded_and_makes_none(client: AsyncClient) -> None:
    """DOMAIN §5 case 13: "no card at all". What another authority saw has happened; no card is invented for it."""
    mark: Body = {"checkpoint": await in_belarus(client), "occurred_at": "2026-11-20T06:00:00Z"}
    told = await scan(
        client,
        "entry",
        document=seen(),
        holder={"citizenship": "UZB"},
        source="foreign_authority",
        confidence=0.9,
        **mark,
    )
    assert (told["decision"], told["card"], told["missing"]) == ("recorded", None, ["/card"])
    assert told["flags"] != []
    assert await all_cards(client) == []
    # the card that is made out later counts from the mark: 11 + 31 + 31 + 17 = 90
    card = await issue(client, entering(entry=mark))
    assert (card["entered"]["on"], card["last_lawful_day"]) == ("2026-11-20", "2027-02-17")


async def test_an_officer_is_told_that_a_card_is_missing(client: AsyncClient) -> None:
    """DOMAIN §1: "card received and filled on entry"; nobody is refused for want of one, it is asked for."""
    told = await scan(client, "entry", 200, document=seen(), holder={"citizenship": "UZB"})
    assert (told["decision"], told["missing"], told["card"]) == ("more_data", ["/card"], None)
    assert await all_cards(client) == []
