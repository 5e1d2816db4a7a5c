"""Cards: issued on an application, shown by number, listed, counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import counts, journal, tables
from app.db import particulars as sealed_json
from app.db.engine import Row, Statement
from app.db.tables import cards, idempotency, salts, travellers
from app.db.vault import SALT_BYTES
from app.db.write import Step, absent, added, changed
from app.domain import issuing
from app.domain import number as numbers
from app.domain.application import Application, particulars, refuse
from app.domain.card import OPEN, Card, Crossing, Particulars, State, Status
from app.domain.clock import MOSCOW, local_day
from app.domain.errors import Conflict, Fault, NotFound, Refusal
from app.domain.events import CROSSINGS, Fact, FactKind, Source
from app.domain.history import fact, replay
from app.domain.issuing import NewCard
from app.domain.joining import CardStay
from app.domain.life import supersede
from app.policies import reference
from app.services import documents, joining
from app.services.access import Context, Read, Scope, unit_of_work
from app.services.idempotency import Attempt, earlier, remember
from app.services.joining import Unjoined
from app.services.recording import Salt, Unit, card_step, fact_steps, seal, store, store_or_read

GROUPS = counts.GROUPS
"""What cards can be counted by."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A card at an instant, with its personal part as JSON bytes where it was asked for and is not forgotten."""

    card: Card
    personal: bytes | None
    instant: datetime
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list at an instant; `more` tells that another follows."""

    items: Sequence[Shown]
    instant: datetime
    more: bool


# Issue ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A card that is decided on and not stored yet; `person` tells whether two are of the same person."""

    shown: Shown
    unit: Unit
    person: bytes


@unit_of_work
async def issue(ctx: Context, application: Application, attempt: Attempt, group_id: UUID | None = None) -> Shown:
    """Declare a card in advance, or with an entry issue it at the border.

    A declaration of the same person that is still open is superseded. Refusals: RuleViolation for whatever is wrong
    with the application; Conflict `open-card-exists`, `paper-number-in-use`.
    """
    made = await _issue_to_nobody_known(ctx, application, attempt, group_id)
    if isinstance(made, Shown):
        return made
    prepared = await prepare(ctx, application, attempt, group_id, made)
    if isinstance(prepared, Shown):
        return prepared
    unit = prepared.unit
    await store(ctx, unit.steps, traveller_id=unit.traveller_id, version=unit.version)
    return prepared.shown


async def _issue_to_nobody_known(
    ctx: Context, application: Application, attempt: Attempt, group_id: UUID | None
) -> Shown | Read | None:
    """Decide as if nobody knew the person, and store that if it is so: most are new, and one statement is enough.

    Where the person is known, or the request a repeat, gives what `prepare` would have read; None where it must read.
    """
    supposed = ctx.suppose()
    if supposed is None or (application.entry and application.entry.occurred_at):
        return None
    try:
        prepared = await prepare(ctx, application, attempt, group_id, supposed)
    except Refusal:  # a repeat may have been granted, and who declared before may come
        return None
    if isinstance(prepared, Shown):
        return None
    unknown = [absent(tables.documents, world_id=ctx.caller.world_id, person_hash=prepared.person)]
    if attempt.key:
        unknown.append(absent(idempotency, sandbox_id=ctx.caller.sandbox_id, key=attempt.key))
    who = {"person_hash": prepared.person, "key": attempt.key}
    read = await store_or_read(ctx, prepared.unit.steps, unknown, rows.APPLICANT, **who)
    return prepared.shown if read is None else read


