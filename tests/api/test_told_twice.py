"""The same crossing told twice without an identifier of the scan: recorded twice, and one crossing all the same."""

from httpx2 import AsyncClient

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, Body, declaration, entering

LEFT: Body = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-10T09:00:00Z", "source": "inferred"}
NO_EXIT: Body = {"kind": "correction", "reason": "seen at home", "exit": None}


async def entered(client: AsyncClient, at: str = "2026-11-02T09:00:00Z") -> str:
    return (await client.post("/v1/cards", json=entering(at=at))).json()["number"]  # type: ignore[no-any-return]


async def leave(client: AsyncClient, number: str, **changes: object) -> Body:
    answer = await client.post(f"/v1/cards/{number}/exit", json=LEFT | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def disprove_the_exit(client: AsyncClient, number: str) -> Body:
    answer = await client.post(f"/v1/cards/{number}/changes", json=NO_EXIT, headers={"If-Match": "*"})
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_an_exit_that_never_was_does_not_come_back_because_it_was_told_twice(client: AsyncClient) -> None:
    number = await entered(client)
    assert [(await leave(client, number))["reason"] for _ in range(2)] == ["departed", "exit_without_entry"]
    assert (await disprove_the_exit(client, number))["status"] == "active"
    assert (await leave(client, number, occurred_at="2026-11-20T09:00:00Z"))["reason"] == "departed"


async def test_an_exit_that_waited_twice_for_its_entry_ends_one_stay(client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=declaration())).json()["number"]
    for _ in range(2):
        assert (await leave(client, number))["reason"] == "exit_without_entry"
    seen = {name: DOCUMENT[name] for name in ("type", "number", "issuing_state")}
    assert (await client.post("/v1/crossings", json=LEFT | {"direction": "exit", "document": seen})).status_code == 201
    came = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-02T09:00:00Z", "source": "late_upload"}
    told = (await client.post(f"/v1/cards/{number}/entry", json=came)).json()
    assert (told["card"]["status"], told["flags"]) == ("departed", ["left_since"])
    assert (await disprove_the_exit(client, number))["status"] == "active"


async def test_an_exit_elsewhere_in_the_same_instant_is_another_crossing(client: AsyncClient) -> None:
    number = await entered(client)
    await leave(client, number)
    await leave(client, number, checkpoint="BREST-ROAD")
    assert (await disprove_the_exit(client, number))["status"] == "departed"
