"""The form of errors: RFC 9457, pointers, languages, identifiers; and that strangers learn nothing from them."""

from collections.abc import AsyncIterator

import pytest
from httpx2 import AsyncClient

from app.policies import sentences
from tests.api.bodies import Body, declaration
from tests.api.conftest import House, NewColleague
from tests.api.contract import code_of, faults_of

JSON = {"Content-Type": "application/json"}


async def test_a_problem_is_answered_in_the_fixed_shape(client: AsyncClient) -> None:
    body = declaration(purpose="holiday")
    answer = await client.post("/v1/cards", json=body, headers={"X-Request-Id": "mine-1"})
    assert answer.json() == {
        "type": "/problems/validation-failed",
        "title": "Fields are wrong",
        "status": 422,
        "detail": "1 field(s) cannot be accepted, see errors.",
        "instance": "/v1/cards",
        "request_id": "mine-1",
        "errors": [
            {
                "pointer": "/purpose",
                "code": "not-one-of",
                "detail": "Not one of the values allowed: 'official', 'tourism', 'business', 'education', "
                "'employment', 'private' or 'transit'.",
            },
        ],
    }


# Before the body is judged -------------------------------------------------------------------------------------------

BODIES = {
    "malformed": b"{",
    "not UTF-8": b'{"a": "\xff"}',
    "unknown field": b'{"x": 1}',
    "fine": b"{}",
}


@pytest.mark.parametrize("body", BODIES)
async def test_strangers_learn_nothing_about_their_bodies(house: House, body: str) -> None:
    for key, code in ((None, "key-missing"), ("mck_nobody", "key-unknown")):
        answer = await house.client(key).post("/v1/cards", content=BODIES[body], headers=JSON)
        assert (answer.status_code, code_of(answer)) == (401, code)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["errors"] == []


@pytest.mark.parametrize("body", BODIES)
async def test_whoever_may_not_do_it_learns_nothing_either(colleague: NewColleague, body: str) -> None:
    auditor = await colleague("auditor")
    answer = await auditor.post("/v1/cards", content=BODIES[body], headers=JSON)
    assert (answer.status_code, code_of(answer)) == (403, "scope-missing")


@pytest.mark.parametrize("authorization", ["mck_x", "Basic bWNrX3g6", "Bearer", "Bearer ", "Bearer  \xff", ""])
async def test_what_is_no_bearer_key_is_none(house: House, authorization: str) -> None:
    headers = [(b"Authorization", authorization.encode("latin-1"))]
    answer = await house.client(None).get("/v1/cards", headers=headers)
    assert answer.status_code == 401


async def test_the_word_bearer_is_read_in_any_case(house: House, client: AsyncClient) -> None:
    key = client.headers["authorization"].removeprefix("Bearer ")
    answer = await house.client(None).get("/v1/clock", headers={"Authorization": f"bearer {key}"})
    assert answer.status_code == 200


async def test_an_address_that_is_not_there_is_a_strangers_401_and_a_callers_404(
    house: House, client: AsyncClient
) -> None:
    for path in ("/v1/nothing", "/v2/cards", "/admin", "/v1/reference/../cards"):
        assert (await house.client(None).get(path)).status_code == 401
    answer = await client.get("/v1/nothing")
    assert (answer.status_code, code_of(answer)) == (404, "not-found")


@pytest.mark.parametrize(
    "path", ["/v1/reference/nothing", "/static/nothing", "/problems/nothing", "/docs/nothing", "/w/x", "/t/x"]
)
async def test_what_is_missing_at_an_open_address_is_a_problem_too(anonymous: AsyncClient, path: str) -> None:
    answer = await anonymous.get(path)
    assert (answer.status_code, code_of(answer)) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/cards", {"GET", "POST"}),
        ("/v1/cards/7K3M0Q2V9XTH", {"GET"}),
        ("/v1/sandboxes/current", {"GET", "PATCH", "DELETE"}),
        ("/v1/keys/mck_x", {"DELETE"}),
        ("/livez", {"GET"}),
        ("/docs", {"GET"}),
        ("/problems/not-found", {"GET"}),
        ("/static/page.css", {"GET", "HEAD"}),
        ("/openapi.json", {"GET", "HEAD"}),
    ],
)
async def test_another_method_is_told_which_there_are(client: AsyncClient, path: str, methods: set[str]) -> None:
    answer = await client.put(path)
    assert (answer.status_code, code_of(answer)) == (405, "method-not-allowed")
    assert methods - {"HEAD"} <= set(answer.headers["allow"].split(", ")) <= methods | {"HEAD"}


