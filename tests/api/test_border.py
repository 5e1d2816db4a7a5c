"""Entry and exit over HTTP: decisions, their reasons, and statuses that tell whether anything changed."""

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import MOSCOW_AIR, VISA, Body, declaration, entering, spend_the_year
from tests.api.contract import code_of, faults_of

HERE: Body = {"checkpoint": MOSCOW_AIR}


async def declared(client: AsyncClient, **changes: object) -> str:
    answer = await client.post("/v1/cards", json=declaration(**changes))  # type: ignore[arg-type]
    number: str = answer.json()["number"]
    return number


async def cross(client: AsyncClient, number: str, way: str, **body: object) -> Response:
    return await client.post(f"/v1/cards/{number}/{way}", json=HERE | body)


async def test_an_admission_is_answered_in_the_fixed_shape(client: AsyncClient) -> None:
    number = await declared(client)
    answer = await cross(client, number, "entry")
    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"2-active-2026-12-01"'
    assert {name: told[name] for name in told.keys() - {"fact", "card", "sentence"}} == {
        "decision": "admit",
        "reason": "admitted",
        "missing": [],
        "used_up": None,
        "needed_from": None,
        "ways_out": [],
        "flags": [],
        "observed_differs": False,
    }
    assert told["card"] == (await client.get(f"/v1/cards/{number}")).json()
    assert told["card"]["entered"] == {
        "checkpoint": MOSCOW_AIR,
        "occurred_at": "2026-12-01T06:00:00Z",
        "zone": "Europe/Moscow",
        "on": "2026-12-01",
    }


async def test_the_day_of_entry_is_the_checkpoints(client: AsyncClient) -> None:
    number = await declared(client)
    answer = await cross(
        client, number, "entry", checkpoint="PETROPAVLOVSK-KAMCHATSKY-SEA", occurred_at="2026-11-30T15:00:00Z"
    )
    # judged at the instant of the crossing, before the card was declared, all the same
    assert answer.json()["card"]["entered"]["on"] == "2026-12-01"
    assert answer.json()["card"]["entered"]["zone"] == "Asia/Kamchatka"


async def test_an_exit_closes_the_stay(client: AsyncClient) -> None:
    number = await declared(client)
    await cross(client, number, "entry")
    await client.post("/v1/clock/advance", json={"by": "P10D"})
    answer = await cross(client, number, "exit", checkpoint="BREST-ROAD")
    told = answer.json()
    assert (answer.status_code, told["decision"], told["reason"]) == (201, "recorded", "departed")
    assert (told["card"]["status"], told["card"]["left"]["on"]) == ("departed", "2026-12-11")
    assert told["card"]["days_left"] is None


async def test_an_exit_after_the_end_is_recorded_as_such(client: AsyncClient) -> None:
    number = await declared(client)
    await cross(client, number, "entry")
    await client.post("/v1/clock/advance", json={"by": "P91D"})
    answer = await cross(client, number, "exit")
    assert (answer.status_code, answer.json()["reason"]) == (201, "departed_after_overstay")


async def test_an_exit_without_an_entry_is_recorded_and_invents_nothing(client: AsyncClient) -> None:
    number = await declared(client)
    answer = await cross(client, number, "exit")
    told = answer.json()
    assert (answer.status_code, told["reason"], told["flags"]) == (201, "exit_without_entry", ["exit_without_entry"])
    assert (told["card"]["status"], told["card"]["version"], told["card"]["left"]) == ("declared", 1, None)


@pytest.mark.parametrize("reason", ["already_inside", "number_spent", "card_superseded", "card_lapsed"])
async def test_an_entry_that_is_refused_is_answered_200_with_its_reason(client: AsyncClient, reason: str) -> None:
    number = await declared(client)
    if reason == "card_lapsed":
        await client.post("/v1/clock/advance", json={"by": "P20D"})
    elif reason == "card_superseded":
        await declared(client)
    else:
        await cross(client, number, "entry")
        if reason == "number_spent":
            await cross(client, number, "exit")
    before = await client.get(f"/v1/cards/{number}")
    answer = await cross(client, number, "entry")
    assert (answer.status_code, answer.json()["decision"], answer.json()["reason"]) == (200, "refuse", reason)
    assert answer.json()["card"] == before.json()


async def test_whoever_is_inside_on_another_card_is_shown_that_card(client: AsyncClient) -> None:
    inside = (await client.post("/v1/cards", json=entering())).json()["number"]
    waiting = await declared(client)
    answer = await cross(client, waiting, "entry")
    assert (answer.status_code, answer.json()["reason"]) == (200, "already_inside")
    assert answer.json()["card"]["number"] == inside
    assert [one.keys() for one in answer.json()["ways_out"]] == [{"code", "sentence"}] * 3


