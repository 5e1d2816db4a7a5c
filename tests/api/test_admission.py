"""Who needs no card, and who gets none because no day of stay is left."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, VISA, Body, declaration, entering, policy, spend_the_year
from tests.api.contract import code_of, faults_of


def kazakh(*, until: str = "2026-12-24", **changes: object) -> Body:
    """A Kazakh tourist's declaration on a passport, from 10 December."""
    document = DOCUMENT | {"issuing_state": "KAZ", "type": changes.pop("type", "passport")}
    usual = declaration(
        holder={"citizenship": "KAZ"}, document=document, intended={"from": "2026-12-10", "until": until}
    )
    return usual | changes


@pytest.mark.parametrize(
    ("holder", "changes", "exemption"),
    [
        ({"citizenship": "RUS"}, {}, "own-citizens"),
        ({"citizenship": "BLR"}, {"purpose": "employment"}, "belarus"),
        ({}, {"purpose": "official", "document": DOCUMENT | {"type": "diplomatic_passport"}}, "diplomats-on-duty"),
        ({}, {"purpose": "official", "document": DOCUMENT | {"type": "laissez_passer"}}, "international-officials"),
        ({}, {"purpose": "employment", "document": DOCUMENT | {"type": "seafarer"}}, "ship-crews"),
    ],
    ids=["own citizens", "Belarus", "diplomats", "officials", "crews"],
)
async def test_who_never_needs_a_card_is_told_so(
    client: AsyncClient, holder: Body, changes: Body, exemption: str
) -> None:
    for body in (declaration(holder=holder, **changes), entering(holder=holder, **changes)):
        answer = await client.post("/v1/cards", json=body)
        assert (answer.status_code, code_of(answer), answer.json()["exemption"]) == (422, "no-card-needed", exemption)
        assert faults_of(answer) == {"/holder/citizenship": "no-card-needed"}
        assert "needed_from" not in answer.json()


async def test_eaeu_citizens_need_a_card_from_the_31st_day(client: AsyncClient) -> None:
    """From 10 December, 8 January is day 30."""
    for until, status in (("2027-01-08", 422), ("2027-01-09", 201)):
        answer = await client.post("/v1/cards", json=kazakh(until=until))
        assert answer.status_code == status
        if status == 422:
            assert (code_of(answer), answer.json()["needed_from"]) == ("no-card-needed", "2027-01-09")
            assert faults_of(answer) == {"/holder/citizenship": "card-needed-later"}
            assert "2027-01-09" in answer.json()["errors"][0]["detail"]


async def test_eaeu_citizens_who_have_stayed_thirty_days_get_a_card(client: AsyncClient) -> None:
    for entered, needed_from in (("2026-11-02T09:00:00Z", "2026-12-02"), ("2026-11-01T09:00:00Z", None)):
        entry = {"checkpoint": MOSCOW_AIR, "occurred_at": entered}
        answer = await client.post("/v1/cards", json=kazakh(entry=entry, intended=None))
        assert (answer.status_code, answer.json().get("needed_from")) == (422 if needed_from else 201, needed_from)


@pytest.mark.parametrize(
    "body", [kazakh(type="id_card"), kazakh(basis="eaeu_contract", purpose="employment")], ids=["id card", "contract"]
)
async def test_eaeu_citizens_on_an_id_card_or_a_contract_need_a_card_from_the_first_day(
    client: AsyncClient, body: Body
) -> None:
    assert (await client.post("/v1/cards", json=body)).status_code == 201


async def test_who_has_used_up_the_days_of_the_year_gets_no_card_with_entry(client: AsyncClient) -> None:
    await spend_the_year(client)
    answer = await client.post("/v1/cards", json=entering())
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (
        *(422, "stay-used-up"),
        {"/entry/occurred_at": "stay-used-up"},
    )
    told = answer.json()
    assert (told["limit"], told["since"], told["earliest_entry"]) == ("calendar_year", "2026-10-30", "2027-01-01")
    for language, limit in (("en", "the calendar year"), ("ru", "календарный год")):
        told = (await client.post("/v1/cards", json=entering(), headers={"Accept-Language": language})).json()
        for sentence in (told["detail"], told["errors"][0]["detail"]):
            assert limit in sentence
            assert "2026-10-30" in sentence
            assert "_" not in sentence
    await client.post("/v1/clock/advance", json={"to": "2027-01-01T00:00:00+03:00"})
    card = (await client.post("/v1/cards", json=entering())).json()
    assert (card["status"], card["last_lawful_day"]) == ("active", "2027-03-31")


async def test_who_has_used_up_the_days_of_the_year_may_declare_for_the_next(client: AsyncClient) -> None:
    await spend_the_year(client)
    assert (await client.post("/v1/cards", json=declaration(intended={"from": "2027-01-01"}))).status_code == 201


async def test_an_entry_after_a_course_or_visa_is_used_up_for_good_says_so(client: AsyncClient) -> None:
    await client.put("/v1/policies/fixed", json=fixed_end("2026-11-30"))
    await client.patch("/v1/sandboxes/current", json={"policy": "fixed"})
    answer = await client.post("/v1/cards", json=entering())
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (
        *(422, "stay-used-up"),
        {"/entry/occurred_at": "stay-used-up-for-good"},
    )
    assert (answer.json()["since"], answer.json()["earliest_entry"]) == ("2026-12-01", None)


def fixed_end(until: str) -> Body:
    document = policy("fixed")
    document["regimes"][0]["limits"] = [{"kind": "fixed_end", "until": until, "source": "an experiment", "sure": "I"}]
    return document


async def test_an_electronic_visa_needs_its_day_of_application(client: AsyncClient) -> None:
    visa = VISA | {"kind": "e_visa", "days_granted": None}
    for make in (declaration, entering):
        answer = await client.post("/v1/cards", json=make(basis="e_visa", visa=visa))
        assert (answer.status_code, code_of(answer), faults_of(answer)) == (
            *(422, "validation-failed"),
            {"/visa/applied_on": "application-date-needed"},
        )
    told = (
        await client.post("/v1/cards", json=entering(basis="e_visa", visa=visa | {"applied_on": "2026-11-20"}))
    ).json()
    assert (told["last_lawful_day"], told["ended_by"]) == ("2026-12-30", "per_entry")
