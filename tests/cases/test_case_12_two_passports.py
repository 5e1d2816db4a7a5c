"""DOMAIN §5 case 12: two passports, entry on one and exit on the other."""

from httpx2 import AsyncClient

from tests.api.bodies import Body, entering
from tests.api.contract import code_of
from tests.cases.steps import answered, at_border, by_number, card_of, issue, scan, seen

OTHER = {"type": "passport", "number": "N12345678", "issuing_state": "KAZ", "expires_on": "2034-05-01"}
SHOWN = seen("N12345678", issuing_state="KAZ")


async def linked(client: AsyncClient, card: Body) -> None:
    body = {"document": OTHER, "evidence": "both shown at the booth"}
    answered(await client.post(f"/v1/travellers/{card['traveller']}/documents", json=body), 201)


async def test_an_exit_on_the_second_passport_closes_the_stay_of_the_first(client: AsyncClient) -> None:
    """DOMAIN §5 case 12. Unlinked it is the exit of somebody unknown, and the stay would end as an overstay."""
    card = await issue(client, entering())
    await linked(client, card)
    told = await scan(client, "exit", document=SHOWN)
    assert (told["reason"], told["flags"]) == ("departed", [])
    assert (told["card"]["number"], told["card"]["status"]) == (card["number"], "departed")


async def test_nobody_is_taken_for_the_same_person_without_evidence(client: AsyncClient) -> None:
    """DOMAIN §5 cases 12 and 14: an exit that fits no entry is recorded and flagged, and nothing invented."""
    card = await issue(client, entering())
    told = await scan(client, "exit", document=SHOWN, holder={"birth_date": "1990-05-12", "given_names": "Али"})
    assert (told["reason"], told["card"], told["flags"]) == ("exit_without_entry", None, ["exit_without_entry"])
    assert (await card_of(client, card["number"]))["status"] == "active"


async def test_the_card_is_found_by_both(client: AsyncClient) -> None:
    """DOMAIN §4, US I-94: "not found" is the complaint to avoid."""
    card = await issue(client, entering())
    await linked(client, card)
    for number, state in (("FA1234567", "UZB"), ("N12345678", "KAZ")):
        (match,) = await by_number(client, number, state=state)
        assert match["card"]["number"] == card["number"]


async def test_a_second_passport_gives_no_second_stay(client: AsyncClient) -> None:
    """DOMAIN §5 case 16: a second entry while a card is open is a conflict, on the other passport too."""
    card = await issue(client, entering())
    await linked(client, card)
    answer = await client.post("/v1/cards", json=on_the_other())
    assert (answer.status_code, code_of(answer), answer.json()["card"]) == (409, "open-card-exists", card["number"])


async def test_a_second_passport_gives_no_second_ninety_days(client: AsyncClient) -> None:
    """DOMAIN §2: 90 days in one calendar year. 1 August to 29 October 2026 are 31 + 30 + 29 = 90."""
    card = await issue(client, entering(at="2026-08-01T09:00:00Z"))
    await linked(client, card)
    await at_border(client, card["number"], "exit", occurred_at="2026-10-29T09:00:00Z")
    answer = await client.post("/v1/cards", json=on_the_other())
    assert (answer.status_code, code_of(answer)) == (422, "stay-used-up")


def on_the_other() -> Body:
    """An entry of the same man on the other passport."""
    return entering(document=OTHER)
