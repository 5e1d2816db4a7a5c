"""Every problem that an operation declares is provoked here, honestly: a code without a provocation fails."""

import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import asyncpg
import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import make_url, text

from app.db.cards import LOOKUP_LIMIT
from app.db.databases import connect
from app.db.engine import Database
from app.db.sqlite import SQLite
from app.policies import sentences
from tests.api import test_worlds as worlds
from tests.api.bodies import DOCUMENT, MOSCOW_AIR, VISA, declaration, entering, policy, spend_the_year
from tests.api.conftest import House
from tests.api.contract import Contract, code_of

JSON = {"Content-Type": "application/json"}
_PLACE = re.compile(r"\{(\w+)\}")
NAME_AND_NUMBER = "Абдуллаев FA1234567"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a provocation works with."""

    house: House
    client: AsyncClient
    database_url: str

    @property
    def database(self) -> Database:
        """The application's own."""
        database: Database = self.house.app.state.registry.db
        return database


class BrokenDatabase:
    """Fails at whatever is asked of it, with a message that nobody may see."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(NAME_AND_NUMBER)


@asynccontextmanager
async def locked(scene: Scene) -> AsyncIterator[None]:
    """Hold the lock that every write needs, as another process does; and let the application lose patience soon."""
    if isinstance(scene.database, SQLite):
        await scene.database.all(text("PRAGMA busy_timeout = 50"))
        other = sqlite3.connect(make_url(scene.database_url).database or "", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()
        return
    await scene.database.run(text("SET lock_timeout = '50ms'"))
    connection = await asyncpg.connect(scene.database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE cards, idempotency, api_keys IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def cut_off(scene: Scene) -> AsyncIterator[None]:
    """Take the database away: where SQLite's disk was remounted for reading only, where nobody listens any more."""
    registry = scene.house.app.state.registry
    database = registry.db
    if isinstance(database, SQLite):
        await database.all(text("PRAGMA query_only = ON"))
        yield
        await database.all(text("PRAGMA query_only = OFF"))
    else:
        registry.db = connect("postgresql://nobody@127.0.0.1:1/nothing")
        yield
        registry.db = database


async def key_missing(scene: Scene) -> Response:
    return await scene.house.client(None).get("/v1/cards")


async def key_unknown(scene: Scene) -> Response:
    return await scene.house.client("mck_nobody").get("/v1/cards")


async def scope_missing(scene: Scene) -> Response:
    made = (await scene.client.post("/v1/keys", json={"name": "x", "role": "auditor"})).json()
    return await scene.house.client(made["key"]).get("/v1/cards")


async def not_found(scene: Scene) -> Response:
    return await scene.client.get("/v1/nothing")


async def method_not_allowed(scene: Scene) -> Response:
    return await scene.client.put("/v1/cards")


async def card_not_found(scene: Scene) -> Response:
    return await scene.client.get("/v1/cards/7K3M0Q2V9XTH")


async def key_not_found(scene: Scene) -> Response:
    return await scene.client.delete("/v1/keys/mck_nobody")


async def malformed_json(scene: Scene) -> Response:
    return await scene.client.post("/v1/cards", content=b"{", headers=JSON)


async def body_too_large(scene: Scene) -> Response:
    return await scene.client.post("/v1/cards", content=b" " * (1024 * 1024 + 1), headers=JSON)


async def unsupported_media_type(scene: Scene) -> Response:
    return await scene.client.post("/v1/cards", content=b"purpose=tourism", headers={"Content-Type": "text/plain"})


async def validation_failed(scene: Scene) -> Response:
    return await scene.client.post("/v1/cards", json={})


async def mrz_structure(scene: Scene) -> Response:
    return await scene.client.post("/v1/mrz/parse", json={"lines": ["P<"]})


async def document_expired(scene: Scene) -> Response:
    return await scene.client.post("/v1/cards", json=entering(document=DOCUMENT | {"expires_on": "2026-11-30"}))


async def no_card_needed(scene: Scene) -> Response:
    return await scene.client.post("/v1/cards", json=declaration(holder={"citizenship": "RUS"}))


async def stay_used_up(scene: Scene) -> Response:
    await spend_the_year(scene.client)
    return await scene.client.post("/v1/cards", json=entering())


async def visa_not_valid(scene: Scene) -> Response:
    visa = VISA | {"valid_from": "2026-12-02"}
    return await scene.client.post("/v1/cards", json=entering(basis="visa", visa=visa))


async def open_card_exists(scene: Scene) -> Response:
    await scene.client.post("/v1/cards", json=entering())
    return await scene.client.post("/v1/cards", json=entering())


