"""Imports of paper registers: what becomes of rows, beside the registry and beside each other."""

import asyncio
import gzip
import io
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ColumnElement, FromClause, Table, Uuid, bindparam, func, select, true, update

from app.db import jobs as job_rows
from app.db import sandboxes
from app.db.import_tables import import_chunks, import_rows, import_seen
from app.db.jobs import Job, JobState
from app.db.tables import facts
from app.db.tables import jobs as jobs_table
from app.db.tables import sandboxes as sandboxes_table
from app.db.types import Instant
from app.domain.border import Direction
from app.domain.card import State, Status
from app.domain.errors import Conflict, NotFound, RuleViolation
from app.domain.events import ANNOUNCEMENTS, FactKind, Source
from app.domain.number import PaperNumber
from app.services import announcing, border, cards, crossings, events, intake, intake_job, intake_sheets, jobs, lookups
from app.services import sandboxes as sandboxes_service
from app.services.access import Context, acting_in
from app.services.cards import Shown
from app.services.intake import ImportMode
from app.services.intake_reading import Form
from app.services.jobs import CancelledError, Finished, Progress
from app.services.reports import CrossingAt, Sighting
from app.worker import loop
from tests.builders import advance, application, crossing_at, document_given, entry_at, once, passport, utc
from tests.conftest import NewContext
from tests.registers import (
    OPEN,
    WISHES,
    Cell,
    body,
    codes,
    counts,
    imported,
    over,
    row,
    sent,
    table,
    to_correct,
    workbook,
)


async def count(ctx: Context, what: FromClause) -> int:
    return await count_of(ctx, what, true())


async def count_of(ctx: Context, what: FromClause, where: ColumnElement[bool], **values: object) -> int:
    (found,) = await ctx.db.all(select(func.count().label("rows")).select_from(what).where(where), **values)
    return int(found["rows"])


async def all_cards(ctx: Context) -> list[Shown]:
    page = await cards.listing(ctx, filters={}, status=None, after=None, limit=100, personal=False)
    return sorted(page.items, key=lambda one: one.card.entered_at or utc("9999-01-01 00:00"))


async def told(ctx: Context) -> list[Any]:
    """The facts of the world, in order."""
    of_world = facts.c.world_id == bindparam("of_world", type_=Uuid())
    return list(await ctx.db.all(select(facts).where(of_world).order_by(facts.c.fact_id), of_world=ctx.caller.world_id))


# A row by itself -----------------------------------------------------------------------------------------------------


async def test_a_card_is_recorded_with_its_marks(ctx: Context) -> None:
    job = await imported(ctx, table(row()), confidence=0.9)
    assert job.state is JobState.DONE, job.problem
    assert counts(job) == (1, 1, 0, 0, 0)
    (shown,) = await all_cards(ctx)
    card = shown.card
    assert card.status_at(shown.instant) is Status.DEPARTED
    assert (card.entered_at, card.left_at) == (utc("2026-03-03 07:40"), utc("2026-03-20 15:05"))
    assert (card.paper_series, card.paper_number, card.exit_source) == ("4626", "1000001", Source.DIGITISED)
    assert card.last_lawful_day is not None
    recorded = await told(ctx)
    assert [one["kind"] for one in recorded] == [FactKind.ISSUED, FactKind.ENTERED, FactKind.DEPARTED]
    assert {(one["source"], one["confidence"], one["actor"]) for one in recorded} == {("digitised", 0.9, ctx.actor)}
    assert recorded[0]["reason"] == f"job_{job.job_id.hex}"
    replayed = await cards.version_of(ctx, card.number, card.version)
    assert replayed.card == card
    assert replayed.personal == (await cards.show(ctx, card.number)).personal


async def test_the_paper_number_and_the_passport_find_the_card_from_then_on(ctx: Context) -> None:
    await imported(ctx, table(row()))
    paper = await lookups.by_paper(ctx, PaperNumber(series="4626", number="1000001"), departed=True)
    document = await lookups.by_document(ctx, document_given("FA0000001"), departed=True)
    assert [one.shown.card.number for one in paper] == [one.shown.card.number for one in document]
    assert len(paper) == 1


