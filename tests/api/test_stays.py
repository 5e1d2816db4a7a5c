"""How long somebody may stay, over HTTP: the five numbers, and why."""

import re

import pytest
from httpx2 import AsyncClient

from app.policies import sentences
from tests.api.bodies import Body, policy
from tests.api.histories import by_policy, by_rule, calculate, five, stays

# DOMAIN §2, our reading ----------------------------------------------------------------------------------------------

SEVENTY_DAYS = "2025-02-01 2025-04-11"


@pytest.mark.parametrize(
    ("body", "numbers", "ended_by"),
    [
        # 20 days of December and 70 before it are the 90 of 2025; the stay itself ends first
        (
            by_policy("2025-12-12", SEVENTY_DAYS, "2025-12-12"),
            (71, 19, "2026-03-11", "2025-12-13", 90),
            "continuous",
        ),
        # a day earlier, 31 December would be the 91st day of 2025
        (
            by_policy("2025-12-11", SEVENTY_DAYS, "2025-12-11"),
            (71, 19, "2025-12-30", "2025-12-12", 20),
            "calendar_year",
        ),
        # nothing used: charged to each year by its days, and capped at 90 in all
        (by_policy("2025-12-31", "2025-12-31"), (1, 89, "2026-03-30", "2026-01-01", 90), "continuous"),
        # on its last day 90 are used of the stay and 89 of 2026, which leaves one for the day after
        (by_policy("2026-03-30", "2025-12-31"), (90, 0, "2026-03-30", "2026-03-31", 2), "continuous"),
        # each day by the rule of its date: 29 days of 2025, so 62 may begin on the last one
        (by_policy("2025-01-29", "2024-11-01"), (90, 0, "2025-01-29", "2025-01-30", 62), "continuous"),
    ],
    ids=["12 December", "11 December", "31 December", "31 December, on the last day", "from 2024 into 2025"],
)
async def test_a_stay_across_new_year_is_charged_to_each_year_by_its_days(
    client: AsyncClient, body: Body, numbers: tuple[object, ...], ended_by: str
) -> None:
    told = await calculate(client, body)
    assert (five(told), told["ended_by"], told["overstay"]) == (numbers, ended_by, None)


async def test_the_days_of_each_limit_stand_beside_one_another(client: AsyncClient) -> None:
    told = await calculate(client, by_policy("2026-03-30", "2025-12-31"))
    year, stay = told["limits"]
    assert year == {
        "kind": "calendar_year",
        "name": "calendar_year",
        "window": {"from": "2026-01-01", "to": "2026-12-31"},
        "used": 89,
        "left": 1,
        "end": "2026-03-31",
        "source": "115-FZ Art. 5 as amended by 260-FZ of 2024-08-08: 90 days in a calendar year",
        "sure": "Q",
    }
    assert (stay["kind"], stay["window"], stay["used"], stay["left"], stay["end"]) == (
        *("continuous", {"from": "2025-12-31", "to": None}),
        *(90, 0, "2026-03-30"),
    )
    assert told["regime"].items() >= {"policy": "ru", "id": "general-2025", "draft": False, "disagree": None}.items()


async def test_days_before_2025_are_never_charged_to_2025(client: AsyncClient) -> None:
    body = by_policy("2025-01-01", "2024-10-03 2024-12-31", "2025-01-01")
    assert five(await calculate(client, body)) == (1, 89, "2025-03-31", "2025-01-02", 90)
    # a day earlier the rolling rule still held: its 90 days end with the year, and those of 2025 come after
    told = await calculate(client, by_policy("2024-12-31", "2024-10-03 2024-12-31"))
    assert five(told) == (90, 0, "2024-12-31", "2025-01-01", 90)
    assert [limit["kind"] for limit in told["limits"]] == ["rolling", "continuous"]


