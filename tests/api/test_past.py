"""A card as it was at another time: what was true then, by what is known now or was known then."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import MOSCOW_AIR, Body, declaration, entering, policy
from tests.api.test_policies import LIMIT, install
from tests.api.test_policies import changed as altered


async def posted(client: AsyncClient, address: str, body: Body) -> Any:  # noqa: ANN401  JSON
    answer = await client.post(f"/v1/{address}", json=body, headers={"If-Match": "*"})
    assert answer.is_success, answer.text
    return answer.json()


async def came(client: AsyncClient, number: str = "FA1234567", **changes: Any) -> str:  # noqa: ANN401
    """Enter on a card issued at the border; gives its number."""
    card = await posted(client, "cards", entering(number, **changes))
    return card["number"]  # type: ignore[no-any-return]


async def left(client: AsyncClient, number: str, at: str, source: str = "officer") -> None:
    crossing = {"checkpoint": MOSCOW_AIR, "occurred_at": at, "source": source}
    await posted(client, f"cards/{number}/exit", crossing)


async def changed(client: AsyncClient, number: str, kind: str, **fields: object) -> None:
    await posted(client, f"cards/{number}/changes", {"kind": kind, "reason": "test", **fields})


async def move_to(client: AsyncClient, day: str) -> None:
    await posted(client, "clock/advance", {"to": morning(day)})


def morning(day: str) -> str:
    """Nine o'clock in Moscow on a day."""
    return f"{day}T06:00:00Z"


