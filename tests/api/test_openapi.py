"""The OpenAPI document: valid, complete by our own rules, committed as it is, and walkable by its links."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient, Response
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import validate
from sqlalchemy import Uuid, bindparam, update

from app.api.operations import Audience
from app.api.security import RIGHTS
from app.db.jobs import FORK
from app.db.scoped import HERE
from app.db.tables import jobs as jobs_table
from app.db.write import store_in
from app.policies import sentences
from app.services import jobs
from app.services.access import Scope
from tests.api.bodies import MOSCOW_AIR, declaration
from tests.api.conftest import House, NewTester
from tests.api.contract import FIRST_ERROR, Contract, Operation, routes
from tests.api.test_worlds import Desk
from tests.builders import context_of
from tests.registers import row, table

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
Json = Any
STREAM = "text/event-stream"
"""Its frames are judged in test_events.py."""
TABLE = "text/csv"
"""Its rows are judged in test_imports.py and test_exports.py."""
_LINES = "application/x-ndjson"
BY_LINES = {
    "compareOpenCards": {_LINES},
    "getImportReport": {_LINES},
    "exportWorld": {_LINES},
    "exportCards": {_LINES, TABLE},
    "exportEvents": {_LINES, TABLE},
}
"""Operations that answer line by line."""


@pytest.fixture(scope="module")
def document() -> Json:
    """What `migcard openapi` prints."""
    command = [str(Path(sys.executable).with_name("migcard")), "openapi"]
    run = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603  our own
    return json.loads(run.stdout)


def test_the_document_is_valid(document: Json) -> None:
    validate(document)


def test_the_committed_document_is_not_stale(document: Json) -> None:
    assert json.loads(COMMITTED.read_text()) == document, "make openapi"


async def test_the_document_is_the_same_wherever_it_is_served(house: House, production: House, document: Json) -> None:
    for one in (house, production):
        answer = await one.client(None).get("/openapi.json")
        assert answer.json() == document


# Our own rules: DESIGN §4 --------------------------------------------------------------------------------------------


def test_the_document_names_every_route(contract: Contract) -> None:
    declared = {(one.method, one.path) for one in contract.operations}
    assert declared == {(method, route.path) for route in routes() for method in route.methods or ()}
    assert len(declared) == len(routes())


def test_every_operation_has_a_name_a_summary_and_one_audience(contract: Contract) -> None:
    names = [one.name for one in contract.operations]
    assert len(set(names)) == len(names)
    for operation in contract.operations:
        declared = operation.declared
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", operation.name)
        assert declared["summary"]
        assert not declared["summary"].endswith(".")
        assert declared["description"]
        assert len(declared["tags"]) == 1
        assert declared["tags"][0] in set(Audience)


def test_every_audience_is_described(document: Json) -> None:
    assert {tag["name"] for tag in document["tags"]} == set(Audience)


def test_every_json_body_has_examples(contract: Contract) -> None:
    for operation in contract.operations:
        body = operation.declared.get("requestBody")
        if body is None or operation.name == "importRegister":  # a file, see test_imports.py
            continue
        # a duty is met today where nothing else is said
        assert body.get("required", False) is (operation.name != "meetDuty")
        assert body["content"].keys() == {"application/json"}
        assert operation.examples, operation.name
        for example in body["content"]["application/json"]["examples"].values():
            assert example.keys() == {"summary", "value"}


def test_every_route_declares_its_scopes_or_is_open(contract: Contract) -> None:
    open_to_all = set()
    for operation in contract.operations:
        security, scopes = operation.declared["security"], operation.declared[RIGHTS]
        assert set(scopes) <= set(Scope)
        if {} in security:
            assert not scopes
            open_to_all.add(operation.path)
            continue
        assert [one.keys() for one in security] == [{"key"}]
        assert set(scopes) <= set(security[0]["key"])
        if not security[0]["key"]:
            # any key will do: nothing of a sandbox is told, except by what rules its travellers would be judged
            of_rules = {"calculateStay", "compareStays", "getDeclarationWindow"}
            assert operation.path.startswith("/v1/mrz/") or operation.name in of_rules
    references = {one.path for one in contract.operations if one.path.startswith("/v1/reference/")}
    assert open_to_all == {"/livez", "/readyz", "/version", "/v1/sandboxes"} | references


async def test_what_is_declared_open_is_open_and_nothing_else(house: House, contract: Contract) -> None:
    stranger = house.client(None)
    for operation in contract.operations:
        answer = await stranger.request(operation.method, operation.somewhere)
        assert (answer.status_code != 401) is ({} in operation.declared["security"]), operation.name


def test_every_body_and_every_key_declare_their_problems(contract: Contract) -> None:
    for operation in contract.operations:
        declared = set(operation.problems)
        assert {500, 503} <= declared
        assert operation.path == "/v1/sandboxes" or ({401, 403} <= declared) is (
            {} not in operation.declared["security"]
        )
        assert ({400, 413, 415, 422} <= declared) is ("requestBody" in operation.declared) or 422 in declared
        # what a PUT names may be new; a scan names its card in the body, and a policy may have no such window
        names_something = "{" in operation.path and operation.method != "PUT"
        elsewhere = operation.name in {"reportCrossing", "getDeclarationWindow"}
        assert (names_something or elsewhere) is (404 in declared), operation.name
        repeatable = any(one["name"] == "Idempotency-Key" for one in operation.declared.get("parameters", []))
        assert repeatable is ("idempotency-key-reused" in operation.problems.get(422, ()))


def test_a_version_is_asked_for_exactly_where_a_change_is_decided_on_one(contract: Contract) -> None:
    versioned = {one.name: set(one.problems) & {412, 428} for one in contract.operations}
    assert {name: statuses for name, statuses in versioned.items() if statuses} == {
        "changeCard": {412, 428},
        # whoever decides on what is before their eyes may say so
        **{name: {412} for name in ("enterOnCard", "leaveOnCard", "refuseOnCard")},
    }
    for operation in contract.operations:
        parameters = operation.declared.get("parameters", [])
        required = {one["name"] for one in parameters if one["in"] == "header" and one["required"]}
        assert required == ({"If-Match"} if 428 in operation.problems else set()), operation.name


def test_every_problem_is_one_document(document: Json, contract: Contract) -> None:
    text = json.dumps(document)
    assert "HTTPValidationError" not in text
    assert "ValidationError" not in text
    for operation in contract.operations:
        for status in operation.problems:
            content = operation.declared["responses"][str(status)]["content"]
            assert content == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
            }


def test_every_success_declares_the_shape_of_its_body(contract: Contract) -> None:
    for operation in contract.operations:
        assert operation.answers
        for status, model in operation.answers.items():
            content = operation.declared["responses"][str(status)].get("content", {})
            if content.keys() in ({STREAM}, {TABLE}):
                continue
            assert (model is None) is (status in {204, 304})
            kinds = BY_LINES.get(operation.name, {"application/json"})
            assert content.keys() == (set() if model is None else kinds)


def test_no_python_module_shows_in_a_name(document: Json) -> None:
    for name in document["components"]["schemas"]:
        assert re.fullmatch(r"[A-Z][A-Za-z]+", name), name


def test_no_schema_is_left_that_nothing_refers_to(document: Json) -> None:
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_objects_that_clients_send_refuse_unknown_fields(document: Json) -> None:
    for name, schema in document["components"]["schemas"].items():
        if schema.get("type") == "object" and name != "Problem":
            assert schema.get("additionalProperties") is not True, name
            assert "additionalProperties" in schema, name


def _nodes(node: Json) -> Iterator[Mapping[str, Json]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def test_enums_are_closed_and_patterns_compile(document: Json) -> None:
    for node in _nodes(document):
        if isinstance(pattern := node.get("pattern"), str):
            re.compile(pattern)
        if isinstance(values := node.get("enum"), list):
            assert len(set(values)) == len(values)


# Bytes against the document ------------------------------------------------------------------------------------------


def _validator(document: Json, schema: Json) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})


def test_every_example_is_valid_by_its_schema(document: Json, contract: Contract) -> None:
    for operation in contract.operations:
        for name, value in operation.examples.items():
            schema = operation.declared["requestBody"]["content"]["application/json"]["schema"]
            assert not list(_validator(document, schema).iter_errors(value)), name


async def test_every_example_of_every_operation_is_answered_as_declared(
    house: House, new_tester: NewTester, contract: Contract, document: Json
) -> None:
    """In a fresh sandbox, with a declared card where one is needed; the bytes hold the schema that clients read."""
    seen = 0
    for operation in contract.operations:
        for name, value in operation.examples.items():
            # "where that lies ahead": the tests' sandboxes stand at an instant that may be past
            system = operation.name == "setClock" and value["mode"] == "system"
            caller = await new_tester({"mode": "frozen", "at": "2020-01-01T00:00:00Z"} if system else None)
            path, number = operation.path, ""
            if "{number}" in path or value == {"next_event": True}:
                # a duty begins with an entry, and so does most of what an office changes
                with_entry = "{kind}" in path or operation.name == "changeCard"
                card = contract.named("issueCard").examples["with_entry" if with_entry else "visa_free"]
                number = (await caller.post("/v1/cards", json=card)).json()["number"]
            if "{traveller}" in path:
                one, other = await _two_travellers(caller, merged=operation.name == "unmergeTravellers")
                path = path.replace("{traveller}", one)
                value = value | {"traveller": other} if "traveller" in value else value  # noqa: PLW2901  a real one
            if "{webhook}" in path:
                made = await caller.post("/v1/webhooks", json=contract.named("createWebhook").examples["everything"])
                path = path.replace("{webhook}", made.json()["id"])
            if operation.name == "restoreSnapshot":
                snapshot = await Desk(house, caller).done("snapshots", {"name": "x"})
                value = {"snapshot": snapshot["id"]}  # noqa: PLW2901  a real one
            path = path.format(number=number, kind="registration", policy=value.get("policy"), sandbox="current")
            headers = {"If-Match": "*"} if 428 in operation.problems else {}
            answer = await caller.request(operation.method, path, json=value, headers=headers)
            assert answer.is_success, f"{operation.name} {name}: {answer.text}"
            _hold(document, operation, answer)
            seen += 1
    assert seen >= 60


async def _two_travellers(caller: AsyncClient, *, merged: bool) -> tuple[str, str]:
    """Declare the cards of two, and where that is asked for find them to be one."""
    one, other = [
        (await caller.post("/v1/cards", json=declaration(number))).json()["traveller"]
        for number in ("FA0000001", "FA0000002")
    ]
    if merged:
        body = {"traveller": other, "reason": "test"}
        assert (await caller.post(f"/v1/travellers/{one}/merge", json=body)).status_code == 200
    return one, other


async def test_every_operation_without_a_body_is_answered_as_declared(
    house: House, client: AsyncClient, contract: Contract, document: Json
) -> None:
    card = (await client.post("/v1/cards", json=contract.named("issueCard").examples["with_entry"])).json()
    change = contract.named("changeCard").examples["correction"]
    await client.post(f"/v1/cards/{card['number']}/changes", json=change, headers={"If-Match": "*"})
    await client.post("/v1/clock/advance", json={"by": "P20W"})  # something to list among the overstays
    key = (await client.post("/v1/keys", json={"name": "x", "role": "host"})).json()["prefix"]
    (policy,) = contract.named("installPolicy").examples.values()
    await client.put(f"/v1/policies/{policy['policy']}", json=policy)
    snapshot = (await Desk(house, client).done("snapshots", {"name": "x"}))["id"]
    made = await client.post("/v1/webhooks", json=contract.named("createWebhook").examples["everything"])
    webhook = made.json()["id"]
    sent = (await client.post(f"/v1/webhooks/{webhook}/test")).json()
    operations = [one for one in contract.operations if "requestBody" not in one.declared]
    ends = ["deleteWebhook", "resetSandbox", "deleteSandbox"]
    for operation in sorted(operations, key=lambda one: ends.index(one.name) if one.name in ends else -1):
        path = operation.path.format(
            number=card["number"],
            prefix=key,
            policy=policy["policy"],
            traveller=card["traveller"],
            sandbox="current",
            snapshot=snapshot,
            webhook=webhook,
            event=sent["event"],
            job=await (
                _import(house, client)
                if operation.path.startswith("/v1/imports")
                else _job(house, client, done=operation.name == "getJob")
            ),
        )
        answer = await client.request(operation.method, path, params=_needed(operation))
        assert answer.is_success, f"{operation.name}: {answer.text}"
        _hold(document, operation, answer)


_GOES_ON = (
    update(jobs_table)
    .where(jobs_table.c.job_id == bindparam("of_job_id", type_=Uuid()))
    .values(state="running", leased_until=bindparam("until", type_=jobs_table.c.leased_until.type))
)


async def _import(house: House, client: AsyncClient) -> str:
    """Import something that one thing is said of, and let its job go on."""
    headers, asked = {"Content-Type": TABLE}, {"source": "test", "mode": "skip_bad", "again": "true"}
    answer = await client.post("/v1/imports", params=asked, content=table(row(Пол="?")), headers=headers)
    job: str = (await Desk(house, client).over(answer))["id"]
    until = datetime(9000, 1, 1, tzinfo=UTC)
    await house.app.state.registry.db.run(_GOES_ON, of_job_id=UUID(job[4:]), until=until)
    return job


async def _job(house: House, client: AsyncClient, *, done: bool) -> str:
    """Ask for a job, of which there is an end already, or which a worker that has died has begun."""
    registry = house.app.state.registry
    ctx = await (await context_of(registry, client.headers["authorization"].removeprefix("Bearer "))).reloaded()
    async with registry.db.transaction() as unit:
        job, step = jobs.begin(ctx, (await ctx.read(HERE, key=None)).real_now, FORK, {})
        kept = (
            {"state": "done", "result": {}}
            if done
            else {"state": "running", "leased_until": job.created_at.replace(year=9000)}
        )
        await store_in(unit, [replace(step, values=step.values | kept)])
    return f"job_{job.job_id.hex}"


def _needed(operation: Operation) -> dict[str, str]:
    """Give an example of every parameter that an operation cannot do without."""
    return {
        one["name"]: one["schema"]["examples"][0]
        for one in operation.declared.get("parameters", [])
        if one["in"] == "query" and (one["required"] or one["name"] == "until_idle")  # a stream would never end
    }


@pytest.mark.parametrize("asked", ["as_of", "known_at"])
async def test_a_card_of_another_time_holds_the_same_schema(
    client: AsyncClient, contract: Contract, document: Json, asked: str
) -> None:
    get, change = contract.named("getCard"), contract.named("changeCard")
    card = (await client.post("/v1/cards", json=contract.named("issueCard").examples["with_entry"])).json()
    path, headers = change.path.format(number=card["number"]), {"If-Match": "*"}
    assert (await client.post(path, json=change.examples["extension"], headers=headers)).status_code == 201
    at = {asked: "2026-12-01T06:00:00Z"}
    await client.post("/v1/clock/advance", json={"by": "P1D"})
    answer = await client.get(get.path.format(number=card["number"]), params=at)
    assert answer.status_code == 200
    _hold(document, get, answer)


def _hold(document: Json, operation: Operation, answer: Response) -> None:
    declared = operation.declared["responses"][str(answer.status_code)]
    if answer.status_code < FIRST_ERROR and "content" in declared:
        kind = answer.headers["content-type"].partition(";")[0]
        content = declared["content"][kind]
        if kind in {STREAM, TABLE}:
            return
        lines = answer.content.splitlines() if kind == _LINES else [answer.content]
        assert lines
        for line in lines:
            _validator(document, content["schema"]).validate(json.loads(line))


async def test_problems_hold_the_schema_of_problems(client: AsyncClient, document: Json) -> None:
    validator = _validator(document, {"$ref": "#/components/schemas/Problem"})
    for answer in (
        await client.post("/v1/cards", json={"purpose": 1}),
        await client.get("/v1/cards/x"),
        await client.post("/v1/clock/advance", json={"to": "2020-01-01T00:00:00Z"}),
        await client.put("/v1/cards"),
    ):
        validator.validate(answer.json())
    assert not validator.is_valid({"type": "x"})


async def test_the_list_of_problems_is_the_list_of_pages(anonymous: AsyncClient) -> None:
    items = (await anonymous.get("/v1/reference/problems")).json()["items"]
    assert [item["code"] for item in items] == list(sentences.problems())


# Links ---------------------------------------------------------------------------------------------------------------


def _links(document: Json) -> Iterator[tuple[str, str, Mapping[str, Json]]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                for name, link in response.get("links", {}).items():
                    yield operation["operationId"], name, link


def test_links_resolve(document: Json, contract: Contract) -> None:
    links = list(_links(document))
    assert {source for source, _, _ in links} >= {"issueCard", "getCard", "lookUpCards"}
    for _, _, link in links:
        target = contract.named(link["operationId"])
        assert link["parameters"].keys() == {
            parameter["name"] for parameter in target.declared["parameters"] if parameter["in"] == "path"
        }


async def _follow(
    client: AsyncClient, contract: Contract, source: Operation, answer: Response, name: str, body: Json = None
) -> tuple[Operation, Response]:
    """Go where a link of an answer leads, knowing nothing but the document."""
    link = source.declared["responses"][str(answer.status_code)]["links"][name]
    target = contract.named(link["operationId"])
    values = {}
    for parameter, expression in link["parameters"].items():
        kind, _, pointer = expression.partition("#/")
        assert kind == "$response.body"
        value = answer.json()
        for step in pointer.split("/"):
            value = value[int(step)] if isinstance(value, list) else value[step]
        values[parameter] = value
    return target, await client.request(target.method, target.path.format(**values), json=body)


async def test_issue_show_enter_and_exit_can_be_walked_by_links(client: AsyncClient, contract: Contract) -> None:
    here = {"checkpoint": MOSCOW_AIR}
    issue = contract.named("issueCard")
    answer = await client.post(issue.path, json=issue.examples["visa_free"])
    number = answer.json()["number"]
    at, answer = await _follow(client, contract, issue, answer, "show")
    assert answer.json()["number"] == number
    at, answer = await _follow(client, contract, at, answer, "enter", here)
    assert (answer.status_code, answer.json()["reason"]) == (201, "admitted")
    at, answer = await _follow(client, contract, at, answer, "leave", here)
    assert (answer.status_code, answer.json()["reason"]) == (201, "departed")
    _, answer = await _follow(client, contract, at, answer, "show")
    assert answer.json()["status"] == "departed"


async def test_a_look_up_leads_on_to_the_card(client: AsyncClient, contract: Contract) -> None:
    issue, look_up = contract.named("issueCard"), contract.named("lookUpCards")
    await client.post(issue.path, json=issue.examples["visa_free"])
    answer = await client.post(look_up.path, json=look_up.examples["document"])
    _, shown = await _follow(client, contract, look_up, answer, "show")
    assert shown.json() == answer.json()["items"][0]["card"]