# Kinds of limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        (by_rule("2026-01-01", "2026-01-01", kind="continuous", max_days=90), (1, 89, "2026-03-31", "2026-01-02", 90)),
        (by_rule("2024-02-29", "2024-02-29", kind="continuous", max_days=90), (1, 89, "2024-05-28", "2024-03-01", 90)),
        # exit and entry on one day begin anew, and the day counts once in the year
        (
            by_rule("2026-07-01", "2026-01-01 2026-06-29", "2026-06-29", kind="per_entry", max_days=180),
            (3, 177, "2026-12-25", "2026-07-02", 180),
        ),
        (
            by_rule("2026-01-12", "2026-01-01 2026-01-10", "2026-01-10", kind="calendar_year", max_days=20),
            (12, 8, "2026-01-20", "2026-01-13", 9),
        ),
        # the period of the first entry ends on 29 June and the next one begins at once
        (
            by_rule(
                *("2026-06-25", "2026-01-01 2026-02-09", "2026-06-25"),
                kind="period_from_first_entry",
                max_days=90,
                period_days=180,
            ),
            (41, 49, "2026-09-27", "2026-06-26", 95),
        ),
        (
            by_rule("2026-05-01", "2026-04-01", kind="fixed_end", until="2026-05-10"),
            (None, 9, *("2026-05-10", "2026-05-02", 10)),
        ),
        (by_rule("2026-05-11", "2026-04-01", kind="fixed_end", until="2026-05-10"), (None, 0, "2026-05-10", None, 0)),
        (by_rule("2026-05-01", "2026-04-01", kind="unlimited"), (None, None, None, "2026-05-02", None)),
        # stays that overlap are one
        (
            by_rule("2026-01-20", "2026-01-01 2026-01-10", "2026-01-05", kind="continuous", max_days=30),
            (20, 10, "2026-01-30", "2026-01-21", 30),
        ),
    ],
    ids=[
        *("one stay", "one stay from 29 February", "each entry", "a calendar year", "periods from the first entry"),
        *("a fixed end", "a fixed end that is past", "no limit", "stays that overlap"),
    ],
)
async def test_each_kind_of_limit_answers_the_five_questions(
    client: AsyncClient, body: Body, numbers: tuple[object, ...]
) -> None:
    assert five(await calculate(client, body)) == numbers


async def test_a_rolling_window_regrows(client: AsyncClient) -> None:
    """Two free days on entry can mean fifty lawful ones: old days drop out meanwhile."""
    rule = {"kind": "rolling", "max_days": 90, "window_days": 180}
    past = ("2026-01-02 2026-02-18", "2026-05-01 2026-06-09")
    away = await calculate(client, by_rule("2026-06-30", *past, **rule))
    assert five(away) == (88, 2, None, "2026-06-30", 50)
    inside = await calculate(client, by_rule("2026-06-30", *past, "2026-06-30", **rule))
    assert five(inside) == (89, 1, "2026-08-18", "2026-07-01", 50)


async def test_a_past_overstay_does_not_silence_the_answer(client: AsyncClient) -> None:
    body = by_rule("2026-06-15", "2025-01-01 2025-04-10", kind="rolling", max_days=90, window_days=180)
    told = await calculate(client, body)
    assert told["overstay"] == {"from": "2025-04-01", "to": "2025-04-10", "days": 10, "limit": "rolling"}
    assert five(told) == (0, 90, None, "2026-06-15", 90)


async def test_an_overstay_that_goes_on_is_counted_to_the_day_that_is_asked_about(client: AsyncClient) -> None:
    told = await calculate(client, by_policy("2026-05-10", "2026-01-10"))
    assert told["overstay"] == {"from": "2026-04-10", "to": "2026-05-10", "days": 31, "limit": "calendar_year"}
    assert five(told) == (121, 0, "2026-04-09", "2027-01-01", 0)


async def test_an_entry_with_nothing_left_has_no_last_lawful_day(client: AsyncClient) -> None:
    told = await calculate(client, by_policy("2026-08-02", "2026-01-01 2026-03-31", "2026-08-01"))
    assert (told["last_lawful_day"], told["ended_by"], told["overstay"]["from"]) == (
        *(None, "calendar_year"),
        "2026-08-01",
    )
    assert "stay_never_lawful" in {one["code"] for one in told["explanation"]}