async def test_who_has_not_left_is_in_the_country_and_leaves_as_anybody(ctx: Context) -> None:
    await imported(ctx, table(row(1, **OPEN | {"Дата въезда": "20.11.2026"})))
    (shown,) = await all_cards(ctx)
    assert shown.card.status_at(shown.instant) is Status.ACTIVE
    crossed = await border.leave(ctx, shown.card.number, crossing_at(), once())
    assert crossed.reason == "departed"


async def test_an_overstay_is_a_fact_and_no_fault(ctx: Context) -> None:
    job = await imported(ctx, table(row(1, **OPEN | {"Дата въезда": "01.02.2025"})))
    assert counts(job)[:2] == (1, 1)
    (shown,) = await all_cards(ctx)
    assert shown.card.status_at(shown.instant) is Status.OVERSTAYED


@pytest.mark.parametrize(
    ("wrong", "column", "code"),
    [
        ({"Дата рождения": "31.02.1990"}, "Дата рождения", "day-malformed"),
        ({"Гражданство": "Атлантида"}, "Гражданство", "word-unknown"),
        ({"Пункт въезда": "Хогвартс"}, "Пункт въезда", "word-unknown"),
        ({"Фамилия": "Абдуллаев1"}, "Фамилия", "unfit-character"),
        ({"Фамилия": "Қодиров"}, "Фамилия латиницей", "latin-form-needed"),
        ({"Номер документа": "??"}, "Номер документа", "document-number-unfit"),
        ({"№": "12345678901234"}, "№", "paper-number-malformed"),
        ({"Серия": "46261"}, "Серия", "paper-series-malformed"),
        ({"Дата въезда": "02.12.2026"}, "Дата въезда", "in-the-future"),
        ({"Дата выезда": "02.03.2026"}, "Дата выезда", "left-before-entered"),
        ({"Дата рождения": "04.03.2026"}, "Дата въезда", "before-birth"),
        ({"Дата въезда": "03.03.2026 25:00"}, "Дата въезда", "day-malformed"),
        ({"Цель визита": ""}, "Цель визита", "missing"),
        ({"Дата выезда": ""}, "Дата выезда", "missing"),
    ],
)
async def test_what_is_wrong_is_said_of_its_column_and_the_other_rows_are_taken(
    ctx: Context, wrong: dict[str, str], column: str, code: str
) -> None:
    job = await imported(ctx, table(row(1), row(2, **wrong), row(3)))
    assert counts(job) == (3, 2, 1, 0, 0)
    assert await codes(ctx, job) == [(3, column, code)]
    captions, bad = await to_correct(ctx, job)
    assert dict(zip(captions, bad, strict=True)) == row(2, **wrong)


async def test_the_rows_that_were_not_taken_are_corrected_and_sent_alone(ctx: Context) -> None:
    job = await imported(ctx, table(row(1), row(2, Пол="?")))
    captions, bad = await to_correct(ctx, job)
    mended = dict(zip(captions, bad, strict=True)) | {"Пол": "М"}
    assert counts(await imported(ctx, table(mended))) == (1, 1, 0, 0, 0)
    assert len(await all_cards(ctx)) == 2


@pytest.mark.parametrize(("series", "number"), [("46", "1000001"), ("0046", "12345"), ("46", "123456")])
async def test_zeros_that_a_spreadsheet_has_dropped_are_put_back_and_said(
    ctx: Context, series: str, number: str
) -> None:
    job = await imported(ctx, table(row(Серия=series) | {"№": number}))
    assert await codes(ctx, job) == [(2, "№", "leading_zeros_restored")]
    (shown,) = await all_cards(ctx)
    assert (shown.card.paper_series, shown.card.paper_number) == ("0046", number.zfill(7))


async def test_what_the_border_would_have_refused_is_a_warning(ctx: Context) -> None:
    expired = row(1, **{"Срок действия документа": "01.01.2026"})
    exempt = row(2, **{"Гражданство": "Россия", "Срок действия документа": ""})
    job = await imported(ctx, table(expired, exempt))
    assert counts(job) == (2, 2, 0, 0, 0)
    assert await codes(ctx, job) == [(2, None, "document_expired"), (3, None, "exempt")]


# Beside each other, and beside the registry --------------------------------------------------------------------------


BATCH = 600
"""More rows than are judged at once on SQLite."""