async def test_an_entry_with_no_day_left_is_refused_with_the_limit_and_the_day_of_another(client: AsyncClient) -> None:
    await spend_the_year(client)
    number = await declared(client)
    before = (await client.get(f"/v1/cards/{number}")).json()
    answer = await cross(client, number, "entry")
    told = answer.json()
    assert (answer.status_code, told["decision"], told["reason"]) == (200, "refuse", "stay_used_up")
    assert told["used_up"] == {"limit": "calendar_year", "since": "2026-10-30", "earliest_entry": "2027-01-01"}
    assert (told["needed_from"], told["ways_out"], told["card"]) == (None, [], before)
    # the attempt is repeatable, and the same card does on the day that was told
    key = {"Idempotency-Key": "one"}
    first = await client.post(f"/v1/cards/{number}/entry", json=HERE, headers=key)
    again = await client.post(f"/v1/cards/{number}/entry", json=HERE, headers=key)
    assert (again.status_code, again.content) == (200, first.content)


async def test_an_entry_on_the_earliest_day_that_was_told_is_let_in(client: AsyncClient) -> None:
    await spend_the_year(client)
    number = await declared(client, intended={"from": "2026-12-31"})
    await client.post("/v1/clock/advance", json={"to": "2026-12-31T09:00:00Z"})
    told = (await cross(client, number, "entry")).json()
    assert (told["reason"], told["used_up"]["earliest_entry"]) == ("stay_used_up", "2027-01-01")
    await client.post("/v1/clock/advance", json={"to": "2027-01-01T00:00:00+03:00"})
    told = (await cross(client, number, "entry")).json()
    assert (told["reason"], told["used_up"]) == ("admitted", None)
    assert told["card"]["last_lawful_day"] == "2027-03-31"


async def test_an_entry_before_the_visa_begins_is_refused(client: AsyncClient) -> None:
    number = await declared(client, basis="visa", visa=VISA | {"valid_from": "2026-12-05"})
    answer = await cross(client, number, "entry")
    assert (answer.status_code, answer.json()["reason"]) == (200, "visa_not_valid")


async def test_the_sentence_comes_in_the_language_asked_for(client: AsyncClient) -> None:
    number = await declared(client)
    answer = await client.post(f"/v1/cards/{number}/entry", json=HERE, headers={"Accept-Language": "ru-RU,ru;q=0.9"})
    assert answer.json()["sentence"] == "Въезд разрешён."


@pytest.mark.parametrize("way", ["entry", "exit", "refusal"])
@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"checkpoint": "NOWHERE-AIR"}, {"/checkpoint": "unknown-checkpoint"}),
        ({"checkpoint": "nowhere"}, {"/checkpoint": "malformed"}),
        ({"occurred_at": "2026-12-01T06:00:01Z"}, {"/occurred_at": "in-the-future"}),
        ({"occurred_at": "2026-12-01T06:00:00"}, {"/occurred_at": "instant-without-zone"}),
        ({"occurred_at": "1796104800"}, {"/occurred_at": "instant-malformed"}),
        ({"occurred_at": 1796104800}, {"/occurred_at": "instant-malformed"}),
    ],
    ids=str,
)
async def test_a_crossing_that_is_wrong_names_its_fields(
    client: AsyncClient, way: str, body: Body, faults: dict[str, str]
) -> None:
    number = await declared(client)
    answer = await cross(client, number, way, **body)
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (422, "validation-failed", faults)


async def test_an_exit_before_the_entry_is_refused(client: AsyncClient) -> None:
    number = await declared(client)
    await cross(client, number, "entry")
    answer = await cross(client, number, "exit", occurred_at="2026-12-01T05:59:59Z")
    assert (answer.status_code, faults_of(answer)) == (422, {"/occurred_at": "before-the-entry"})


async def test_a_repeated_crossing_gets_the_first_answer_again(client: AsyncClient) -> None:
    number = await declared(client)
    for way in ("entry", "exit", "refusal"):
        path, headers = f"/v1/cards/{number}/{way}", {"Idempotency-Key": way}
        first = await client.post(path, json=HERE, headers=headers)
        again = await client.post(path, json=HERE, headers=headers)
        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status_code, again.content, again.headers["etag"]) == (
            first.status_code,
            first.content,
            first.headers["etag"],
        )


@pytest.mark.parametrize("if_match", ["*", '"1-declared-2026-12-01"', 'W/"9-x", "1-whatever"'])
async def test_an_entry_decided_on_the_latest_version_is_taken(client: AsyncClient, if_match: str) -> None:
    number = (await client.post("/v1/cards", json=declaration())).json()["number"]
    answer = await client.post(f"/v1/cards/{number}/entry", json=HERE, headers={"If-Match": if_match})
    assert (answer.status_code, answer.json()["reason"]) == (201, "admitted")


async def test_an_exit_decided_on_an_older_version_is_refused(client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=declaration())).json()["number"]
    await client.post(f"/v1/cards/{number}/entry", json=HERE)
    answer = await client.post(f"/v1/cards/{number}/exit", json=HERE, headers={"If-Match": '"1-declared-2026-12-01"'})
    assert (answer.status_code, answer.json()["version"]) == (412, "2")