async def test_a_booking_is_not_used_and_is_left_lawful(client: AsyncClient) -> None:
    """59 days used and 20 booked: 31 are left of the 90, and a stay now may take 11 of them."""
    past, booked = "2026-01-01 2026-02-28", "2026-07-01 2026-07-20"
    rule = {"kind": "calendar_year", "max_days": 90}
    assert five(await calculate(client, by_rule("2026-03-10", past, booked, **rule))) == (
        *(59, 31, None),
        *("2026-03-10", 11),
    )
    assert five(await calculate(client, by_rule("2026-03-10", past, **rule))) == (59, 31, None, "2026-03-10", 31)


async def test_of_several_rules_the_earliest_end_wins(client: AsyncClient) -> None:
    rules = [
        {"kind": "per_entry", "max_days": 30},
        {"kind": "calendar_year", "max_days": 90},
        {"kind": "fixed_end", "until": "2026-05-20"},
    ]
    told = await calculate(client, {"stays": stays("2026-05-01"), "on": "2026-05-01", "rules": rules})
    assert (told["last_lawful_day"], told["ended_by"], told["days_left"]) == ("2026-05-20", "fixed_end", 19)
    assert [limit["end"] for limit in told["limits"]] == ["2026-05-30", "2026-07-29", "2026-05-20"]
    assert {(limit["source"], limit["sure"]) for limit in told["limits"]} == {(None, None)}
    assert told["regime"] is None


async def test_without_any_stay_everything_is_left(client: AsyncClient) -> None:
    assert five(await calculate(client, by_policy("2026-05-01"))) == (0, 90, None, "2026-05-01", 90)


async def test_the_order_of_stays_says_nothing(client: AsyncClient) -> None:
    spans = ("2026-03-01 2026-03-10", "2026-01-01 2026-01-10", "2026-05-01", "2026-06-01 2026-06-05")
    answers = [await calculate(client, by_policy("2026-05-05", *order)) for order in (spans, spans[::-1])]
    assert answers[0] == answers[1]


async def test_five_hundred_stays_are_judged(client: AsyncClient) -> None:
    visits = [f"20{year:02}-{month:02}-{day:02}" for year in range(20) for month in range(1, 6) for day in range(1, 6)]
    spans = [f"{day} {day}" for day in visits]
    told = await calculate(client, by_rule("2020-01-01", *spans, kind="calendar_year", max_days=90))
    assert (len(spans), five(told)) == (500, (0, 90, None, "2020-01-01", 90))


# Policies ------------------------------------------------------------------------------------------------------------


async def test_oman_has_thirty_days_a_visit_and_ninety_a_year(client: AsyncClient) -> None:
    omani = {"citizenship": "OMN", "purpose": "tourism"}
    told = await calculate(client, by_policy("2026-05-20", "2026-01-01 2026-01-20", "2026-05-10", **omani))
    assert (told["last_lawful_day"], told["ended_by"], told["regime"]["id"]) == ("2026-06-08", "per_entry", "omn-2025")
    assert [(limit["kind"], limit["used"], limit["left"]) for limit in told["limits"]] == [
        ("per_entry", 11, 19),
        ("calendar_year", 31, 59),
    ]
    visits = ("2026-01-01 2026-01-30", "2026-03-01 2026-03-30", "2026-05-01 2026-05-30")
    told = await calculate(client, by_policy("2026-06-30", *visits, **omani))
    assert five(told) == (90, 0, None, "2027-01-01", 0)
    # the agreement leaves work out, and the general rule holds
    told = await calculate(client, by_policy("2026-01-01", "2026-01-01", **omani | {"purpose": "employment"}))
    assert (told["regime"]["id"], told["last_lawful_day"]) == ("general-2025", "2026-03-31")


@pytest.mark.parametrize(
    ("on", "regime", "sure"),
    [("2026-03-01", "chn-2025", "Q"), ("2026-09-14", "chn-2025", "Q"), ("2026-09-15", "chn-after-2026-09-14", "?")],
)
async def test_chinas_term_says_how_sure_it_is(client: AsyncClient, on: str, regime: str, sure: str) -> None:
    told = await calculate(client, by_policy(on, on, citizenship="CHN", purpose="tourism"))
    (limit,) = told["limits"]
    assert (told["regime"]["id"], limit["sure"], limit["kind"], told["days_left"]) == (regime, sure, "per_entry", 29)
    assert "decree of" in limit["source"].lower()


