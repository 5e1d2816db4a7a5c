"""Imports of paper-card registers: a file is sent as it is, and read by a job."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from app.api import csv_table, render
from app.api.fields import Text
from app.api.import_examples import REGISTER_EXAMPLES
from app.api.jobs import JobId, JobOut, awaited, members
from app.api.operations import PREFER, Audience, operation
from app.api.problems import language_of, problem
from app.api.security import ScopedRoute, context
from app.api.shapes import Told
from app.api.streams import NDJSON, Ndjson
from app.db.json_bytes import to_json
from app.policies import sentences
from app.services import intake, intake_report, jobs
from app.services.access import Context, Scope
from app.services.intake import ImportKind, ImportMode, Wishes
from app.services.intake_reading import Form
from app.services.intake_report import Finding
from app.services.intake_rows import Outcome

router = APIRouter(prefix="/v1/imports", route_class=ScopedRoute)

_CSV = "text/csv"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMS: Mapping[str, Form] = {_CSV: Form.CSV, NDJSON: Form.NDJSON, _XLSX: Form.XLSX}
_ENCODINGS = frozenset({"", "identity", "gzip"})
_RECOGNISED = "Import-Recognised"
_FINDINGS = ("row", "outcome", "column", "value", "code", "sentence")


class ImportAsked(BaseModel):
    """What is asked with a file."""

    model_config = ConfigDict(extra="forbid")

    source: Text = Field(description="What register this is, and whose.", examples=["Office 12, 2019"])
    mode: ImportMode = Field(
        ImportMode.DRY_RUN,
        description="What becomes of the good rows: nothing; all of them, unless one is bad; each of them.",
    )
    kind: ImportKind = Field(
        ImportKind.PAPER_REGISTER, description="What the file is; a world is what `exportWorld` has given."
    )
    mapping: Literal["ru", "en"] = Field("ru", description="The language of the captions.")
    confidence: float | None = Field(None, ge=0, le=1, description="How sure it is, where a row says nothing of it.")
    again: Annotated[bool, Field(description="Though the same file was sent before.")] = False


class ImportOut(JobOut):
    """A job that reads a register; `counts` are those of its rows."""

    recognised: bool = Field(description="The same file was sent before, and this is the job that reads it.")


class FindingOut(Told):
    """Something that is said of a row: of a cell of it, or of the whole."""

    row: int = Field(description="In the file; captions are a row too.")
    outcome: Outcome = Field(description="What became of the row; what is said of an accepted one is a warning.")
    column: str | None
    value: str | None = Field(description="Enough of it to find the cell by.")
    code: str
    sentence: str


def _with_body(declared: dict[str, Any]) -> dict[str, Any]:
    """Declare the body, which FastAPI would read whole."""
    schemas: dict[str, dict[str, Any]] = {one: {"schema": {"contentMediaType": one}} for one in _FORMS}
    schemas[_CSV]["examples"] = REGISTER_EXAMPLES
    declared["openapi_extra"]["requestBody"] = {"required": True, "content": schemas}
    return declared


@router.post(
    "",
    **_with_body(
        operation(
            "importRegister",
            "Import a register of paper cards",
            Audience.OFFICE,
            ImportOut,
            Scope.IMPORTS,
            status=202,
            job=ImportOut,
            problems={409: ["quota-exceeded", "world-not-empty"], 415: ["unsupported-media-type"]},
        )
    ),
)
async def import_register(request: Request, asked: Annotated[ImportAsked, Query()]) -> Response:
    """Send the file itself as the body, of any size, packed by gzip or not.

    CSV with commas, semicolons or tabs, in UTF-8 or windows-1251; a JSON object on each line; the first sheet of a
    workbook. A workbook has 32 MiB at most, and 128 MiB unpacked, which are some 150,000 rows: one that is larger is
    refused (422 `validation-failed` with `sheet-too-large`), save it as CSV.

    Columns are told by their captions, which may be those of the paper card; unknown ones are refused, so that nothing
    is lost. Days are `dd.mm.yyyy`, `yyyy-mm-dd` or a spreadsheet's numbers; times are those of the checkpoint's zone.

    Each row is a paper card with its entry, and its exit if there was one. What has happened is recorded whatever the
    rules say of it: an overstay is no fault of a row. Cards that are there already are duplicates; those that
    contradict what is there, or a row before, are conflicts and change nothing.

    What is `all_or_nothing` is seen by nobody before all of it is stored. On SQLite 5,000 rows are the most for that
    (the job fails with `import-too-large`).

    The job's links lead to what was found in each row, and to the rows that were not taken, to be corrected and sent
    again alone; for 30 days after the job is over.

    With `kind=world` what `exportWorld` has given becomes the world of a sandbox in which nothing has happened yet, all
    of it or nothing: the same numbers, facts and feed, at the instant and by the rules of then. Keys and webhooks stay.
    """
    form = _FORMS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if form is None or encoding not in _ENCODINGS:
        expected = f"{', '.join(_FORMS)} (gzip)"
        return problem(request, "unsupported-media-type", 415, values={"expected": expected})
    wishes = Wishes(
        kind=asked.kind,
        mode=asked.mode,
        mapping=asked.mapping,
        form=form,
        packed=encoding == "gzip",
        source=asked.source,
        confidence=asked.confidence,
        again=asked.again,
    )
    job, recognised = await intake.receive(context(request), wishes, request.stream())
    job = await awaited(request, job)
    told = members(request, job) | {"recognised": recognised}
    headers = {"Location": f"/v1/jobs/{told['id']}"} | ({_RECOGNISED: "true"} if recognised else {})
    return Response(to_json(told), 202, headers, render.JSON)


@router.get(
    "/{job}",
    **operation(
        "getImport",
        "Show how far an import is",
        Audience.OFFICE,
        JobOut,
        Scope.IMPORTS,
        problems={404: ["job-not-found"]},
        asked=[PREFER],
    ),
)
async def show(request: Request, job: JobId) -> Response:
    """The same job as under /v1/jobs, for whoever imports and no more."""
    one = await _require(context(request), job)
    found = await awaited(request, await jobs.show(context(request), one))
    return Response(to_json(members(request, found)), media_type=render.JSON)


@router.delete(
    "/{job}",
    **operation(
        "cancelImport",
        "Cancel an import",
        Audience.OFFICE,
        JobOut,
        Scope.IMPORTS,
        problems={404: ["job-not-found"], 409: ["job-is-over"]},
    ),
)
async def cancel(request: Request, job: JobId) -> Response:
    """What it has taken stays taken; the same file sent again goes on where this one was."""
    cancelled = await jobs.cancel(context(request), await _require(context(request), job))
    return Response(to_json(members(request, cancelled)), media_type=render.JSON)


async def _require(ctx: Context, job: str) -> UUID:
    return (await intake_report.load(ctx, UUID(job[4:]))).import_id


# Reports -------------------------------------------------------------------------------------------------------------


class CsvResponse(Response):
    """What the OpenAPI document calls the answer."""

    media_type = _CSV


@router.get(
    "/{job}/report.ndjson",
    **operation(
        "getImportReport",
        "What was found in the rows of an import, as lines of JSON",
        Audience.OFFICE,
        FindingOut,
        Scope.IMPORTS,
        problems={404: ["job-not-found"]},
    )
    | {"response_class": Ndjson},
)
async def report_ndjson(request: Request, job: JobId) -> Response:
    """In the order of the file: why rows were not taken, and warnings of those that were. Values are masked."""
    one, language = await intake_report.load(context(request), UUID(job[4:])), language_of(request)

    async def lines() -> AsyncIterator[bytes]:
        async for page in intake_report.findings(context(request), one):
            yield b"".join(to_json(_finding(found, language)) + b"\n" for found in page)

    return StreamingResponse(lines(), media_type=NDJSON)


@router.get(
    "/{job}/report.csv",
    **operation(
        "getImportReportTable",
        "What was found in the rows of an import, as a table",
        Audience.OFFICE,
        None,
        Scope.IMPORTS,
        problems={404: ["job-not-found"]},
    )
    | {"response_class": CsvResponse},
)
async def report_csv(request: Request, job: JobId) -> Response:
    """The same as a table that spreadsheets open."""
    one, language = await intake_report.load(context(request), UUID(job[4:])), language_of(request)

    async def tables() -> AsyncIterator[bytes]:
        yield csv_table.MARK + csv_table.written([_FINDINGS])
        async for page in intake_report.findings(context(request), one):
            told = (_finding(found, language) for found in page)
            yield csv_table.written([finding[name] for name in _FINDINGS] for finding in told)

    return StreamingResponse(tables(), media_type=_CSV)


@router.get(
    "/{job}/rejected.csv",
    **operation(
        "getRejectedRows",
        "The rows that an import has not taken, as they were sent",
        Audience.OFFICE,
        None,
        Scope.IMPORTS,
        problems={404: ["job-not-found"]},
    )
    | {"response_class": CsvResponse},
)
async def rejected_csv(request: Request, job: JobId) -> Response:
    """With their captions, to be corrected and sent again alone. Duplicates are not among them."""
    one = await intake_report.load(context(request), UUID(job[4:]))

    async def tables() -> AsyncIterator[bytes]:
        yield csv_table.MARK
        async for page in intake_report.to_correct(context(request), one):
            yield csv_table.written(page)

    return StreamingResponse(tables(), media_type=_CSV)


def _finding(found: Finding, language: str) -> dict[str, object]:
    told = sentences.notes() if found.is_warning else sentences.faults()
    return {
        "row": found.place,
        "outcome": found.outcome,
        "column": found.caption,
        "value": found.value,
        "code": found.note.code,
        "sentence": told[found.note.code].told(language, found.note.values),
    }
