"""Crossings reported without a card number: the person is found by the document, then the card if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from uuid import UUID

from app.db import people
from app.db.engine import Row
from app.db.scoped import HERE
from app.db.tables import salts
from app.db.vault import SALT_BYTES
from app.db.write import Step, added
from app.domain.border import Direction, Outcome, Report
from app.domain.card import State
from app.domain.cardless import decide_among_several, decide_without_anybody, decide_without_card, rank_for
from app.domain.events import Fact, FactKind, Source
from app.domain.identity import Holder, canonical_document_number, fold_document_number, state_code
from app.domain.names import names_match
from app.services import border
from app.services.access import Context, Read, unit_of_work
from app.services.border import Crossed, crossed
from app.services.documents import birth_hash, opened
from app.services.idempotency import Attempt, earlier, remember
from app.services.recording import Salt, fact_steps, store
from app.services.reports import CrossingAt, Seen, Sighting, outcome_of, report_of

_ASKED = {Direction.ENTRY: FactKind.ENTERED, Direction.EXIT: FactKind.DEPARTED}
ON_CARD = {Direction.ENTRY: border.enter, Direction.EXIT: border.leave}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """A holder of the document that was shown; `card` is the one that the crossing is about, if there is one."""

    traveller_id: UUID
    version: int
    salt: Salt
    card: str | None


@dataclass(frozen=True, slots=True)
class _Case:
    """A crossing without a card: which way, how that was reported, who was seen if anybody, and what is decided."""

    direction: Direction
    report: Report
    seen: Seen | None
    outcome: Outcome


@unit_of_work
async def report(ctx: Context, direction: Direction, at: CrossingAt, sighting: Sighting, attempt: Attempt) -> Crossed:
    """Decide on a crossing of whoever holds the document: on the card of that person, or without one.

    Several people may share a document; then more is asked. RuleViolation where the document is not told in full.
    """
    shown = sighting.complete(await ctx.now())
    number = canonical_document_number(shown.document.number or "")
    folded = ctx.keys.hash("fold", state_code(shown.document.issuing_state or ""), fold_document_number(number))
    read = await ctx.read(people.WITH_DOCUMENT, hashes=[folded], key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return await border.repeated(ctx, repeat["replay_answer"])
    if at.scan_id and (
        scanned := await border.scan_before(ctx, read, replace(at, sighting=sighting), _ASKED[direction], None, attempt)
    ):
        return scanned
    told = await report_of(ctx, read, at)
    exact = shown.exact_hash(ctx)
    found = _people(ctx, [row for row in read.rows if row["exact_hash"] == exact], shown, direction, told)
    if len(found) == 1 and found[0].card:
        return await ON_CARD[direction](ctx, found[0].card, replace(at, sighting=sighting), attempt)
    outcome = _outcome(ctx, direction, told, shown, several=len(found) > 1)
    person = found[0] if len(found) == 1 else None
    return await _record(ctx, read, _Case(direction, told, shown, outcome), person, attempt)


@unit_of_work
async def report_number(ctx: Context, direction: Direction, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Record what has happened though nothing was shown, and the number that was told is no card's."""
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return await border.repeated(ctx, repeat["replay_answer"])
    asked = _ASKED[direction]
    if at.scan_id and (scanned := await border.scan_before(ctx, read, at, asked, at.unknown_card, attempt)):
        return scanned
    told = await report_of(ctx, read, at)
    case = _Case(direction, told, None, decide_without_anybody(direction, told))
    return await _record(ctx, read, case, None, attempt)


def _people(ctx: Context, rows: Sequence[Row], shown: Seen, direction: Direction, told: Report) -> list[_Person]:
    """List the people who hold the document and are not told apart from the one who was seen.

    Names decide only among several: a zone cuts them, and a document and a birth date are enough for one.
    """
    holder, by_document = shown.holder, dict[UUID, list[Row]]()
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
            card=_card_to_use(cards, direction, told),
        )
        found.append((person, known))
    named = [person for person, known in found if holder.given_names and _is_named(holder.given_names, known)]
    return named if len(found) > 1 and named else [person for person, _ in found]


def _is_named(given_names: str, known: Holder) -> bool:
    return names_match(given_names, known.given_names, known.given_names_latin or "")


def _card_to_use(cards: Sequence[Row], direction: Direction, told: Report) -> str | None:
    """Choose the card that a crossing is about, of several that fit alike the latest that was there by then."""
    known = sorted((row for row in cards if row["card_number"]), key=itemgetter("card_declared_at"), reverse=True)
    known.sort(key=lambda row: row["card_declared_at"] > told.crossing.occurred_at)
    ranked = [(rank, row) for row in known if (rank := _rank(row, direction, told)) is not None]
    best = min(ranked, key=itemgetter(0), default=None)
    return best[1]["card_number"] if best else None


def _rank(row: Row, direction: Direction, told: Report) -> int | None:
    exit_source = row["card_exit_source"] and Source(row["card_exit_source"])
    return rank_for(direction, told, State(row["card_state"]), exit_source)


def _outcome(ctx: Context, direction: Direction, told: Report, shown: Seen, *, several: bool) -> Outcome:
    holder = shown.holder
    if several:
        return decide_among_several(direction, told, birth_date_known=holder.birth_date is not None)
    citizenship = state_code(holder.citizenship) if holder.citizenship else None
    return decide_without_card(direction, told, citizenship=citizenship, kind=shown.document.kind, policy=ctx.policy)


async def _record(ctx: Context, read: Read, case: _Case, person: _Person | None, attempt: Attempt) -> Crossed:
    """Keep the crossing with who was seen, sealed: under the person's salt, or a new one for somebody not known."""
    told, outcome, asked, seen = case.report, case.outcome, _ASKED[case.direction], case.seen
    crossing, fact_id = told.crossing, ctx.registry.new_id(read.real_now)
    born = seen.holder.birth_date if seen else None
    shown = seen.exact_hash(ctx) if seen else None
    answer = outcome_of(outcome, told, asked, fact_id) | {
        "asked_of": None if seen else told.unknown_card,
        "seen": shown.hex() if shown else None,
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
        changes={"checkpoint": crossing.checkpoint, "direction": case.direction}
        | ({"number": told.unknown_card} if told.unknown_card else {}),
        reason=outcome.reason,
        scan_id=told.scan_id,
        confidence=told.confidence,
        outcome=answer,
        seen_hash=None if person else shown,
        born_hash=None if person or born is None else birth_hash(ctx, born),
    )
    salt = person.salt if person else Salt(salt_id=ctx.registry.new_id(read.real_now, 1), salt=ctx.dice(SALT_BYTES))
    new_salt: list[Step] = []
    if person is None and seen:
        new_salt = [added(salts, world_id=ctx.caller.world_id, salt_id=salt.salt_id, salt=salt.salt)]
    traveller_id = person.traveller_id if person else None
    steps = [
        *new_salt,
        *fact_steps(ctx, read.real_now, [fact], traveller_id, personal=(salt, seen.json()) if seen else None),
        *remember(ctx, read, attempt, answer=answer),
    ]
    await store(ctx, steps, traveller_id=traveller_id, version=person.version if person else None)
    return crossed(answer, None)
