"""What a client does in these cases, over HTTP. Say only what the case is about."""

from typing import Any

from httpx2 import AsyncClient, Response

from tests.api.bodies import HOLDER, MOSCOW_AIR, Body, entering


def frozen(at: str) -> Body:
    """The clock of a sandbox that stands still at `at`."""
    return {"mode": "frozen", "at": at}


async def move_to(client: AsyncClient, at: str) -> None:
    answered(await client.post("/v1/clock/advance", json={"to": at}), 200)


def answered(answer: Response, status: int) -> Any:  # noqa: ANN401  JSON
    """Give the body of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    return answer.json()


# Cards ---------------------------------------------------------------------------------------------------------------


async def issue(client: AsyncClient, body: Body) -> Body:
    """Declare a card, or with an entry have it made out at the border."""
    return answered(await client.post("/v1/cards", json=body), 201)  # type: ignore[no-any-return]


async def card_of(client: AsyncClient, number: str, **asked: str) -> Body:
    return answered(await client.get(f"/v1/cards/{number}", params=asked), 200)  # type: ignore[no-any-return]


async def stay_of(client: AsyncClient, number: str) -> Body:
    return answered(await client.get(f"/v1/cards/{number}/stay"), 200)  # type: ignore[no-any-return]


async def past_stay(client: AsyncClient, entered_on: str, left_on: str, **changes: Any) -> str:  # noqa: ANN401
    """Let the traveller have been in the country from noon to noon by Moscow's time; gives the card's number."""
    card = await issue(client, entering(**{"at": f"{entered_on}T09:00:00Z"} | changes))
    number: str = card["number"]
    await at_border(client, number, "exit", occurred_at=f"{left_on}T09:00:00Z")
    return number


async def change(client: AsyncClient, number: str, kind: str, **fields: object) -> Body:
    """Change a card, whatever its version."""
    body = {"kind": kind, "reason": "a case", **fields}
    answer = await client.post(f"/v1/cards/{number}/changes", json=body, headers={"If-Match": "*"})
    return answered(answer, 201)  # type: ignore[no-any-return]


async def history_of(client: AsyncClient, number: str) -> list[Body]:
    return answered(await client.get(f"/v1/cards/{number}/history"), 200)["items"]  # type: ignore[no-any-return]


async def due(client: AsyncClient, number: str) -> dict[str, str | None]:
    """The day of each deadline by its kind."""
    told = answered(await client.get(f"/v1/cards/{number}/deadlines"), 200)
    return {one["kind"]: one["due_on"] for one in told["items"]}


async def overstays(client: AsyncClient) -> dict[str, int]:
    """Days over of each open stay that has ended, by the card's number."""
    told = answered(await client.get("/v1/overstays"), 200)
    return {one["number"]: one["days_over"] for one in told["items"]}


async def all_cards(client: AsyncClient, **asked: str) -> list[Body]:
    return answered(await client.get("/v1/cards", params=asked), 200)["items"]  # type: ignore[no-any-return]


def limit_of(told: Body, kind: str) -> Body:
    """The limit of a kind in an answer about a stay."""
    (one,) = (limit for limit in told["limits"] if limit["kind"] == kind)
    return one  # type: ignore[no-any-return]


# The border ----------------------------------------------------------------------------------------------------------


async def at_border(client: AsyncClient, number: str, way: str, status: int = 201, **report: object) -> Body:
    """Report an entry, exit or refusal on a card, at Sheremetyevo and now unless told otherwise."""
    answer = await client.post(f"/v1/cards/{number}/{way}", json={"checkpoint": MOSCOW_AIR} | report)
    return answered(answer, status)  # type: ignore[no-any-return]


async def scan(client: AsyncClient, direction: str, status: int = 201, **report: object) -> Body:
    """Report a crossing of whoever shows a document."""
    body = {"direction": direction, "checkpoint": MOSCOW_AIR} | report
    return answered(await client.post("/v1/crossings", json=body), status)  # type: ignore[no-any-return]


def seen(number: str = "FA1234567", **document: object) -> Body:
    """A passport as an officer sees it."""
    return {"type": "passport", "number": number, "issuing_state": "UZB"} | document


# Look-ups ------------------------------------------------------------------------------------------------------------


async def look_up(client: AsyncClient, **by: object) -> list[Body]:
    """Look a card up as an auditor of this case."""
    body = {"access_purpose": "test"} | by
    return answered(await client.post("/v1/cards/lookup", json=body), 200)["items"]  # type: ignore[no-any-return]


async def by_name(client: AsyncClient, name: str, born: str = HOLDER["birth_date"]) -> list[str]:
    """Numbers of the cards that a name finds."""
    found = await look_up(client, by="name", name=name, birth_date=born)
    return [one["card"]["number"] for one in found]


async def by_number(
    client: AsyncClient, number: str, born: str = HOLDER["birth_date"], state: str = "UZB"
) -> list[Body]:
    """What the number of a document finds."""
    return await look_up(client, by="document", issuing_state=state, number=number, birth_date=born)