@pytest.mark.parametrize(("applied_on", "last_day"), [("2025-08-22", "2025-09-16"), ("2025-08-23", "2025-09-30")])
async def test_an_electronic_visa_is_judged_by_the_day_of_application(
    client: AsyncClient, applied_on: str, last_day: str
) -> None:
    visa = {"kind": "e_visa", "valid_until": "2025-12-31", "applied_on": applied_on}
    body = by_policy("2025-09-01", "2025-09-01", citizenship="IND", basis="e_visa", visa=visa)
    told = await calculate(client, body)
    assert (told["last_lawful_day"], told["ended_by"]) == (last_day, "per_entry")
    body["traveller"]["visa"]["valid_until"] = "2025-09-10"
    told = await calculate(client, body)
    assert (told["last_lawful_day"], told["ended_by"]) == ("2025-09-10", "visa")


async def test_a_visa_whose_last_day_nobody_gave_judges_nothing_and_that_is_said(client: AsyncClient) -> None:
    visa: dict[str, str] = {"applied_on": "2025-08-23"}
    body = by_policy("2025-09-01", "2025-09-01", citizenship="IND", basis="e_visa", visa=visa)
    told = await calculate(client, body)
    assert told["last_lawful_day"] == "2025-09-30"
    assert told["explanation"][-1] == {
        "code": "limit_unsaid",
        "sentence": "The visa: its last day was not given, so it judges nothing here.",
    }
    visa["valid_until"] = "2025-12-31"
    told = await calculate(client, body)
    assert "limit_unsaid" not in {one["code"] for one in told["explanation"]}


@pytest.mark.parametrize(
    ("traveller", "last_day", "ended_by"),
    [
        ({"basis": "visa", "visa": {"valid_until": "2026-06-30", "days_granted": 10}}, "2026-05-10", "visa_days"),
        ({"basis": "visa", "visa": {"valid_until": "2026-05-05", "days_granted": 10}}, "2026-05-05", "visa"),
        ({"basis": "patent", "until": "2026-12-05"}, "2026-12-05", "paid_through"),
        ({"basis": "education", "until": "2028-06-30"}, "2028-06-30", "course"),
        ({"basis": "highly_qualified", "until": "2029-04-30"}, "2029-04-30", "contract"),
        ({"basis": "patent"}, "2026-07-29", "calendar_year"),
        ({"basis": "residence_application"}, None, None),
        ({"citizenship": "BLR"}, None, None),
    ],
    ids=["days", "visa", "patent", "course", "contract", "unknown payment", "application", "Union State"],
)
async def test_a_ground_with_an_end_of_its_own_ends_the_stay(
    client: AsyncClient, traveller: Body, last_day: str | None, ended_by: str | None
) -> None:
    told = await calculate(client, by_policy("2026-05-01", "2026-05-01", **traveller))
    assert (told["last_lawful_day"], told["ended_by"]) == (last_day, ended_by)


async def test_other_countries_rules_can_be_asked_for(client: AsyncClient) -> None:
    # the Commission's own example: 89 days used, one more on 14 March 2014
    past = ("2013-08-14 2013-08-30", "2013-12-15 2014-03-13")
    told = await calculate(client, by_policy("2014-03-14", *past, policy="schengen"))
    assert five(told) == (89, 1, None, "2014-03-14", 1)
    visits = ("2026-01-01 2026-06-29", "2026-06-29")
    told = await calculate(client, by_policy("2026-07-01", *visits, policy="uk-180"))
    assert (five(told), told["regime"]["policy"]) == ((3, 177, "2026-12-25", "2026-07-02", 180), "uk-180")


async def test_sources_that_disagree_are_visible(client: AsyncClient) -> None:
    bosnian = {"citizenship": "BIH", "purpose": "business"}
    told = await calculate(client, by_policy("2026-05-01", "2026-05-01", **bosnian))
    assert told["regime"]["id"] == "bih-other-purpose"
    assert told["regime"]["disagree"] == "Passport index: 30 days, without distinction of purpose."
    told = await calculate(client, by_policy("2026-05-01", "2026-05-01", **bosnian | {"purpose": "tourism"}))
    assert (told["regime"]["id"], told["regime"]["disagree"]) == ("bih-tourism", None)


