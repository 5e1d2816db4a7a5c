"""Finding a card by what a person has in the hand: a document, a zone, a name, a paper card, the number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.domain import checking, mrz
from app.domain import number as numbers
from app.domain.card import Card, Particulars, State, Status
from app.domain.checking import Candidate, Check
from app.domain.clock import MOSCOW, local_day
from app.domain.errors import RuleViolation, violation
from app.domain.identity import BirthDate, canonical_document_number, fold_document_number, state_code
from app.domain.names import names_match
from app.domain.number import PaperNumber
from app.services.access import Context, Read, unit_of_work
from app.services.cards import Shown


class MatchedBy(StrEnum):
    """What a card was found by."""

    DOCUMENT = "document"
    FORMER_DOCUMENT = "former_document"
    NAME = "name"
    PAPER = "paper"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A card that was found; `exact` is False when the document number agrees only with O as 0, I and L as 1."""

    shown: Shown
    matched_by: MatchedBy
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentGiven:
    """A document as a client names it, with the holder's birth date where known."""

    issuing_state: str
    number: str
    birth_date: BirthDate | None


@unit_of_work
async def by_document(ctx: Context, given: DocumentGiven, *, departed: bool) -> list[Match]:
    """Find by issuing state, document number and birth date, among all documents of a person."""
    return await _by_document(ctx, given, departed=departed)


async def _by_document(ctx: Context, given: DocumentGiven, *, departed: bool) -> list[Match]:
    hashes = [_fold_hash(ctx, given)]
    read = await ctx.read(rows.BY_DOCUMENT, hashes=hashes, departed=int(departed))
    exact = _exact_hash(ctx, given)

    def match(row: Row, personal: Particulars) -> tuple[MatchedBy, bool] | None:
        if given.birth_date and not given.birth_date.agrees_with(personal.holder.birth_date):
            return None
        former = row["by_document_id"] != row["document_id"]
        return MatchedBy.FORMER_DOCUMENT if former else MatchedBy.DOCUMENT, row["exact_hash"] == exact

    return _matches(ctx, read, match)


@unit_of_work
async def by_zone(ctx: Context, lines: Sequence[str], *, departed: bool) -> list[Match]:
    """Find by the document and birth date of a zone, misread digits or not; RuleViolation `mrz-structure`."""
    zone = mrz.parse(lines, today=local_day(await ctx.now(), MOSCOW))
    if zone.birth_date is None or not zone.document_number:
        return []
    given = DocumentGiven(
        issuing_state=state_code(zone.issuing_state), number=zone.document_number, birth_date=zone.birth_date
    )
    return await _by_document(ctx, given, departed=departed)


@unit_of_work
async def by_name(ctx: Context, name: str, birth_date: BirthDate, *, departed: bool) -> list[Match]:
    """Find by a name in any order and script, and a birth date that may be partial on either side."""
    hashes = [ctx.keys.hash("birth", candidate) for candidate in birth_date.candidates()]
    read = await ctx.read(rows.BY_BIRTH_DATE, hashes=hashes, departed=int(departed))
    if len(read.rows) > rows.LOOKUP_LIMIT:
        raise RuleViolation("lookup-too-wide")

    def match(row: Row, personal: Particulars) -> tuple[MatchedBy, bool] | None:  # noqa: ARG001
        holder = personal.holder
        parts = (
            holder.surname,
            holder.given_names,
            holder.patronymic or "",
            holder.surname_latin or "",
            holder.given_names_latin or "",
        )
        found = birth_date.agrees_with(holder.birth_date) and names_match(name, *parts)
        return (MatchedBy.NAME, True) if found else None

    return _matches(ctx, read, match)


@unit_of_work
async def by_paper(ctx: Context, paper: PaperNumber, *, departed: bool) -> list[Match]:
    """Find by the series and number of a paper card, as text."""
    read = await ctx.read(rows.BY_PAPER, paper_series=paper.series, paper_number=paper.number, departed=int(departed))
    return _matches(ctx, read, lambda *_: (MatchedBy.PAPER, True))


