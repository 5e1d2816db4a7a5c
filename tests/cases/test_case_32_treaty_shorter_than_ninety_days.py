"""DOMAIN §5 case 32: a treaty shorter than 90 days."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body, entering
from tests.api.conftest import NewTester
from tests.cases.steps import at_border, card_of, due, frozen, issue, move_to, past_stay


def of(citizenship: str, **changes: Any) -> Body:  # noqa: ANN401
    return entering(holder={"citizenship": citizenship}, **changes)


@pytest.mark.parametrize("citizenship", ["OMN", "JOR", "MMR"])
async def test_the_treatys_term_wins_over_the_general_one(client: AsyncClient, citizenship: str) -> None:
    """DOMAIN §2: "treaty or decree with its own term: it wins over the general one"; 30 per visit: entry + 29.

    Ninety days would end on 28 February.
    """
    card = await issue(client, of(citizenship))
    assert (card["last_lawful_day"], card["ended_by"]) == ("2026-12-30", "per_entry")
    assert (await due(client, card["number"]))["departure"] == "2026-12-30"
    for at, status in (("2026-12-30T20:59:59Z", "active"), ("2026-12-30T21:00:00Z", "overstayed")):
        await move_to(client, at)
        assert (await card_of(client, card["number"]))["status"] == status


async def test_both_limits_of_a_treaty_apply_at_once(client: AsyncClient) -> None:
    """DOMAIN §2: "30 per visit and 90 per calendar year at once (Oman, Jordan, Myanmar)".

    Visits of 30, 30 and 20 days leave ten of the year: 1 to 10 December. Thirty a visit alone would say the 30th.
    """
    for span in ("2026-02-01 2026-03-02", "2026-04-01 2026-04-30", "2026-06-01 2026-06-20"):
        await past_stay(client, *span.split(), holder={"citizenship": "OMN"})
    card = await issue(client, of("OMN"))
    assert (card["last_lawful_day"], card["ended_by"]) == ("2026-12-10", "calendar_year")


async def test_each_visit_has_its_term_anew(client: AsyncClient) -> None:
    """DOMAIN §2: "N days per visit": 30 days to the 30 November, and 30 more from the next day."""
    first = await issue(client, of("OMN", at="2026-11-01T09:00:00Z"))
    assert first["last_lawful_day"] == "2026-11-30"
    await at_border(client, first["number"], "exit", occurred_at="2026-11-30T09:00:00Z")
    assert (await issue(client, of("OMN")))["last_lawful_day"] == "2026-12-30"


async def test_before_the_treaty_was_in_force_the_general_rule_held(new_tester: NewTester) -> None:
    """DOMAIN-DATA §4a: Jordan from 2025-12-13. Entered on 1 September 2025, 30 + 31 + 29 = 90: 29 November."""
    client = await new_tester(frozen("2025-09-01T09:00:00Z"))
    assert (await issue(client, of("JOR")))["last_lawful_day"] == "2025-11-29"


@pytest.mark.parametrize(
    ("purpose", "last"),
    [
        ("tourism", "2026-06-30"),  # entry + 29
        ("business", "2026-06-30"),
        ("employment", "2026-08-29"),  # entry + 89: 30 + 31 + 29
        ("education", "2026-08-29"),
    ],
)
async def test_a_term_by_purpose_holds_for_its_purposes_only(new_tester: NewTester, purpose: str, last: str) -> None:
    """DOMAIN §2: "by purpose (China 30 days, not for work or study, until 2026-09-14 …)"."""
    client = await new_tester(frozen("2026-06-01T09:00:00Z"))
    assert (await issue(client, of("CHN", purpose=purpose)))["last_lawful_day"] == last