async def version_stale(scene: Scene) -> Response:
    number = (await scene.client.post("/v1/cards", json=declaration())).json()["number"]
    body = {"checkpoint": "SHEREMETYEVO-AIR"}
    return await scene.client.post(
        f"/v1/cards/{number}/entry", json=body, headers={"If-Match": '"2-active-2026-12-01"'}
    )


HERE = {"checkpoint": MOSCOW_AIR}
SECOND = {"type": "passport", "number": "FB7654321", "issuing_state": "UZB", "expires_on": "2036-01-01"}


async def _issued(scene: Scene, number: str = "FA1234567") -> tuple[str, str]:
    """Issue a card at the border; gives its number and its traveller."""
    card = (await scene.client.post("/v1/cards", json=entering(number))).json()
    return card["number"], card["traveller"]


async def _changed(scene: Scene, number: str, kind: str, **fields: object) -> Response:
    body = {"kind": kind, "reason": "test", **fields}
    return await scene.client.post(f"/v1/cards/{number}/changes", json=body, headers={"If-Match": "*"})


async def version_needed(scene: Scene) -> Response:
    number, _ = await _issued(scene)
    return await scene.client.post(f"/v1/cards/{number}/changes", json={"kind": "annulment", "reason": "test"})


async def transition_not_allowed(scene: Scene) -> Response:
    number, _ = await _issued(scene)
    return await _changed(scene, number, "withdrawal")


async def document_of_another(scene: Scene) -> Response:
    number, _ = await _issued(scene)
    await _issued(scene, "FB7654321")
    return await _changed(scene, number, "document_added", document=SECOND)


async def scan_id_reused(scene: Scene) -> Response:
    number, _ = await _issued(scene)
    await scene.client.post(f"/v1/cards/{number}/exit", json=HERE | {"scan_id": "booth-7/1"})
    return await scene.client.post(f"/v1/cards/{number}/entry", json=HERE | {"scan_id": "booth-7/1"})


async def traveller_not_found(scene: Scene) -> Response:
    return await scene.client.get(f"/v1/travellers/tr_{32 * '0'}")


async def _merged(scene: Scene) -> tuple[str, str]:
    """Merge two records; gives the one that stays and the one that is a part of it."""
    number, one = await _issued(scene)
    await scene.client.post(f"/v1/cards/{number}/exit", json=HERE)
    _, other = await _issued(scene, "FB7654321")
    body = {"traveller": other, "reason": "test"}
    assert (await scene.client.post(f"/v1/travellers/{one}/merge", json=body)).status_code == 200
    return one, other


async def traveller_merged(scene: Scene) -> Response:
    _, other = await _merged(scene)
    _, third = await _issued(scene, "FC0000001")
    return await scene.client.post(f"/v1/travellers/{other}/merge", json={"traveller": third, "reason": "test"})


async def not_merged(scene: Scene) -> Response:
    one, other = await _merged(scene)
    body = {"traveller": other, "reason": "test"}
    await scene.client.post(f"/v1/travellers/{one}/unmerge", json=body)
    return await scene.client.post(f"/v1/travellers/{one}/unmerge", json=body)  # separated already


async def group_refused(scene: Scene) -> Response:
    cards = [declaration(), declaration("FB7654321", holder={"citizenship": "RUS"})]
    return await scene.client.post("/v1/groups", json={"cards": cards})


async def no_declaration_window(scene: Scene) -> Response:
    await scene.client.patch("/v1/sandboxes/current", json={"policy": "schengen"})
    return await scene.client.get("/v1/declarations/window", params={"entry_on": "2026-12-10"})


async def paper_number_in_use(scene: Scene) -> Response:
    paper = {"series": "4601", "number": "1234567"}
    await scene.client.post("/v1/cards", json=entering("FA0000001", paper=paper))
    return await scene.client.post("/v1/cards", json=entering("FA0000002", paper=paper))


async def idempotency_key_reused(scene: Scene) -> Response:
    key = {"Idempotency-Key": "one"}
    await scene.client.post("/v1/cards", json=declaration(), headers=key)
    return await scene.client.post("/v1/cards", json=declaration("FA7654321"), headers=key)


async def idempotency_key_busy(scene: Scene) -> Response:
    key = {"Idempotency-Key": "one"}
    async with locked(scene):
        return await scene.client.post("/v1/cards", json=declaration(), headers=key)


async def answer_not_repeatable(scene: Scene) -> Response:
    key, body = {"Idempotency-Key": "one"}, {"name": "x", "role": "tester"}
    assert (await scene.client.post("/v1/keys", json=body, headers=key)).status_code == 201
    return await scene.client.post("/v1/keys", json=body, headers=key)


