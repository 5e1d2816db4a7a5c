"""Questions about stays, and how they are put. Say only what the test is about."""

from typing import Any

from httpx2 import AsyncClient

from tests.api.bodies import Body

UZBEK: Body = {"citizenship": "UZB", "basis": "visa_free", "purpose": "private"}


def stays(*spans: str) -> list[Body]:
    """Read "2025-02-01 2025-04-11", a stay, and "2025-12-12", one that goes on."""
    parts = (span.split() for span in spans)
    return [{"entered_on": part[0], "left_on": part[1] if part[1:] else None} for part in parts]


def by_rule(on: str, *spans: str, **rule: object) -> Body:
    """Ask for a history under one rule."""
    return {"stays": stays(*spans), "on": on, "rule": rule}


def by_policy(on: str, *spans: str, policy: str = "ru", **traveller: object) -> Body:
    """Ask for the history of an Uzbek visitor, or another one, under a policy."""
    return {"stays": stays(*spans), "on": on, "policy": policy, "traveller": UZBEK | traveller}


async def calculate(client: AsyncClient, body: Body, language: str = "en") -> Any:  # noqa: ANN401  JSON
    answer = await client.post("/v1/stay/calculate", json=body, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return answer.json()


FIVE = ("days_used", "days_left", "last_lawful_day", "earliest_entry", "longest_stay")


def five(told: Body) -> tuple[object, ...]:
    """The five numbers, in the order of DOMAIN §2."""
    return tuple(told[name] for name in FIVE)


def without(body: Body, *names: str) -> Body:
    return {name: value for name, value in body.items() if name not in names}
