"""DOMAIN §5 case 17: refused or annulled entry: the number is spent, no day is charged."""

from httpx2 import AsyncClient

from tests.api.bodies import declaration, entering
from tests.api.contract import code_of
from tests.cases.steps import at_border, card_of, change, issue, overstays, stay_of


async def test_a_refused_entry_spends_the_number(client: AsyncClient) -> None:
    """DOMAIN §5 case 17: "the number is spent"; §4, EES: "refusal of entry is a record"."""
    number = (await issue(client, declaration()))["number"]
    told = await at_border(client, number, "refusal", observed={"decision": "refuse", "reason": "no means of support"})
    assert (told["decision"], told["card"]["status"], told["card"]["entered"]) == ("refuse", "refused", None)
    for _ in range(2):
        again = await at_border(client, number, "entry", 200)
        assert (again["decision"], again["reason"], again["card"]["status"]) == ("refuse", "number_spent", "refused")


async def test_a_refused_entry_charges_no_day(client: AsyncClient) -> None:
    """DOMAIN §5 case 17: "no day is charged", so that another entry of the day has all ninety: 28 February."""
    refused = (await issue(client, declaration()))["number"]
    await at_border(client, refused, "refusal")
    assert (await stay_of(client, refused))["stays"] == []
    card = await issue(client, entering())
    assert card["number"] != refused
    assert (card["last_lawful_day"], (await stay_of(client, card["number"]))["days_used"]) == ("2027-02-28", 1)


async def test_an_annulled_entry_charges_no_day(client: AsyncClient) -> None:
    """DOMAIN §5 case 17. Were 1 August to 1 December charged, nothing of 2026 would be left; nor is it an overstay."""
    wrong = await issue(client, entering(at="2026-08-01T09:00:00Z"))
    assert wrong["status"] == "overstayed"
    assert (await change(client, wrong["number"], "annulment"))["status"] == "annulled"
    assert await overstays(client) == {}
    card = await issue(client, entering())
    assert (card["status"], card["last_lawful_day"]) == ("active", "2027-02-28")
    assert (await stay_of(client, card["number"]))["stays"] == [{"entered_on": "2026-12-01", "left_on": None}]


async def test_days_of_a_visit_that_ended_are_given_back_too(client: AsyncClient) -> None:
    """DOMAIN §5 case 17: 1 August to 29 October are the 90 of 2026, and annulled they are none."""
    wrong = await issue(client, entering(at="2026-08-01T09:00:00Z"))
    await at_border(client, wrong["number"], "exit", occurred_at="2026-10-29T09:00:00Z")
    refused = await client.post("/v1/cards", json=entering())
    assert (refused.status_code, code_of(refused)) == (422, "stay-used-up")
    await change(client, wrong["number"], "annulment")
    assert (await issue(client, entering()))["last_lawful_day"] == "2027-02-28"


async def test_an_annulled_card_is_spent(client: AsyncClient) -> None:
    """DOMAIN §5 case 17: "the number is spent": no entry on it, no change of it, and it stays readable."""
    number = (await issue(client, declaration()))["number"]
    await change(client, number, "annulment")
    told = await at_border(client, number, "entry", 200)
    assert (told["decision"], told["reason"]) == ("refuse", "card_annulled")
    body = {"kind": "correction", "reason": "a case", "purpose": "business"}
    answer = await client.post(f"/v1/cards/{number}/changes", json=body, headers={"If-Match": "*"})
    assert (answer.status_code, code_of(answer)) == (409, "transition-not-allowed")
    assert (await card_of(client, number))["status"] == "annulled"


async def test_the_stay_that_is_open_gets_the_days_back(client: AsyncClient) -> None:
    """DOMAIN §5 case 17; 1 August to 9 September are forty days, so that from 1 October fifty are left: 31 + 19.

    Annulled they are none, and the stay has its ninety: 31 + 30 + 29, until 29 December.
    """
    wrong = await issue(client, entering(at="2026-08-01T09:00:00Z"))
    await at_border(client, wrong["number"], "exit", occurred_at="2026-09-09T09:00:00Z")
    card = await issue(client, entering(at="2026-10-01T09:00:00Z"))
    assert (card["last_lawful_day"], card["status"]) == ("2026-11-19", "overstayed")
    await change(client, wrong["number"], "annulment")
    after = await card_of(client, card["number"])
    assert (after["last_lawful_day"], after["status"]) == ("2026-12-29", "active")
