"""Changes of a card: recorded with their reason, the old version kept, the end of the stay judged anew."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import count, islice
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.db import people
from app.db.engine import Row
from app.db.tables import cards, documents
from app.db.write import Step, added, changed
from app.domain import life
from app.domain import number as numbers
from app.domain.card import Card, Particulars, State
from app.domain.changes import (
    Change,
    Changed,
    DocumentAdded,
    Extension,
    Loss,
    Part,
    Setting,
    require_longer,
)
from app.domain.changes import judged as judged_by
from app.domain.clock import end_of_day, local_day
from app.domain.corrections import Correction, corrected_documents, recorded_in, require_apart
from app.domain.errors import Conflict, Forbidden, NotFound, Stale, violation
from app.domain.events import Fact, FactKind, Source
from app.domain.history import fact
from app.domain.identity import BirthDate, Document, person_key
from app.domain.transitions import Action, next_state
from app.policies import reference
from app.services import duplicates, joining
from app.services.access import Context, Read, Scope, unit_of_work
from app.services.cards import Shown, version_of
from app.services.documents import (
    corrected_document,
    entered_on_visa,
    known_as,
    new_document,
    opened,
    renewed_document,
    visa_hash,
)
from app.services.idempotency import Attempt, earlier, first_instant, remember
from app.services.recording import Salt, fact_steps, seal, store

MakeChange = Callable[[Card, date, UUID], Change]
"""Makes a change of what a client sent: for the card, on the local day, with an identifier for a new document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A change as a client asks for it.

    `versions` are those of the card that the client decided on, None for any. `for_holders`: the holder of a declared
    card may ask for it too, and proves with the `birth_date` to be that. `action` is what must be possible for `make`
    to be asked at all; None where the change itself is asked.
    """

    make: MakeChange
    for_holders: bool
    versions: frozenset[int] | None
    birth_date: BirthDate | None
    action: Action | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The card that is changed, with what is sealed of it and with what it was sealed."""

    card: Card
    personal: Particulars
    clear: bytes
    salt: Salt


@unit_of_work
async def record(ctx: Context, text: str, asked: Asked, attempt: Attempt) -> Shown:
    """Change a card, and show it; of a loss with a duplicate, the duplicate.

    A traveller may withdraw or edit the own declared card. NotFound `card-not-found`; Stale `version-stale`; Conflict
    `transition-not-allowed`, `open-card-exists`, `document-of-another`; RuleViolation naming what is wrong.
    """
    office = Scope.CHANGES in ctx.caller.scopes
    if not office and not (asked.for_holders and Scope.CARDS_WRITE in ctx.caller.scopes):
        raise Forbidden("scope-missing", extra={"scope": Scope.CHANGES})
    read = await ctx.read(rows.WITH_STAYS, number=numbers.require(text), key=attempt.key)
    held = _held(ctx, read)
    card = held.card
    if not office:
        _require_own(held, asked.birth_date)
    if repeat := earlier(ctx, read, attempt):
        at = first_instant(repeat) or read.instant
        return await version_of(ctx, repeat["replay_card_number"], repeat["replay_version"], at=at)
    if asked.versions is not None and card.version not in asked.versions:
        raise Stale("version-stale", extra={"version": str(card.version)})
    if asked.action:
        next_state(card, asked.action, read.instant)
    if not office and card.state is not State.DECLARED:  # possible, but for an office
        raise Forbidden("scope-missing", extra={"scope": Scope.CHANGES})
    change = asked.make(card, local_day(read.instant, card.zone), ctx.registry.new_id(read.real_now))
    change.require_possible(card, read.instant)
    if isinstance(change, Loss) and change.duplicate:
        return await _duplicated(ctx, read, held, change, attempt)
    return await _changed(ctx, read, held, change, attempt)


