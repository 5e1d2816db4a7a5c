"""Stays that are told late, crossing by crossing: whatever the order, the same comes of them."""

from itertools import permutations

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import MOSCOW_AIR, declaration

STAYS = [("2026-12-02", "2026-12-05"), ("2026-12-10", "2026-12-15"), ("2026-12-20", "2026-12-24")]
EVERY_ORDER = list(permutations((which, what) for which in range(len(STAYS)) for what in ("entry", "exit")))
LAST_EXIT_FIRST = ((0, "entry"), (2, "exit"), (0, "exit"), (1, "exit"), (1, "entry"), (2, "entry"))
"""An exit takes the place of one whose own stay nobody has told of yet: that one waits again."""


@pytest.mark.parametrize("order", [*EVERY_ORDER[::23], LAST_EXIT_FIRST], ids=str)
async def test_three_stays_come_of_their_crossings_in_any_order(
    client: AsyncClient, order: tuple[tuple[int, str], ...]
) -> None:
    numbers = []
    for entered_on, _ in STAYS:
        await client.post("/v1/clock/advance", json={"to": f"{entered_on}T00:00:00Z"})
        made = await client.post("/v1/cards", json=declaration(intended={"from": entered_on}))
        numbers.append(made.json()["number"])
    await client.post("/v1/clock/advance", json={"to": "2027-01-20T00:00:00Z"})
    for which, what in order:
        day = STAYS[which][what == "exit"]
        body = {"checkpoint": MOSCOW_AIR, "occurred_at": f"{day}T09:00:00Z", "source": "late_upload"}
        answer = await client.post(f"/v1/cards/{numbers[which]}/{what}", json=body)
        assert answer.status_code == 201, answer.text
    told = [(await client.get(f"/v1/cards/{number}")).json() for number in numbers]
    assert [(one["entered"]["on"], one["left"]["on"]) for one in told] == STAYS
    for day in (day for stay in STAYS for day in stay):  # the first is inside from the morning, the second has left
        then = {"as_of": f"{day}T10:00:00Z"}
        answers = [(await client.get(f"/v1/cards/{number}", params=then)).json() for number in numbers]
        inside = [one["number"] for one in answers if one.get("status") == "active"]
        assert inside == [number for number, stay in zip(numbers, STAYS, strict=True) if stay[0] == day], then
