"""Lists of cards and counts of them: filters, pages, no personal data unless asked for with the right."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, VISA, declaration, entering
from tests.api.conftest import NewColleague
from tests.api.contract import code_of, faults_of

PERSONAL = {"holder", "document", "visa", "host"}


@pytest.fixture
async def numbers(client: AsyncClient) -> dict[str, str]:
    """Five cards: three inside with different ends, one declared, one departed."""
    bodies = {
        "visa": entering("FA0000001", basis="visa", visa=VISA, purpose="business"),
        "kazakh": entering(
            "N0000002",
            holder={"citizenship": "KAZ"},
            document=DOCUMENT | {"type": "id_card", "number": "N0000002", "issuing_state": "KAZ"},
            paper={"series": "4601", "number": "1234567"},
            entry={"checkpoint": "BREST-ROAD", "occurred_at": "2026-11-20T06:00:00Z"},
        ),
        "usual": entering("FA0000003"),
        "declared": declaration("FA0000004", reference="mine-1"),
        "departed": entering("FA0000005", entry={"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-01T06:00:00Z"}),
    }
    made = {name: (await client.post("/v1/cards", json=body)).json()["number"] for name, body in bodies.items()}
    await client.post(f"/v1/cards/{made['departed']}/exit", json={"checkpoint": MOSCOW_AIR})
    return made


async def listed(client: AsyncClient, path: str) -> list[Any]:
    answer = await client.get(path)
    assert answer.status_code == 200
    items: list[Any] = answer.json()["items"]
    return items


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"visa", "kazakh", "usual", "declared", "departed"}),
        ("status=active", {"visa", "kazakh", "usual"}),
        ("status=declared", {"declared"}),
        ("status=departed", {"departed"}),
        ("status=overstayed", set()),
        ("citizenship=KAZ", {"kazakh"}),
        ("citizenship=kaz", {"kazakh"}),
        ("purpose=business", {"visa"}),
        ("basis=visa", {"visa"}),
        ("checkpoint=BREST-ROAD", {"kazakh"}),
        ("reference=mine-1", {"declared"}),
        ("paper=4601-1234567", {"kazakh"}),
        ("entered_from=2026-12-01", {"visa", "usual"}),
        ("entered_until=2026-11-20", {"kazakh", "departed"}),
        ("ends_from=2027-02-01&ends_until=2027-02-27", {"kazakh"}),
        ("ends_until=2026-12-30", {"visa"}),
        ("reference=mine", set()),
        ("status=active&citizenship=UZB&purpose=tourism", {"usual"}),
    ],
)
async def test_all_filters_given_must_hold(
    client: AsyncClient, numbers: dict[str, str], query: str, found: set[str]
) -> None:
    items = await listed(client, f"/v1/cards?{query}")
    assert {item["number"] for item in items} == {numbers[name] for name in found}


async def test_a_list_has_no_personal_data_unless_it_is_asked_for(client: AsyncClient, numbers: dict[str, str]) -> None:
    for path in ("/v1/cards", "/v1/expiries?within_days=3650"):
        items = await listed(client, path)
        assert items
        assert all(not PERSONAL & item.keys() for item in items)
    items = await listed(client, "/v1/cards?include=holder&status=declared")
    assert items[0]["holder"] == (await client.get(f"/v1/cards/{numbers['declared']}")).json()["holder"]


@pytest.mark.usefixtures("numbers")
async def test_personal_data_in_lists_need_the_right_to_search(client: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "lists", "scopes": ["cards:list"]})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await client.get("/v1/cards", headers=headers)).status_code == 200
    answer = await client.get("/v1/cards?include=holder", headers=headers)
    assert (answer.status_code, answer.json()["scope"]) == (403, "cards:search")


@pytest.mark.usefixtures("numbers")
@pytest.mark.parametrize("path", ["/v1/cards?include=holder", "/v1/expiries?within_days=3650", "/v1/overstays"])
async def test_pages_give_every_card_once_in_the_order_of_the_whole(client: AsyncClient, path: str) -> None:
    if path == "/v1/overstays":
        await client.post("/v1/clock/advance", json={"by": "P200D"})
    whole = await listed(client, path)
    assert len(whole) >= 3
    after, pages = "", []
    while True:
        joint = "&" if "?" in path else "?"
        page = (await client.get(f"{path}{joint}limit=1{after}")).json()
        pages += page["items"]
        if page["next"] is None:
            break
        assert page["next"].replace("-", "").replace("_", "").isalnum()
        after = f"&after={page['next']}"
        if path.startswith("/v1/cards") and len(pages) == 1:
            # a card that comes in meanwhile stands before the first page: the pages that follow don't move
            await client.post("/v1/clock/advance", json={"by": "PT1S"})
            await client.post("/v1/cards", json=declaration("FA0000009"))
    assert [one["number"] for one in pages] == [one["number"] for one in whole]


async def test_the_newest_declaration_comes_first(client: AsyncClient) -> None:
    made = []
    for index in range(3):
        made.append((await client.post("/v1/cards", json=declaration(f"FA000000{index}"))).json()["number"])
        await client.post("/v1/clock/advance", json={"by": "PT1S"})
    assert [item["number"] for item in await listed(client, "/v1/cards")] == made[::-1]


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("limit=0", "/limit", "out-of-range"),
        ("limit=101", "/limit", "out-of-range"),
        ("limit=ten", "/limit", "wrong-type"),
        ("after=nonsense", "/after", "cursor-invalid"),
        ("after=MjAyNi0xMi0wMVQwNjowMDowMCBDQUZFQ0FGRUNBRkU", "/after", "cursor-invalid"),
        ("status=open", "/status", "not-one-of"),
        ("paper=1234567", "/paper", "malformed"),
        ("entered_from=2026-02-29", "/entered_from", "date-malformed"),
        ("ends_until=9999-12-31", "/ends_until", "date-out-of-range"),
        ("stauts=active", "/stauts", "unknown-field"),
        ("include=everything", "/include", "not-one-of"),
    ],
)
async def test_a_query_that_is_wrong_is_named(client: AsyncClient, query: str, pointer: str, code: str) -> None:
    answer = await client.get(f"/v1/cards?{query}")
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (422, "validation-failed", {pointer: code})


# Ends ----------------------------------------------------------------------------------------------------------------


async def test_stays_that_end_soon_come_soonest_first(client: AsyncClient, numbers: dict[str, str]) -> None:
    items = await listed(client, "/v1/expiries?within_days=365")
    assert [(item["number"], item["days_left"]) for item in items] == [
        (numbers["visa"], 29),
        (numbers["kazakh"], 78),
        (numbers["usual"], 89),
    ]
    assert [item["number"] for item in await listed(client, "/v1/expiries?within_days=30")] == [numbers["visa"]]


async def test_stays_that_have_ended_come_oldest_first_with_their_days_over(
    client: AsyncClient, numbers: dict[str, str]
) -> None:
    assert await listed(client, "/v1/overstays") == []
    await client.post("/v1/clock/advance", json={"to": "2027-02-28T21:00:00Z"})
    items = await listed(client, "/v1/overstays")
    assert [(item["number"], item["days_over"]) for item in items] == [
        (numbers["visa"], 61),
        (numbers["kazakh"], 12),
        (numbers["usual"], 1),
    ]
    assert await listed(client, "/v1/expiries?within_days=3650") == []


# Counts --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("numbers")
async def test_counts_are_by_the_groups_asked_for(client: AsyncClient) -> None:
    assert await listed(client, "/v1/statistics?group_by=status") == [
        {"status": "active", "count": 3},
        {"status": "declared", "count": 1},
        {"status": "departed", "count": 1},
    ]
    counts = await listed(client, "/v1/statistics?group_by=day,citizenship,checkpoint,purpose")
    assert {
        "day": "2026-11-20",
        "citizenship": "KAZ",
        "checkpoint": "BREST-ROAD",
        "purpose": "tourism",
        "count": 1,
    } in (counts)
    assert sum(count["count"] for count in counts) == 5


@pytest.mark.usefixtures("numbers")
async def test_counts_of_a_period_are_of_those_who_entered_in_it(client: AsyncClient) -> None:
    counts = await listed(client, "/v1/statistics?group_by=citizenship&from=2026-11-02&to=2026-12-01")
    assert counts == [{"citizenship": "KAZ", "count": 1}, {"citizenship": "UZB", "count": 2}]


@pytest.mark.usefixtures("numbers")
async def test_counts_follow_the_clock(client: AsyncClient) -> None:
    await client.post("/v1/clock/advance", json={"by": "P200D"})
    counts = await listed(client, "/v1/statistics")
    assert counts == [
        {"status": "departed", "count": 1},
        {"status": "lapsed", "count": 1},
        {"status": "overstayed", "count": 3},
    ]


@pytest.mark.parametrize("group_by", ["", "name", "day,day", "day,", "status;citizenship"])
async def test_groups_that_are_none_are_refused(client: AsyncClient, group_by: str) -> None:
    answer = await client.get("/v1/statistics", params={"group_by": group_by})
    assert (answer.status_code, faults_of(answer)) == (422, {"/group_by": "malformed"})


async def test_an_analyst_counts_and_sees_no_cards(client: AsyncClient, colleague: NewColleague) -> None:
    await client.post("/v1/cards", json=declaration())
    analyst = await colleague("analyst")
    assert await listed(analyst, "/v1/statistics") == [{"status": "declared", "count": 1}]
    assert (await analyst.get("/v1/cards")).status_code == 403


async def test_expiries_hold_exactly_the_cards_with_that_many_days_left(client: AsyncClient) -> None:
    """Counted in days of the checkpoint, as `days_left` is: a stay that ends tonight has none left, and is there."""
    card = (await client.post("/v1/cards", json=entering())).json()
    assert card["days_left"] == 89
    assert await listed(client, "/v1/expiries?within_days=88") == []
    assert [item["number"] for item in await listed(client, "/v1/expiries?within_days=89")] == [card["number"]]
    await client.post("/v1/clock", json={"mode": "frozen", "at": "2027-02-28T09:00:00Z"})
    assert [item["days_left"] for item in await listed(client, "/v1/expiries?within_days=0")] == [0]