async def prepare(
    ctx: Context, application: Application, attempt: Attempt, group_id: UUID | None, read: Read | None = None
) -> Prepared | Shown:
    """Decide on a card without storing it; a repeat is shown again. Refuses as `issue`.

    `read` is what is known of the applicant, if that was read or supposed already.
    """
    if application.entry:
        ctx.require(Scope.BORDER)
    # only a zone's two-digit years need the day before the one statement that brings the instant
    today = local_day(await ctx.now(), MOSCOW) if application.has_zone else date.max
    personal = particulars(application, today=today, known_states=reference.known_states())
    _require_checkpoints(application)
    person_hash = documents.person_hash(ctx, personal)
    read = read or await ctx.read(rows.APPLICANT, person_hash=person_hash, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return await version_of(ctx, repeat["replay_card_number"], repeat["replay_version"])

    person = _person(ctx, read)
    former = [rows.card_of(row) for row in read.rows if row["number"] is not None]
    new = NewCard(
        number=numbers.generate(ctx.dice),
        traveller_id=person.traveller_id,
        document_id=person.document_id,
        group_id=group_id,
    )
    visa_hash = documents.visa_hash(ctx, personal)
    counted = [row for row in read.rows if row["state"] in {State.ACTIVE, State.DEPARTED}]
    used = sum(visa_hash is not None and row["visa_hash"] == visa_hash for row in counted)
    if application.entry:
        issuing.require_entry_left(personal.visa, used)
    card, facts, superseded = _decide(ctx, application, personal, new, former, read)
    if card.entered_at and card.entered_at < read.instant and (person.version or group_id is None):
        card, told = await left_since(ctx, read, card, personal, former)
        facts += told
    clear = sealed_json.write(personal)
    steps = [
        *_person_steps(ctx, person, personal),
        *(card_step(ctx, before, after) for before, after in superseded),
        added(
            cards,
            world_id=ctx.caller.world_id,
            **rows.columns_of(card),
            **({"visa_hash": visa_hash} if visa_hash else {}),
            **seal(ctx, person.salt, clear, f"cards/{card.number}").columns(),
        ),
        *fact_steps(ctx, read.real_now, facts, person.traveller_id, personal=(person.salt, clear)),
        *remember(ctx, read, attempt, card=(card.number, card.version)),
    ]
    unit = Unit(steps=steps, traveller_id=person.traveller_id, version=person.version)
    return Prepared(shown=Shown(card, clear, read.instant), unit=unit, person=person_hash)


def _require_checkpoints(application: Application) -> None:
    asked = {
        "/entry/checkpoint": application.entry.checkpoint if application.entry else None,
        "/intended/checkpoint": application.intended.checkpoint if application.intended else None,
    }
    refuse(
        [
            Fault(pointer=pointer, code="unknown-checkpoint", values={"code": code})
            for pointer, code in asked.items()
            if code is not None and code not in reference.checkpoints()
        ]
    )


def _decide(
    ctx: Context,
    application: Application,
    personal: Particulars,
    new: NewCard,
    former: Sequence[Card],
    read: Read,
) -> tuple[Card, list[Fact], list[tuple[Card, Card]]]:
    """Make the card, its facts, and the former declarations that it supersedes, before and after."""
    at = read.instant
    ids = (ctx.registry.new_id(read.real_now, sequence) for sequence in count())
    tell = partial(fact, recorded_at=at, actor=ctx.actor, source=Source.TRAVELLER)
    inside = next((card for card in former if card.status_at(at) in OPEN), None)
    if inside and application.entry:
        raise Conflict("open-card-exists", extra={"card": inside.number})
    if entry := application.entry:
        crossing = Crossing(
            checkpoint=entry.checkpoint,
            occurred_at=entry.occurred_at or at,
            zone=reference.checkpoints()[entry.checkpoint].zone,
        )
        issuing.require_after_last_exit(crossing, former)
        made_out, card = issuing.issue(
            application, personal, new, crossing=crossing, former=former, policy=ctx.policy, at=at
        )
    else:
        expected = application.intended and application.intended.checkpoint
        zone = reference.checkpoints()[expected].zone if expected else MOSCOW
        made_out = card = issuing.declare(application, personal, new, zone=zone, policy=ctx.policy, at=at)
        crossing = None
    declared = [one for one in former if one.status_at(at) is Status.DECLARED]
    if declared:
        made_out, card = (replace(one, supersedes=declared[0].number) for one in (made_out, card))
    superseded = [(one, supersede(one, card.number, recorded_at=at)) for one in declared]
    kind = FactKind.ISSUED if crossing else FactKind.DECLARED
    facts = [tell(kind, None, made_out, fact_id=next(ids), reason=application.emergency)]
    if crossing:
        facts.append(tell(FactKind.ENTERED, made_out, card, fact_id=next(ids), crossing=crossing))
    facts += [tell(FactKind.SUPERSEDED, before, after, fact_id=next(ids)) for before, after in superseded]
    return card, facts, superseded


async def left_since(
    ctx: Context, read: Read, card: Card, personal: Particulars, former: Sequence[Card]
) -> tuple[Card, Sequence[Fact]]:
    """End the stay by an exit that was told before its entry, if there was one."""
    waiting = await joining.unjoined(ctx, card.traveller_id, personal)
    stays = [stay for one in (*former, card) if (stay := CardStay.of(one))]
    effects = await joining.settle(ctx, read, stays, Unjoined(exits=waiting.exits), own=card)
    return (effects[0].after, effects[0].facts) if effects else (card, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """Whom the card is for: known already, at a version, or new."""

    traveller_id: UUID
    document_id: UUID
    salt: Salt
    version: int | None


def _person(ctx: Context, read: Read) -> _Person:
    for row in read.rows:
        return _Person(
            traveller_id=row["known_traveller_id"],
            document_id=row["known_document_id"],
            salt=Salt(salt_id=row["known_salt_id"], salt=row["known_salt"]),
            version=row["traveller_version"],
        )
    new_id = partial(ctx.registry.new_id, read.real_now)
    return _Person(
        traveller_id=new_id(),
        document_id=new_id(),
        salt=Salt(salt_id=new_id(), salt=ctx.dice(SALT_BYTES)),
        version=None,
    )


def _person_steps(ctx: Context, person: _Person, personal: Particulars) -> list[Step]:
    """Store a new person with the document, or what is written about a known one anew."""
    world_id = ctx.caller.world_id
    if person.version is not None:
        latest = documents.latest_columns(ctx, personal, person.salt, person.document_id)
        return [changed(tables.documents, {"world_id": world_id, "document_id": person.document_id}, **latest)]
    return [
        added(travellers, world_id=world_id, traveller_id=person.traveller_id, version=1),
        added(salts, world_id=world_id, salt_id=person.salt.salt_id, salt=person.salt.salt),
        documents.new_document(
            ctx, personal, person.salt, document_id=person.document_id, traveller_id=person.traveller_id
        ),
    ]


# Show ----------------------------------------------------------------------------------------------------------------


@unit_of_work
async def show(ctx: Context, text: str) -> Shown:
    """Show the card with the number that `text` means, read forgivingly; NotFound `card-not-found`."""
    read = await ctx.read(rows.BY_NUMBER, number=numbers.require(text))
    if not read.rows:
        raise NotFound("card-not-found")
    return shown(ctx, read.rows[0], read.instant)


FORGOTTEN = b'{"holder":null,"document":null,"visa":null,"host":null}'
"""What is told of a person whose salt is gone."""


def shown(ctx: Context, row: Row, instant: datetime) -> Shown:
    """Show a card row with its personal part opened."""
    card = rows.card_of(row)
    return Shown(card, ctx.open(rows.sealed_of(row), f"cards/{card.number}") or FORGOTTEN, instant)


async def version_of(ctx: Context, number: str, version: int, *, at: datetime | None = None) -> Shown:
    """Show a card as it was at `version`, replayed from its facts: at the instant `at`, or when it was declared."""
    read = await ctx.read(journal.OF_CARD, number=number, version=version)
    card = replay(row["plain"] for row in read.rows)
    personal = None
    for row in read.rows:
        if row["sealed"] is not None and row["salt"] is not None and row["kind"] not in CROSSINGS:
            keys = ctx.caller.keys[row["key_version"]]
            personal = keys.open(row["sealed"], salt=row["salt"], row=f"facts/{row['fact_id']}")
    return Shown(card, personal, at or card.declared_at, replayed=True)


# List and count ------------------------------------------------------------------------------------------------------


@unit_of_work
async def listing(
    ctx: Context,
    *,
    filters: Mapping[str, str | date],
    status: Status | None,
    after: tuple[datetime, str] | None,
    limit: int,
    personal: bool,
) -> Page:
    """List cards, newest declared first. `filters` are those of `db/cards.py`; `personal` opens the personal part."""
    if personal:
        ctx.require(Scope.CARDS_SEARCH)
    statement = rows.listing(frozenset(filters), status, after=after is not None, personal=personal)
    return await _page(ctx, statement, after, limit, **filters)


@unit_of_work
async def expiring(ctx: Context, *, within_days: int, after: tuple[datetime, str] | None, limit: int) -> Page:
    """List open stays with at most `within_days` days left after today, the soonest first."""
    # a stay with n days left ends more than n and at most n + 1 times 24 hours from now, whatever its zone
    until = await ctx.now() + timedelta(days=within_days + 1)
    return await _page(ctx, rows.ending(over=False, after=after is not None), after, limit, until=until)


@unit_of_work
async def overstaying(ctx: Context, *, after: tuple[datetime, str] | None, limit: int) -> Page:
    """List open stays that have ended, the oldest first."""
    return await _page(ctx, rows.ending(over=True, after=after is not None), after, limit)


async def _page(
    ctx: Context,
    statement: Statement,
    after: tuple[datetime, str] | None,
    limit: int,
    **values: Any,  # noqa: ANN401  parameters of the statement
) -> Page:
    if after:
        values["after_instant"], values["after_number"] = after
    now = await ctx.now()
    # one row more than asked tells whether another page follows
    read = await ctx.read(statement, instant=now, limit=limit + 1, **values)
    items = [
        shown(ctx, row, now) if "sealed" in row else Shown(rows.card_of(row), None, now) for row in read.rows[:limit]
    ]
    return Page(items, now, more=len(read.rows) > limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many cards fall into a group."""

    group: Mapping[str, str | date | None]
    count: int


@unit_of_work
async def statistics(ctx: Context, *, groups: tuple[str, ...], begins: date | None, until: date | None) -> list[Count]:
    """Count cards by `groups`, of those entered in the period where one is given."""
    period = {"entered_from": begins, "entered_until": until}
    read = await ctx.read(
        counts.statistics(groups, begins=begins is not None, until=until is not None),
        long=True,
        instant=await ctx.now(),
        **{name: day for name, day in period.items() if day is not None},
    )
    return [Count(group={name: row[name] for name in groups}, count=row["count"]) for row in read.rows]