async def lookup_too_wide(scene: Scene) -> Response:
    for index in range(LOOKUP_LIMIT + 1):
        await scene.client.post("/v1/cards", json=declaration(f"FA{index:07}"))
    body = {"access_purpose": "test", "by": "name", "name": "Али", "birth_date": "1990"}
    return await scene.client.post("/v1/cards/lookup", json=body)


async def policy_not_found(scene: Scene) -> Response:
    return await scene.client.get("/v1/policies/nobodys")


async def policy_broken(scene: Scene) -> Response:
    return await scene.client.put("/v1/policies/mine", json=policy("mine", regimes=[{"id": "everybody"}]))


async def policy_built_in(scene: Scene) -> Response:
    return await scene.client.put("/v1/policies/ru", json=policy("ru"))


async def policy_in_force(scene: Scene) -> Response:
    await scene.client.put("/v1/policies/mine", json=policy("mine"))
    await scene.client.patch("/v1/sandboxes/current", json={"policy": "mine"})
    return await scene.client.delete("/v1/policies/mine")


async def too_many_policies(scene: Scene) -> Response:
    for count in range(20):
        await scene.client.put(f"/v1/policies/mine-{count}", json=policy(f"mine-{count}"))
    return await scene.client.put("/v1/policies/one-more", json=policy("one-more"))


async def card_incomplete(scene: Scene) -> Response:
    card = (await scene.client.post("/v1/cards", json=entering(basis="visa", visa=VISA))).json()
    asking = policy("asking")
    when = {"basis": ["visa"], "applied_from": "2026-01-01"}
    asking["regimes"] = [row | {"when": when} for row in asking["regimes"]]
    await scene.client.put("/v1/policies/asking", json=asking)
    await scene.client.patch("/v1/sandboxes/current", json={"policy": "asking"})
    return await scene.client.get(f"/v1/cards/{card['number']}/stay")


async def _meet(scene: Scene, kind: str, times: int = 1) -> Response:
    number = (await scene.client.post("/v1/cards", json=entering())).json()["number"]
    for _ in range(times):
        answer = await scene.client.post(f"/v1/cards/{number}/deadlines/{kind}", json={})
    return answer


async def duty_not_found(scene: Scene) -> Response:
    return await _meet(scene, "patent_application")  # who comes for tourism needs none


async def duty_already_met(scene: Scene) -> Response:
    return await _meet(scene, "registration", times=2)


async def met_by_departure(scene: Scene) -> Response:
    return await _meet(scene, "departure")


async def clock_backwards(scene: Scene) -> Response:
    return await scene.client.post("/v1/clock/advance", json={"to": "2026-11-30T00:00:00Z"})


async def clock_is_real(scene: Scene) -> Response:
    body = {"name": "x", "clock": {"mode": "system"}}
    made = (await scene.house.client(None).post("/v1/sandboxes", json=body)).json()
    return await scene.house.client(made["key"]).post("/v1/clock/advance", json={"by": "P1D"})


async def nothing_due(scene: Scene) -> Response:
    return await scene.client.post("/v1/clock/advance", json={"next_event": True})


async def database_busy(scene: Scene) -> Response:
    async with locked(scene):
        return await scene.client.post("/v1/cards", json=declaration())


async def database_unavailable(scene: Scene) -> Response:
    async with cut_off(scene):
        return await scene.client.post("/v1/cards", json=declaration())


async def internal_error(scene: Scene) -> Response:
    database, scene.house.app.state.registry.db = scene.database, BrokenDatabase()
    try:
        return await scene.client.get("/v1/clock")
    finally:
        scene.house.app.state.registry.db = database


async def job_not_found(scene: Scene) -> Response:
    return await scene.client.get(f"/v1/jobs/job_{32 * '0'}")


async def world_not_empty(scene: Scene) -> Response:
    await scene.client.post("/v1/cards", json=declaration())
    asked = {"kind": "world", "mode": "all_or_nothing", "source": "us"}
    lines = {"Content-Type": "application/x-ndjson"}
    return await scene.client.post("/v1/imports", params=asked, content=b"{}", headers=lines)


async def job_is_over(scene: Scene) -> Response:
    asked = await scene.client.post("/v1/sandboxes/current/snapshots", json={"name": "x"})
    path = asked.headers["location"]
    await scene.client.delete(path)
    return await scene.client.delete(path)


async def feed_restarted(scene: Scene) -> Response:
    return await scene.client.get("/v1/events", params={"after": "7"})


async def webhook_not_found(scene: Scene) -> Response:
    return await scene.client.get(f"/v1/webhooks/whk_{32 * '0'}")