async def then(client: AsyncClient, number: str, day: str, known: str | None = None) -> Body:
    """The card on the morning of a day; `known`: by what was known on that of another one."""
    asked = {"as_of": morning(day)} | ({"known_at": morning(known)} if known else {})
    answer = await client.get(f"/v1/cards/{number}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


# What was true -------------------------------------------------------------------------------------------------------


async def test_an_exit_that_was_told_three_times(client: AsyncClient) -> None:
    number = await came(client)
    await move_to(client, "2026-12-20")
    await left(client, number, morning("2026-12-05"), "inferred")
    await left(client, number, morning("2026-12-10"))
    await changed(client, number, "correction", exit={"occurred_at": morning("2026-12-15")})
    told = {day: (await then(client, number, f"2026-12-{day}"))["status"] for day in ("04", "07", "12", "15")}
    assert told == {"04": "active", "07": "active", "12": "active", "15": "departed"}


async def test_an_exit_that_waited_behind_one_that_never_was(client: AsyncClient) -> None:
    number = await came(client, at=morning("2026-11-02"))
    await left(client, number, morning("2026-11-20"), "late_upload")
    await left(client, number, morning("2026-11-10"), "late_upload")
    await changed(client, number, "correction", exit=None)
    told = {day: (await then(client, number, f"2026-11-{day}"))["status"] for day in ("03", "12", "21")}
    assert told == {"03": "active", "12": "departed", "21": "departed"}


async def test_before_a_corrected_entry_nobody_was_inside_though_an_exit_was_told_of_then(client: AsyncClient) -> None:
    number = await came(client, at=morning("2026-11-02"))
    await left(client, number, morning("2026-11-05"), "inferred")
    await changed(client, number, "correction", exit=None)
    await changed(client, number, "correction", entry={"occurred_at": morning("2026-11-08")})
    answer = await client.get(f"/v1/cards/{number}", params={"as_of": morning("2026-11-06")})
    assert answer.status_code == 404
    assert (await then(client, number, "2026-11-09"))["status"] == "active"


async def test_an_exit_that_came_before_its_entry_and_was_corrected(client: AsyncClient) -> None:
    card = await posted(client, "cards", declaration(intended={"from": "2026-12-02"}))
    number = card["number"]
    await move_to(client, "2026-12-20")
    await left(client, number, morning("2026-12-10"), "late_upload")
    entry = {"checkpoint": MOSCOW_AIR, "occurred_at": morning("2026-12-02"), "source": "late_upload"}
    told = await posted(client, f"cards/{number}/entry", entry)
    assert told["card"]["status"] == "departed"
    await changed(client, number, "correction", exit={"occurred_at": morning("2026-12-15")})
    told = {day: (await then(client, number, f"2026-12-{day}"))["status"] for day in ("01", "12", "15")}
    assert told == {"01": "declared", "12": "active", "15": "departed"}


async def test_a_corrected_purpose_is_not_that_of_the_days_before_it_was_chosen(client: AsyncClient) -> None:
    number = await came(client)
    await move_to(client, "2026-12-05")
    await changed(client, number, "purpose_change", purpose="employment")
    await move_to(client, "2026-12-10")
    await changed(client, number, "correction", purpose="business", reference="ours")
    cards = [await then(client, number, f"2026-12-{day}") for day in ("03", "06", "10")]
    assert [one["purpose"] for one in cards] == ["tourism", "business", "business"]
    assert [one["reference"] for one in cards] == ["ours", "ours", "ours"]
    assert (await then(client, number, "2026-12-06", "2026-12-09"))["purpose"] == "employment"


async def test_a_corrected_name_leaves_the_passport_of_each_day_as_it_was(client: AsyncClient) -> None:
    number = await came(client)
    await move_to(client, "2026-12-05")
    renewed = {"type": "passport", "number": "FB7654321", "issuing_state": "UZB"}
    await changed(client, number, "document_added", document=renewed, replaces=True)
    await move_to(client, "2026-12-10")
    await changed(client, number, "correction", holder={"given_names": "Алишер"})
    for day, document in (("03", "FA1234567"), ("06", "FB7654321")):
        card = await then(client, number, f"2026-12-{day}")
        assert (card["holder"]["given_names"], card["document"]["number"]) == ("Алишер", document)
    card = await then(client, number, "2026-12-03", "2026-12-09")
    assert (card["holder"]["given_names"], card["document"]["number"]) == ("Али", "FA1234567")


async def test_a_name_that_is_corrected_with_something_else_is_right_on_every_day(client: AsyncClient) -> None:
    number = await came(client)
    await move_to(client, "2026-12-05")
    await changed(client, number, "loss", duplicate=False)
    await move_to(client, "2026-12-10")
    fields = {"entry": {"occurred_at": morning("2026-11-30")}, "removed": ["lost"]}
    await changed(client, number, "correction", holder={"given_names": "Алишер"}, **fields)
    for day in ("02", "07", "10"):
        card = await then(client, number, f"2026-12-{day}")
        assert (card["holder"]["given_names"], card["entered"]["on"]) == ("Алишер", "2026-11-30")


async def test_each_day_shows_what_it_rests_on(client: AsyncClient) -> None:
    number = await came(client, at="2026-11-01T06:00:00Z", purpose="employment")
    await changed(client, number, "patent_payment", effective_on="2026-11-25", paid_through="2026-12-24")
    await changed(client, number, "patent_payment", effective_on="2026-11-10", paid_through="2026-11-24")
    told = {}
    for day in ("05", "20", "25"):
        card = await then(client, number, f"2026-11-{day}")
        grounds = [one["from"] for one in card["grounds"]]
        told[day] = (card["basis"], grounds, card["last_lawful_day"])
    assert told == {
        "05": ("visa_free", [], "2027-01-29"),  # 90 days in one go
        "20": ("patent", [None, "2026-11-10"], "2026-11-24"),
        "25": ("patent", [None, "2026-11-25", "2026-11-10"], "2026-12-24"),
    }


async def test_what_was_paid_for_ahead_is_shown_from_its_day_on(client: AsyncClient) -> None:
    number = await came(client, purpose="employment")
    await changed(client, number, "patent_payment", effective_on="2026-12-10", paid_through="2027-01-09")
    await move_to(client, "2026-12-20")
    before, after = await then(client, number, "2026-12-09"), await then(client, number, "2026-12-10")
    assert (before["basis"], before["grounds"], before["last_lawful_day"]) == ("visa_free", [], "2027-01-09")
    assert (after["basis"], len(after["grounds"]), after["last_lawful_day"]) == ("patent", 2, "2027-01-09")
    # what was known is what was shown, the payment to come included
    known = (await client.get(f"/v1/cards/{number}", params={"known_at": morning("2026-12-05")})).json()
    assert (known["basis"], len(known["grounds"])) == ("patent", 2)


async def with_a_duplicate(client: AsyncClient) -> tuple[str, str]:
    """A stay from 10 November on, the card lost on the 20th; gives the original's number and the duplicate's."""
    original = await came(client, at=morning("2026-11-10"))
    return original, await duplicate_of(client, original)


async def duplicate_of(client: AsyncClient, original: str) -> str:
    made = await posted(client, f"cards/{original}/changes", {"kind": "loss", "reason": "test"})
    return made["number"]  # type: ignore[no-any-return]


async def there(client: AsyncClient, number: str, day: str) -> str | None:
    """The status on a morning; None where there was no card."""
    told = (await client.get(f"/v1/cards/{number}", params={"as_of": morning(day)})).json()
    return told["status"] if "number" in told else None


async def test_before_a_duplicate_was_made_out_there_was_the_original_and_it_knows_what_the_duplicate_does(
    client: AsyncClient,
) -> None:
    original, duplicate = await with_a_duplicate(client)
    await move_to(client, "2026-12-20")
    await changed(client, duplicate, "correction", entry={"occurred_at": morning("2026-11-05")})
    told = {day: (await there(client, original, day), await there(client, duplicate, day)) for day in DAYS}
    assert told == {"2026-11-04": (None, None), "2026-11-07": ("active", None), "2026-12-10": ("replaced", "active")}
    for number, day in ((original, "2026-11-12"), (duplicate, "2026-12-10")):
        shown = await then(client, number, day)
        assert (shown["entered"]["on"], shown["last_lawful_day"]) == ("2026-11-05", "2027-02-02")
    assert (await then(client, original, "2026-11-12", known="2026-12-01"))["entered"]["on"] == "2026-11-10"


DAYS = ("2026-11-04", "2026-11-07", "2026-12-10")


async def test_an_exit_before_the_loss_that_is_told_on_the_duplicate_was_one_on_the_original(
    client: AsyncClient,
) -> None:
    original, duplicate = await with_a_duplicate(client)
    second = await duplicate_of(client, duplicate)
    await left(client, second, morning("2026-11-15"), "late_upload")
    assert await there(client, original, "2026-11-14") == "active"
    assert [await there(client, one, "2026-11-17") for one in (original, duplicate, second)] == ["departed", None, None]


# What was known ------------------------------------------------------------------------------------------------------


async def with_a_shortening_to_come(client: AsyncClient) -> str:
    """A stay of which the entry was corrected on 1 December, after it had been shortened; gives the card's number."""
    number = await came(client, at=morning("2026-11-01"))
    await changed(client, number, "shortening", until="2026-12-10")
    await changed(client, number, "correction", entry={"occurred_at": morning("2026-10-30")})
    return number


KNOWN = ("2026-11-10", "2026-12-01")


async def test_a_stay_on_another_card_that_is_corrected_later_was_not_known(client: AsyncClient) -> None:
    former = await came(client, at=morning("2026-08-01"))
    await left(client, former, morning("2026-08-10"))
    number = await with_a_shortening_to_come(client)
    before = await then(client, number, *KNOWN)
    assert before["last_lawful_day"] == "2027-01-27"  # 90 days from 30 October
    await move_to(client, "2026-12-10")
    await changed(client, former, "correction", exit={"occurred_at": morning("2026-10-10")})
    assert await then(client, number, *KNOWN) == before
    # 71 days of the year are spent on the former card: 19 are left
    assert (await then(client, number, "2026-11-10"))["last_lawful_day"] == "2026-11-17"


async def test_a_correction_of_another_card_alone_is_true_of_the_days_before_it(client: AsyncClient) -> None:
    former = await came(client, at=morning("2026-08-01"))
    await left(client, former, morning("2026-08-10"))
    number = await came(client, at=morning("2026-11-01"))
    before = await then(client, number, "2026-11-10")
    assert before["last_lawful_day"] == "2027-01-29"
    await move_to(client, "2026-12-10")
    await changed(client, former, "correction", exit={"occurred_at": morning("2026-10-10")})
    assert (await then(client, number, "2026-11-10"))["last_lawful_day"] == "2026-11-19"
    assert (await then(client, number, "2026-11-10", known="2026-12-01"))["last_lawful_day"] == "2027-01-29"


async def test_a_card_that_is_annulled_later_counted_then(client: AsyncClient) -> None:
    former = await came(client, at=morning("2026-08-01"))
    await left(client, former, morning("2026-09-10"))
    number = await with_a_shortening_to_come(client)
    before = await then(client, number, *KNOWN)
    assert before["last_lawful_day"] == "2026-12-17"  # 41 of the year's 90 days were spent
    await move_to(client, "2026-12-10")
    await changed(client, former, "annulment")
    assert await then(client, number, *KNOWN) == before
    assert (await then(client, number, "2026-11-10"))["last_lawful_day"] == "2026-12-17", "it was valid then"


async def test_records_that_are_merged_later_were_two_people(client: AsyncClient) -> None:
    former = await posted(client, "cards", entering("FB0000001", at=morning("2026-08-01")))
    await left(client, former["number"], morning("2026-10-10"))
    number = await with_a_shortening_to_come(client)
    before = await then(client, number, *KNOWN)
    assert before["last_lawful_day"] == "2027-01-27"
    await move_to(client, "2026-12-10")
    await posted(
        client, f"travellers/{before['traveller']}/merge", {"traveller": former["traveller"], "reason": "twice"}
    )
    assert await then(client, number, *KNOWN) == before
    assert (await then(client, number, "2026-11-10"))["last_lawful_day"] == "2026-11-17"


@pytest.mark.parametrize("chosen", [{"policy": "schengen"}, {"drafts": ["advance-application-2026"]}])
async def test_rules_that_come_later_were_not_in_force(client: AsyncClient, chosen: Body) -> None:
    number = await with_a_shortening_to_come(client)
    before = await then(client, number, *KNOWN)
    assert (before["last_lawful_day"], before["ended_by"]) == ("2027-01-27", "continuous")
    await move_to(client, "2026-12-10")
    assert (await client.patch("/v1/sandboxes/current", json=chosen)).status_code == 200
    assert await then(client, number, *KNOWN) == before


async def test_a_policy_that_is_not_at_hand_any_more_leaves_the_end_that_was_recorded(client: AsyncClient) -> None:
    await install(client, policy())
    await client.patch("/v1/sandboxes/current", json={"policy": "thirty-days"})
    number = await came(client, at=morning("2026-11-20"))
    await changed(client, number, "shortening", until="2026-12-05")
    await changed(client, number, "correction", entry={"occurred_at": morning("2026-11-18")})
    assert (await then(client, number, "2026-11-25"))["last_lawful_day"] == "2026-12-17"
    await install(client, altered(policy(version=2), f"{LIMIT}/max_days", 20))
    card = await then(client, number, "2026-11-25", "2026-12-01")
    assert (card["entered"]["on"], card["last_lawful_day"]) == ("2026-11-18", "2026-12-19")
    await client.patch("/v1/sandboxes/current", json={"policy": "ru"})
    assert (await client.delete("/v1/policies/thirty-days")).is_success
    assert await then(client, number, "2026-11-25", "2026-12-01") == card
