"""The feed over HTTP: CloudEvents in one order, page by page and as a stream."""

import json
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import MOSCOW_AIR, Body, declaration, entering
from tests.api.contract import code_of, faults_of


async def told(client: AsyncClient, **asked: Any) -> list[Body]:  # noqa: ANN401  parameters of the address
    return (await client.get("/v1/events", params=asked)).json()["items"]  # type: ignore[no-any-return]


async def busy(client: AsyncClient) -> str:
    """Let some things happen, and a quarter pass; gives the number of a card that has overstayed."""
    number: str = (await client.post("/v1/cards", json=entering("FA0000001"))).json()["number"]
    await client.post("/v1/cards", json=declaration("FA0000002"))
    await client.post("/v1/clock/advance", json={"by": "P91D"})
    return number


async def test_an_event_is_a_cloud_event_without_personal_data(client: AsyncClient) -> None:
    card = (await client.post("/v1/cards", json=entering())).json()
    declared, entered = await told(client)
    assert declared | {"data": None} == {
        "specversion": "1.0",
        "id": declared["id"],
        "source": f"/w/{(await client.get('/v1/sandboxes/current')).json()['world']}",
        "type": "card.issued",
        "subject": card["number"],
        "time": "2026-12-01T06:00:00Z",
        "recordedat": "2026-12-01T06:00:00Z",
        "position": 1,
        "data": None,
    }
    assert (entered["type"], entered["position"]) == ("card.entered", 2)
    assert entered["data"]["traveller"] == card["traveller"]
    assert "entered_at" in entered["data"]["changes"]
    text = json.dumps([declared, entered], ensure_ascii=False)
    assert not any(secret in text for secret in ("FA1234567", card["holder"]["surname"], card["holder"]["birth_date"]))


async def test_pages_follow_each_other_without_gaps_and_go_on_later(client: AsyncClient) -> None:
    number = await busy(client)
    seen: list[int] = []
    after = None
    for _ in range(20):
        page = (await client.get("/v1/events", params={"limit": 3} | ({"after": after} if after else {}))).json()
        after = page["next"]
        seen += [one["position"] for one in page["items"]]
        if not page["items"]:
            break
    assert seen == list(range(1, len(seen) + 1))
    await client.post(f"/v1/cards/{number}/exit", json={"checkpoint": MOSCOW_AIR})
    assert [one["type"] for one in await told(client, after=after)] == ["card.departed"]


async def test_types_are_filtered(client: AsyncClient) -> None:
    number = await busy(client)
    found = await told(client, types=["stay.ended", "card.lapsed"])
    assert [(one["type"], one["time"]) for one in found] == [
        ("card.lapsed", "2026-12-13T21:00:00Z"),
        ("stay.ended", "2027-02-28T21:00:00Z"),
    ]
    assert found[1]["subject"] == number
    answer = await client.get("/v1/events", params={"types": "card.teleported"})
    assert (answer.status_code, list(faults_of(answer).values())) == (422, ["not-one-of"])


async def test_what_a_late_exit_made_untrue_is_withdrawn_by_an_event_that_names_it(client: AsyncClient) -> None:
    number = await busy(client)
    ended = (await told(client, types="stay.ended"))[0]
    late = {"checkpoint": MOSCOW_AIR, "source": "late_upload", "occurred_at": "2027-02-28T10:00:00Z"}
    await client.post(f"/v1/cards/{number}/exit", json=late)
    withdrawn = await told(client, types="announcement.withdrawn")
    assert [(one["data"]["corrects"], one["data"]["reason"]) for one in withdrawn] == [(ended["id"], "stay.ended")]


@pytest.mark.parametrize("after", ["-1", "abc", "9" * 20, "1.5", "1-xyz", "1-"])
async def test_a_place_that_is_none_is_named(client: AsyncClient, after: str) -> None:
    for path in ("/v1/events", "/v1/events/stream"):
        answer = await client.get(path, params={"after": after})
        assert (answer.status_code, faults_of(answer)) == (422, {"/after": "cursor-invalid"})


async def test_a_reset_begins_the_feed_anew(client: AsyncClient) -> None:
    await busy(client)
    after = (await client.get("/v1/events")).json()["next"]
    await client.post("/v1/sandboxes/current/reset")
    await busy(client)  # as many facts as before, at the same places
    for path in ("/v1/events", "/v1/events/stream"):
        answer = await client.get(path, params={"after": after})
        assert (answer.status_code, code_of(answer)) == (409, "feed-restarted")
        beyond = await client.get(path, params={"after": "9999"})
        assert (beyond.status_code, code_of(beyond)) == (409, "feed-restarted")


# The stream ----------------------------------------------------------------------------------------------------------


def frames(text: str) -> list[dict[str, str]]:
    """Read server-sent events."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


async def test_the_stream_tells_what_the_pages_tell(client: AsyncClient) -> None:
    await busy(client)
    answer = await client.get("/v1/events/stream", params={"until_idle": True})
    assert answer.headers["cache-control"] == "no-store"
    found = frames(answer.text)
    assert [json.loads(one["data"]) for one in found] == await told(client)
    assert [(one["event"], one["id"].partition("-")[0]) for one in found] == [
        (one["type"], str(one["position"])) for one in await told(client)
    ]


async def test_the_stream_goes_on_where_it_was_left(client: AsyncClient) -> None:
    await busy(client)
    asked: dict[str, Any] = {"until_idle": True, "after": "1"}
    resumed = await client.get("/v1/events/stream", params=asked, headers={"Last-Event-ID": "4"})
    assert frames(resumed.text)[0]["id"].startswith("5-")
    assert frames((await client.get("/v1/events/stream", params=asked)).text)[0]["id"].startswith("2-")


async def test_the_stream_filters_types(client: AsyncClient) -> None:
    await busy(client)
    found = frames((await client.get("/v1/events/stream", params={"until_idle": True, "types": "stay.ending"})).text)
    assert [json.loads(one["data"])["data"]["reason"] for one in found] == ["10", "1"]
