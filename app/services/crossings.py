"""Crossings reported without a card number: the person is found by the document, then the card if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic_core import to_json

from app.db import people
from app.db.engine import Row
from app.db.tables import salts
from app.db.vault import SALT_BYTES
from app.db.write import Step, added
from app.domain.application import DocumentFields, HolderFields
from app.domain.border import Decision, Direction, Outcome, Reason, Report, decide_without_card
from app.domain.card import State
from app.domain.events import Fact, FactKind, Source
from app.domain.identity import Holder, canonical_document_number, fold_document_number, state_code
from app.domain.names import names_match
from app.services import border
from app.services.access import Context, Read, unit_of_work
from app.services.border import Crossed, CrossingAt, Sighting, crossed
from app.services.documents import opened
from app.services.idempotency import Attempt, earlier, remember
from app.services.recording import Salt, fact_steps, store

_ASKED = {Direction.ENTRY: FactKind.ENTERED, Direction.EXIT: FactKind.DEPARTED}
_ON_CARD = {Direction.ENTRY: border.enter, Direction.EXIT: border.leave}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """A holder of the document that was shown; `card` is the one that the crossing is about, if there is one."""

    traveller_id: UUID
    version: int
    salt: Salt
    card: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Who was seen, which way, and how that was reported."""

    direction: Direction
    report: Report
    holder: HolderFields
    document: DocumentFields


