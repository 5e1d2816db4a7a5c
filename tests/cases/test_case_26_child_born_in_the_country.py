"""DOMAIN §5 case 26: a child born in the country; exit without entry is lawful."""

from httpx2 import AsyncClient

from tests.api.bodies import MOSCOW_AIR, Body, entering
from tests.api.contract import faults_of
from tests.cases.steps import all_cards, by_number, card_of, issue, overstays, scan, seen, stay_of

BORN = "2026-11-05"
BABY: Body = {"surname": "Абдуллаева", "given_names": "Нигора", "birth_date": BORN, "sex": "F", "citizenship": "UZB"}
CERTIFICATE = seen("IIАБ123456", type="birth_certificate", issuing_state="RUS")


async def test_the_exit_is_recorded_and_nobody_is_refused(client: AsyncClient) -> None:
    """DOMAIN §5 case 26. No entry, card, day or overstay is made up for whoever never came."""
    told = await scan(client, "exit", document=CERTIFICATE, holder=BABY)
    assert (told["decision"], told["flags"], told["card"]) == ("recorded", ["exit_without_entry"], None)
    assert (await all_cards(client), await overstays(client)) == ([], {})


async def test_on_the_mothers_passport_it_does_not_close_her_stay(client: AsyncClient) -> None:
    """DOMAIN §5 cases 25 and 26: the number is hers, the birth date is not."""
    mother = await issue(client, entering(at="2026-11-01T09:00:00Z", holder={"given_names": "Лола", "sex": "F"}))
    told = await scan(client, "exit", document=seen(), holder=BABY)
    assert (told["reason"], told["card"]) == ("exit_without_entry", None)
    assert (await card_of(client, mother["number"]))["status"] == "active"
    told = await scan(client, "exit", document=seen(), holder={"birth_date": "1990-05-12"})
    assert (told["reason"], told["card"]["number"]) == ("departed", mother["number"])


async def test_a_later_visit_has_all_ninety_days(client: AsyncClient) -> None:
    """DOMAIN §2: days of a stay count from an entry, and there was none: 1 December + 89 is 28 February."""
    await scan(client, "exit", document=seen("FB0000001"), holder=BABY)
    assert await by_number(client, "FB0000001", BORN) == []
    await client.post("/v1/clock/advance", json={"by": "P3D"})
    card = await issue(client, entering("FB0000001", holder=BABY))
    assert card["last_lawful_day"] == "2027-03-03"  # 28 of December + 31 + 28 + 3 = 90
    assert (await stay_of(client, card["number"]))["days_used"] == 1


async def test_an_entry_before_the_birth_is_not_taken(client: AsyncClient) -> None:
    """DOMAIN §5 case 14: "invent nothing": the mother's entry of 1 November is not the child's."""
    entry = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-01T09:00:00Z"}
    answer = await client.post("/v1/cards", json=entering(holder=BABY, entry=entry))
    assert (answer.status_code, faults_of(answer)) == (422, {"/entry/occurred_at": "before-birth"})
