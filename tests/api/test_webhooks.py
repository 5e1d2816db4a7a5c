"""Webhooks over HTTP: made, shown, changed, rotated; what was delivered, tried and asked for again."""

import pytest
from httpx2 import AsyncClient
from standardwebhooks import Webhook

from tests.api.bodies import Body, declaration
from tests.api.conftest import House, NewColleague, NewTester
from tests.api.contract import code_of, faults_of
from tests.worker.receiver import receiving, until

URL = "https://receiver.example/events"


async def made(client: AsyncClient, **fields: object) -> Body:
    answer = await client.post("/v1/webhooks", json={"url": URL, **fields})
    assert answer.status_code == 201
    webhook: Body = answer.json()
    return webhook


def shown(webhook: Body) -> Body:
    return {name: value for name, value in webhook.items() if name != "secret"}


async def test_a_webhook_is_made_with_a_secret_that_is_shown_once(client: AsyncClient) -> None:
    webhook = await made(client)
    assert webhook.keys() == {
        *("id", "url", "types", "description", "state", "disabled_reason", "created_at", "secret"),
    }
    assert (webhook["types"], webhook["description"], webhook["state"]) == ([], None, "active")
    Webhook(webhook["secret"])
    other = await made(client, types=["stay.ended", "card.issued"], description="ours")
    assert (other["types"], other["description"]) == (["card.issued", "stay.ended"], "ours")
    listed = (await client.get("/v1/webhooks")).json()
    assert listed == {"items": [shown(webhook), shown(other)], "next": None}
    assert (await client.get(f"/v1/webhooks/{other['id']}")).json() == shown(other)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"/url": "missing"}),
        ({"url": "receiver"}, {"/url": "url-malformed"}),
        ({"url": "https://user:word@receiver.example/"}, {"/url": "url-malformed"}),
        ({"url": "https://receiver.example/#part"}, {"/url": "url-malformed"}),
    ],
)
async def test_addresses_that_cannot_be_are_refused(
    client: AsyncClient, body: dict[str, object], faults: dict[str, str]
) -> None:
    answer = await client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422
    assert faults_of(answer) == faults
    webhook = await made(client)
    if body:
        assert faults_of(await client.patch(f"/v1/webhooks/{webhook['id']}", json=body)) == faults


@pytest.mark.parametrize(
    "body", [{"url": URL + "a" * 2000}, {"url": URL, "types": ["card.eaten"]}, {"url": URL, "secret": "x"}]
)
async def test_shapes_that_cannot_be_are_refused(client: AsyncClient, body: dict[str, object]) -> None:
    answer = await client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422


async def test_private_addresses_are_refused_in_production_and_allowed_at_home(
    client: AsyncClient, house: House
) -> None:
    home = await client.post("/v1/webhooks", json={"url": "http://127.0.0.1:8080/"})
    assert home.status_code == 201
    house.app.state.webhooks_anywhere = False
    for url in ("http://127.0.0.1:8080/", "http://[::1]/", "https://169.254.169.254/latest", "http://10.1.2.3/"):
        answer = await client.post("/v1/webhooks", json={"url": url})
        assert (answer.status_code, faults_of(answer)) == (422, {"/url": "address-refused"})
        answer = await client.patch(f"/v1/webhooks/{home.json()['id']}", json={"url": url})
        assert (answer.status_code, faults_of(answer)) == (422, {"/url": "address-refused"})
    # a name is judged when something is sent
    assert (await client.post("/v1/webhooks", json={"url": "http://localhost/"})).status_code == 201


async def test_what_is_named_is_changed(client: AsyncClient) -> None:
    webhook = await made(client, description="ours", types=["card.issued"])
    where = f"/v1/webhooks/{webhook['id']}"
    assert (await client.patch(where, json={})).json() == shown(webhook)
    changed = (await client.patch(where, json={"state": "disabled", "description": None})).json()
    assert changed == shown(webhook) | {"state": "disabled", "description": None}
    changed = (await client.patch(where, json={"state": "active", "types": []})).json()
    assert changed == shown(webhook) | {"types": [], "description": None}


async def test_a_deleted_webhook_is_gone(client: AsyncClient) -> None:
    webhook = await made(client)
    where = f"/v1/webhooks/{webhook['id']}"
    assert (await client.delete(where)).status_code == 204
    for answer in (await client.get(where), await client.delete(where), await client.patch(where, json={})):
        assert (answer.status_code, code_of(answer)) == (404, "webhook-not-found")


async def test_a_rotated_secret_is_shown_once(client: AsyncClient) -> None:
    webhook = await made(client)
    where, key = f"/v1/webhooks/{webhook['id']}/rotate", {"Idempotency-Key": "one"}
    rotated = await client.post(where, headers=key)
    assert rotated.status_code == 200
    assert shown(rotated.json()) == shown(webhook)
    assert rotated.json()["secret"] != webhook["secret"]
    again = await client.post(where, headers=key)
    assert (again.status_code, code_of(again)) == (409, "answer-not-repeatable")