def _held(ctx: Context, read: Read) -> _Held:
    card = rows.card_of(read.head) if read.rows else None
    clear = card and ctx.open(rows.sealed_of(read.head), f"cards/{card.number}")
    if card is None or not clear:
        raise NotFound("card-not-found")
    salt = Salt(salt_id=read.head["salt_id"], salt=read.head["salt"])
    return _Held(card=card, personal=sealed_json.read(clear), clear=clear, salt=salt)


def _require_own(held: _Held, birth_date: BirthDate | None) -> None:
    if birth_date != held.personal.holder.birth_date:
        raise NotFound("card-not-found")  # somebody else's card is not there


async def _changed(ctx: Context, read: Read, held: _Held, change: Change, attempt: Attempt) -> Shown:
    card, stays = held.card, rows.other_stays(read.rows)
    open_elsewhere = next((row["other_number"] for row in read.rows if row["other_state"] == State.ACTIVE), None)
    document_steps: list[Step] = []
    given: Particulars | None = None
    if isinstance(change, DocumentAdded):
        change, document_steps = await _with_document(ctx, held, change)
        given = replace(held.personal, document=change.document)
    if isinstance(change, Correction) and change.document:
        change = replace(change, other_documents=await _other_documents(ctx, card))
    setting = Setting(at=read.instant, policy=ctx.policy, known_states=reference.known_states())
    done = change.apply(card, held.personal, setting)
    if open_elsewhere and done.card.state is State.ACTIVE:
        raise Conflict("open-card-exists", extra={"card": open_elsewhere})
    if isinstance(change, Correction):
        require_apart(card, done.card, rows.other_card_stays(read.rows))
        document_steps, document_id = await _corrected_documents(ctx, held, done.personal)
        if document_id != card.document_id:
            done = replace(done, parts=list(_on_document(done.parts, document_id)))
    after = judged_by(done.card, done.personal, stays, ctx.policy)
    if isinstance(change, Extension):
        require_longer(card, after)
    ids = [*islice(_ids(ctx, read), len(done.parts))]
    settled = await joining.after_change(ctx, read, card, after, new=given)
    if settled.stays and settled.card is after:
        after = judged_by(after, done.personal, settled.stays, ctx.policy)
    done = replace(done, parts=[*done.parts[:-1], replace(done.parts[-1], card=after)])
    facts = await _facts(ctx, ids, read, held, change, done)
    last = settled.card if settled.facts else after
    clear = sealed_json.write(done.personal)
    sealed = (held.salt, clear) if clear != held.clear else None
    # who the holder is, is told by what corrects the application where that is not the first fact
    teller = next(
        (one for one, part in zip(facts, done.parts, strict=True) if part.corrects is FactKind.DECLARED), facts[0]
    )
    others = [one for one in facts if one is not teller]
    steps = [
        *document_steps,
        _card_step(ctx, held, last, clear if sealed else None, await _true_visa(ctx, held, change, done.personal)),
        *fact_steps(ctx, read.real_now, [teller], card.traveller_id, personal=sealed),
        *fact_steps(ctx, read.real_now, [*others, *settled.facts], card.traveller_id),
        *settled.steps,
        *remember(ctx, read, attempt, card=(last.number, last.version)),
    ]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return Shown(last, clear, read.instant)


def _card_step(
    ctx: Context, held: _Held, after: Card, clear: bytes | None, visa: Mapping[str, bytes | None] | None = None
) -> Step:
    where = {"world_id": ctx.caller.world_id, "number": after.number}
    sealed = seal(ctx, held.salt, clear, f"cards/{after.number}").columns() if clear else {}
    return changed(cards, where, **rows.changed_columns(held.card, after), **sealed, **(visa or {}))


async def _true_visa(ctx: Context, held: _Held, change: Change, truly: Particulars) -> Mapping[str, bytes | None]:
    """Name the column by which entries on a visa are counted, where a correction says which visa it was.

    An extension by another visa is no entry on it, and a correction of that visa later none either.
    """
    was, true = visa_hash(ctx, held.personal), visa_hash(ctx, truly)
    if not isinstance(change, Correction) or was == true or await entered_on_visa(ctx, held.card) != was:
        return {}
    return {"visa_hash": true}


