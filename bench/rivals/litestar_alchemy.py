"""Litestar with its SQLAlchemy plugin, answers as msgspec structures, as its documentation has it."""

import os
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
)
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import Parameter
from msgspec import Meta, Struct
from sqlalchemy import TIMESTAMP, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_URL = os.environ["MIGCARD_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")


class Base(DeclarativeBase):
    """Instants have their zone."""

    type_annotation_map = {datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012  as SQLAlchemy wants it


class Row(Base):
    """A card and whose it is."""

    __tablename__ = "plain_cards"

    number: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    state: Mapped[str]
    citizenship: Mapped[str]
    purpose: Mapped[str]
    basis: Mapped[str]
    zone: Mapped[str]
    surname: Mapped[str]
    given_names: Mapped[str]
    birth_date: Mapped[str]
    sex: Mapped[str]
    document_type: Mapped[str]
    document_number: Mapped[str]
    issuing_state: Mapped[str]
    expires_on: Mapped[date | None]
    declared_at: Mapped[datetime]
    intended_from: Mapped[date | None]
    intended_until: Mapped[date | None]
    intended_checkpoint: Mapped[str | None]
    lapses_at: Mapped[datetime | None]
    checkpoint_in: Mapped[str | None]
    entered_at: Mapped[datetime | None]
    entered_on: Mapped[date | None]
    last_lawful_day: Mapped[date | None]
    ends_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    checkpoint_out: Mapped[str | None]
    left_at: Mapped[datetime | None]
    paper_series: Mapped[str | None]
    paper_number: Mapped[str | None]
    reference: Mapped[str | None]


class Holder(Struct):
    """Who; as sent and as told."""

    surname: str
    given_names: str
    birth_date: str
    sex: Literal["M", "F", "X"]
    citizenship: str


class Document(Struct):
    """With which document; as sent and as told."""

    type: str
    number: str
    issuing_state: str
    expires_on: date | None


class Card(Struct):
    """A card as it is told."""

    number: str
    status: str
    version: int
    holder: Holder
    document: Document
    citizenship: str
    purpose: str
    basis: str
    declared_at: datetime
    intended_from: date | None
    intended_until: date | None
    intended_checkpoint: str | None
    lapses_at: datetime | None
    checkpoint_in: str | None
    entered_at: datetime | None
    entered_on: date | None
    zone: str
    last_lawful_day: date | None
    ends_at: datetime | None
    ended_by: str | None
    checkpoint_out: str | None
    left_at: datetime | None
    paper_series: str | None
    paper_number: str | None
    reference: str | None


class Match(Struct):
    """A card that was found."""

    card: Card


class Matches(Struct):
    """What was found by a document."""

    items: list[Match]
    next: None = None


class Page(Struct):
    """A page of the list."""

    items: list[Card]
    next: str | None


class CardIn(Struct):
    """As sent."""

    purpose: Literal["official", "tourism", "business", "education", "employment", "private", "transit"]
    basis: str
    holder: Holder
    document: Document
    intended: dict[str, date]


class LookupIn(Struct):
    """As sent."""

    by: Literal["document"]
    issuing_state: str
    number: str
    birth_date: Annotated[str, Meta(max_length=10)]


def _card(row: Row) -> Card:
    """Tell a row."""
    nested = {"status", "holder", "document"}
    return Card(
        status=row.state,
        holder=Holder(
            surname=row.surname,
            given_names=row.given_names,
            birth_date=row.birth_date,
            sex=row.sex,
            citizenship=row.citizenship,
        ),
        document=Document(
            type=row.document_type,
            number=row.document_number,
            issuing_state=row.issuing_state,
            expires_on=row.expires_on,
        ),
        **{name: getattr(row, name) for name in Card.__struct_fields__ if name not in nested},
    )


@get("/v1/cards/{number:str}")
async def look_up(db_session: AsyncSession, number: str) -> Card:
    """By number."""
    row = await db_session.get(Row, number)
    if row is None:
        raise NotFoundException
    return _card(row)


@post("/v1/cards/lookup", status_code=200)
async def by_document(db_session: AsyncSession, data: LookupIn) -> Matches:
    """By document."""
    found = await db_session.scalars(
        select(Row).where(
            Row.issuing_state == data.issuing_state,
            Row.document_number == data.number,
            Row.birth_date == data.birth_date,
            Row.state.in_(["declared", "active"]),
        )
    )
    return Matches(items=[Match(card=_card(row)) for row in found])


@get("/v1/cards")
async def listing(
    db_session: AsyncSession, limit: Annotated[int, Parameter(ge=1, le=100)] = 50, after: str | None = None
) -> Page:
    """List the newest cards."""
    page = select(Row).order_by(Row.declared_at.desc(), Row.number.desc()).limit(limit + 1)
    if after:
        instant, _, number = after.partition("_")
        page = page.where(tuple_(Row.declared_at, Row.number) < (datetime.fromisoformat(instant), number))
    found = (await db_session.scalars(page)).all()
    shown = found[:limit]
    more = f"{shown[-1].declared_at.isoformat()}_{shown[-1].number}" if len(found) > limit else None
    return Page(items=[_card(row) for row in shown], next=more)


@post("/v1/cards")
async def issue(db_session: AsyncSession, data: CardIn) -> Card:
    """Declare a card."""
    now = datetime.now(UTC)  # noqa: TID251  a rival's own clock
    row = Row(
        number=os.urandom(6).hex().upper(),  # noqa: TID251  and dice
        version=1,
        state="declared",
        citizenship=data.holder.citizenship,
        purpose=data.purpose,
        basis=data.basis,
        zone="Europe/Moscow",
        surname=data.holder.surname,
        given_names=data.holder.given_names,
        birth_date=data.holder.birth_date,
        sex=data.holder.sex,
        document_type=data.document.type,
        document_number=data.document.number,
        issuing_state=data.document.issuing_state,
        expires_on=data.document.expires_on,
        declared_at=now,
        intended_from=data.intended.get("from"),
        lapses_at=now + timedelta(days=3),
    )
    db_session.add(row)
    await db_session.commit()
    return _card(row)


def _unfit(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:  # noqa: ARG001  its signature
    """Answer what does not fit as all here do: Litestar's own is 400."""
    return Response({"detail": error.detail}, status_code=422)


app = Litestar(
    route_handlers=[look_up, by_document, listing, issue],
    plugins=[
        SQLAlchemyPlugin(
            config=SQLAlchemyAsyncConfig(
                connection_string=_URL,
                session_config=AsyncSessionConfig(expire_on_commit=False),
                engine_config=EngineConfig(pool_size=10, max_overflow=6),
            )
        )
    ],
    exception_handlers={ValidationException: _unfit},
    openapi_config=None,
)
