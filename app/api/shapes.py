"""What cards look like on the wire: requests with their domain objects, answers as the OpenAPI document shows them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from app.api.fields import (
    BirthDateField,
    CardDate,
    CheckpointCode,
    DocumentNumber,
    Instant,
    IsoDate,
    Name,
    StateCode,
    Text,
    Zone,
)
from app.domain.application import Application, DocumentFields, EntryAt, HolderFields, VisaFields
from app.domain.card import Basis, Host, HostKind, Intended, Purpose, Status, VisaKind
from app.domain.identity import DocumentKind, Sex
from app.domain.number import read_paper


class Asked(BaseModel):
    """What a client sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """What is answered; the bytes are made elsewhere, a test holds them against these models."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HolderIn(Asked):
    """The holder as the passport has it. With `mrz` every field may be left to the zone."""

    surname: Name | None = Field(None, description="Native script or Latin; empty or absent for a single name.")
    given_names: Name | None = None
    patronymic: Name | None = None
    surname_latin: Name | None = Field(
        None, description="As in the passport; needed where ICAO has no transliteration."
    )
    given_names_latin: Name | None = None
    birth_date: BirthDateField | None = None
    sex: Sex | None = None
    citizenship: StateCode | None = None

    def domain(self) -> HolderFields:
        """Give the domain its object."""
        return HolderFields(
            surname=self.surname,
            given_names=self.given_names,
            patronymic=self.patronymic,
            surname_latin=self.surname_latin,
            given_names_latin=self.given_names_latin,
            birth_date=self.birth_date,
            sex=self.sex,
            citizenship=self.citizenship,
        )


class DocumentIn(Asked):
    """The identity document. With `mrz` every field may be left to the zone."""

    type: DocumentKind | None = None
    number: DocumentNumber | None = None
    issuing_state: StateCode | None = None
    expires_on: IsoDate | None = None

    def domain(self) -> DocumentFields:
        """Give the domain its object."""
        return DocumentFields(
            kind=self.type, number=self.number, issuing_state=self.issuing_state, expires_on=self.expires_on
        )


class VisaIn(Asked):
    """The visa; its zone may stand in place of number and last day."""

    number: DocumentNumber | None = None
    kind: VisaKind
    category: Text | None = None
    valid_from: CardDate
    valid_until: CardDate | None = None
    days_granted: Annotated[StrictInt, Field(ge=1, le=3650)] | None = None
    entries: Literal[1, 2] | None = Field(None, description="null: any number")
    applied_on: CardDate | None = None
    mrz: Zone | None = None

    def domain(self) -> VisaFields:
        """Give the domain its object."""
        return VisaFields(
            number=self.number,
            kind=self.kind,
            category=self.category,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            days_granted=self.days_granted,
            entries=self.entries,
            applied_on=self.applied_on,
            lines=self.mrz,
        )


class HostIn(Asked):
    """The inviting party."""

    kind: HostKind
    name: Text
    locality: Text | None = None


class IntendedIn(Asked):
    """What the traveller writes; it never shortens the right to stay."""

    from_: CardDate | None = Field(None, alias="from", description="Compulsory without `entry`.")
    until: CardDate | None = None
    checkpoint: CheckpointCode | None = None


class PaperIn(Asked):
    """Series and number of a paper card, as text: leading zeros matter."""

    series: Annotated[str, Field(max_length=10, examples=["4601"])] = ""
    number: Annotated[str, Field(max_length=20, examples=["1234567"])]


class EntryIn(Asked):
    """An entry together with the issue; needs the scope `border` as well."""

    checkpoint: CheckpointCode
    occurred_at: Instant | None = Field(None, description="Now, when absent.")


class CardIn(Asked):
    """An application for a card: with `entry` it is issued at the border, without it declared in advance."""

    purpose: Purpose
    basis: Basis
    holder: HolderIn | None = None
    document: DocumentIn | None = None
    mrz: Zone | None = Field(None, description="Instead of, or beside, holder and document.")
    visa: VisaIn | None = None
    host: HostIn | None = None
    intended: IntendedIn | None = None
    paper: PaperIn | None = None
    entry: EntryIn | None = None
    reference: Annotated[Text, Field(max_length=64)] | None = Field(None, description="The client's own id.")
    emergency: Text | None = Field(
        None, description="Why it is urgent, without personal data: a declaration is taken until later then."
    )

    def domain(self) -> Application:
        """Give the domain its object; RuleViolation where a paper number is malformed."""
        return Application(
            purpose=self.purpose,
            basis=self.basis,
            holder=self.holder.domain() if self.holder else HolderFields(),
            document=self.document.domain() if self.document else DocumentFields(),
            lines=self.mrz,
            visa=self.visa.domain() if self.visa else None,
            host=Host(kind=self.host.kind, name=self.host.name, locality=self.host.locality) if self.host else None,
            intended=Intended(
                begins_on=self.intended.from_, until=self.intended.until, checkpoint=self.intended.checkpoint
            )
            if self.intended
            else None,
            paper=read_paper(self.paper.series, self.paper.number, pointer="/paper") if self.paper else None,
            entry=EntryAt(checkpoint=self.entry.checkpoint, occurred_at=self.entry.occurred_at) if self.entry else None,
            reference=self.reference,
            emergency=self.emergency,
        )


# Answers -------------------------------------------------------------------------------------------------------------


class HolderOut(Told):
    """The holder."""

    surname: str
    given_names: str
    patronymic: str | None
    surname_latin: str | None
    given_names_latin: str | None
    birth_date: Annotated[str, Field(examples=["1990-05-12"])]
    sex: Sex
    citizenship: str


class DocumentOut(Told):
    """The identity document."""

    type: DocumentKind
    number: str
    issuing_state: str
    expires_on: date | None


class VisaOut(Told):
    """The visa."""

    number: str
    kind: VisaKind
    category: str | None
    valid_from: date
    valid_until: date
    days_granted: int | None
    entries: int | None
    applied_on: date | None


class HostOut(Told):
    """The inviting party."""

    kind: HostKind
    name: str
    locality: str | None


class IntendedOut(Told):
    """What the traveller wrote."""

    from_: date | None = Field(alias="from")
    until: date | None
    checkpoint: str | None


class PaperOut(Told):
    """The paper card."""

    series: str
    number: str


class CrossingOut(Told):
    """A crossing; `on` is the calendar day at the checkpoint."""

    checkpoint: str
    occurred_at: datetime
    zone: str
    on: date


class NoteOut(Told):
    """A code and its sentence for people."""

    code: str
    detail: str


class GroundOut(Told):
    """What the stay rests on from a day on, null for its beginning."""

    from_: date | None = Field(alias="from")
    basis: Basis
    purpose: Purpose
    until: date | None


class ListedCardOut(Told):
    """A card without its personal part."""

    number: Annotated[str, Field(examples=["7K3M0Q2V9XTH"])]
    number_text: Annotated[str, Field(examples=["7K3M 0Q2V 9XTH"])]
    status: Status
    version: int
    citizenship: str
    purpose: Purpose
    basis: Basis
    intended: IntendedOut | None
    paper: PaperOut | None
    reference: str | None
    entered: CrossingOut | None
    left: CrossingOut | None
    declared_at: datetime
    lapses_at: datetime | None
    last_lawful_day: date | None
    ends_at: datetime | None
    ended_by: str | None
    days_left: int | None
    traveller: Annotated[str, Field(pattern="^tr_[0-9a-f]{32}$")]
    replaces: str | None
    replaced_by: str | None
    supersedes: str | None
    superseded_by: str | None
    group: Annotated[str, Field(pattern="^grp_[0-9a-f]{32}$")] | None
    grounds: list[GroundOut] = Field(description="What the stay rested on, one after the other; empty while unchanged.")
    shortened_to: date | None
    lost_at: datetime | None = Field(description="Reported lost, and no duplicate yet: the card is suspended.")
    warnings: list[NoteOut]


class CardOut(ListedCardOut):
    """A card. The personal part is null once the person is forgotten."""

    holder: HolderOut | None
    document: DocumentOut | None
    visa: VisaOut | None
    host: HostOut | None


class ListedWithHolderOut(ListedCardOut):
    """A card in a list: the personal part only with `include=holder`."""

    holder: HolderOut | None = None
    document: DocumentOut | None = None
    visa: VisaOut | None = None
    host: HostOut | None = None


class CardsOut(Told):
    """A page of cards; `next` goes into `after`."""

    items: list[ListedWithHolderOut]
    next: str | None


class OverstayOut(ListedCardOut):
    """An open stay that has ended."""

    days_over: int


class OverstaysOut(Told):
    """A page of overstays, the oldest first."""

    items: list[OverstayOut]
    next: str | None