async def _facts(
    ctx: Context, ids: Sequence[UUID], read: Read, held: _Held, change: Change, done: Changed
) -> list[Fact]:
    before, facts = held.card, []
    told: Sequence[Row] = ()
    if any(part.corrects for part in done.parts):
        told = await duplicates.told_of(ctx, held.card)
    for part, fact_id in zip(done.parts, ids, strict=True):
        one = fact(
            part.kind,
            before,
            part.card,
            fact_id=fact_id,
            recorded_at=read.instant,
            actor=ctx.actor,
            source=Source.OFFICER if Scope.CHANGES in ctx.caller.scopes else Source.TRAVELLER,
            crossing=part.crossing,
            reason=change.reason,
        )
        if part.kind is FactKind.LINKED and isinstance(change, DocumentAdded):
            one = replace(one, changes={**one.changes, "linked_document_id": str(change.document_id)})
        facts.append(_correcting(one, part, told) if part.corrects else _since(one, change, part.card.zone))
        before = part.card
    return facts


def _ids(ctx: Context, read: Read) -> Iterator[UUID]:
    return (ctx.registry.new_id(read.real_now, sequence) for sequence in count())


def _correcting(one: Fact, part: Part, told: Sequence[Row]) -> Fact:
    """Name the fact that was told wrongly: it and all of its corrections hold from when it truly happened."""
    root = _root(part, told)
    if part.crossing and root["kind"] == part.corrects:
        return replace(one, corrects=root["fact_id"])
    when = {name: root[name] for name in ("occurred_at", "occurred_on", "zone")}
    return replace(one, corrects=root["fact_id"], **when)


def _root(part: Part, told: Sequence[Row]) -> Row:
    """Find the fact that a part corrects: of a decision the one that told it, else the last of its kind."""
    if part.wrong is None:
        return next((row for row in reversed(told) if row["kind"] == part.corrects), told[0])
    found = told[recorded_in([row["plain"] for row in told], part.wrong, part.ground)]
    return next((row for row in told if row["fact_id"] == found["corrects"]), found)


def _since(one: Fact, change: Change, zone: str) -> Fact:
    """Date a change that holds from an earlier day on: from that day's first moment.

    What a correction does not correct (a card that was found again) holds from when it is told.
    """
    if change.effective_on >= one.occurred_on or isinstance(change, Correction):
        return one
    begins_at = end_of_day(change.effective_on - timedelta(days=1), zone)
    return replace(one, occurred_at=begins_at, occurred_on=change.effective_on)


# Documents -----------------------------------------------------------------------------------------------------------


async def _with_document(ctx: Context, held: _Held, change: DocumentAdded) -> tuple[DocumentAdded, list[Step]]:
    personal, card = replace(held.personal, document=change.document), held.card
    known = await known_as(ctx, personal, traveller_id=card.traveller_id)
    if known == card.document_id:
        raise violation("/document/number", "document-held-already")
    own = {row["document_id"]: row for row in (await ctx.read(people.DOCUMENTS, traveller_id=card.traveller_id)).rows}
    if known:
        change = replace(change, document_id=known)
        row = own[known]
        true = replace(opened(ctx, row) or personal, document=change.document)
        steps = [renewed_document(ctx, true, Salt(salt_id=row["salt_id"], salt=row["salt"]), document_id=known)]
    else:
        origin = own[card.document_id]["origin_id"]
        new = new_document(ctx, personal, held.salt, document_id=change.document_id, traveller_id=card.traveller_id)
        steps = [new if origin is None else replace(new, values=new.values | {"origin_id": origin})]
    if change.replaces:
        where = {"world_id": ctx.caller.world_id, "document_id": card.document_id}
        steps.append(changed(documents, where, replaced_by=change.document_id))
    return change, steps


