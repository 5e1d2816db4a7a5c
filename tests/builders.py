"""Small makers of what tests begin with: an application, an attempt, a card. Say only what the test is about."""

# ruff: noqa: ANN401  changes are fields of many types

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from uuid import UUID

from app.db.jobs import Job
from app.db.scoped import HERE
from app.domain.application import Application, DocumentFields, EntryAt, HolderFields, VisaFields
from app.domain.card import (
    Basis,
    Card,
    Crossing,
    Host,
    Intended,
    Particulars,
    Purpose,
    State,
    Status,
    Visa,
    VisaKind,
)
from app.domain.changes import Setting
from app.domain.identity import BirthDate, Document, DocumentKind, Holder, Sex
from app.domain.mrz import Format, build
from app.domain.number import check_character
from app.policies.regimes import policies
from app.services import clocks, jobs
from app.services.access import Context, Registry
from app.services.clocks import Target
from app.services.idempotency import Attempt
from app.services.lookups import DocumentGiven
from app.services.recording import store
from app.services.reports import CrossingAt

DEMO_START = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""Where the demo sandbox and the tests' sandboxes stand frozen."""
MOSCOW_AIR = "SHEREMETYEVO-AIR"
BREST = "BREST-ROAD"
NO_CARD = "A0000000000" + check_character("A0000000000")
"""A number that a card may have, and none has."""
KAMCHATKA = "PETROPAVLOVSK-KAMCHATSKY-SEA"

POLICY = policies()["ru"]


def utc(text: str) -> datetime:
    """Read "2026-12-01 06:00" as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Applications --------------------------------------------------------------------------------------------------------


def holder(**changes: Any) -> HolderFields:
    """A holder as typed: Али Абдуллаев of Uzbekistan, born 1990-05-12."""
    ali = HolderFields(
        surname="Абдуллаев",
        given_names="Али",
        birth_date=BirthDate.parse("1990-05-12"),
        sex=Sex.M,
        citizenship="UZB",
    )
    return replace(ali, **changes)


def passport(number: str = "FA1234567", **changes: Any) -> DocumentFields:
    """An Uzbek passport as typed, good until 2030."""
    good = DocumentFields(kind=DocumentKind.PASSPORT, number=number, issuing_state="UZB", expires_on=date(2030, 1, 1))
    return replace(good, **changes)


def visa_fields(**changes: Any) -> VisaFields:
    """A visa as typed, good from December 2026 to the end of January 2027."""
    good = VisaFields(
        number="20 1234567",
        kind=VisaKind.VISA,
        category="business",
        valid_from=date(2026, 12, 1),
        valid_until=date(2027, 1, 31),
        days_granted=None,
        entries=1,
        applied_on=None,
        lines=None,
    )
    return replace(good, **changes)


def intended(begins_on: str = "2026-12-10", until: str | None = None, checkpoint: str | None = None) -> Intended:
    """What the traveller writes."""
    return Intended(
        begins_on=date.fromisoformat(begins_on),
        until=date.fromisoformat(until) if until else None,
        checkpoint=checkpoint,
    )


def application(number: str = "FA1234567", *, entry: EntryAt | None = None, **changes: Any) -> Application:
    """A declaration for 10 December by the holder of passport `number`; with `entry`, a card issued at the border."""
    usual = Application(
        purpose=Purpose.TOURISM,
        basis=Basis.VISA_FREE,
        holder=holder(),
        document=passport(number),
        lines=None,
        visa=None,
        host=None,
        intended=intended(),
        paper=None,
        entry=entry,
        reference=None,
    )
    return replace(usual, **changes)


def entry_at(checkpoint: str = MOSCOW_AIR, occurred_at: datetime | None = None) -> EntryAt:
    """An entry asked for together with the card, by default now."""
    return EntryAt(checkpoint=checkpoint, occurred_at=occurred_at)


def crossing_at(checkpoint: str = MOSCOW_AIR, occurred_at: datetime | None = None) -> CrossingAt:
    """A crossing as it is reported, by default now."""
    return CrossingAt(checkpoint=checkpoint, occurred_at=occurred_at)


def zone_lines(number: str = "FA1234567", **changes: Any) -> Sequence[str]:
    """The machine-readable zone of Ali's passport."""
    fields: dict[str, Any] = {
        "document_code": "P",
        "issuing_state": "UZB",
        "document_number": number,
        "nationality": "UZB",
        "birth_date": BirthDate.parse("1990-05-12"),
        "sex": Sex.M,
        "expires_on": date(2030, 1, 1),
        "surname": "ABDULLAEV",
        "given_names": "ALI",
        **changes,
    }
    kind = fields.pop("format", Format.TD3)
    return build(kind, **fields).lines


def document_given(number: str = "FA1234567", birth_date: str | None = "1990-05-12") -> DocumentGiven:
    """An Uzbek passport as a client names it in a look-up or a check."""
    return DocumentGiven(
        issuing_state="UZB", number=number, birth_date=BirthDate.parse(birth_date) if birth_date else None
    )


# Attempts and callers ------------------------------------------------------------------------------------------------


def once() -> Attempt:
    """A request without an idempotency key."""
    return Attempt(key=None, operation="test", body=b"")


def attempt(key: str, body: bytes = b"{}", operation: str = "issue") -> Attempt:
    """A request under an idempotency key."""
    return Attempt(key=key, operation=operation, body=body)


