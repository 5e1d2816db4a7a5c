"""DOMAIN §5 case 11: a passport renewed during the stay; the old number still finds the card."""

from httpx2 import AsyncClient

from tests.api.bodies import entering
from tests.api.contract import code_of
from tests.cases.steps import at_border, by_number, card_of, change, issue, look_up, scan, seen

NEW = "FB7654321"
RENEWED = {"type": "passport", "number": NEW, "issuing_state": "UZB", "expires_on": "2036-01-01"}


async def renewed(client: AsyncClient, at: str | None = None) -> str:
    """Let somebody in on FA1234567 and renew that; gives the card's number."""
    card = await issue(client, entering(at=at))
    told = await change(client, card["number"], "document_added", document=RENEWED)
    assert told["document"]["number"] == NEW
    number: str = told["number"]
    return number


async def test_both_numbers_find_the_card(client: AsyncClient) -> None:
    """DOMAIN §5 case 11; §4, US I-94: "not found" by "the old passport's number" is the complaint to avoid."""
    number = await renewed(client)
    for passport, matched_by in (("FA1234567", "former_document"), (NEW, "document")):
        (match,) = await by_number(client, passport)
        assert (match["card"]["number"], match["matched_by"], match["exact"]) == (number, matched_by, True)
    # not whoever else may come to hold that number
    assert await look_up(client, by="document", issuing_state="KAZ", number="FA1234567", birth_date="1990-05-12") == []


async def test_what_was_known_before_has_the_old_number(client: AsyncClient) -> None:
    """DOMAIN §4: submissions supersede one another "and the history stays"."""
    card = await issue(client, entering())
    await client.post("/v1/clock/advance", json={"by": "P5D"})
    await change(client, card["number"], "document_added", document=RENEWED)
    before = await card_of(client, card["number"], known_at="2026-12-02T06:00:00Z")
    assert before["document"]["number"] == "FA1234567"


async def test_an_exit_on_either_passport_closes_the_stay(client: AsyncClient) -> None:
    """DOMAIN §5 cases 11 and 12: one stay of one person, whichever document is shown."""
    number = await renewed(client)
    told = await scan(client, "exit", document=seen(NEW))
    assert (told["reason"], told["card"]["number"], told["flags"]) == ("departed", number, [])
    again = await issue(client, entering(NEW))
    told = await scan(client, "exit", document=seen("FA1234567"))
    assert (told["reason"], told["card"]["number"]) == ("departed", again["number"])


async def test_days_count_for_the_person_and_not_for_the_passport(client: AsyncClient) -> None:
    """DOMAIN §2: 90 days in one calendar year, of the person. 1 August to 29 October are 31 + 30 + 29 = 90.

    Who keeps stays by the document's number lets the new passport begin anew.
    """
    number = await renewed(client, at="2026-08-01T09:00:00Z")
    await at_border(client, number, "exit", occurred_at="2026-10-29T09:00:00Z")
    answer = await client.post("/v1/cards", json=entering(NEW))
    assert (answer.status_code, code_of(answer)) == (422, "stay-used-up")
    assert answer.json()["earliest_entry"] == "2027-01-01"