async def _other_documents(ctx: Context, card: Card) -> tuple[Document, ...]:
    """List the documents that the holder has beside the card's."""
    own = (await ctx.read(people.DOCUMENTS, traveller_id=card.traveller_id)).rows
    others = [opened(ctx, row) for row in own if row["document_id"] != card.document_id]
    return tuple(one.document for one in others if one)


async def _corrected_documents(ctx: Context, held: _Held, personal: Particulars) -> tuple[list[Step], UUID]:
    """Correct the card's document, and the holder on every other one; tell which document is the card's by now.

    Conflict `document-of-another` where one of them would then be somebody else's.
    """
    card, was = held.card, held.personal
    if (personal.holder, personal.document) == (was.holder, was.document):
        return [], card.document_id
    own = {row["document_id"]: row for row in (await ctx.read(people.DOCUMENTS, traveller_id=card.traveller_id)).rows}
    held_so_far = {which: opened_one for which, row in own.items() if (opened_one := opened(ctx, row))}
    changes, document_id = corrected_documents(held_so_far, card.document_id, was, personal)
    steps = []
    for which, true in changes.items():
        before, row = held_so_far[which], own[which]
        if person_key(true.holder, true.document) != person_key(before.holder, before.document):
            await known_as(ctx, true, traveller_id=card.traveller_id)
        salt = Salt(salt_id=row["salt_id"], salt=row["salt"])
        steps.append(corrected_document(ctx, true, salt, document_id=which))
    return steps, document_id


def _on_document(parts: Sequence[Part], document_id: UUID) -> Iterator[Part]:
    """Tell the card's document by what corrects the application, and by all that follows."""
    told = False
    for part in parts:
        told = told or part.corrects is FactKind.DECLARED
        yield replace(part, card=replace(part.card, document_id=document_id)) if told else part


# Loss ----------------------------------------------------------------------------------------------------------------


async def _duplicated(ctx: Context, read: Read, held: _Held, change: Loss, attempt: Attempt) -> Shown:
    number = numbers.generate(ctx.dice)
    original, duplicate = life.duplicate(held.card, number, at=read.instant)
    ids = _ids(ctx, read)
    tell = partial(fact, recorded_at=read.instant, actor=ctx.actor, source=Source.OFFICER, reason=change.reason)
    facts = [
        tell(FactKind.ISSUED, None, duplicate, fact_id=next(ids)),
        tell(FactKind.REPLACED, held.card, original, fact_id=next(ids)),
    ]
    sealed = seal(ctx, held.salt, held.clear, f"cards/{number}").columns()
    met = await ctx.read(rows.WITH_DUTIES, number=held.card.number, key=None)
    facts += [
        replace(tell(FactKind.DUTY_MET, duplicate, duplicate, fact_id=next(ids)), **_when_met(row))
        for row in met.rows
        if row["met_kind"] is not None
    ]
    steps = [
        _card_step(ctx, held, original, None),
        added(
            cards,
            world_id=ctx.caller.world_id,
            visa_hash=await entered_on_visa(ctx, held.card) if held.personal.visa else None,
            **rows.columns_of(duplicate),
            **sealed,
        ),
        *fact_steps(ctx, read.real_now, facts, held.card.traveller_id, personal=(held.salt, held.clear)),
        *remember(ctx, read, attempt, card=(number, duplicate.version)),
    ]
    await store(ctx, steps, traveller_id=held.card.traveller_id, version=read.head["traveller_version"])
    return Shown(duplicate, held.clear, read.instant)


def _when_met(row: Row) -> dict[str, Any]:
    """Carry over to the duplicate that a duty was met on the original."""
    return {
        "occurred_at": row["met_at"],
        "occurred_on": row["met_on"],
        "reason": row["met_kind"],
        "source": Source.REGISTRY,
    }