async def delivery_not_found(scene: Scene) -> Response:
    made = (await scene.client.post("/v1/webhooks", json={"url": "https://receiver.example/"})).json()
    return await scene.client.post(f"/v1/webhooks/{made['id']}/deliveries/fct_{32 * '0'}/replay")


Provocation = Callable[[Scene], Awaitable[Response]]


def of_worlds(provoke: Callable[[worlds.Desk], Awaitable[list[Response]]]) -> Provocation:
    """Provoke what copies of worlds may end with, where they are tested."""

    async def provoked(scene: Scene) -> Response:
        return (await provoke(worlds.Desk(scene.house, scene.client)))[-1]

    return provoked


PROVOCATIONS: dict[str, tuple[int, Provocation]] = {
    "key-missing": (401, key_missing),
    "key-unknown": (401, key_unknown),
    "scope-missing": (403, scope_missing),
    "not-found": (404, not_found),
    "method-not-allowed": (405, method_not_allowed),
    "card-not-found": (404, card_not_found),
    "key-not-found": (404, key_not_found),
    "sandbox-not-found": (404, of_worlds(worlds.sandbox_not_found)),
    "snapshot-not-found": (404, of_worlds(worlds.snapshot_not_found)),
    "snapshot-name-taken": (409, of_worlds(worlds.snapshot_name_taken)),
    "world-not-empty": (409, world_not_empty),
    "quota-exceeded": (409, of_worlds(worlds.quota_exceeded)),
    "malformed-json": (400, malformed_json),
    "body-too-large": (413, body_too_large),
    "unsupported-media-type": (415, unsupported_media_type),
    "validation-failed": (422, validation_failed),
    "mrz-structure": (422, mrz_structure),
    "document-expired": (422, document_expired),
    "no-card-needed": (422, no_card_needed),
    "visa-not-valid": (422, visa_not_valid),
    "stay-used-up": (422, stay_used_up),
    "policy-not-found": (404, policy_not_found),
    "policy-broken": (422, policy_broken),
    "policy-built-in": (409, policy_built_in),
    "policy-in-force": (409, policy_in_force),
    "too-many-policies": (409, too_many_policies),
    "card-incomplete": (409, card_incomplete),
    "duty-not-found": (404, duty_not_found),
    "duty-already-met": (409, duty_already_met),
    "met-by-departure": (409, met_by_departure),
    "open-card-exists": (409, open_card_exists),
    "paper-number-in-use": (409, paper_number_in_use),
    "transition-not-allowed": (409, transition_not_allowed),
    "version-needed": (428, version_needed),
    "document-of-another": (409, document_of_another),
    "scan-id-reused": (409, scan_id_reused),
    "traveller-not-found": (404, traveller_not_found),
    "traveller-merged": (409, traveller_merged),
    "not-merged": (409, not_merged),
    "group-refused": (422, group_refused),
    "no-declaration-window": (404, no_declaration_window),
    "job-not-found": (404, job_not_found),
    "job-is-over": (409, job_is_over),
    "feed-restarted": (409, feed_restarted),
    "webhook-not-found": (404, webhook_not_found),
    "delivery-not-found": (404, delivery_not_found),
    "version-stale": (412, version_stale),
    "idempotency-key-reused": (422, idempotency_key_reused),
    "idempotency-key-busy": (409, idempotency_key_busy),
    "answer-not-repeatable": (409, answer_not_repeatable),
    "lookup-too-wide": (422, lookup_too_wide),
    "clock-backwards": (409, clock_backwards),
    "clock-is-real": (409, clock_is_real),
    "clock-advancing": (409, of_worlds(worlds.clock_advancing)),
    "cards-being-judged": (409, of_worlds(worlds.cards_being_judged)),
    "nothing-due": (409, nothing_due),
    "database-busy": (503, database_busy),
    "database-unavailable": (503, database_unavailable),
    "internal-error": (500, internal_error),
}


@pytest.fixture
async def scene(house: House, client: AsyncClient, database_url: str) -> Scene:
    """A tester whom the application knows by now: what follows happens to the request, not on the way to it."""
    await client.get("/v1/clock")
    return Scene(house=house, client=client, database_url=database_url)


@pytest.mark.parametrize("code", PROVOCATIONS)
async def test_a_declared_problem_can_be_provoked(scene: Scene, code: str) -> None:
    status, provoke = PROVOCATIONS[code]
    answer = await provoke(scene)  # the client holds it against the declaration
    problem, sentence = answer.json(), sentences.problems()[code]
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert problem["title"] == sentence.title.en
    # what is told beside the detail is told in it as it is: an identifier is not a word
    for place in set(_PLACE.findall(sentence.detail.en)) - {"limit"}:  # a limit is called by its words
        assert str(problem.get(place, "")) in problem["detail"], place


