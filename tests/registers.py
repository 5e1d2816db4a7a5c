"""Registers of paper cards as an office sends them. Say only what the test is about."""

import csv
import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.db.jobs import UNDER_WAY, Job
from app.services import intake, intake_report, jobs
from app.services.access import Context
from app.services.intake import ImportMode, Wishes
from app.services.intake_reading import Form
from app.services.intake_report import Finding
from app.worker import loop

Row = dict[str, str]

WISHES = Wishes(mode=ImportMode.SKIP_BAD, mapping="ru", form=Form.CSV, packed=False, source="Отдел 12, 2019 год")


def row(serial: int = 1, **changes: str) -> Row:
    """A paper card of a person of its own: entered on 3 March 2026 in Moscow, left on 20 March."""
    usual = {
        "Серия": "4626",
        "№": f"{1_000_000 + serial:07}",
        "Фамилия": "Абдуллаев",
        "Имя": "Али",
        "Дата рождения": "12.05.1990",
        "Пол": "М",
        "Гражданство": "Узбекистан",
        "Номер документа": f"FA{serial:07}",
        "Цель визита": "Работа",
        "Пункт въезда": "Шереметьево",
        "Дата въезда": "03.03.2026 10:40",
        "Пункт выезда": "Домодедово",
        "Дата выезда": "20.03.2026 18:05",
    }
    return usual | changes


OPEN = {"Пункт выезда": "", "Дата выезда": ""}
"""Of somebody who has not left."""


def table(*rows: Row, separator: str = ";") -> bytes:
    """Write rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0] if rows else row()), delimiter=separator, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def body(data: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    """Send bytes in pieces."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def sent(ctx: Context, data: bytes, **wishes: object) -> Job:
    """Send a file."""
    job, _ = await intake.receive(ctx, replace(WISHES, **wishes), body(data))  # type: ignore[arg-type]  # of many types
    return job


async def over(ctx: Context, job: Job) -> Job:
    """Work until a job is over."""
    while job.state in UNDER_WAY:
        await loop.next_job(ctx.registry)
        job = await jobs.show(ctx, job.job_id)
    return job


async def imported(ctx: Context, data: bytes, **wishes: object) -> Job:
    """Send a file, and work until it is read."""
    return await over(ctx, await sent(ctx, data, **wishes))


async def findings(ctx: Context, job: Job) -> list[Finding]:
    """Everything that is said of the rows."""
    one = await intake_report.load(ctx, job.job_id)
    return [found async for page in intake_report.findings(ctx, one) for found in page]


async def codes(ctx: Context, job: Job) -> list[tuple[int, str | None, str]]:
    """The rows, columns and codes of a report."""
    return [(one.place, one.caption, one.note.code) for one in await findings(ctx, job)]


async def to_correct(ctx: Context, job: Job) -> list[Sequence[str]]:
    """The rows to be corrected, after their captions."""
    one = await intake_report.load(ctx, job.job_id)
    return [cells async for page in intake_report.to_correct(ctx, one) for cells in page]


def counts(job: Job) -> tuple[int, int, int, int, int]:
    """Read, accepted, rejected, duplicate, conflict."""
    told = job.counts or {}
    return told["read"], told["accepted"], told["rejected"], told["duplicate"], told["conflict"]


# Workbooks -----------------------------------------------------------------------------------------------------------

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  spreadsheets know no zones

Cell = str | int | float | datetime | None


def workbook(*rows: Sequence[Cell], first: int = 1) -> bytes:
    """Write rows as an XLSX, from the row `first` on; instants are cells with the format of a date."""
    lines = "".join(
        f'<row r="{place}">{"".join(map(_cell, cells, range(len(cells)), [place] * len(cells)))}</row>'
        for place, cells in enumerate(rows, first)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET_TYPE}.sheet.main+xml"/></Types>',
        "_rels/.rels": _related(("officeDocument", "xl/workbook.xml")),
        "xl/_rels/workbook.xml.rels": _related(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        '<sheets><sheet name="1" sheetId="1" r:id="r0"/></sheets></workbook>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
        "</styleSheet>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>',
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return data.getvalue()


def _related(*parts: tuple[str, str]) -> str:
    links = (
        f'<Relationship Id="r{place}" Type="{_OFFICE}/{kind}" Target="{name}"/>'
        for place, (kind, name) in enumerate(parts)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{"".join(links)}</Relationships>'


def _cell(cell: Cell, column: int, place: int) -> str:
    where = f'r="{chr(ord("A") + column)}{place}"'
    match cell:
        case None:
            return ""
        case str():
            return f'<c {where} t="inlineStr"><is><t>{cell}</t></is></c>'
        case datetime():
            return f'<c {where} s="1"><v>{(cell - _EPOCH) / timedelta(days=1)!r}</v></c>'
        case _:
            return f"<c {where}><v>{cell}</v></c>"