@unit_of_work
async def report(ctx: Context, direction: Direction, at: CrossingAt, sighting: Sighting, attempt: Attempt) -> Crossed:
    """Decide on a crossing of whoever holds the document: on the card of that person, or without one.

    Several people may share a document; then more is asked. RuleViolation where the document is not told in full.
    """
    holder, document = border.complete(sighting, await ctx.now())
    number = canonical_document_number(document.number or "")
    folded = ctx.keys.hash("fold", state_code(document.issuing_state or ""), fold_document_number(number))
    read = await ctx.read(people.WITH_DOCUMENT, hashes=[folded], key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return await border.repeated(ctx, repeat["replay_answer"])
    if at.scan_id and (
        scanned := await border.scan_before(ctx, replace(at, sighting=sighting), _ASKED[direction], None)
    ):
        return scanned
    exact = border.exact_hash(ctx, document)
    found = _people(ctx, [row for row in read.rows if row["exact_hash"] == exact], holder, direction)
    if len(found) == 1 and found[0].card:
        return await _ON_CARD[direction](ctx, found[0].card, replace(at, sighting=sighting), attempt)
    told = await border.report_of(ctx, read, at)
    seen = _Seen(direction=direction, report=told, holder=holder, document=document)
    outcome = _one_of_several(seen) if len(found) > 1 else _without_card(ctx, seen)
    return await _record(ctx, read, seen, outcome, found[0] if len(found) == 1 else None, attempt)


def _people(ctx: Context, rows: Sequence[Row], holder: HolderFields, direction: Direction) -> list[_Person]:
    """List the people who hold the document and are not told apart from the one who was seen.

    Names decide only among several: a zone cuts them, and a document and a birth date are enough for one.
    """
    by_document: dict[UUID, list[Row]] = {}
    for row in rows:
        by_document.setdefault(row["document_id"], []).append(row)
    found: list[tuple[_Person, Holder]] = []
    for cards in by_document.values():
        first, written = cards[0], opened(ctx, cards[0])
        if written is None:
            continue
        known = written.holder
        if holder.birth_date and not holder.birth_date.agrees_with(known.birth_date):
            continue
        person = _Person(
            traveller_id=first["traveller_id"],
            version=first["traveller_version"],
            salt=Salt(salt_id=first["salt_id"], salt=first["salt"]),
            card=_card_to_use(cards, direction),
        )
        found.append((person, known))
    named = [person for person, known in found if holder.given_names and _is_named(holder.given_names, known)]
    return named if len(found) > 1 and named else [person for person, _ in found]


def _is_named(given_names: str, known: Holder) -> bool:
    return names_match(given_names, known.given_names, known.given_names_latin or "")


def _card_to_use(cards: Sequence[Row], direction: Direction) -> str | None:
    """Choose the card that a crossing is about: the open one, else the latest declared one or the one left unseen."""
    rank: dict[tuple[State, Source | None], int] = {(State.ACTIVE, None): 0}
    if direction is Direction.ENTRY:
        rank[State.DECLARED, None] = 1
    else:
        rank[State.DEPARTED, Source.INFERRED] = 1
    fitting = [row for row in cards if (row["card_state"], row["card_exit_source"]) in rank]
    latest_first = sorted(fitting, key=lambda row: row["card_declared_at"], reverse=True)
    best = min(latest_first, key=lambda row: rank[row["card_state"], row["card_exit_source"]], default=None)
    return best["card_number"] if best else None


def _one_of_several(seen: _Seen) -> Outcome:
    recorded = seen.report.has_happened or seen.direction is Direction.EXIT
    return Outcome(
        decision=Decision.RECORDED if recorded else Decision.MORE_DATA,
        reason=Reason.MORE_DATA,
        missing=["/holder/given_names" if seen.holder.birth_date else "/holder/birth_date"],
    )


def _without_card(ctx: Context, seen: _Seen) -> Outcome:
    citizenship = state_code(seen.holder.citizenship) if seen.holder.citizenship else None
    return decide_without_card(
        seen.direction, seen.report, citizenship=citizenship, kind=seen.document.kind, policy=ctx.policy
    )


async def _record(
    ctx: Context, read: Read, seen: _Seen, outcome: Outcome, person: _Person | None, attempt: Attempt
) -> Crossed:
    """Keep the crossing with who was seen, sealed: under the person's salt, or a new one for somebody not known."""
    told, asked = seen.report, _ASKED[seen.direction]
    crossing, fact_id = told.crossing, ctx.registry.new_id(read.real_now)
    answer = border.outcome_of(outcome, told, asked, fact_id) | {
        "seen": border.exact_hash(ctx, seen.document).hex(),
        "card": None,
        "version": None,
    }
    fact = Fact(
        fact_id=fact_id,
        kind=FactKind.CROSSING,
        card_number=None,
        version=None,
        occurred_at=crossing.occurred_at,
        occurred_on=crossing.on,
        zone=crossing.zone,
        recorded_at=read.instant,
        actor=ctx.actor,
        source=told.source,
        changes={"checkpoint": crossing.checkpoint, "direction": seen.direction},
        reason=outcome.reason,
        scan_id=told.scan_id,
        confidence=told.confidence,
        outcome=answer,
    )
    salt = person.salt if person else Salt(salt_id=ctx.registry.new_id(read.real_now, 1), salt=ctx.dice(SALT_BYTES))
    new_salt: list[Step] = []
    if person is None:
        new_salt = [added(salts, world_id=ctx.caller.world_id, salt_id=salt.salt_id, salt=salt.salt)]
    traveller_id = person.traveller_id if person else None
    steps = [
        *new_salt,
        *fact_steps(ctx, read, [fact], traveller_id, personal=(salt, _seen_json(seen))),
        *remember(ctx, read, attempt, answer=answer),
    ]
    await store(ctx, steps, traveller_id=traveller_id, version=person.version if person else None)
    return crossed(answer, None)


def _seen_json(seen: _Seen) -> bytes:
    holder, document = seen.holder, seen.document
    return to_json(
        {
            "holder": {
                "surname": holder.surname,
                "given_names": holder.given_names,
                "birth_date": holder.birth_date and str(holder.birth_date),
                "sex": holder.sex,
                "citizenship": holder.citizenship,
            },
            "document": {
                "type": document.kind,
                "number": document.number,
                "issuing_state": document.issuing_state,
                "expires_on": document.expires_on,
            },
        }
    )