def test_no_operation_declares_a_problem_that_is_not_provoked(contract: Contract) -> None:
    declared = {code for operation in contract.operations for codes in operation.problems.values() for code in codes}
    assert declared <= PROVOCATIONS.keys()
    # and nothing is provoked that no operation declares, but what happens outside all operations
    assert PROVOCATIONS.keys() - declared == {"not-found", "method-not-allowed"}


def test_every_declared_status_names_its_problems(contract: Contract) -> None:
    for operation in contract.operations:
        for status, codes in operation.problems.items():
            assert codes, f"{operation.name} {status}"
            assert codes <= sentences.problems().keys()
            assert {PROVOCATIONS[code][0] for code in codes} == {status}


async def test_an_operation_answers_every_problem_that_is_common_to_its_kind(
    house: House, client: AsyncClient, contract: Contract
) -> None:
    """What every operation declares alike holds for each of them, not only where it was tried."""
    seen = set()
    for operation in contract.operations:
        declared = {code for codes in operation.problems.values() for code in codes}
        path = operation.somewhere

        async def answered(
            caller: AsyncClient, code: str, content: bytes | None = None, kind: str = "application/json"
        ) -> None:
            headers = {"Content-Type": kind} if content else {}
            answer = await caller.request(operation.method, path, content=content, headers=headers)  # noqa: B023
            assert (answer.status_code, code_of(answer)) == (PROVOCATIONS[code][0], code), operation.name  # noqa: B023
            seen.add((operation.name, code))  # noqa: B023

        if "key-missing" in declared and operation.name != "createSandbox":  # open in demo mode
            await answered(house.client(None), "key-missing")
            await answered(house.client("mck_nobody"), "key-unknown")
        if "malformed-json" in declared:
            await answered(client, "malformed-json", b"{")
            await answered(client, "malformed-json", b'{"name": "\xff"}')
            await answered(client, "body-too-large", b" " * (1024 * 1024 + 1))
            await answered(client, "unsupported-media-type", b"a: 1", "text/yaml")
            await answered(client, "validation-failed", b"[]")
    assert len(seen) > 60


@pytest.mark.parametrize("code", ["database-busy", "idempotency-key-busy", "database-unavailable"])
async def test_what_passes_says_when_to_try_again(scene: Scene, code: str) -> None:
    _, provoke = PROVOCATIONS[code]
    answer = await provoke(scene)
    assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_a_caller_who_is_not_known_yet_is_told_the_same(scene: Scene) -> None:
    """Finding out who calls asks the database too."""
    made = (await scene.client.post("/v1/keys", json={"name": "new", "role": "tester"})).json()
    async with cut_off(scene):
        answer = await scene.house.client(made["key"]).get("/v1/clock")
    assert (answer.status_code, code_of(answer)) == (503, "database-unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_after_a_lock_is_gone_the_same_request_succeeds(scene: Scene) -> None:
    await idempotency_key_busy(scene)
    answer = await scene.client.post("/v1/cards", json=declaration(), headers={"Idempotency-Key": "one"})
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_an_error_of_ours_leaks_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answer = await internal_error(scene)
    assert answer.json()["errors"] == []
    for told in (answer.text, str(answer.headers), caplog.text):
        for piece in (*NAME_AND_NUMBER.split(), "RuntimeError(", "Traceback", "conftest"):
            assert piece not in told
    # the log has what finds it: the id of the request, and the place
    assert answer.headers["x-request-id"] in caplog.text


async def test_a_database_that_is_back_is_used_again(scene: Scene) -> None:
    assert (await internal_error(scene)).status_code == 500
    assert (await scene.client.get("/v1/clock")).status_code == 200


async def test_alive_asks_nothing_of_the_database_and_ready_does(scene: Scene) -> None:
    stranger = scene.house.client(None)
    assert (await stranger.get("/livez")).json() == {"status": "alive"}
    assert (await stranger.get("/readyz")).json() == {"status": "ready"}
    database, scene.house.app.state.registry.db = scene.database, BrokenDatabase()
    assert (await stranger.get("/livez")).status_code == 200
    assert (await stranger.get("/readyz")).status_code == 500
    scene.house.app.state.registry.db = database


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # an SQLite file that is open stays readable
async def test_not_ready_without_a_database(scene: Scene) -> None:
    async with cut_off(scene):
        answer = await scene.house.client(None).get("/readyz")
    assert (answer.status_code, code_of(answer)) == (503, "database-unavailable")
