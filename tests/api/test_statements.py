"""How many statements a request costs, as the driver counts them: the budget of the hot path over HTTP."""

import pytest
from httpx2 import AsyncClient

from app.db.engine import Database
from tests.api.bodies import by_document, declaration
from tests.api.conftest import House
from tests.conftest import StatementCount


@pytest.fixture
async def number(client: AsyncClient) -> str:
    number: str = (await client.post("/v1/cards", json=declaration())).json()["number"]
    return number


@pytest.fixture
def database(house: House) -> Database:
    """The application's own."""
    database: Database = house.app.state.registry.db
    return database


async def test_a_card_is_shown_with_one_statement(
    client: AsyncClient, database: Database, number: str, statement_count: StatementCount
) -> None:
    async with statement_count(database) as ran:
        assert (await client.get(f"/v1/cards/{number}")).status_code == 200
    assert len(ran) == 1


async def test_a_card_for_somebody_new_is_issued_with_one_statement_on_postgresql(
    client: AsyncClient, database: Database, number: str, statement_count: StatementCount
) -> None:
    assert number
    async with statement_count(database) as ran:
        answer = await client.post("/v1/cards", json=declaration("FA7654321"), headers={"Idempotency-Key": "one"})
        assert answer.status_code == 201
    if database.dialect.name == "postgresql":
        assert len(ran) == 1
    else:
        assert ran.texts.count("BEGIN IMMEDIATE") == ran.texts.count("COMMIT") == 1
        assert len(ran.proper) <= 9


@pytest.mark.parametrize(
    "path", ["/v1/cards", "/v1/cards?status=declared&include=holder", "/v1/expiries", "/v1/overstays", "/v1/clock"]
)
async def test_a_list_is_read_with_one_statement(
    client: AsyncClient, database: Database, number: str, statement_count: StatementCount, path: str
) -> None:
    assert number
    async with statement_count(database) as ran:
        assert (await client.get(path)).status_code == 200
    assert len(ran) == 1


async def test_a_look_up_is_one_statement(
    client: AsyncClient, database: Database, number: str, statement_count: StatementCount
) -> None:
    assert number
    await client.post("/v1/cards/lookup", json=by_document())  # asyncpg asks once what an array of bytes is
    async with statement_count(database) as ran:
        assert (await client.post("/v1/cards/lookup", json=by_document())).json()["items"]
    assert len(ran) == 1


async def test_a_question_about_stays_costs_at_most_one_statement(
    client: AsyncClient, database: Database, statement_count: StatementCount
) -> None:
    history = {"stays": [{"entered_on": "2026-11-01"}], "on": "2026-12-01"}
    traveller = {"citizenship": "UZB", "basis": "visa_free"}
    await client.get("/v1/clock")  # the caller is known by now
    for path, body in (
        ("/v1/stay/calculate", {"policy": "ru"}),
        ("/v1/stay/compare", {"a": {"policy": "ru"}, "b": {"policy": "schengen"}}),
    ):
        async with statement_count(database) as ran:
            answer = await client.post(path, json=history | {"traveller": traveller} | body)
            assert answer.status_code == 200
        assert len(ran) <= 1


async def test_open_addresses_and_refusals_cost_no_statement(
    client: AsyncClient, database: Database, statement_count: StatementCount
) -> None:
    await client.get("/v1/clock")  # the caller is known by now
    async with statement_count(database) as ran:
        for path in ("/livez", "/v1/reference/countries", "/docs", "/problems/not-found", "/v1/nothing"):
            await client.get(path)
        assert (await client.post("/v1/cards", json={})).status_code == 422
    assert len(ran) == 0
