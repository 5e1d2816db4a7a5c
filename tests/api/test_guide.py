"""The traveller's guide of a card: what to do, by when, and where that comes from, in both languages."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from app.policies.guides import guide
from tests.api.bodies import declaration
from tests.api.test_duties import arrived, deadlines, meet, move_to


async def guided(client: AsyncClient, number: str, language: str) -> Any:  # noqa: ANN401  JSON
    answer = await client.get(f"/v1/cards/{number}/guide", headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("language", "first"), [("en", "Migration registration"), ("ru", "Миграционный учёт")], ids=["English", "Russian"]
)
async def test_a_guide_says_what_to_do_by_when_and_where_that_comes_from(
    client: AsyncClient, language: str, first: str
) -> None:
    number = await arrived(client)
    told, listed = await guided(client, number, language), await deadlines(client, number, language)
    assert (told["card"], told["language"], told["steps"][0]["title"]) == (number, language, first)
    # step by step the deadlines, in their order
    shared = ("kind", "due_on", "due_at", "state", "sure")
    assert [tuple(step[name] for name in shared) for step in told["steps"]] == [
        tuple(one[name] for name in shared) for one in listed.values()
    ]
    assert [step["source"] for step in told["steps"]] == [
        guide().source(one["source"], language) for one in listed.values()
    ]
    assert told["steps"][0]["source"].startswith({"en": "Bilateral", "ru": "Двусторонние"}[language])
    assert [step["by"] for step in told["steps"]] == [one["sentence"] for one in listed.values()]
    assert [advice["code"] for advice in told["advice"]] == ["keep_card", "loss", "errors"]
    for text in (
        *(step[name] for step in told["steps"] for name in ("title", "action", "by", "source")),
        *(advice[name] for advice in told["advice"] for name in ("title", "text", "source")),
    ):
        assert text.strip()
        assert not set(text) & set("{}_")


@pytest.mark.parametrize(
    ("accepted", "language"), [("ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("de", "en"), ("de,ru;q=0.2", "ru"), ("", "en")]
)
async def test_a_guide_comes_in_the_language_preferred(client: AsyncClient, accepted: str, language: str) -> None:
    number = await arrived(client)
    told = await guided(client, number, accepted)
    assert told["language"] == language
    assert told["advice"][0]["text"] == guide().advice[0].text[language]


async def test_a_guide_follows_what_was_done(client: AsyncClient) -> None:
    number = await arrived(client)
    await meet(client, number)
    await move_to(client, "2027-01-02T00:00:00Z")
    told = await guided(client, number, "ru")
    assert {step["kind"]: step["state"] for step in told["steps"]} == {
        "registration": "met",
        "patent_application": "missed",
        "departure": "open",
        "adaptation_course": "open",
    }
    by = {step["kind"]: step["by"] for step in told["steps"]}
    assert by["registration"].endswith("исполнено.")
    assert by["patent_application"].endswith("срок пропущен.")
    assert by["adaptation_course"].startswith("Срок неизвестен")


async def test_before_the_entry_a_guide_has_its_advice_only(client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=declaration())).json()["number"]
    told = await guided(client, number, "en")
    assert (told["steps"], len(told["advice"])) == ([], 3)