@unit_of_work
async def by_number(ctx: Context, text: str, birth_date: BirthDate, *, departed: bool) -> list[Match]:
    """Find one's own card by its number and the birth date on it."""
    number = numbers.read(text)
    if number is None or not numbers.agrees(number):
        return []
    read = await ctx.read(rows.BY_NUMBER, number=number)

    def match(row: Row, personal: Particulars) -> tuple[MatchedBy, bool] | None:
        wanted = {State.DECLARED, State.ACTIVE, *({State.DEPARTED} if departed else ())}
        own = row["state"] in wanted and birth_date.agrees_with(personal.holder.birth_date)
        return (MatchedBy.NUMBER, True) if own else None

    return _matches(ctx, read, match)


def _matches(
    ctx: Context, read: Read, match: Callable[[Row, Particulars], tuple[MatchedBy, bool] | None]
) -> list[Match]:
    """Open what was found, keep what matches and has not lapsed; newest entry first, never entered last."""
    found: dict[str, Match] = {}
    for row in read.rows:
        card = rows.card_of(row)
        personal = ctx.open(rows.sealed_of(row), f"cards/{card.number}")
        if personal is None or card.status_at(read.instant) is Status.LAPSED:
            continue
        verdict = match(row, sealed_json.read(personal))
        if verdict is None:
            continue
        matched_by, exact = verdict
        better = card.number not in found or exact > found[card.number].exact
        if better:
            found[card.number] = Match(shown=Shown(card, personal, read.instant), matched_by=matched_by, exact=exact)
    return sorted(found.values(), key=lambda one: _newest_first(one.shown.card))


def _newest_first(card: Card) -> tuple[bool, float, str]:
    entered = card.entered_at
    return entered is None, -entered.timestamp() if entered else 0, card.number


def _fold_hash(ctx: Context, given: DocumentGiven, pointer: str = "") -> bytes:
    return ctx.keys.hash("fold", given.issuing_state, fold_document_number(_number(given, pointer)))


def _exact_hash(ctx: Context, given: DocumentGiven) -> bytes:
    return ctx.keys.hash("exact", given.issuing_state, _number(given))


def _number(given: DocumentGiven, pointer: str = "") -> str:
    try:
        return canonical_document_number(given.number)
    except ValueError:
        raise violation(f"{pointer}/number", "document-number-unfit") from None


# Checks --------------------------------------------------------------------------------------------------------------


class AccessPurpose(StrEnum):
    """Why somebody looks at a person's card."""

    BORDER_CHECK = "border_check"
    BOARDING = "boarding"
    REGISTRATION = "registration"
    EMPLOYMENT = "employment"
    CORRECTION = "correction"
    HOLDER = "holder"
    AUDIT = "audit"
    TEST = "test"


@unit_of_work
async def check(ctx: Context, items: Sequence[DocumentGiven], purpose: AccessPurpose) -> list[Check]:
    """Tell for each document whether its holder may board, or may be received; in the order asked.

    A carrier is answered ok for a card that is declared or open, a host only for a stay that is lawful now.
    """
    folds = [_fold_hash(ctx, item, f"/items/{place}") for place, item in enumerate(items)]
    read = await ctx.read(rows.BY_DOCUMENT, hashes=sorted(set(folds)), departed=0)
    by_fold: dict[bytes, list[tuple[bytes, Card, BirthDate]]] = {}
    for row in read.rows:
        card = rows.card_of(row)
        personal = ctx.open(rows.sealed_of(row), f"cards/{card.number}")
        if personal is not None:
            born = sealed_json.read(personal).holder.birth_date
            by_fold.setdefault(row["fold_hash"], []).append((row["exact_hash"], card, born))
    boarding = purpose is AccessPurpose.BOARDING
    answers = []
    for fold, item in zip(folds, items, strict=True):
        exact = _exact_hash(ctx, item)
        found = [Candidate(card=card, birth_date=born, exact=own == exact) for own, card, born in by_fold.get(fold, ())]
        answers.append(checking.check(found, item.birth_date, read.instant, boarding=boarding))
    return answers
