"""Two rules compared: for one history, and for every open card."""

import re

import pytest
from httpx2 import AsyncClient, Response

from app.services import judging
from app.services.access import Context
from app.services.judging import OpenCard
from tests.api.bodies import MOSCOW_AIR, VISA, Body, declaration, entering, policy
from tests.api.conftest import NewColleague, NewTester
from tests.api.contract import code_of, faults_of
from tests.api.histories import UZBEK, calculate, five, stays
from tests.api.test_stays_refused import RULED

# Two rules -----------------------------------------------------------------------------------------------------------

BEFORE: Body = {"policy": "ru", "as_in_force_on": "2024-06-01"}
WINTER = stays("2025-11-01 2025-12-30", "2026-02-01")


async def compare(client: AsyncClient, a: Body, b: Body, **body: object) -> Response:
    usual: Body = {"stays": WINTER, "on": "2026-02-01", "traveller": UZBEK, "a": a, "b": b}
    headers = {"Accept-Language": str(body.pop("language", "en"))}
    return await client.post("/v1/stay/compare", json=usual | body, headers=headers)


async def test_two_dates_of_a_policy_differ_in_words(client: AsyncClient) -> None:
    told = (await compare(client, BEFORE, {"policy": "ru"})).json()
    assert (five(told["a"]), told["a"]["regime"]["id"]) == ((61, 29, "2026-03-02", "2026-02-02", 30), "general-2014")
    assert (five(told["b"]), told["b"]["regime"]["id"]) == ((1, 89, "2026-05-01", "2026-02-02", 90), "general-2025")
    differences = {one["field"]: (one["a"], one["b"]) for one in told["differences"]}
    assert differences == {
        "days_used": (61, 1),
        "days_left": (29, 89),
        "last_lawful_day": ("2026-03-02", "2026-05-01"),
        "ended_by": ("rolling", "calendar_year"),
        "longest_stay": (30, 90),
    }
    said = {one["field"]: one["sentence"] for one in told["differences"]}
    assert said["last_lawful_day"] == (
        "Russia (2024-06-01) would have let the stay last until 2026-03-02, Russia until 2026-05-01."
    )
    russian = (await compare(client, BEFORE, {"policy": "ru"}, language="ru")).json()["differences"]
    for one in russian:
        assert "Россия (2024-06-01)" in one["sentence"]
        assert not re.search("[A-Za-z]", one["sentence"]), one


async def test_a_rule_is_called_by_its_figures(client: AsyncClient) -> None:
    a = {"rule": {"kind": "rolling", "max_days": 90, "window_days": 180}}
    b = {"rules": [{"kind": "calendar_year", "max_days": 90}, {"kind": "per_entry", "max_days": 30}]}
    told = (await compare(client, a, b, traveller=None)).json()
    (ends,) = [one["sentence"] for one in told["differences"] if one["field"] == "ended_by"]
    assert ends.startswith("90/180: ")
    assert "90 in a calendar year, 30 on each entry" in ends


async def test_a_side_without_a_limit_is_not_told_as_nothing_left(client: AsyncClient) -> None:
    sides = ({"rule": {"kind": "unlimited"}}, {"rule": {"kind": "continuous", "max_days": 1}})
    for language, word in (("en", "unlimited"), ("ru", "без ограничения")):
        answer = await compare(client, *sides, stays=stays("2026-01-01"), language=language)
        said = {one["field"]: (one["a"], one["b"], one["sentence"]) for one in answer.json()["differences"]}
        for field, other in (("days_left", 0), ("longest_stay", 1), ("last_lawful_day", "2026-01-01")):
            assert said[field][:2] == (None, other)
            assert word in said[field][2]
        assert said["overstay"][:2] == (
            None,
            {"from": "2026-01-02", "to": "2026-02-01", "days": 31, "limit": "continuous"},
        )
        for *_, sentence in said.values():
            assert not re.search(r"[{}_]|None", sentence)


async def test_the_same_rules_differ_in_nothing(client: AsyncClient) -> None:
    told = (await compare(client, {"policy": "ru"}, {"policy": "ru"})).json()
    assert told["differences"] == []
    assert told["a"] == told["b"]