async def test_every_limit_of_a_policy_names_its_source(client: AsyncClient) -> None:
    for citizenship in ("UZB", "OMN", "CHN", "BRA", "MNG", "BLR"):
        told = await calculate(client, by_policy("2026-05-01", citizenship=citizenship, purpose="tourism"))
        assert told["limits"]
        assert all(limit["source"] and limit["sure"] in {"Q", "S", "I", "M", "?"} for limit in told["limits"])


async def test_a_day_that_no_rule_of_a_policy_judges_says_so(client: AsyncClient) -> None:
    later = policy("later")
    later["regimes"][0]["from"] = "2027-01-01"
    assert (await client.put("/v1/policies/later", json=later)).status_code == 201
    told = await calculate(client, by_policy("2026-05-01", "2026-05-01", policy="later"))
    assert (told["limits"], told["regime"], told["days_left"]) == ([], None, None)
    assert told["explanation"][0]["code"] == "stay_not_judged"


# Sentences -----------------------------------------------------------------------------------------------------------

TOLD: dict[str, Body] = {
    "an open stay": by_policy("2025-12-12", SEVENTY_DAYS, "2025-12-12"),
    "an overstay": by_policy("2026-05-10", "2026-01-10"),
    "never lawful": by_policy("2026-08-02", "2026-01-01 2026-03-31", "2026-08-01"),
    "never again": by_rule("2026-05-11", "2026-04-01", kind="fixed_end", until="2026-05-10"),
    "the window": by_rule("2026-05-01", "2026-04-01", kind="rolling", max_days=90, window_days=180),
    "periods": by_rule("2026-05-01", "2026-04-01", kind="period_from_first_entry", max_days=90, period_days=180),
    "no limit": by_rule("2026-05-01", "2026-04-01", kind="unlimited"),
    "two limits": by_policy("2026-05-20", "2026-05-10", citizenship="OMN", purpose="tourism"),
    "a visa": by_policy(
        "2026-05-01", "2026-05-01", basis="visa", visa={"valid_until": "2026-06-30", "days_granted": 9}
    ),
    "a contract": by_policy("2026-05-01", "2026-05-01", basis="eaeu_contract", until="2026-12-05"),
    "a patent": by_policy("2026-05-01", "2026-05-01", basis="patent", until="2026-12-05"),
    "a course": by_policy("2026-05-01", "2026-05-01", basis="education", until="2026-12-05"),
    "a certificate": by_policy("2026-05-01", "2026-05-01", basis="compatriot", until="2026-12-05"),
}


@pytest.mark.parametrize("case", TOLD)
async def test_sentences_are_for_people_in_both_languages(client: AsyncClient, case: str) -> None:
    english = (await calculate(client, TOLD[case]))["explanation"]
    russian = (await calculate(client, TOLD[case], "ru"))["explanation"]
    assert [one["code"] for one in english] == [one["code"] for one in russian]
    for one in (*english, *russian):
        assert one["code"] in sentences.notes()
        assert re.fullmatch(r"[A-ZА-Я].*[^ ]\.", one["sentence"])
        assert not re.search(r"[{}_]|None|null|\b(0|1)\d{3}\b", one["sentence"]), one
    for one in russian:
        assert not re.search("[A-Za-z]", one["sentence"]), one


async def test_an_answer_is_explained_from_the_rules_to_the_five_numbers(client: AsyncClient) -> None:
    body = by_policy("2025-12-11", SEVENTY_DAYS, "2025-12-11")
    told = (await calculate(client, body))["explanation"]
    assert [one["code"] for one in told] == [
        *("rule_calendar_year", "rule_continuous", "days_counted", "days_counted", "days_left"),
        *("stay_ends", "earliest_entry", "longest_stay"),
    ]
    ends = told[5]["sentence"]
    assert "2025-12-11" in ends
    assert "2025-12-30" in ends
    assert "the calendar year" in ends
    russian = (await calculate(client, body, "ru"))["explanation"][5]["sentence"]
    assert "2025-12-30" in russian
    assert "календарный год" in russian