@pytest.mark.parametrize("mode", [ImportMode.DRY_RUN, ImportMode.SKIP_BAD])
@pytest.mark.parametrize("between", [0, BATCH])
async def test_rows_are_judged_beside_the_rows_before_them(ctx: Context, mode: ImportMode, between: int) -> None:
    others = [row(serial) for serial in range(100, 100 + between)]
    later = {"Дата въезда": "19.03.2026", "№": "2000001"}
    again = {"Дата въезда": "20.03.2026 19:00", "Дата выезда": "25.03.2026", "№": "3000001"}
    job = await imported(
        ctx,
        table(
            row(1),
            *others,
            row(1, Имя="Али "),  # the same card
            row(1, **later),  # the person was here then
            row(1, **again),  # and came again on the day of the exit
            row(1) | {"Номер документа": "FB7654321"},  # the same paper card of somebody else
        ),
        mode=mode,
    )
    assert counts(job) == (between + 5, between + 2, 0, 1, 2)
    assert await codes(ctx, job) == [
        (between + 3, "№", "card-known"),
        (between + 4, "Дата въезда", "overlaps-another-stay"),
        (between + 6, "№", "paper-number-taken"),
    ]
    assert len(await all_cards(ctx)) == (0 if mode is ImportMode.DRY_RUN else min(100, between + 2))


@pytest.mark.parametrize("mode", [ImportMode.DRY_RUN, ImportMode.SKIP_BAD])
async def test_rows_are_judged_beside_the_registry(ctx: Context, mode: ImportMode) -> None:
    paper = PaperNumber(series="4626", number="1000009")
    await cards.issue(ctx, application("FA0000001", entry=entry_at(), paper=paper), once())
    second = row(1, **OPEN | {"Дата въезда": "21.11.2026"})
    number_taken = row(2, **OPEN | {"Дата въезда": "21.11.2026", "№": "1000009"})
    past = row(1, **{"№": "1000003"})
    job = await imported(ctx, table(second, number_taken, past), mode=mode)
    assert counts(job) == (3, 1, 0, 0, 2)
    assert await codes(ctx, job) == [(2, "Дата въезда", "open-card"), (3, "№", "paper-number-taken")]
    found = {shown.card.state for shown in await all_cards(ctx)}
    assert found == ({State.ACTIVE} if mode is ImportMode.DRY_RUN else {State.ACTIVE, State.DEPARTED})


async def test_a_past_stay_shortens_the_one_that_goes_on(ctx: Context) -> None:
    """90 days in a calendar year: what comes to be known of its days counts."""
    issued = await cards.issue(ctx, application("FA0000001", entry=entry_at()), once())
    await imported(ctx, table(row(1, **{"Дата въезда": "01.03.2026", "Дата выезда": "20.05.2026"})))
    judged = (await cards.show(ctx, issued.card.number)).card
    assert issued.card.last_lawful_day is not None
    assert judged.last_lawful_day is not None
    assert judged.last_lawful_day < issued.card.last_lawful_day
    assert judged.traveller_id == (await all_cards(ctx))[0].card.traveller_id


async def test_an_exit_that_was_told_before_ends_the_stay_of_the_paper_card(ctx: Context) -> None:
    left = CrossingAt(
        checkpoint="DOMODEDOVO-AIR",
        occurred_at=utc("2026-11-25 10:00"),
        source=Source.LATE_UPLOAD,
    )
    await crossings.report(ctx, Direction.EXIT, left, Sighting(document=passport("FA0000001")), once())
    await imported(ctx, table(row(1, **OPEN | {"Дата въезда": "20.11.2026"})))
    (shown,) = await all_cards(ctx)
    assert (shown.card.state, shown.card.left_at) == (State.DEPARTED, utc("2026-11-25 10:00"))
    assert (await told(ctx))[-1]["kind"] == FactKind.DEPARTED


async def test_stays_of_one_person_count_one_after_the_other_whatever_the_order_of_rows(ctx: Context) -> None:
    long = {"Дата въезда": "10.01.2026", "Дата выезда": "20.02.2026", "№": "2000001"}
    now = OPEN | {"Дата въезда": "01.11.2026", "№": "3000001"}
    await imported(ctx, table(row(1, **now), row(1), row(1, **long)))
    cards_by_entry = [shown.card for shown in await all_cards(ctx)]
    assert len({card.traveller_id for card in cards_by_entry}) == 1
    # 42 and 18 days are used, 30 are left from the first of November on
    assert str(cards_by_entry[-1].last_lawful_day) == "2026-11-30"


