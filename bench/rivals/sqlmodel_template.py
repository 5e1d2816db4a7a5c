"""FastAPI with SQLModel in the style of the official full-stack template: a synchronous session for each request."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query
from sqlalchemy import TIMESTAMP, tuple_
from sqlmodel import Field, Session, SQLModel, col, create_engine, select

engine = create_engine(os.environ["MIGCARD_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))


class CardBase(SQLModel):
    """What a card and its answer share."""

    version: int
    citizenship: str
    purpose: str
    basis: str
    zone: str
    declared_at: datetime = Field(sa_type=TIMESTAMP(timezone=True))
    intended_from: date | None = None
    intended_until: date | None = None
    intended_checkpoint: str | None = None
    lapses_at: datetime | None = Field(default=None, sa_type=TIMESTAMP(timezone=True))
    checkpoint_in: str | None = None
    entered_at: datetime | None = Field(default=None, sa_type=TIMESTAMP(timezone=True))
    entered_on: date | None = None
    last_lawful_day: date | None = None
    ends_at: datetime | None = Field(default=None, sa_type=TIMESTAMP(timezone=True))
    ended_by: str | None = None
    checkpoint_out: str | None = None
    left_at: datetime | None = Field(default=None, sa_type=TIMESTAMP(timezone=True))
    paper_series: str | None = None
    paper_number: str | None = None
    reference: str | None = None


class Card(CardBase, table=True):  # type: ignore[call-arg]  # SQLModel's own
    """A row."""

    __tablename__ = "plain_cards"

    number: str = Field(primary_key=True)
    state: str
    surname: str
    given_names: str
    birth_date: str
    sex: str
    document_type: str
    document_number: str
    issuing_state: str
    expires_on: date | None = None


class Holder(SQLModel):
    """Who; as sent and as told."""

    surname: str
    given_names: str
    birth_date: str
    sex: Literal["M", "F", "X"]
    citizenship: str


class Document(SQLModel):
    """With which document; as sent and as told."""

    type: str
    number: str
    issuing_state: str
    expires_on: date | None


class CardPublic(CardBase):
    """A card as it is told."""

    number: str
    status: str
    holder: Holder
    document: Document


class MatchPublic(SQLModel):
    """A card that was found."""

    card: CardPublic


class MatchesPublic(SQLModel):
    """What was found by a document."""

    items: list[MatchPublic]
    next: None = None


class CardsPublic(SQLModel):
    """A page of the list."""

    items: list[CardPublic]
    next: str | None


class CardCreate(SQLModel):
    """As sent."""

    purpose: Literal["official", "tourism", "business", "education", "employment", "private", "transit"]
    basis: str
    holder: Holder
    document: Document
    intended: dict[str, date]


class Lookup(SQLModel):
    """As sent."""

    by: Literal["document"]
    issuing_state: str
    number: str
    birth_date: str


def _get_db() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(_get_db)]
app = FastAPI()


def _public(card: Card) -> CardPublic:
    """Tell a row with its nested parts."""
    holder = Holder.model_validate(card, from_attributes=True)
    document = Document(
        type=card.document_type,
        number=card.document_number,
        issuing_state=card.issuing_state,
        expires_on=card.expires_on,
    )
    return CardPublic.model_validate(card, update={"status": card.state, "holder": holder, "document": document})


@app.get("/v1/cards/{number}", response_model=CardPublic)
def read_card(session: SessionDep, number: str) -> Any:  # noqa: ANN401  as the template has it
    """By number."""
    card = session.get(Card, number)
    if not card:
        raise HTTPException(status_code=404, detail="Card not found")
    return _public(card)


@app.post("/v1/cards/lookup", response_model=MatchesPublic)
def find_card(session: SessionDep, lookup: Lookup) -> Any:  # noqa: ANN401
    """By document."""
    statement = select(Card).where(
        Card.issuing_state == lookup.issuing_state,
        Card.document_number == lookup.number,
        Card.birth_date == lookup.birth_date,
        col(Card.state).in_(["declared", "active"]),
    )
    return MatchesPublic(items=[MatchPublic(card=_public(card)) for card in session.exec(statement)])


@app.get("/v1/cards", response_model=CardsPublic)
def read_cards(session: SessionDep, limit: Annotated[int, Query(ge=1, le=100)] = 50, after: str | None = None) -> Any:  # noqa: ANN401
    """List the newest cards."""
    statement = select(Card).order_by(col(Card.declared_at).desc(), col(Card.number).desc()).limit(limit + 1)
    if after:
        instant, _, number = after.partition("_")
        place = tuple_(col(Card.declared_at), col(Card.number))
        statement = statement.where(place < (datetime.fromisoformat(instant), number))
    found = session.exec(statement).all()
    shown = found[:limit]
    more = f"{shown[-1].declared_at.isoformat()}_{shown[-1].number}" if len(found) > limit else None
    return CardsPublic(items=[_public(card) for card in shown], next=more)


@app.post("/v1/cards", response_model=CardPublic, status_code=201)
def create_card(session: SessionDep, card_in: CardCreate) -> Any:  # noqa: ANN401
    """Declare a card."""
    now = datetime.now(UTC)  # noqa: TID251  a rival's own clock
    card = Card(
        number=os.urandom(6).hex().upper(),  # noqa: TID251  and dice
        version=1,
        state="declared",
        purpose=card_in.purpose,
        basis=card_in.basis,
        zone="Europe/Moscow",
        document_type=card_in.document.type,
        document_number=card_in.document.number,
        issuing_state=card_in.document.issuing_state,
        expires_on=card_in.document.expires_on,
        declared_at=now,
        intended_from=card_in.intended.get("from"),
        lapses_at=now + timedelta(days=3),
        **card_in.holder.model_dump(),
    )
    session.add(card)
    session.commit()
    session.refresh(card)
    return _public(card)