async def test_a_side_of_a_comparison_answers_as_a_question_of_its_own(client: AsyncClient) -> None:
    told = (await compare(client, {"policy": "ru"}, {"policy": "schengen"})).json()
    for side, name in (("a", "ru"), ("b", "schengen")):
        body = {"stays": WINTER, "on": "2026-02-01", "policy": name, "traveller": UZBEK}
        assert told[side] == await calculate(client, body)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"a": {"policy": "atlantis"}}, {"/a/policy": "unknown-policy"}),
        ({"b": {"policy": "atlantis"}}, {"/b/policy": "unknown-policy"}),
        ({"a": {}}, {"/a": "exactly-one"}),
        ({"b": {"policy": "ru", "rule": RULED["rule"]}}, {"/b": "exactly-one"}),
        ({"b": {"rule": RULED["rule"], "as_in_force_on": "2024-06-01"}}, {"/b": "needs-policy"}),
        ({"b": {"policy": "ru", "as_in_force_on": "2024"}}, {"/b/as_in_force_on": "date-malformed"}),
        ({"b": {"rules": [{"kind": "rolling", "max_days": 1}]}}, {"/b/rules/0/window_days": "missing"}),
        ({"b": {"rule": {"kind": "lunar"}}}, {"/b/rule/kind": "not-one-of"}),
        ({"traveller": None}, {"/traveller": "missing"}),
        ({"traveller": UZBEK | {"basis": "visa"}}, {"/traveller/visa/valid_until": "visa-needed"}),
        ({"stays": stays("2026-01-02 2026-01-01")}, {"/stays/0/left_on": "left-before-entered"}),
        ({"rule": RULED["rule"]}, {"/rule": "unknown-field"}),
    ],
    ids=str,
)
async def test_a_comparison_that_is_wrong_names_its_fields(
    client: AsyncClient, body: Body, faults: dict[str, str]
) -> None:
    sides: Body = {"a": {"policy": "ru"}, "b": {"policy": "ru"}}
    answer = await compare(client, **sides | body)
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (422, "validation-failed", faults)


# Every open card -----------------------------------------------------------------------------------------------------

THIRTY: Body = {"rule": {"kind": "per_entry", "max_days": 30}}


async def compared(client: AsyncClient, a: Body, b: Body) -> tuple[list[Body], Body]:
    """Read the lines, and the summary of the last one."""
    answer = await client.post("/v1/stay/compare/cards", json={"a": a, "b": b})
    assert answer.status_code == 200, answer.text
    assert answer.text.endswith("\n")
    *lines, last = answer.text.splitlines()
    read = [client_json(line) for line in lines]
    return read, client_json(last)["summary"]


def client_json(line: str) -> Body:
    told: Body = Response(200, content=line).json()
    return told


async def issue(client: AsyncClient, number: str, at: str | None = None, **changes: object) -> str:
    answer = await client.post("/v1/cards", json=entering(number, at=at, **changes))
    assert answer.status_code == 201, answer.text
    card: str = answer.json()["number"]
    return card


async def test_every_open_card_is_judged_under_both_rules(client: AsyncClient) -> None:
    long = await issue(client, "FA0000001", "2026-10-01T09:00:00Z")
    short = await issue(client, "FA0000002", "2026-11-20T09:00:00Z")
    visa = await issue(client, "FA0000003", basis="visa", visa=VISA)
    gone = await issue(client, "FA0000004")
    await client.post(f"/v1/cards/{gone}/exit", json={"checkpoint": MOSCOW_AIR})
    await client.post("/v1/cards", json=declaration("FA0000005"))
    lines, summary = await compared(client, {"policy": "ru"}, THIRTY)
    assert [line["card"] for line in lines] == sorted([long, short, visa])
    told = {line["card"]: line for line in lines}
    assert told[long] == {
        "card": long,
        "a": {"last_lawful_day": "2026-12-29", "ended_by": "calendar_year", "days_left": 28, "overstays": False},
        "b": {"last_lawful_day": "2026-10-30", "ended_by": "per_entry", "days_left": 0, "overstays": True},
        "differs": True,
    }
    assert told[short]["b"]["last_lawful_day"] == "2026-12-19"
    assert [told[visa][side]["ended_by"] for side in "ab"] == ["visa_days", "per_entry"]
    assert summary == {"cards": 3, "differing": 3, "overstaying_a": 0, "overstaying_b": 1, "not_judged": 0}