async def test_a_repeat_makes_no_second_webhook(client: AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    assert (await client.post("/v1/webhooks", json={"url": URL}, headers=key)).status_code == 201
    again = await client.post("/v1/webhooks", json={"url": URL}, headers=key)
    assert (again.status_code, code_of(again)) == (409, "answer-not-repeatable")
    other = await client.post("/v1/webhooks", json={"url": URL + "/other"}, headers=key)
    assert (other.status_code, code_of(other)) == (422, "idempotency-key-reused")
    assert len((await client.get("/v1/webhooks")).json()["items"]) == 1


async def test_a_repeated_test_or_replay_is_answered_with_the_delivery_of_the_first(client: AsyncClient) -> None:
    path = f"/v1/webhooks/{(await made(client))['id']}"
    sent = await client.post(f"{path}/test", headers={"Idempotency-Key": "test"})
    replayed = f"{path}/deliveries/{sent.json()['event']}/replay"
    await client.post(replayed, headers={"Idempotency-Key": "replay"})
    for asked, key in ((f"{path}/test", "test"), (replayed, "replay")):
        again = await client.post(asked, headers={"Idempotency-Key": key})
        assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
        assert again.json()["event"] == sent.json()["event"]
    assert len((await client.get(f"{path}/deliveries")).json()["items"]) == 1
    other = await client.post(replayed, headers={"Idempotency-Key": "test"})
    assert (other.status_code, code_of(other)) == (422, "idempotency-key-reused")


async def test_twenty_are_enough(client: AsyncClient) -> None:
    for _ in range(20):
        await made(client)
    answer = await client.post("/v1/webhooks", json={"url": URL})
    assert (answer.status_code, code_of(answer)) == (409, "quota-exceeded")
    assert (answer.json()["quota"], answer.json()["most"]) == ("webhooks", "20")


async def test_webhooks_are_the_testers(client: AsyncClient, colleague: NewColleague) -> None:
    webhook = await made(client)
    for role in ("traveller", "carrier", "host", "checkpoint", "migration_office", "analyst", "auditor"):
        caller = await colleague(role)
        for answer in (await caller.get("/v1/webhooks"), await caller.delete(f"/v1/webhooks/{webhook['id']}")):
            assert (answer.status_code, code_of(answer)) == (403, "scope-missing")


async def test_those_of_others_are_not_here(client: AsyncClient, new_tester: NewTester) -> None:
    webhook = await made(client)
    stranger = await new_tester()
    where = f"/v1/webhooks/{webhook['id']}"
    for method, path in (
        ("GET", where),
        ("DELETE", where),
        ("POST", f"{where}/rotate"),
        ("POST", f"{where}/test"),
        ("GET", f"{where}/deliveries"),
        ("POST", f"{where}/deliveries/fct_{32 * '0'}/replay"),
    ):
        answer = await stranger.request(method, path)
        assert (answer.status_code, code_of(answer)) == (404, "webhook-not-found")


async def test_a_test_event_can_be_followed_and_asked_for_again(client: AsyncClient) -> None:
    webhook = await made(client)
    where = f"/v1/webhooks/{webhook['id']}"
    await client.patch(where, json={"state": "disabled"})  # so that it stays
    answer = await client.post(f"{where}/test")
    assert answer.status_code == 202
    sent = answer.json()
    assert sent | {"event": "", "next_at": ""} == {
        "event": "",
        "type": "webhook.test",
        "position": None,
        "state": "pending",
        "attempts": [],
        "next_at": "",
    }
    assert (await client.get(f"{where}/deliveries")).json() == {"items": [sent], "next": None}
    replayed = await client.post(f"{where}/deliveries/{sent['event']}/replay")
    assert (replayed.status_code, replayed.json()["event"]) == (202, sent["event"])
    for state, count in (("pending", 1), ("failed", 0), ("delivered", 0)):
        listed = (await client.get(f"{where}/deliveries", params={"state": state})).json()
        assert len(listed["items"]) == count
    assert (await client.get(f"{where}/deliveries", params={"state": "lost"})).status_code == 422
    wrong = await client.get(f"{where}/deliveries", params={"after": "!"})
    assert faults_of(wrong) == {"/after": "cursor-invalid"}


async def test_the_history_has_pages(client: AsyncClient) -> None:
    webhook = await made(client)
    where = f"/v1/webhooks/{webhook['id']}"
    await client.patch(where, json={"state": "disabled"})
    sent = [(await client.post(f"{where}/test")).json()["event"] for _ in range(5)]
    seen, after = [], None
    while True:
        page = (
            await client.get(f"{where}/deliveries", params={"limit": 2} | ({"after": after} if after else {}))
        ).json()
        seen += [one["event"] for one in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == sent[::-1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the server works inside
async def test_the_server_itself_delivers_on_sqlite(client: AsyncClient) -> None:
    async with receiving() as receiver:
        webhook = await made(client, url=receiver.url)
        card = (await client.post("/v1/cards", json=declaration())).json()
        await until(lambda: len(receiver.received) == 1)
        (event,) = receiver.verified_by(webhook["secret"])
        assert event["subject"] == card["number"]

        async def told() -> bool:
            items = (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["items"]
            return [one["state"] for one in items] == ["delivered"]

        await until(told)
        feed = (await client.get("/v1/events")).json()["items"]
        assert feed == [event]
        (delivery,) = (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["items"]
        assert (delivery["event"], delivery["position"], delivery["type"]) == (event["id"], 1, "card.declared")
        assert delivery["attempts"][0]["status"] == 204
        assert delivery["next_at"] is None