# Modes ---------------------------------------------------------------------------------------------------------------


async def test_a_dry_run_stores_nothing_and_says_all(ctx: Context) -> None:
    job = await imported(ctx, table(row(1), row(2, Пол="?")), mode=ImportMode.DRY_RUN)
    assert (job.state, counts(job)) == (JobState.DONE, (2, 1, 1, 0, 0))
    assert jobs.result_of(ctx, job) == {
        "mode": "dry_run",
        "mapping": "ru",
        "written": False,
        "encoding": "utf-8",
        "separator": ";",
    }
    assert await told(ctx) == []


async def test_all_or_nothing_is_nothing_for_one_bad_row(ctx: Context) -> None:
    job = await imported(ctx, table(row(1), row(2, Пол="?")), mode=ImportMode.ALL_OR_NOTHING)
    assert (job.state, counts(job)) == (JobState.FAILED, (2, 1, 1, 0, 0))
    refusal = jobs.refusal_of(job)
    assert refusal is not None
    assert (refusal.code, refusal.extra) == ("import-refused", {"rows": "1"})
    assert await told(ctx) == []
    assert await codes(ctx, job) == [(3, "Пол", "word-unknown")]


async def test_all_or_nothing_is_all_where_every_row_is_good(ctx: Context) -> None:
    job = await imported(ctx, table(row(1), row(2)), mode=ImportMode.ALL_OR_NOTHING)
    assert (job.state, counts(job)) == (JobState.DONE, (2, 2, 0, 0, 0))
    assert len(await all_cards(ctx)) == 2


async def tried(ctx: Context, data: bytes) -> Job:
    """Send a file that is all or nothing, and let a worker try its rows and die before it has written them."""
    job = await sent(ctx, data, mode=ImportMode.ALL_OR_NOTHING)
    work = await begun(ctx, job)
    while not job.result and not work.done():
        await asyncio.sleep(0)
        job = await jobs.show(ctx, job.job_id)
    work.cancel()
    await asyncio.wait({work})
    assert await all_cards(ctx) == []
    return job


async def test_all_or_nothing_is_nothing_where_a_client_wrote_after_the_trial(ctx: Context) -> None:
    open_row = row(2, **OPEN | {"Дата въезда": "20.11.2026"})
    job = await tried(ctx, table(row(1), open_row, *(row(serial) for serial in range(10, 30))))
    await cards.issue(ctx, application("FA0000002", entry=entry_at()), once())
    done = await over_by_another(ctx, job)
    assert (done.state, counts(done)) == (JobState.FAILED, (22, 21, 0, 0, 1))
    refusal = jobs.refusal_of(done)
    assert refusal is not None
    assert (refusal.code, refusal.extra) == ("import-refused", {"rows": "1"})
    assert await codes(ctx, job) == [(3, "Дата въезда", "open-card")]
    page = await events.page(ctx, after=0, kinds=[], limit=100)
    assert {one["kind"] for one in page.items} == {FactKind.ISSUED, FactKind.ENTERED}
    assert len(await all_cards(ctx)) == 1


async def test_what_a_client_wrote_after_the_trial_is_counted_where_it_spoils_nothing(ctx: Context) -> None:
    past = row(1, **{"Дата въезда": "01.03.2026", "Дата выезда": "20.05.2026"})
    job = await tried(ctx, table(past, row(2, Серия="46")))
    issued = await cards.issue(ctx, application("FA0000001", entry=entry_at()), once())
    done = await over_by_another(ctx, job)
    assert (done.state, counts(done)) == (JobState.DONE, (2, 2, 0, 0, 0))
    assert await codes(ctx, job) == [(3, "№", "leading_zeros_restored")]
    judged = (await cards.show(ctx, issued.card.number)).card
    assert judged.last_lawful_day is not None
    assert issued.card.last_lawful_day is not None
    assert judged.last_lawful_day < issued.card.last_lawful_day