async def test_the_lines_are_ndjson_without_personal_data(client: AsyncClient) -> None:
    number = await issue(client, "FA7654321")
    answer = await client.post("/v1/stay/compare/cards", json={"a": {"policy": "ru"}, "b": THIRTY})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert number in answer.text
    for personal in ("Абдуллаев", "ABDULLAEV", "FA7654321", "1990", "UZB"):
        assert personal not in answer.text


async def test_former_stays_of_the_same_person_count(client: AsyncClient) -> None:
    first = await issue(client, "FA0000001", "2026-08-01T09:00:00Z")
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-09-29T09:00:00Z"}
    await client.post(f"/v1/cards/{first}/exit", json=left)
    await issue(client, "FA0000001")
    (line,), _ = await compared(
        client, {"rule": {"kind": "rolling", "max_days": 90, "window_days": 180}}, {"policy": "ru"}
    )
    # 60 days are used: 30 more in any 180, and in the year up to New Year
    assert (line["a"]["last_lawful_day"], line["b"]["last_lawful_day"]) == ("2026-12-30", "2026-12-30")


async def test_what_one_side_cannot_judge_is_null_and_counted(client: AsyncClient) -> None:
    asking = policy("asking")
    asking["regimes"][0]["when"] = {"basis": ["visa"], "applied_from": "2026-01-01"}
    assert (await client.put("/v1/policies/asking", json=asking)).status_code == 201
    await issue(client, "FA0000001")
    visa = await issue(client, "FA0000002", basis="visa", visa=VISA)
    lines, summary = await compared(client, {"policy": "ru"}, {"policy": "asking"})
    told = {line["card"]: line["b"] for line in lines}
    assert told.pop(visa) is None
    assert [side["last_lawful_day"] for side in told.values()] == [None]  # no rule of it is about that traveller
    assert (summary["cards"], summary["not_judged"], summary["differing"]) == (2, 1, 2)


async def test_no_open_card_leaves_the_summary(client: AsyncClient) -> None:
    await client.post("/v1/cards", json=declaration())
    lines, summary = await compared(client, {"policy": "ru"}, BEFORE)
    assert (lines, set(summary.values())) == ([], {0})


async def test_cards_of_other_sandboxes_are_not_compared(client: AsyncClient, new_tester: NewTester) -> None:
    await issue(client, "FA0000001")
    _, summary = await compared(await new_tester(), {"policy": "ru"}, THIRTY)
    assert summary["cards"] == 0


async def test_cards_are_read_page_by_page(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that any number of them fits into memory; whoever has former stays is on one page all the same."""
    monkeypatch.setattr("app.services.judging._PAGE", 2)
    numbers = []
    for index in range(5):
        for month in ("05", "06", "07"):
            card = await issue(client, f"FA000000{index}", f"2026-{month}-01T09:00:00Z")
            left = {"checkpoint": MOSCOW_AIR, "occurred_at": f"2026-{month}-05T09:00:00Z"}
            await client.post(f"/v1/cards/{card}/exit", json=left)
        numbers.append(await issue(client, f"FA000000{index}"))
    pages: list[int] = []

    async def counted(ctx: Context, after: str) -> list[OpenCard]:
        page = await judging.open_cards(ctx, after)
        pages.append(len(page))
        return page

    monkeypatch.setattr("app.services.stays.open_cards", counted)
    lines, summary = await compared(client, {"policy": "ru"}, THIRTY)
    assert [line["card"] for line in lines] == sorted(numbers)
    # 15 days of the year are used and December has 31: the 90 of one stay end first
    assert {line["a"]["last_lawful_day"] for line in lines} == {"2027-02-28"}
    assert summary["cards"] == 5
    assert pages == [2, 2, 1, 0]


@pytest.mark.parametrize("role", ["host", "checkpoint", "auditor"])
async def test_only_whoever_may_list_cards_compares_them(colleague: NewColleague, role: str) -> None:
    caller = await colleague(role)
    answer = await caller.post("/v1/stay/compare/cards", json={"a": {"policy": "ru"}, "b": THIRTY})
    assert (answer.status_code, answer.json()["scope"]) == (403, "cards:list")


async def test_an_unknown_policy_is_told_before_the_first_line(client: AsyncClient) -> None:
    answer = await client.post("/v1/stay/compare/cards", json={"a": {"policy": "ru"}, "b": {"policy": "atlantis"}})
    assert (answer.status_code, faults_of(answer)) == (422, {"/b/policy": "unknown-policy"})
