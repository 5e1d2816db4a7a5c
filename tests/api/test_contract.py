"""The judge of every answer in these tests judges: it must fail where an answer is not as declared."""

import json
from typing import Any

import pytest
from httpx2 import AsyncClient, Request, Response

from tests.api.bodies import declaration
from tests.api.contract import Contract


def _again(answer: Response, **changes: Any) -> Response:  # noqa: ANN401  arguments of Response
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    usual = {"status_code": answer.status_code, "headers": headers, "content": answer.content}
    return Response(**{**usual, **changes}, request=Request(answer.request.method, answer.request.url))


async def _fails(contract: Contract, answer: Response) -> bool:
    try:
        await contract.check(answer)
    except (AssertionError, ValueError, KeyError):
        return True
    return False


async def test_a_card_that_is_not_as_declared_is_noticed(client: AsyncClient, contract: Contract) -> None:
    answer = await client.post("/v1/cards", json=declaration())
    card = answer.json()
    assert not await _fails(contract, _again(answer))
    assert await _fails(contract, _again(answer, status_code=200))
    for wrong in (
        {name: value for name, value in card.items() if name != "left"},
        card | {"extra": 1},
        card | {"status": "lost"},
        card | {"version": "1"},
        card | {"declared_at": 5},
        card | {"traveller": "x"},
    ):
        assert await _fails(contract, _again(answer, content=json.dumps(wrong, ensure_ascii=False).encode()))
    for header in ("etag", "location", "x-request-id", "content-type"):
        headers = {name: value for name, value in answer.headers.items() if name not in {header, "content-length"}}
        assert await _fails(contract, _again(answer, headers=headers)), header


async def test_a_problem_that_is_not_declared_is_noticed(client: AsyncClient, contract: Contract) -> None:
    answer = await client.get("/v1/cards/7K3M0Q2V9XTH")
    problem = answer.json()
    assert not await _fails(contract, _again(answer))
    for wrong in (
        problem | {"type": "/problems/nothing-due"},
        problem | {"status": 403},
        problem | {"request_id": "another"},
        problem | {"instance": "/"},
        problem | {"detail": "The scope – is needed."},
        {name: value for name, value in problem.items() if name != "errors"},
    ):
        assert await _fails(contract, _again(answer, content=json.dumps(wrong, ensure_ascii=False).encode())), wrong
    assert await _fails(contract, _again(answer, headers={"content-type": "application/json"}))


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing"), ("GET", "/docs"), ("PATCH", "/v1/cards")])
def test_what_is_no_operation_is_none(contract: Contract, method: str, path: str) -> None:
    assert contract.operation(method, path) is None


def test_an_address_written_out_goes_before_one_with_a_parameter(contract: Contract) -> None:
    found = contract.operation("POST", "/v1/cards/lookup")
    assert found
    assert found.name == "lookUpCards"
