"""Policies over HTTP: shown, installed, and refused with the place that is broken."""

import json
from copy import deepcopy
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import Body, entering, policy
from tests.api.contract import code_of, faults_of

BUILT_IN = ["ru", "schengen", "uk-180"]
UZBEK: Body = {"citizenship": "UZB", "basis": "visa_free", "purpose": "private"}


async def install(client: AsyncClient, document: Body) -> Response:
    return await client.put(f"/v1/policies/{document['policy']}", json=document)


async def choose(client: AsyncClient, **body: object) -> Any:  # noqa: ANN401  JSON
    answer = await client.patch("/v1/sandboxes/current", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(client: AsyncClient) -> dict[str, Any]:
    return {one["id"]: one for one in (await client.get("/v1/policies")).json()["items"]}


async def enter(client: AsyncClient, number: str = "FA1234567", **changes: object) -> Any:  # noqa: ANN401  JSON
    answer = await client.post("/v1/cards", json=entering(number, **changes))  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text
    return answer.json()


async def shown(client: AsyncClient, card: Body) -> Any:  # noqa: ANN401  JSON
    return (await client.get(f"/v1/cards/{card['number']}")).json()


def changed(document: Body, pointer: str, value: object) -> Body:
    """Put `value` at a place of a document, or take away what is there, for `...`."""
    document = deepcopy(document)
    *way, last = pointer.strip("/").split("/")
    at: Any = document
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    key: Any = int(last) if isinstance(at, list) else last
    if value is ...:
        del at[key]
    else:
        at[key] = value
    return document


# Shown ---------------------------------------------------------------------------------------------------------------


async def test_the_policies_of_the_registry_come_first(client: AsyncClient) -> None:
    await install(client, policy("a-first"))
    told = await listed(client)
    assert list(told) == [*BUILT_IN, "a-first"]
    assert [one["id"] for one in told.values() if one["built_in"]] == BUILT_IN
    assert [one["id"] for one in told.values() if one["in_force"]] == ["ru"]
    assert told["ru"]["title"] == {"en": "Russia", "ru": "Россия"}
    assert told["ru"]["drafts"] == ["advance-application-2026", "sau-signed-2025", "registration-ukr-agreement"]
    assert (told["ru"]["switched_on"], told["ru"]["installed_at"]) == ([], None)
    assert told["a-first"]["installed_at"] is not None


async def test_a_document_shows_sources_and_how_sure_they_are(client: AsyncClient) -> None:
    told = (await client.get("/v1/policies/ru")).json()
    assert (told["policy"], told["title"]["ru"]) == ("ru", "Россия")
    for regime in told["regimes"]:
        for limit in regime["limits"]:
            assert limit["source"]
            assert limit["sure"] in {"Q", "S", "I", "M", "?"}
    assert any("disagree" in regime for regime in told["regimes"])


@pytest.mark.parametrize("name", BUILT_IN)
async def test_what_is_shown_can_be_installed_under_another_name(client: AsyncClient, name: str) -> None:
    document = (await client.get(f"/v1/policies/{name}")).json() | {"policy": f"my-{name}"}
    answer = await install(client, document)
    assert answer.status_code == 201, answer.text
    again = await client.get(f"/v1/policies/my-{name}")
    assert again.json() == document
    assert list(again.json()) == list(document)
    mine, original = (await listed(client))[f"my-{name}"], (await listed(client))[name]
    assert {key: mine[key] for key in ("version", "title", "drafts")} == {
        key: original[key] for key in ("version", "title", "drafts")
    }


async def test_a_copy_judges_as_its_original(client: AsyncClient) -> None:
    await install(client, (await client.get("/v1/policies/ru")).json() | {"policy": "my-ru"})
    body: Body = {"stays": [{"entered_on": "2026-11-01"}], "on": "2026-12-01"}
    for traveller in (UZBEK, UZBEK | {"citizenship": "OMN"}, UZBEK | {"citizenship": "BIH"}):
        answers = [
            (await client.post("/v1/stay/calculate", json=body | {"policy": name, "traveller": traveller})).json()
            for name in ("ru", "my-ru")
        ]
        assert [answer["regime"].pop("policy") for answer in answers] == ["ru", "my-ru"]
        assert answers[0] == answers[1]


async def test_a_text_is_given_back_as_it_was_sent(client: AsyncClient) -> None:
    note = '“Ёж” — 30 дней: ‘да’, #1, {a: b}, 100 %, \\n "x" & | > * ! @ ` 😀'
    document = changed(policy(), "/regimes/0/note", note)
    assert (await install(client, document)).status_code == 201
    assert (await client.get("/v1/policies/thirty-days")).json() == document
    body: Body = {"stays": [], "on": "2026-12-01", "policy": "thirty-days", "traveller": UZBEK}
    assert (await client.post("/v1/stay/calculate", json=body)).json()["regime"]["note"] == note


@pytest.mark.parametrize("path", ["/v1/policies/nobodys", "/v1/policies/ru-2"])
async def test_a_policy_that_is_not_there_is_not_found(client: AsyncClient, path: str) -> None:
    for answer in (await client.get(path), await client.delete(path)):
        assert (answer.status_code, code_of(answer)) == (404, "policy-not-found")


async def test_an_identifier_that_is_none_is_named(client: AsyncClient) -> None:
    for answer in (await client.get("/v1/policies/No_Policy"), await client.get("/v1/policies/" + "x" * 41)):
        assert (answer.status_code, list(faults_of(answer))) == (422, ["/policy"])


# Installed -----------------------------------------------------------------------------------------------------------


async def test_a_policy_is_installed_and_replaced_by_a_later_version(client: AsyncClient) -> None:
    first = await install(client, policy())
    told = first.json()
    assert first.status_code == 201
    assert told.pop("installed_at")
    assert told == {
        "id": "thirty-days",
        "version": 1,
        "title": {"en": "Thirty days", "ru": "Тридцать дней"},
        "built_in": False,
        "in_force": False,
        "drafts": [],
        "switched_on": [],
        "cards_changed": 0,
    }
    later = await install(client, changed(policy(version=2), "/regimes/0/limits/0/max_days", 20))
    assert (later.status_code, later.json()["version"]) == (200, 2)
    assert (await client.get("/v1/policies/thirty-days")).json()["regimes"][0]["limits"][0]["max_days"] == 20


async def test_a_policy_was_installed_when_the_list_says_so(client: AsyncClient) -> None:
    told = (await install(client, policy())).json()
    assert told["installed_at"] == (await listed(client))["thirty-days"]["installed_at"]


async def test_the_same_document_may_be_installed_again(client: AsyncClient) -> None:
    await install(client, policy())
    answer = await install(client, policy())
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


@pytest.mark.parametrize("version", [1, 2])
async def test_another_content_needs_a_higher_version(client: AsyncClient, version: int) -> None:
    await install(client, policy(version=2))
    answer = await install(client, changed(policy(version=version), "/title/en", "Twenty days"))
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (
        *(422, "validation-failed"),
        {"/version": "version-not-raised"},
    )
    assert (await client.get("/v1/policies/thirty-days")).json()["title"]["en"] == "Thirty days"


async def test_the_document_and_its_address_agree(client: AsyncClient) -> None:
    answer = await client.put("/v1/policies/other", json=policy())
    assert (answer.status_code, faults_of(answer)) == (422, {"/policy": "differs-from-address"})


@pytest.mark.parametrize("name", BUILT_IN)
async def test_what_comes_with_the_registry_is_neither_changed_nor_deleted(client: AsyncClient, name: str) -> None:
    for answer in (await install(client, policy(name, version=99)), await client.delete(f"/v1/policies/{name}")):
        assert (answer.status_code, code_of(answer)) == (409, "policy-built-in")
    assert (await listed(client))[name]["version"] < 99


LIMIT = "/regimes/0/limits/0"
DUTY = "/deadlines/0"
BROKEN: list[tuple[str, object, str]] = [
    (f"{LIMIT}/max_days", "30", f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", 0, f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", 30.5, f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", True, f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", None, f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", -5, f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", 10**30, f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", [30], f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_days", ..., f"{LIMIT}/max_days"),
    (f"{LIMIT}/max_day", 30, f"{LIMIT}/max_day"),
    (f"{LIMIT}/kind", "lunar", f"{LIMIT}/kind"),
    (f"{LIMIT}/kind", "rolling", f"{LIMIT}/window_days"),
    (f"{LIMIT}/source", ..., f"{LIMIT}/source"),
    (f"{LIMIT}/source", " ", f"{LIMIT}/source"),
    (f"{LIMIT}/sure", "very", f"{LIMIT}/sure"),
    (LIMIT, "30 days", LIMIT),
    ("/regimes/0/limits", [], "/regimes/0/limits"),
    ("/regimes/0/limits", {}, "/regimes/0/limits"),
    ("/regimes/0/status", "perhaps", "/regimes/0/status"),
    ("/regimes/0/id", ..., "/regimes/0/id"),
    ("/regimes/0/from", "2027-02-30", "/regimes/0/from"),
    ("/regimes/0/from", 2027, "/regimes/0/from"),
    ("/regimes/0/when", {"citizenship": ["UZB", "ZZZ"]}, "/regimes/0/when/citizenship"),
    ("/regimes/0/when", {"citizenship": "UZB"}, "/regimes/0/when/citizenship"),
    ("/regimes/0/when", {"citizenship": ["UZB", 5]}, "/regimes/0/when/citizenship/1"),
    ("/regimes/0/when", {"basis": ["luck"]}, "/regimes/0/when/basis"),
    ("/regimes/0/when", {"colour": ["red"]}, "/regimes/0/when/colour"),
    ("/regimes/0/when", [], "/regimes/0/when"),
    ("/title/ru", ..., "/title/ru"),
    ("/title/de", "Dreißig Tage", "/title/de"),
    ("/declaration_grace_days/value", -1, "/declaration_grace_days/value"),
    (f"{DUTY}/term", {"days": 7, "working_days": 7}, f"{DUTY}/term"),
    (f"{DUTY}/term", {"days": 0}, f"{DUTY}/term/days"),
    (f"{DUTY}/term", {"unknown": False}, f"{DUTY}/term/unknown"),
    (f"{DUTY}/term", {"moons": 7}, f"{DUTY}/term/moons"),
    (f"{DUTY}/kind", "dancing", f"{DUTY}/kind"),
    (f"{DUTY}/who", "neighbour", f"{DUTY}/who"),
    ("/exemptions", [{"id": "own", "status": "in_force", "source": "x"}], "/exemptions/0/sure"),
]


@pytest.mark.parametrize(("place", "value", "pointer"), BROKEN, ids=str)
async def test_a_document_that_is_broken_names_the_place(
    client: AsyncClient, place: str, value: object, pointer: str
) -> None:
    answer = await install(client, changed(policy(), place, value))
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (
        422,
        "policy-broken",
        {pointer: "policy-broken"},
    )
    assert (await client.get("/v1/policies/thirty-days")).status_code == 404


@pytest.mark.parametrize(
    ("place", "value", "faults"),
    [
        ("/regimes", {}, {"/regimes": "wrong-type"}),
        ("/regimes/0", "everybody", {"/regimes/0": "wrong-type"}),
        ("/deadlines", ..., {"/deadlines": "missing"}),
        ("/version", "1", {"/version": "wrong-type"}),
        ("/version", 0, {"/version": "out-of-range"}),
        ("/policy", "Thirty days", {"/policy": "malformed"}),
        ("/colour", "red", {"/colour": "unknown-field"}),
    ],
    ids=str,
)
async def test_the_outermost_fields_are_named_like_those_of_any_body(
    client: AsyncClient, place: str, value: object, faults: dict[str, str]
) -> None:
    answer = await client.put("/v1/policies/thirty-days", json=changed(policy(), place, value))
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (422, "validation-failed", faults)


async def test_a_regime_that_ends_before_it_begins_is_broken(client: AsyncClient) -> None:
    document = changed(changed(policy(), "/regimes/0/from", "2027-01-02"), "/regimes/0/until", "2027-01-01")
    assert faults_of(await install(client, document)) == {"/regimes/0/until": "policy-broken"}


async def test_two_rows_of_one_name_are_broken(client: AsyncClient) -> None:
    document = policy()
    document["regimes"] *= 2
    assert faults_of(await install(client, document)) == {"/regimes/1": "policy-broken"}


@pytest.mark.parametrize(
    "text", ["\\u0000", "\\u007f", "\\ud800", "\\ufffe", "\\u0007", "\\u0085", "\\u2028", "\\u202e", "\\n", "\\t"]
)
@pytest.mark.parametrize("place", ["/title", "/regimes/0", "/deadlines/0"])
async def test_a_text_that_is_not_one_line_is_refused_at_its_row(client: AsyncClient, place: str, text: str) -> None:
    """Some hide or reverse what stands beside them, and no file could hold half a surrogate pair."""
    inside = {"/title": "/title/en", "/regimes/0": "/regimes/0/note", "/deadlines/0": "/deadlines/0/term/@"}[place]
    document = json.dumps(changed(policy(), inside, "a@b")).replace("@", text)
    kind = {"Content-Type": "application/json"}
    answer = await client.put("/v1/policies/thirty-days", content=document, headers=kind)
    assert (answer.status_code, faults_of(answer)) == (422, {place: "unfit-character"})


@pytest.mark.parametrize("depth", [9, 100, 500, 900, 960, 5000])
async def test_what_is_nested_too_deeply_is_refused_and_nothing_fails(client: AsyncClient, depth: int) -> None:
    nested = json.dumps(changed(policy(), "/regimes/0/when", "@")).replace('"@"', "[" * depth + "]" * depth)
    kind = {"Content-Type": "application/json"}
    answer = await client.put("/v1/policies/thirty-days", content=nested, headers=kind)
    assert answer.status_code in {400, 422}, answer.text


async def test_a_document_has_five_hundred_rows_at_most(client: AsyncClient) -> None:
    row, others = policy()["regimes"][0], len(policy()["exemptions"]) + len(policy()["deadlines"])
    most = [row | {"id": f"row-{index}"} for index in range(500 - others)]
    assert (await install(client, policy(regimes=most))).status_code == 201
    answer = await install(client, policy(version=2, regimes=[*most, row | {"id": "one-more"}]))
    assert (answer.status_code, faults_of(answer)) == (422, {"": "policy-broken"})