# Bodies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"nonsense", b'{"a": 1,}', b'{"a": "\xff"}', b"\xff\xfe{\x00}\x00", b"[" * 100_000, b"9" * 5000],
    ids=["open", "empty", "word", "comma", "bad UTF-8", "UTF-16", "deep", "long figure"],
)
async def test_what_is_no_json_is_400(client: AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/mrz/parse", content=body, headers=JSON)
    if body in {b"", b"\xff\xfe{\x00}\x00"}:
        # nothing is a missing body, and Python's reader takes UTF-16 for what it is
        assert answer.status_code == 422
    else:
        assert (answer.status_code, code_of(answer)) == (400, "malformed-json")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_other_media_types_are_415(client: AsyncClient, content_type: str) -> None:
    answer = await client.post("/v1/cards", content=b"{}", headers={"Content-Type": content_type})
    assert (answer.status_code, code_of(answer)) == (415, "unsupported-media-type")


async def test_json_may_name_its_charset(client: AsyncClient) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = await client.post("/v1/mrz/parse", content=b'{"lines": ["x"]}', headers=headers)
    assert code_of(answer) == "mrz-structure"


async def _stream(size: int, told: list[int]) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        told.append(65536)
        yield b" " * 65536


async def test_a_large_body_is_refused_with_its_length_and_without(client: AsyncClient) -> None:
    answer = await client.post("/v1/cards", content=b" " * 10_000_000, headers=JSON)
    assert (answer.status_code, code_of(answer)) == (413, "body-too-large")
    assert "1048576" in answer.json()["detail"]
    told: list[int] = []
    answer = await client.post("/v1/cards", content=_stream(10_000_000, told), headers=JSON)
    assert (answer.status_code, code_of(answer)) == (413, "body-too-large")
    assert sum(told) < 2 * 1024 * 1024  # the rest was not read


async def test_a_chunked_body_of_fit_size_is_read(client: AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in (b'{"lines"', b': ["x"]', b"}"):
            yield piece

    answer = await client.post("/v1/mrz/parse", content=chunks(), headers=JSON)
    assert code_of(answer) == "mrz-structure"


async def test_a_body_of_just_the_limit_is_read(client: AsyncClient) -> None:
    body = b'{"lines": ["x"]}'
    answer = await client.post("/v1/mrz/parse", content=body + b" " * (1024 * 1024 - len(body)), headers=JSON)
    assert code_of(answer) == "mrz-structure"


# Pointers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "faults"),
    [
        (
            "/v1/cards",
            declaration(holder={"birth_date": "12.05.1990", "nick": "x"}, visa={"kind": "visa"}),
            {
                "/holder/birth_date": "birth-date-malformed",
                "/holder/nick": "unknown-field",
                "/visa/valid_from": "missing",
            },
        ),
        ("/v1/cards", declaration(holder={"a/b~c": 1}), {"/holder/a~1b~0c": "unknown-field"}),
        ("/v1/cards", declaration(mrz=["x", 5]), {"/mrz/1": "wrong-type"}),
        ("/v1/cards", declaration(mrz="P<UTO"), {"/mrz": "wrong-type"}),
        ("/v1/cards", declaration(intended={"from": "2026-13-01"}), {"/intended/from": "date-malformed"}),
        (
            "/v1/checks",
            {"access_purpose": "test", "items": [{}, {"issuing_state": "UZB", "number": "FA1", "birth_date": "x"}]},
            {
                "/items/0/issuing_state": "missing",
                "/items/0/number": "missing",
                "/items/1/birth_date": "birth-date-malformed",
            },
        ),
        (
            "/v1/cards/lookup",
            {"access_purpose": "test", "by": "number"},
            {"/number": "missing", "/birth_date": "missing"},
        ),
        (
            "/v1/cards/lookup",
            {"access_purpose": "test", "by": "number", "number": 5, "birth_date": "1990", "x": 1},
            {"/number": "wrong-type", "/x": "unknown-field"},
        ),
        (
            "/v1/cards/lookup",
            {"access_purpose": "test", "by": "name", "name": "x", "birth_date": 1990},
            {"/birth_date": "birth-date-malformed"},
        ),
        ("/v1/cards/lookup", {"access_purpose": "test", "by": "mrz", "lines": ["x", None]}, {"/lines/1": "wrong-type"}),
        (
            "/v1/cards/lookup",
            {"access_purpose": "test", "by": "number", "number": {"x": 1}, "birth_date": "1990"},
            {"/number": "wrong-type"},
        ),
        ("/v1/clock/advance", {"by": "P1D", "P1D": 1}, {"/P1D": "unknown-field"}),
        ("/v1/cards/lookup", {"by": 5}, {"/by": "not-one-of"}),
        ("/v1/cards/lookup", {"by": []}, {"/by": "not-one-of"}),
        (
            "/v1/cards",
            declaration(visa={"kind": ["visa"]}),
            {"/visa/kind": "not-one-of", "/visa/valid_from": "missing"},
        ),
        (
            "/v1/cards",
            declaration(host={"kind": "person", "person": None}),
            {"/host/name": "missing", "/host/person": "unknown-field"},
        ),
        ("/v1/cards/lookup", [], {"": "wrong-type"}),
        ("/v1/cards", None, {"": "missing"}),
    ],
    ids=str,
)
async def test_pointers_name_places_of_the_document_sent(
    client: AsyncClient, path: str, body: Body, faults: dict[str, str]
) -> None:
    answer = await client.post(path, json=body)
    assert (answer.status_code, faults_of(answer)) == (422, faults)


async def test_all_faults_are_told_at_once(client: AsyncClient) -> None:
    answer = await client.post("/v1/cards", json={"purpose": "x", "basis": "y", "z": 1})
    assert faults_of(answer) == {"/purpose": "not-one-of", "/basis": "not-one-of", "/z": "unknown-field"}
    assert answer.json()["detail"].startswith("3 ")


# Identifiers and languages -------------------------------------------------------------------------------------------


async def test_the_identifier_of_a_request_is_echoed(client: AsyncClient) -> None:
    for path in ("/v1/clock", "/v1/nothing", "/livez"):
        answer = await client.get(path, headers={"X-Request-Id": "a.b-c_1"})
        assert answer.headers.get_list("x-request-id") == ["a.b-c_1"]


@pytest.mark.parametrize("given", ["", "x" * 65, "with space", "\xe9", "a\tb"])
async def test_an_identifier_that_is_unfit_is_replaced(client: AsyncClient, given: str) -> None:
    answer = await client.get("/livez", headers=[(b"X-Request-Id", given.encode("latin-1"))])
    assert answer.headers["x-request-id"] != given
    assert answer.headers["x-request-id"].isalnum()


async def test_identifiers_made_here_differ(client: AsyncClient) -> None:
    made = {(await client.get("/livez")).headers["x-request-id"] for _ in range(10)}
    assert len(made) == 10


@pytest.mark.parametrize(
    ("accepted", "russian"),
    [
        ("ru", True),
        ("ru-RU,ru;q=0.9,en;q=0.8", True),
        ("RU", True),
        ("en;q=0.5, ru;q=0.7", True),
        ("en,ru;q=0.9", False),
        ("de", False),
        ("*", False),
        ("ru;q=0", False),
        ("ru;q=x", False),
        ("", False),
        (None, False),
    ],
)
async def test_a_problem_is_told_in_the_language_preferred(
    client: AsyncClient,
    accepted: str | None,
    russian: bool,  # noqa: FBT001  a column of the table above
) -> None:
    headers = {"Accept-Language": accepted} if accepted is not None else {}
    answer = await client.post("/v1/cards", json={}, headers=headers)
    problem = answer.json()
    russian_title = sentences.problems()["validation-failed"].title.ru
    assert (problem["title"] == russian_title) is russian
    assert (problem["errors"][0]["detail"] == "Поле обязательно.") is russian
