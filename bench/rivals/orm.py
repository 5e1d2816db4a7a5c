"""FastAPI with SQLAlchemy's async ORM: a session for each request, response models, as both documentations have it."""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import TIMESTAMP, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_URL = os.environ["MIGCARD_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
_engine = create_async_engine(_URL, pool_size=10, max_overflow=6)
_sessions = async_sessionmaker(_engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """Instants have their zone."""

    type_annotation_map = {datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012  as SQLAlchemy wants it


class Card(Base):
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

    @property
    def holder(self) -> "Card":
        """The same row, as the holder's part of the answer reads it."""
        return self

    @property
    def document(self) -> "Card":
        """Likewise the document's."""
        return self


class Told(BaseModel):
    """Reads the attributes of a row."""

    model_config = ConfigDict(from_attributes=True)


class HolderOut(Told):
    """Who."""

    surname: str
    given_names: str
    birth_date: str
    sex: str
    citizenship: str


class DocumentOut(Told):
    """With which document."""

    type: str = Field(validation_alias="document_type")
    number: str = Field(validation_alias="document_number")
    issuing_state: str
    expires_on: date | None


class CardOut(Told):
    """A card as it is told."""

    number: str
    status: str = Field(validation_alias="state")
    version: int
    holder: HolderOut
    document: DocumentOut
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


class MatchOut(Told):
    """A card that was found."""

    card: CardOut


class MatchesOut(Told):
    """What was found by a document."""

    items: list[MatchOut]
    next: None = None


class PageOut(Told):
    """A page of the list."""

    items: list[CardOut]
    next: str | None


class HolderIn(BaseModel):
    """As sent."""

    surname: str
    given_names: str
    birth_date: str
    sex: Literal["M", "F", "X"]
    citizenship: str


class DocumentIn(BaseModel):
    """As sent."""

    type: str
    number: str
    issuing_state: str
    expires_on: date


class CardIn(BaseModel):
    """As sent."""

    purpose: Literal["official", "tourism", "business", "education", "employment", "private", "transit"]
    basis: str
    holder: HolderIn
    document: DocumentIn
    intended: dict[str, date]


class LookupIn(BaseModel):
    """As sent."""

    by: Literal["document"]
    issuing_state: str
    number: str
    birth_date: str


async def _session() -> AsyncIterator[AsyncSession]:
    async with _sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]
app = FastAPI()


@app.get("/v1/cards/{number}", response_model=CardOut)
async def look_up(session: Session, number: str) -> Card:
    """By number."""
    card = await session.get(Card, number)
    if card is None:
        raise HTTPException(404)
    return card


@app.post("/v1/cards/lookup", response_model=MatchesOut)
async def by_document(session: Session, body: LookupIn) -> dict[str, Sequence[dict[str, Card]]]:
    """By document."""
    found = await session.scalars(
        select(Card).where(
            Card.issuing_state == body.issuing_state,
            Card.document_number == body.number,
            Card.birth_date == body.birth_date,
            Card.state.in_(["declared", "active"]),
        )
    )
    return {"items": [{"card": card} for card in found]}


@app.get("/v1/cards", response_model=PageOut)
async def listing(
    session: Session, limit: Annotated[int, Query(ge=1, le=100)] = 50, after: str | None = None
) -> dict[str, object]:
    """List the newest cards."""
    page = select(Card).order_by(Card.declared_at.desc(), Card.number.desc()).limit(limit + 1)
    if after:
        instant, _, number = after.partition("_")
        page = page.where(tuple_(Card.declared_at, Card.number) < (datetime.fromisoformat(instant), number))
    found = (await session.scalars(page)).all()
    shown = found[:limit]
    more = f"{shown[-1].declared_at.isoformat()}_{shown[-1].number}" if len(found) > limit else None
    return {"items": shown, "next": more}


@app.post("/v1/cards", response_model=CardOut, status_code=201)
async def issue(session: Session, body: CardIn) -> Card:
    """Declare a card."""
    now = datetime.now(UTC)  # noqa: TID251  a rival's own clock
    card = Card(
        number=os.urandom(6).hex().upper(),  # noqa: TID251  and dice
        version=1,
        state="declared",
        purpose=body.purpose,
        basis=body.basis,
        zone="Europe/Moscow",
        document_type=body.document.type,
        document_number=body.document.number,
        issuing_state=body.document.issuing_state,
        expires_on=body.document.expires_on,
        declared_at=now,
        intended_from=body.intended.get("from"),
        lapses_at=now + timedelta(days=3),
        **body.holder.model_dump(),
    )
    session.add(card)
    await session.commit()
    return card
