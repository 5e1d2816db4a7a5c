"""Scans: crossings of whoever showed a card, a document or both; alone, or many that were made without a network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.db.engine import Busy, Unavailable
from app.domain import number as numbers
from app.domain.border import HAPPENED, Direction
from app.domain.errors import NotFound, Refusal
from app.services import crossings
from app.services.access import Context
from app.services.batches import Answered, Begun, answered, begin
from app.services.border import Crossed
from app.services.idempotency import Attempt
from app.services.reports import CrossingAt, Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A crossing as it was scanned: which way, on which card if its number was told, and who was seen otherwise."""

    direction: Direction
    number: str | None
    at: CrossingAt
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Undone:
    """What the database did not do, and why: a repeat does it."""

    error: Busy | Unavailable
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What became of each of a batch, in their order.

    `asked_as` identifies the request that began the batch: refusals name it.
    """

    items: Sequence[Crossed | Undone | Refusal]
    replayed: bool
    asked_as: str


async def decide(ctx: Context, scan: Scan, attempt: Attempt) -> Crossed:
    """Decide on a crossing: on the card that was told, or of whoever holds the document.

    A number that is no card's keeps nothing from being recorded that was seen, or has happened. NotFound
    `card-not-found` for what is only asked, and for what can be no number.
    """
    if scan.number is None:
        return await crossings.report(ctx, scan.direction, scan.at, scan.sighting, attempt)
    try:
        return await crossings.ON_CARD[scan.direction](ctx, scan.number, scan.at, attempt)
    except NotFound:
        at = replace(scan.at, unknown_card=numbers.read(scan.number) or "")
        if at.sighting:
            return await crossings.report(ctx, scan.direction, at, at.sighting, attempt)
        if at.unknown_card and at.source in HAPPENED:
            return await crossings.report_number(ctx, scan.direction, at, attempt)
        raise


async def decide_each(ctx: Context, scans: Sequence[Scan | Refusal], attempt: Attempt, asked_as: str) -> Scanned:
    """Decide on each on its own, one after the other; a Refusal in place of a scan says why what was sent is none.

    A repeat tells the same of each, and goes on where the first attempt was cut off. Another request under the same key
    is refused as a whole, before anything is decided.
    """
    begun = await begin(ctx, attempt, asked_as)
    told = [await _decided(ctx, scan, begun, begun.own(attempt, place)) for place, scan in enumerate(scans)]
    for place, one in enumerate(told):
        if isinstance(one.item, Refusal):
            one.item.point_below(f"/items/{place}")
    return Scanned(
        items=[one.item for one in told], replayed=all(one.replayed for one in told), asked_as=begun.asked_as
    )


async def _decided(ctx: Context, scan: Scan | Refusal, begun: Begun, own: Attempt) -> Answered[Crossed | Undone]:
    async def decided() -> Crossed | Undone:
        if isinstance(scan, Refusal):
            raise scan
        try:
            return await decide(ctx, scan, own)
        except (Busy, Unavailable) as error:
            return Undone(error)

    return await answered(ctx, begun, own, decided)