async def context_of(registry: Registry, key: str) -> Context:
    """Call as whoever holds `key`."""
    caller = await registry.caller(key)
    assert caller is not None
    return Context(registry, caller, key)


async def advance(ctx: Context, to: datetime) -> None:
    """Move the sandbox's clock."""
    await clocks.advance(ctx, Target(to=to), once())


async def queued(ctx: Context, kind: str, asked: Mapping[str, Any]) -> Job:
    """Ask for a job."""
    job, step = jobs.begin(ctx, (await ctx.read(HERE, key=None)).real_now, kind, asked)
    await store(ctx, [step], traveller_id=None, version=None)
    return job


# Parts of the domain -------------------------------------------------------------------------------------------------

_serial = count(1)


def new_id() -> UUID:
    """An identifier that no other test object has."""
    return UUID(int=next(_serial))


def visa(**changes: Any) -> Visa:
    """A visa as a card keeps it, good from December 2026 to the end of January 2027."""
    good = Visa(
        number="201234567",
        kind=VisaKind.VISA,
        category=None,
        valid_from=date(2026, 12, 1),
        valid_until=date(2027, 1, 31),
        days_granted=None,
        entries=1,
        applied_on=None,
    )
    return replace(good, **changes)


def personal(*, visa: Visa | None = None, host: Host | None = None, **changes: Any) -> Particulars:
    """The personal part of Ali's card; `changes` are the document's."""
    document = Document(
        kind=DocumentKind.PASSPORT, number="FA1234567", issuing_state="UZB", expires_on=date(2030, 1, 1)
    )
    return Particulars(
        holder=Holder(
            surname="Абдуллаев",
            given_names="Али",
            birth_date=BirthDate.parse("1990-05-12"),
            sex=Sex.M,
            citizenship="UZB",
        ),
        document=replace(document, **changes),
        visa=visa,
        host=host,
    )


def citizen(code: str, kind: DocumentKind = DocumentKind.PASSPORT, *, visa: Visa | None = None) -> Particulars:
    """The personal part of a card of a citizen of `code`, on a document of that kind and state."""
    ali = personal(visa=visa, kind=kind, issuing_state=code)
    return replace(ali, holder=replace(ali.holder, citizenship=code))


def stayed(entered_on: str, left_on: str, state: State = State.DEPARTED) -> Card:
    """A card of a former stay, from one day in Moscow to another."""
    return card(
        state,
        checkpoint_in=MOSCOW_AIR,
        entered_at=utc(f"{entered_on} 09:00"),
        entered_on=date.fromisoformat(entered_on),
        checkpoint_out=MOSCOW_AIR,
        left_at=utc(f"{left_on} 09:00"),
        left_on=date.fromisoformat(left_on),
        zone_out="Europe/Moscow",
    )


def card(state: State = State.DECLARED, **changes: Any) -> Card:
    """A card in a state, with the fields that belong to it: declared for 10 December, entered on 2 December."""
    declared = Card(
        number="7K3M0Q2V9XTH",
        version=1,
        state=state,
        traveller_id=UUID(int=1),
        document_id=UUID(int=2),
        citizenship="UZB",
        purpose=Purpose.TOURISM,
        basis=Basis.VISA_FREE,
        zone="Europe/Moscow",
        declared_at=DEMO_START,
        policy_id="ru",
        policy_version=1,
    )
    return replace(declared, **{**_FIELDS_OF_STATE.get(state, {}), **changes})


_ENTERED = {
    "checkpoint_in": MOSCOW_AIR,
    "entered_at": utc("2026-12-02 10:00"),
    "entered_on": date(2026, 12, 2),
    "last_lawful_day": date(2027, 3, 1),
    "ends_at": utc("2027-03-01 21:00"),
    "ended_by": "continuous",
}
_FIELDS_OF_STATE: Mapping[State, Mapping[str, Any]] = {
    State.DECLARED: {"intended_from": date(2026, 12, 10), "lapses_at": utc("2026-12-13 21:00")},
    State.ACTIVE: _ENTERED,
    State.DEPARTED: {
        **_ENTERED,
        "checkpoint_out": BREST,
        "left_at": utc("2027-01-10 10:00"),
        "left_on": date(2027, 1, 10),
        "zone_out": "Europe/Minsk",
    },
}


def crossing(at: str = "2026-12-02 10:00", checkpoint: str = MOSCOW_AIR, zone: str = "Europe/Moscow") -> Crossing:
    """A crossing at an instant in UTC."""
    return Crossing(checkpoint=checkpoint, occurred_at=utc(at), zone=zone)


def at_status(status: Status) -> tuple[Card, datetime]:
    """A card, and an instant at which it has that status."""
    match status:
        case Status.LAPSED:
            return card(State.DECLARED), utc("2026-12-13 21:00")
        case Status.OVERSTAYED:
            return card(State.ACTIVE), utc("2027-03-01 21:00")
        case _:
            return card(State(status.value)), utc("2026-12-02 10:00")


def setting(at: str = "2026-12-20 10:00") -> Setting:
    """When and by which rules a change is made, by default on 20 December."""
    return Setting(at=utc(at), policy=POLICY, known_states={"UZB", "TJK", "KGZ", "RUS", "BLR"})
