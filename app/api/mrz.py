"""Machine-readable zones: read and written."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.examples import BUILD_EXAMPLES, PARSE_EXAMPLES
from app.api.fields import BirthDateField, DocumentNumber, IsoDate, Name, StateCode, Zone
from app.api.operations import Audience, operation
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, NoteOut, Told
from app.db.json_bytes import to_json
from app.domain import mrz as zones
from app.domain.clock import MOSCOW, local_day
from app.domain.identity import Sex
from app.domain.mrz import Format
from app.policies import reference
from app.services import clocks

router = APIRouter(prefix="/v1/mrz", route_class=ScopedRoute)


class ParseIn(Asked):
    """The lines; lower case and spaces around them are forgiven."""

    lines: Zone


class FieldsOut(Told):
    """What the zone says, fillers taken away; null for dates that are unknown or impossible."""

    document_code: str
    issuing_state: str
    document_number: str
    nationality: str
    birth_date: str | None
    sex: Sex
    expires_on: date | None
    surname: str
    given_names: str
    optional_data: str | None
    optional_data_2: str | None


class ParsedOut(Told):
    """`valid`: every check digit that the format has agrees."""

    format: Format
    valid: bool
    checks: dict[str, bool]
    fields: FieldsOut
    warnings: list[NoteOut]


class BuildIn(Asked):
    """The fields of a zone, names in Russian or Latin letters."""

    format: Format
    document_code: Annotated[str, Field(pattern="^[A-Z][A-Z<]?$", examples=["P"])]
    issuing_state: StateCode
    document_number: DocumentNumber
    nationality: StateCode
    birth_date: BirthDateField | None = Field(None, description="Unknown, when absent.")
    sex: Sex
    expires_on: IsoDate
    surname: Name | None = None
    given_names: Name | None = None
    optional_data: Annotated[str, Field(max_length=30, pattern="^[A-Z0-9< ]*$")] | None = None
    optional_data_2: Annotated[str, Field(max_length=30, pattern="^[A-Z0-9< ]*$")] | None = None


class BuiltOut(Told):
    """The lines, and which fields had to be cut."""

    lines: list[str]
    truncated: list[str]


@router.post(
    "/parse",
    **operation(
        "parseZone",
        "Read a machine-readable zone",
        Audience.CARRIER,
        ParsedOut,
        body=True,
        problems={403: [], 422: ["mrz-structure"]},
    ),
)
async def parse(request: Request, body: Annotated[ParseIn, Body(openapi_examples=PARSE_EXAMPLES)]) -> Response:
    """TD1, TD2, TD3, MRV-A and MRV-B of ICAO Doc 9303. A wrong check digit is an answer, not an error."""
    now = (await clocks.show(context(request))).now
    zone = zones.parse(body.lines, today=local_day(now, MOSCOW), known_states=reference.known_states())
    answer = {
        "format": zone.format,
        "valid": zone.valid,
        "checks": zone.checks,
        "fields": {
            "document_code": zone.document_code,
            "issuing_state": zone.issuing_state,
            "document_number": zone.document_number,
            "nationality": zone.nationality,
            "birth_date": str(zone.birth_date) if zone.birth_date else None,
            "sex": zone.sex,
            "expires_on": zone.expires_on,
            "surname": zone.surname,
            "given_names": zone.given_names,
            "optional_data": zone.optional_data,
            "optional_data_2": zone.optional_data_2,
        },
        "warnings": render.notes(zone.warnings, language_of(request)),
    }
    return Response(to_json(answer), media_type=render.JSON)


@router.post("/build", **operation("buildZone", "Write a machine-readable zone", Audience.TESTER, BuiltOut, body=True))
async def build(request: Request, body: Annotated[BuildIn, Body(openapi_examples=BUILD_EXAMPLES)]) -> Response:
    """Names are transliterated by ICAO's table and cut by its rules; every check digit is computed."""
    await clocks.show(context(request))  # a key that was revoked meanwhile is refused
    built = zones.build(
        body.format,
        document_code=body.document_code.rstrip("<"),
        issuing_state=body.issuing_state,
        document_number=body.document_number,
        nationality=body.nationality,
        birth_date=body.birth_date,
        sex=body.sex,
        expires_on=body.expires_on,
        surname=body.surname or "",
        given_names=body.given_names or "",
        optional_data=body.optional_data or "",
        optional_data_2=body.optional_data_2 or "",
    )
    return Response(to_json({"lines": built.lines, "truncated": built.truncated}), media_type=render.JSON)