async def test_nobody_sees_a_part_of_what_is_all_or_nothing(ctx: Context) -> None:
    """A person of several rows, far apart, is one; and the rules may change elsewhere meanwhile."""
    again = {"Дата въезда": "19.11.2026", "№": "3000001", **OPEN}
    file = table(*(row(serial) for serial in range(MANY)), row(1, **again))
    job = await sent(ctx, file, mode=ImportMode.ALL_OR_NOTHING)
    work, writing = await begun(ctx, job), False
    while not work.done():
        there, now = await cards_of_register(ctx), await jobs.show(ctx, job.job_id)
        assert there == 0 or now.state is JobState.DONE
        if now.total and now.done > now.total // 2 and not jobs.is_over(now):
            writing = True
            await ctx.db.settle()
        await asyncio.wait({work}, timeout=0.01)
    assert work.exception() is None
    assert writing or ctx.db.dialect.name == "sqlite"
    assert await cards_of_register(ctx) == MANY + 1
    found = await lookups.by_document(ctx, document_given("FA0000001"), departed=True)
    assert len({one.shown.card.traveller_id for one in found}) == 1
    assert len(found) == 2


@pytest.mark.parametrize(("mode", "times"), [(ImportMode.SKIP_BAD, 1), (ImportMode.DRY_RUN, 0)])
async def test_what_the_first_batch_has_made_of_the_tables_is_counted_once(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, mode: ImportMode, times: int
) -> None:
    """Else the plan of an empty table would look through the whole world for the card of each fact."""
    counted, measure = list[str](), type(ctx.db).measure

    async def noted(db: Any, which: Table) -> None:  # noqa: ANN401  either database
        counted.append(which.name)
        await measure(db, which)

    monkeypatch.setattr(type(ctx.db), "measure", noted)
    monkeypatch.setattr(intake_job, "_BATCH", {"postgresql": 2, "sqlite": 2})
    await imported(ctx, table(*(row(serial) for serial in range(6))), mode=mode)
    assert counted == ["cards"] * times


async def test_too_many_rows_cannot_be_all_or_nothing_where_every_reader_would_wait(ctx: Context) -> None:
    many = table(row()) + b"?\n" * 5_000
    done = await imported(ctx, many, mode=ImportMode.ALL_OR_NOTHING)
    refusal = jobs.refusal_of(done)
    assert refusal is not None
    sqlite = ctx.db.dialect.name == "sqlite"
    assert refusal.code == ("import-too-large" if sqlite else "import-refused")
    assert refusal.extra == ({"most": "5000"} if sqlite else {"rows": "5000"})


# The file ------------------------------------------------------------------------------------------------------------


async def test_the_file_is_sealed_while_it_waits_and_gone_when_it_is_read(ctx: Context) -> None:
    before = await count(ctx, import_chunks)
    job = await sent(ctx, table(row()))
    kept = await ctx.db.all(select(import_chunks.c.sealed))
    assert len(kept) == before + 1
    assert all("Абдуллаев".encode() not in one["sealed"] for one in kept)
    await jobs.cancel(ctx, job.job_id)
    assert await count(ctx, import_chunks) == before
    await imported(ctx, table(row()), mode=ImportMode.DRY_RUN)
    assert (await count(ctx, import_chunks), await count(ctx, import_seen)) == (before, 0)


