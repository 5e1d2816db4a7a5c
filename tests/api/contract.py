"""The contract of the API, held against every answer that a test receives."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from httpx2 import Response
from pydantic import BaseModel

from app.api import docs, openapi
from app.api.problems import MEDIA_TYPE
from app.api.streams import NDJSON
from app.main import RESOURCES

_CODE = re.compile(r"`([a-z-]+)`")
_UNFILLED = re.compile(r"(?<![\w])–(?![\w])")
"""What a sentence shows where a value is missing."""
FIRST_ERROR = 400
_NOWHERE = {
    "number": "7K3M0Q2V9XTH",
    "prefix": "mck_nobody",
    "kind": "registration",
    "policy": "nobodys",
    "traveller": "tr_" + 32 * "0",
    "job": "job_" + 32 * "0",
    "webhook": "whk_" + 32 * "0",
    "event": "fct_" + 32 * "0",
    "sandbox": "sbx_" + 32 * "0",
    "snapshot": "snp_" + 32 * "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What an operation of the OpenAPI document promises."""

    name: str
    method: str
    path: str
    declared: Mapping[str, Any]
    answers: Mapping[int, type[BaseModel] | None]
    problems: Mapping[int, frozenset[str]]

    @property
    def somewhere(self) -> str:
        """An address of this operation where nothing is; that of a stream ends with what there is."""
        return self.path.format(**_NOWHERE) + ("?until_idle=true" if self.name == "streamEvents" else "")

    @property
    def examples(self) -> dict[str, Any]:
        """Values of the request's examples by name."""
        content = self.declared.get("requestBody", {}).get("content", {})
        shown = content.get("application/json", {}).get("examples", {})
        return {name: example["value"] for name, example in shown.items()}


def routes() -> list[APIRoute]:
    """Every route of the API; the docs pages have none of these promises to keep."""
    modules = [module for module in RESOURCES if module is not docs]
    return [route for module in modules for route in module.router.routes if isinstance(route, APIRoute)]


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Read the operations of a document, with the models that its routes declare."""
    models = {route.operation_id: route.responses for route in routes()}
    return [
        _operation(method, path, declared, models[declared["operationId"]])
        for path, methods in document["paths"].items()
        for method, declared in methods.items()
    ]


def _operation(method: str, path: str, declared: Mapping[str, Any], models: Mapping[int | str, Any]) -> Operation:
    statuses = {int(status): answer for status, answer in declared["responses"].items()}
    return Operation(
        name=declared["operationId"],
        method=method.upper(),
        path=path,
        declared=declared,
        answers={status: models[status].get("model") for status in statuses if status < FIRST_ERROR},
        problems={
            status: frozenset(_CODE.findall(answer["description"]))
            for status, answer in statuses.items()
            if status >= FIRST_ERROR
        },
    )


class Contract:
    """Judges answers by the document of an application."""

    def __init__(self, app: FastAPI) -> None:
        self.operations = operations(app.openapi())
        # an address with a parameter also fits those written out, so it comes last
        ordered = sorted(self.operations, key=lambda one: "{" in one.path)
        self._patterns = [(one.method, re.compile(re.sub(r"\{\w+\}", "[^/]+", one.path)), one) for one in ordered]

    def operation(self, method: str, path: str) -> Operation | None:
        """Find the operation that answers at an address."""
        for of_method, pattern, operation in self._patterns:
            if of_method == method and pattern.fullmatch(path):
                return operation
        return None

    def named(self, name: str) -> Operation:
        """Find an operation by its operationId."""
        return next(one for one in self.operations if one.name == name)

    async def check(self, response: Response) -> None:
        """Fail where an answer is not as declared; a hook of the clients in these tests."""
        await response.aread()
        assert response.headers["x-request-id"]
        assert not _UNFILLED.search(response.text), "a sentence lacks a value"
        operation = self.operation(response.request.method, response.request.url.path)
        if response.status_code >= FIRST_ERROR:
            self._check_problem(response, operation)
            return
        if operation is None:
            return
        assert response.status_code in operation.answers, f"{operation.name}: {response.status_code} is not declared"
        model = operation.answers[response.status_code]
        content = operation.declared["responses"][str(response.status_code)].get("content", {})
        if model is None and not content:
            assert response.content == b""
            return
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in content
        if model is None or media_type == "text/csv":  # frames and cells are judged where they are read
            return
        for document in response.content.splitlines() if media_type == NDJSON else [response.content]:
            model.model_validate_json(document, strict=True)
        declared = operation.declared["responses"][str(response.status_code)].get("headers", {})
        for header in set(declared) - {"Idempotency-Replayed"}:
            assert header in response.headers, f"{operation.name}: declares {header}"

    @staticmethod
    def _check_problem(response: Response, operation: Operation | None) -> None:
        assert response.headers["content-type"] == MEDIA_TYPE
        problem = openapi.Problem.model_validate_json(response.content, strict=True)
        assert problem.status == response.status_code
        assert problem.request_id == response.headers["x-request-id"]
        assert problem.instance == response.request.url.path
        code = problem.type.removeprefix("/problems/")
        if operation:
            declared = operation.problems.get(response.status_code, frozenset())
            assert code in declared, f"{operation.name}: {response.status_code} {code} is not declared"


def code_of(response: Response) -> str:
    """Tell the code of a problem."""
    kind: str = response.json()["type"]
    return kind.removeprefix("/problems/")


def faults_of(response: Response) -> dict[str, str]:
    """Tell the code of each fault by its pointer."""
    return {fault["pointer"]: fault["code"] for fault in response.json()["errors"]}
