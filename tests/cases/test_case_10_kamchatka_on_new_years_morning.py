"""DOMAIN §5 case 10: entry at Petropavlovsk-Kamchatsky on 1 January at 05:00, which is 31 December in Moscow."""

from tests.api.bodies import MOSCOW_AIR, entering
from tests.api.conftest import NewTester
from tests.api.contract import code_of
from tests.cases.steps import due, frozen, issue, past_stay

AT = "2027-01-01T05:00:00+12:00"  # 2026-12-31T17:00:00Z, 20:00 in Moscow
KAMCHATKA = {"checkpoint": "PETROPAVLOVSK-KAMCHATSKY-SEA", "occurred_at": AT}


async def test_the_day_is_that_of_the_checkpoint(new_tester: NewTester) -> None:
    """DOMAIN §2: "A day belongs to the calendar day at the checkpoint (its IANA time zone …)".

    From 1 January, 31 + 28 + 31 = 90: 31 March, which ends at 12:00 UTC. Moscow's day would end it on 30 March.
    """
    client = await new_tester(frozen(AT))
    card = await issue(client, entering(entry=KAMCHATKA))
    assert card["entered"] == {
        "checkpoint": KAMCHATKA["checkpoint"],
        "occurred_at": "2026-12-31T17:00:00Z",
        "zone": "Asia/Kamchatka",
        "on": "2027-01-01",
    }
    assert (card["last_lawful_day"], card["ends_at"]) == ("2027-03-31", "2027-03-31T12:00:00Z")


async def test_the_year_that_is_charged_is_the_checkpoints(new_tester: NewTester) -> None:
    """DOMAIN §2: official texts count "by local time".

    Whoever has used the 90 days of 2026 (1 August to 29 October) is let in where it is 2027 already, and at the same
    instant nowhere else.
    """
    client = await new_tester(frozen(AT))
    await past_stay(client, "2026-08-01", "2026-10-29")
    answer = await client.post("/v1/cards", json=entering(entry={"checkpoint": MOSCOW_AIR, "occurred_at": AT}))
    assert (answer.status_code, code_of(answer)) == (422, "stay-used-up")
    card = await issue(client, entering(entry=KAMCHATKA))
    assert (card["status"], card["last_lawful_day"]) == ("active", "2027-03-31")


async def test_deadlines_run_from_the_local_day(new_tester: NewTester) -> None:
    """DOMAIN §3: Uzbekistan 15 calendar days, from the day after entry: 1 January + 15 = 16 January."""
    client = await new_tester(frozen(AT))
    card = await issue(client, entering(entry=KAMCHATKA))
    assert (await due(client, card["number"]))["registration"] == "2027-01-16"
