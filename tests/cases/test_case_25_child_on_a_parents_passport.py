"""DOMAIN §5 case 25: a child on a parent's passport; the document number is shared."""

from httpx2 import AsyncClient

from tests.api.bodies import HOLDER, Body, entering
from tests.cases.steps import answered, by_number, card_of, issue, scan, seen, stay_of

CHILD = {"given_names": "Лола", "birth_date": "2021-06-01", "sex": "F"}


async def family(client: AsyncClient) -> tuple[Body, Body]:
    """Let a parent and a child in on one passport, on different days."""
    parent = await issue(client, entering(at="2026-11-01T09:00:00Z"))
    return parent, await issue(client, entering(holder=CHILD, at="2026-11-20T09:00:00Z"))


async def test_both_have_a_card_of_their_own(client: AsyncClient) -> None:
    """DOMAIN §1: "One card per foreigner of any age"; who takes the number for the person sees a second open card.

    30 + 31 + 29 = 90 from 1 November, and 11 + 31 + 31 + 17 = 90 from the 20th.
    """
    parent, child = await family(client)
    assert parent["traveller"] != child["traveller"]
    assert (parent["status"], parent["last_lawful_day"]) == ("active", "2027-01-29")
    assert (child["status"], child["last_lawful_day"]) == ("active", "2027-02-17")
    assert (await stay_of(client, child["number"]))["stays"] == [{"entered_on": "2026-11-20", "left_on": None}]


async def test_twins_are_two_persons(client: AsyncClient) -> None:
    """CONTRACTS §2: "Twins on one parent's passport are two persons": one birth date, other given names."""
    twins = [await issue(client, entering(holder=CHILD | {"given_names": name})) for name in ("Хасан", "Хусан")]
    assert len({one["traveller"] for one in twins}) == 2
    assert {one["status"] for one in twins} == {"active"}


async def test_a_look_up_finds_the_one_whose_birth_date_is_given(client: AsyncClient) -> None:
    """CONTRACTS §3: the document and the birth date; the other's card is not given away."""
    parent, child = await family(client)
    for born, card in ((HOLDER["birth_date"], parent), (CHILD["birth_date"], child)):
        (match,) = await by_number(client, "FA1234567", born)
        assert match["card"]["number"] == card["number"]
    item = {"issuing_state": "UZB", "number": "FA1234567"}
    asked = {"access_purpose": "registration", "items": [item, item | {"birth_date": CHILD["birth_date"]}]}
    first, second = answered(await client.post("/v1/checks", json=asked), 200)["items"]
    assert (first["answer"], second["answer"]) == ("more_data", "ok")
    assert second["last_lawful_day"] == "2027-02-17"


async def test_the_exit_of_one_leaves_the_other_inside(client: AsyncClient) -> None:
    """DOMAIN §5 case 25: the number alone says not who leaves; with the birth date it is one of them."""
    parent, child = await family(client)
    told = await scan(client, "exit", document=seen())
    assert (told["card"], told["missing"]) == (None, ["/holder/birth_date"])
    told = await scan(client, "exit", document=seen(), holder={"birth_date": CHILD["birth_date"]})
    assert (told["reason"], told["card"]["number"]) == ("departed", child["number"])
    assert (await card_of(client, parent["number"]))["status"] == "active"
