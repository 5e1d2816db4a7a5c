"""DOMAIN §5 case 20: a backdated patent payment; a gap between payments."""

from httpx2 import AsyncClient

from tests.api.bodies import entering
from tests.cases.steps import card_of, change, due, issue, move_to, overstays


async def working(client: AsyncClient) -> str:
    """Let a worker in on 1 December who pays for 20 December to 19 January; gives the card's number."""
    number: str = (await issue(client, entering(purpose="employment")))["number"]
    await move_to(client, "2026-12-20T09:00:00Z")
    paid = await change(client, number, "patent_payment", paid_through="2027-01-19")
    assert paid["last_lawful_day"] == "2027-01-19"
    return number


async def test_each_payment_extends_the_stay_with_no_mark_on_the_card(client: AsyncClient) -> None:
    """DOMAIN §2: patent: "paid-through date; each payment extends it"; the ninety days of the entry no longer count."""
    number = await working(client)
    await move_to(client, "2027-01-18T09:00:00Z")
    paid = await change(client, number, "patent_payment", effective_on="2027-01-20", paid_through="2027-03-19")
    assert (paid["last_lawful_day"], paid["status"]) == ("2027-03-19", "active")
    assert (await due(client, number))["departure"] == "2027-03-19"


async def test_a_gap_ends_the_stay_and_a_later_payment_does_not_mend_it(client: AsyncClient) -> None:
    """DOMAIN §2: patent: "a gap ends it". Who takes the latest paid day says 2027-02-24.

    Paid until 19 January and again from 25 January: 20 to 24 January are the gap. On the 25th six days are over.
    """
    number = await working(client)
    await move_to(client, "2027-01-25T09:00:00Z")
    late = await change(client, number, "patent_payment", paid_through="2027-02-24")
    assert (late["last_lawful_day"], late["status"]) == ("2027-01-19", "overstayed")
    assert await overstays(client) == {number: 6}


async def test_a_gap_of_one_day_is_a_gap_and_none_is_none(client: AsyncClient) -> None:
    """DOMAIN §2: days are whole days: paid through the 19th, the 20th goes on and the 21st is a day too late."""
    number = await working(client)
    late = await change(client, number, "patent_payment", effective_on="2027-01-21", paid_through="2027-02-20")
    assert late["last_lawful_day"] == "2027-01-19"
    mended = await change(client, number, "patent_payment", effective_on="2027-01-20", paid_through="2027-01-20")
    assert mended["last_lawful_day"] == "2027-02-20"


async def test_a_backdated_payment_closes_the_gap(client: AsyncClient) -> None:
    """DOMAIN §5 case 20: "backdated patent payment": the money was paid in time, and told of later."""
    number = await working(client)
    await move_to(client, "2027-01-25T09:00:00Z")
    await change(client, number, "patent_payment", paid_through="2027-02-24")
    whole = await change(client, number, "patent_payment", effective_on="2027-01-20", paid_through="2027-01-24")
    assert (whole["last_lawful_day"], whole["status"]) == ("2027-02-24", "active")
    assert await overstays(client) == {}
    # what was known before it stays readable
    await move_to(client, "2027-01-26T09:00:00Z")
    known = await card_of(client, number, known_at="2027-01-24T09:00:00Z")
    assert (known["last_lawful_day"], known["status"]) == ("2027-01-19", "overstayed")


async def test_a_payment_after_the_ninety_days_does_not_mend_them(client: AsyncClient) -> None:
    """DOMAIN §2: "a gap ends it": also the one between the visa-free days and the first payment.

    From 1 August, 31 + 30 + 29 = 90: 29 October. The payment begins on 10 November.
    """
    card = await issue(client, entering(at="2026-08-01T09:00:00Z", purpose="employment"))
    late = await change(client, card["number"], "patent_payment", effective_on="2026-11-10", paid_through="2027-01-10")
    assert (late["last_lawful_day"], late["status"]) == ("2026-10-29", "overstayed")
