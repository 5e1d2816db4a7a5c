"""DOMAIN §5 case 23: Абдуллаев / Abdullaev / Abdulloyev, Ё/Е: search folds, identity does not."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import declaration, entering, zone
from tests.api.contract import faults_of
from tests.cases.steps import by_name, issue

SPELLINGS = ("Абдуллаев", "Abdullaev", "Abdulloyev")


@pytest.mark.parametrize("written", SPELLINGS)
@pytest.mark.parametrize("asked", SPELLINGS)
async def test_search_finds_each_spelling_by_each(client: AsyncClient, written: str, asked: str) -> None:
    """DOMAIN §5 case 23: "search folds"; what was written is given back as it was."""
    card = await issue(client, declaration(holder={"surname": written}))
    assert card["holder"]["surname"] == written
    assert await by_name(client, f"{asked} Али") == [card["number"]]


@pytest.mark.parametrize(("written", "asked"), [("Фёдоров", "Федоров"), ("Федоров", "Фёдоров"), ("Фёдоров", "Fedorov")])
async def test_search_takes_io_for_ie_and_the_card_keeps_what_was_written(
    client: AsyncClient, written: str, asked: str
) -> None:
    """DOMAIN §5 case 23: "Ё/Е: search folds"."""
    card = await issue(client, declaration(holder={"surname": written}))
    assert card["holder"]["surname"] == written
    assert await by_name(client, f"Али {asked}") == [card["number"]]


async def test_search_does_not_find_whoever_is_called_otherwise(client: AsyncClient) -> None:
    """DOMAIN §5 case 23: folding confuses spellings of one name, not names."""
    await issue(client, declaration())
    for name in ("Абдурахманов Али", "Абдуллаев Алишер", "Али"):
        assert (await by_name(client, name) != []) is (name == "Али"), name


async def test_identity_is_the_zones_form_and_folds_nothing(client: AsyncClient) -> None:
    """DOMAIN §5 case 23: "identity does not"; CONTRACTS §2: "the same given names in MRZ form".

    Юлия is IULIIA in the zone and Yulia is YULIA: on one passport they are two persons, though search finds both.
    """
    first = await issue(client, entering(holder={"given_names": "Юлия"}))
    other = await issue(client, entering(holder={"given_names": "Yulia"}))  # no 409: nobody is inside twice
    assert other["traveller"] != first["traveller"]
    assert set(await by_name(client, "Абдуллаев Юлия")) == {first["number"], other["number"]}
    # and the zone's own spelling is the first of them
    same = await client.post("/v1/cards", json=entering(holder={"given_names": "Iuliia"}))
    assert (same.status_code, same.json()["card"]) == (409, first["number"])


async def test_a_surname_that_only_search_takes_for_the_same_differs_from_the_zone(client: AsyncClient) -> None:
    """CONTRACTS §2: fields and zone are compared in MRZ form: Абдуллаев is ABDULLAEV and never ABDULLOYEV."""
    answer = await client.post("/v1/cards", json=declaration(mrz=zone(surname="Abdulloyev")))
    assert answer.status_code == 422
    assert set(faults_of(answer)) == {"/holder/surname", "/mrz"}
    # unless the passport itself writes it so
    latin = {"surname_latin": "Abdulloyev"}
    card = await issue(client, declaration(holder=latin, mrz=zone(surname="Abdulloyev")))
    assert (card["holder"]["surname"], card["holder"]["surname_latin"]) == ("Абдуллаев", "Abdulloyev")


@pytest.mark.parametrize("letter", "ӘҚҢӨҮҒҲҶӮ")
async def test_a_letter_without_transliteration_is_never_guessed(client: AsyncClient, letter: str) -> None:
    """DOMAIN §5 case 23: "Ә Қ Ң Ө Ү Ғ Ҳ Ҷ Ӯ need the passport's Latin form, never a guess"."""
    for written in (letter, letter.lower()):
        answer = await client.post("/v1/cards", json=declaration(holder={"surname": f"А{written}ов"}))
        assert answer.status_code == 422
        assert list(faults_of(answer)) == ["/holder/surname_latin"]
    card = await issue(client, declaration(holder={"surname": f"А{letter}ов", "surname_latin": "Axov"}))
    assert (card["holder"]["surname"], card["holder"]["surname_latin"]) == (f"А{letter}ов", "Axov")


async def test_qodir_needs_his_latin_form(client: AsyncClient) -> None:
    """DOMAIN §5 case 23; K, Q and G are all written for Қ, so that only the passport tells."""
    answer = await client.post("/v1/cards", json=declaration(holder={"given_names": "Қодир"}))
    assert (answer.status_code, list(faults_of(answer))) == (422, ["/holder/given_names_latin"])
    card = await issue(client, declaration(holder={"given_names": "Қодир", "given_names_latin": "Qodir"}))
    for name in ("Абдуллаев Қодир", "Abdullaev Qodir", "Абдуллаев Кодир"):
        assert await by_name(client, name) == [card["number"]], name


async def test_io_and_ie_are_one_letter_in_the_zone(client: AsyncClient) -> None:
    """ICAO 9303-3 §6 writes Ё as E, so that Артём and Артем are one person's given names (CONTRACTS §2)."""
    first = await issue(client, entering(holder={"given_names": "Артём"}))
    answer = await client.post("/v1/cards", json=entering(holder={"given_names": "Артем"}))
    assert (answer.status_code, answer.json()["card"]) == (409, first["number"])
    assert first["holder"]["given_names"] == "Артём"
