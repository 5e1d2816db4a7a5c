"""DOMAIN §5 case 33: leading zeros of paper numbers."""

import re

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import declaration, entering
from tests.api.contract import code_of, faults_of
from tests.cases.steps import all_cards, change, issue, look_up

ZEROS = {"series": "0046", "number": "0123456"}


async def test_series_and_number_are_text(client: AsyncClient) -> None:
    """DOMAIN §1: "Text with leading zeros, never an integer"."""
    card = await issue(client, entering(paper=ZEROS))
    assert card["paper"] == ZEROS
    assert [one["paper"] for one in await all_cards(client, paper="0046-0123456")] == [ZEROS]
    for numbers in ({"series": 46, "number": 123456}, ZEROS | {"number": 123456}, ZEROS | {"series": 46}):
        answer = await client.post("/v1/cards", json=declaration("FB0000001", paper=numbers))
        assert answer.status_code == 422


async def test_a_number_without_its_zero_is_another_number(client: AsyncClient) -> None:
    """DOMAIN §1: text. Both may be live at once, and each is found by itself alone."""
    short = {"series": "0046", "number": "123456"}
    first = await issue(client, entering(paper=ZEROS))
    other = await issue(client, entering("FB0000001", paper=short))
    for paper, card in ((ZEROS, first), (short, other)):
        (match,) = await look_up(client, by="paper", **paper)
        assert match["card"]["number"] == card["number"]
    assert await look_up(client, by="paper", series="0460", number="0123456") == []


async def test_the_joint_form_keeps_its_zeros(client: AsyncClient) -> None:
    """DOMAIN §1: "also the joint form "4012 305784", split at the last space"."""
    card = await issue(client, entering(paper={"number": "0046 0123456"}))
    assert card["paper"] == ZEROS
    (match,) = await look_up(client, by="paper", number="0046 0123456")
    assert match["card"]["number"] == card["number"]


@pytest.mark.parametrize(
    ("number", "warned"), [("0123456", False), ("012345", True), ("01234567", True), ("0000000000001", True)]
)
async def test_other_lengths_are_taken_with_a_warning(client: AsyncClient, number: str, warned: bool) -> None:  # noqa: FBT001  a column
    """DOMAIN §1: "accept 6–13 digits with a warning when not 7, refuse others"; the zeros are of the length."""
    card = await issue(client, entering(paper={"series": "0046", "number": number}))
    assert card["paper"]["number"] == number
    assert ("paper_number_unusual" in {one["code"] for one in card["warnings"]}) is warned


@pytest.mark.parametrize(
    ("paper", "pointer"),
    [
        ({"series": "0046", "number": "01234"}, "/paper/number"),
        ({"series": "0046", "number": "00000000000001"}, "/paper/number"),
        ({"series": "46", "number": "0123456"}, "/paper/series"),
        ({"series": "00046", "number": "0123456"}, "/paper/series"),
    ],
)
async def test_what_is_no_paper_number_is_refused(client: AsyncClient, paper: dict[str, str], pointer: str) -> None:
    r"""DOMAIN §1: series `^\d{4}$`; the number has 6 to 13 digits."""
    answer = await client.post("/v1/cards", json=declaration(paper=paper))
    assert (answer.status_code, list(faults_of(answer))) == (422, [pointer])


async def test_a_number_is_unique_among_live_cards_and_not_for_ever(client: AsyncClient) -> None:
    """DOMAIN §1: "Not unique for ever: uniqueness is (series, number) among live cards"."""
    first = await issue(client, entering(paper=ZEROS))
    answer = await client.post("/v1/cards", json=entering("FB0000001", paper=ZEROS))
    assert (answer.status_code, code_of(answer)) == (409, "paper-number-in-use")
    await change(client, first["number"], "annulment")
    assert (await issue(client, entering("FB0000001", paper=ZEROS)))["paper"] == ZEROS


async def test_an_electronic_number_is_never_taken_for_a_paper_one(client: AsyncClient) -> None:
    r"""DOMAIN §1: "An electronic number must not match `^\d{4} ?\d{6,8}$`"."""
    card = await issue(client, declaration(paper=ZEROS))
    for text in (card["number"], card["number_text"]):
        assert re.fullmatch(r"\d{4} ?\d{6,8}", text.replace(" ", "")) is None