async def test_what_is_kept_of_rows_is_sealed(ctx: Context) -> None:
    await imported(ctx, table(row(Пол="?")))
    for kept in await ctx.db.all(select(import_rows.c.sealed)):
        assert "Абдуллаев".encode() not in kept["sealed"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file-empty"),
        (b"\n\n", "file-empty"),
        (table(row()).replace("Фамилия".encode(), "Прозвище".encode()), "column-unknown"),
        (table(row()).replace("Имя;".encode(), "Фамилия;".encode()), "column-twice"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_at_once_and_not_kept(ctx: Context, data: bytes, code: str) -> None:
    before = await count(ctx, import_chunks)
    with pytest.raises(RuleViolation) as refusal:
        await sent(ctx, data)
    assert code in {fault.code for fault in refusal.value.faults}
    assert await count(ctx, import_chunks) == before


# Announcements -------------------------------------------------------------------------------------------------------


async def test_nothing_of_a_past_stay_is_announced_as_if_it_happened_now(ctx: Context) -> None:
    over = row(1, **{"Дата въезда": "01.02.2025", "Дата выезда": "20.12.2025"})  # an overstay that is over
    await imported(ctx, table(over, row(2)))
    await announcing.catch_up(ctx)
    known = await told(ctx)
    announced = [one for one in known if one["kind"] in ANNOUNCEMENTS]
    # nobody is reminded of what is past; that a deadline was missed, and a stay ended, is told as of the day it was
    assert {one["kind"] for one in announced} == {FactKind.DEADLINE_MISSED, FactKind.STAY_ENDED}
    stays = {one.card.number: (one.card.entered_at, one.card.left_at) for one in await all_cards(ctx)}
    for one in announced:
        entered_at, left_at = stays[one["card_number"]]
        assert entered_at < one["occurred_at"] <= left_at
    await advance(ctx, utc("2027-06-01 00:00"))
    assert len(await told(ctx)) == len(known)


async def test_a_stay_without_a_day_left_is_announced_as_ended_with_its_entry(ctx: Context) -> None:
    spent = row(1, **{"Дата въезда": "01.02.2026", "Дата выезда": "01.05.2026"})
    for_two_days = row(1, **{"№": "2000001", "Дата въезда": "10.05.2026 10:40", "Дата выезда": "12.05.2026"})
    await imported(ctx, table(spent, for_two_days))
    await advance(ctx, utc("2027-06-01 00:00"))
    ended = [one["occurred_at"] for one in await told(ctx) if one["kind"] == FactKind.STAY_ENDED]
    assert ended == [utc("2026-05-10 07:40")]


async def test_a_stay_that_goes_on_is_announced_when_it_ends(ctx: Context) -> None:
    await imported(ctx, table(row(1, **OPEN | {"Дата въезда": "20.11.2026"})))
    await advance(ctx, utc("2027-06-01 00:00"))
    recorded = [one for one in await told(ctx) if one["kind"] in ANNOUNCEMENTS]
    assert FactKind.STAY_ENDED in {one["kind"] for one in recorded}
    assert all(one["occurred_at"] > utc("2026-12-01 06:00") - timedelta(days=10) for one in recorded)
    page = await events.page(ctx, after=0, kinds=[], limit=100)
    assert [one["position"] for one in page.items] == list(range(1, len(page.items) + 1))


# Again, taken over, cancelled ----------------------------------------------------------------------------------------

MANY = 2_500
"""Rows of several batches on both databases."""


async def test_the_same_file_is_recognised_unless_it_is_meant(ctx: Context) -> None:
    data = table(row(1))
    trial = await imported(ctx, data, mode=ImportMode.DRY_RUN)
    first = await imported(ctx, data)  # a trial is no import
    assert first.job_id != trial.job_id
    for asked, job in ((ImportMode.SKIP_BAD, first), (ImportMode.ALL_OR_NOTHING, first), (ImportMode.DRY_RUN, trial)):
        again, recognised = await intake.receive(ctx, replace(WISHES, mode=asked), body(data))
        assert (again.job_id, recognised) == (job.job_id, True)
    meant = await imported(ctx, data, again=True)
    assert (counts(meant), meant.job_id != first.job_id) == ((1, 0, 0, 1, 0), True)
    assert len(await all_cards(ctx)) == 1


async def test_a_file_that_was_refused_is_not_recognised(ctx: Context) -> None:
    data = table(row(1), row(1))
    refused = await imported(ctx, data, mode=ImportMode.ALL_OR_NOTHING)
    assert refused.state is JobState.FAILED
    assert counts(await imported(ctx, data)) == (2, 1, 0, 1, 0)


async def begun(ctx: Context, job: Job) -> asyncio.Task[Finished]:
    """Begin to read, as a worker that is thought dead from the first moment."""
    real = await sandboxes.real_now(ctx.db)
    claimed = await job_rows.claim(ctx.db, real=real, until=real)
    assert claimed is not None
    assert claimed.job_id == job.job_id
    itself = await acting_in(ctx.registry, ctx.caller.sandbox_id)
    assert itself is not None
    progress = Progress(ctx.registry, claimed, claimed.done, dict(claimed.counts or {}))
    return asyncio.create_task(intake_job.finish_import(itself, progress))


async def taken(ctx: Context, job: Job) -> asyncio.Task[Finished]:
    """Begin likewise, and let it read until some rows are taken."""
    task = await begun(ctx, job)
    while not ((await jobs.show(ctx, job.job_id)).counts or {}).get("read") and not task.done():
        await asyncio.wait({task}, timeout=0.001)
    return task


async def cards_of_register(ctx: Context) -> int:
    counted = await cards.statistics(ctx, groups=("status",), begins=None, until=None)
    return sum(one.count for one in counted)


@pytest.mark.parametrize("mode", [ImportMode.SKIP_BAD, ImportMode.ALL_OR_NOTHING])
async def test_whoever_takes_a_job_over_goes_on_where_it_stopped(ctx: Context, mode: ImportMode) -> None:
    job = await sent(ctx, table(*(row(serial) for serial in range(MANY))), mode=mode)
    dead = await taken(ctx, job)
    dead.cancel()
    await asyncio.wait({dead})
    done = await over_by_another(ctx, job)
    assert (done.state, counts(done), done.attempts) == (JobState.DONE, (MANY, MANY, 0, 0, 0), 2)
    assert await cards_of_register(ctx) == MANY


EXPIRE = (
    update(jobs_table)
    .where(jobs_table.c.job_id == bindparam("of_job_id", type_=Uuid()))
    .values(leased_until=bindparam("until", type_=Instant()))
)


async def over_by_another(ctx: Context, job: Job) -> Job:
    """Let the lease of whoever had the job be over, and work until it is done."""
    await ctx.db.run(EXPIRE, of_job_id=job.job_id, until=utc("2020-01-01 00:00"))
    return await over(ctx, job)


async def test_a_worker_that_was_only_slow_takes_nothing_more(ctx: Context) -> None:
    job = await sent(ctx, table(*(row(serial) for serial in range(MANY))))
    slow = await taken(ctx, job)
    done = await over_by_another(ctx, job)
    await asyncio.wait({slow})
    assert isinstance(slow.exception(), CancelledError)
    assert counts(done) == (MANY, MANY, 0, 0, 0)
    assert await cards_of_register(ctx) == MANY


async def test_what_was_taken_before_a_cancellation_stays_and_the_file_can_be_sent_again(ctx: Context) -> None:
    data = table(*(row(serial) for serial in range(MANY)))
    job = await sent(ctx, data)
    work = await taken(ctx, job)
    cancelled = await jobs.cancel(ctx, job.job_id)
    await asyncio.wait({work})
    assert isinstance(work.exception(), CancelledError)
    there = (cancelled.counts or {})["accepted"]
    assert 0 < there == await cards_of_register(ctx) < MANY
    again = await imported(ctx, data)
    assert counts(again) == (MANY, MANY - there, 0, there, 0)


async def test_a_reset_leaves_an_import_behind(ctx: Context) -> None:
    job = await sent(ctx, table(row(1)))
    await sandboxes_service.reset(ctx, once())
    assert not await loop.next_job(ctx.registry)
    assert (await jobs.show(await ctx.reloaded(), job.job_id)).state is JobState.CANCELLED


# Forgotten -----------------------------------------------------------------------------------------------------------


async def forget(ctx: Context) -> None:
    """Delete all that nobody asks for any more."""
    more = True
    while more:
        more = await intake.forget_some(ctx.registry)


async def parts_of(ctx: Context, job: Job) -> int:
    """How many rows are kept of an import."""
    tables = (import_chunks, import_rows, import_seen)
    of_job = bindparam("of_job_id", type_=Uuid())
    return sum([await count_of(ctx, one, one.c.import_id == of_job, of_job_id=job.job_id) for one in tables])


FINISHED = (
    update(jobs_table)
    .where(jobs_table.c.job_id == bindparam("of_job_id", type_=Uuid()))
    .values(finished_at=bindparam("at", type_=Instant()))
)


async def test_what_was_said_of_rows_is_forgotten_after_a_month_and_the_file_is_not(ctx: Context) -> None:
    data = table(row(1), row(2, Пол="?"))
    job = await imported(ctx, data)
    assert job.finished_at is not None
    await forget(ctx)
    assert len(await codes(ctx, job)) == 1
    await ctx.db.run(FINISHED, of_job_id=job.job_id, at=job.finished_at - timedelta(days=30, seconds=1))
    await forget(ctx)
    assert await parts_of(ctx, job) == 0
    with pytest.raises(NotFound):
        await codes(ctx, job)
    again, recognised = await intake.receive(ctx, WISHES, body(data))
    assert (again.job_id, recognised, counts(again)) == (job.job_id, True, (2, 1, 1, 0, 0))


async def test_what_a_killed_worker_and_a_reset_have_left_is_deleted(ctx: Context) -> None:
    job = await sent(ctx, table(*(row(serial) for serial in range(MANY))), mode=ImportMode.DRY_RUN)
    dead = await taken(ctx, job)
    dead.cancel()
    await asyncio.wait({dead})
    await forget(ctx)
    assert await parts_of(ctx, job) > 2  # it goes on
    await sandboxes_service.reset(ctx, once())
    await forget(ctx)
    assert await parts_of(ctx, job) == 0


async def test_the_imports_of_an_expired_sandbox_go_with_it(ctx: Context) -> None:
    job = await imported(ctx, table(*(row(serial, Пол="?") for serial in range(1, 301))))
    assert await parts_of(ctx, job) == 300
    expire = update(sandboxes_table).where(sandboxes_table.c.sandbox_id == bindparam("of_id", type_=Uuid()))
    at = (await sandboxes.real_now(ctx.db)) - timedelta(seconds=1)
    await ctx.db.run(expire.values(expires_at=bindparam("at", type_=Instant())), of_id=ctx.caller.sandbox_id, at=at)
    more = True
    while more:
        _, more = await sandboxes_service.purge_some(ctx.registry)
    assert await parts_of(ctx, job) == 0


# Workbooks -----------------------------------------------------------------------------------------------------------


async def test_the_first_sheet_of_a_workbook_is_read_with_its_dates_and_figures(ctx: Context) -> None:
    typed: dict[str, Cell] = {
        **row(),
        "Серия": 26,
        "№": 12345.0,
        "Дата рождения": datetime(1990, 5, 12),  # noqa: DTZ001  spreadsheets know no zones
        "Дата въезда": datetime(2026, 3, 3, 10, 40),  # noqa: DTZ001
        "Дата выезда": None,
        "Пункт выезда": None,
    }
    data = workbook(list(typed), list(typed.values()), list(row(2, Пол="?").values()), first=3)
    job = await imported(ctx, data, form=Form.XLSX)
    assert counts(job) == (2, 1, 1, 0, 0), await codes(ctx, job)
    assert await codes(ctx, job) == [(4, "№", "leading_zeros_restored"), (5, "Пол", "word-unknown")]
    (shown,) = await all_cards(ctx)
    assert (shown.card.entered_at, shown.card.paper_number) == (utc("2026-03-03 07:40"), "0012345")
    assert (await to_correct(ctx, job))[1] == list(row(2, Пол="?").values())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PK\x03\x04 nonsense", "sheet-broken"),
        (b"no archive", "sheet-broken"),
        (workbook(["Прозвище"]), "column-unknown"),
        (workbook(), "file-empty"),
        (b"x" * (intake_sheets.LARGEST + 1), "sheet-too-large"),
    ],
)
async def test_a_workbook_that_cannot_be_read_is_refused_at_once(ctx: Context, data: bytes, code: str) -> None:
    with pytest.raises(RuleViolation) as refusal:
        await sent(ctx, data, form=Form.XLSX)
    assert code in {fault.code for fault in refusal.value.faults}


async def test_a_workbook_that_unpacks_to_too_much_is_refused(ctx: Context) -> None:
    for size, code in ((64, "gzip-ratio"), (129, "sheet-too-large")):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/workbook.xml", bytes(size * 1024 * 1024))
        with pytest.raises(RuleViolation) as refusal:
            await sent(ctx, packed.getvalue(), form=Form.XLSX)
        assert [fault.code for fault in refusal.value.faults] == [code]


@pytest.mark.parametrize("packed", [False, True])
async def test_a_sandbox_that_expires_takes_no_file_that_is_large_when_it_is_unpacked(
    new_sandbox: NewContext, monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    data = table(*(row(serial) for serial in range(20)))
    monkeypatch.setattr(intake, "_MOST_BYTES", len(data) - 1)
    file = gzip.compress(data) if packed else data
    with pytest.raises(Conflict) as refusal:
        await sent(await new_sandbox(time_to_live=timedelta(hours=1)), file, packed=packed)
    assert refusal.value.extra["quota"] == "import_bytes"
    lasting = await new_sandbox()
    assert (await over(lasting, await sent(lasting, file, packed=packed))).state is JobState.DONE
