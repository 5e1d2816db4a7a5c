"""Changes of a card: one shape for each kind."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Body, Request
from pydantic import Discriminator, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api.border_examples import CHANGE_EXAMPLES
from app.api.cards import CardNumber, card_answer, card_links
from app.api.fields import BirthDateField, CardDate, CheckpointCode, DocumentNumber, Instant, IsoDate, StateCode, Text
from app.api.operations import Audience, attempt, operation, replayed, versions_of
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, CardOut, DocumentIn, HolderIn, HostIn, IntendedIn, PaperIn, VisaIn
from app.domain import changes as kinds
from app.domain.application import visa_of
from app.domain.card import Basis, Card, Crossing, Host, Intended, Purpose, Visa
from app.domain.changes import Change
from app.domain.corrections import Correction, Removable
from app.domain.errors import VersionNeeded, violation
from app.domain.grounds import TrueGround
from app.domain.identity import Document, DocumentKind, canonical_document_number, state_code
from app.domain.number import read_paper
from app.domain.transitions import Action
from app.policies import reference
from app.services import changes

router = APIRouter(prefix="/v1/cards", route_class=ScopedRoute)


class ChangeIn(Asked):
    """What every change says."""

    reason: Annotated[Text, Field(description="Why, without personal data: facts keep it in the open.")]
    effective_on: CardDate | None = Field(None, description="From which day on; today, when absent.")
    birth_date: BirthDateField | None = Field(
        None, description="Of the holder: lets a traveller withdraw or edit the own declared card."
    )

    def change(self, card: Card, today: date, new_id: UUID) -> Change:
        """Give the domain its object; `new_id` is for what the change may add."""
        raise NotImplementedError

    def since(self, today: date) -> date:
        """Tell from which day on it holds."""
        return self.effective_on or today


class ExtensionIn(ChangeIn):
    """The stay goes on until a day: of the visa, contract, course, certificate, or as decided."""

    kind: Literal["extension"]
    until: CardDate | None = Field(
        None, description="The last day; none for `residence_application`, the visa's where a visa is given."
    )
    basis: Basis | None = Field(None, description="What the stay rests on from now; the card's, when absent.")
    visa: VisaIn | None = None

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.Extension(
            effective_on=self.since(today),
            reason=self.reason,
            until=self.until,
            basis=self.basis,
            visa=_visa(self.visa, today),
        )


class PatentPaymentIn(ChangeIn):
    """A patent is paid for from `effective_on`, also a past or a coming day, to `paid_through`. A gap ends the stay."""

    kind: Literal["patent_payment"]
    paid_through: CardDate

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.PatentPayment(effective_on=self.since(today), reason=self.reason, paid_through=self.paid_through)


class ShorteningIn(ChangeIn):
    """The stay must end on a day, which may be past."""

    kind: Literal["shortening"]
    until: CardDate

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.Shortening(effective_on=self.since(today), reason=self.reason, until=self.until)


class PurposeChangeIn(ChangeIn):
    """Another purpose, and maybe another basis."""

    kind: Literal["purpose_change"]
    purpose: Purpose
    basis: Basis | None = None

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.PurposeChange(
            effective_on=self.since(today), reason=self.reason, purpose=self.purpose, basis=self.basis
        )


class NewDocumentIn(Asked):
    """A document in full."""

    type: DocumentKind
    number: DocumentNumber
    issuing_state: StateCode
    expires_on: IsoDate | None = None


class DocumentAddedIn(ChangeIn):
    """A renewed document, or with `replaces: false` a second one beside the card's."""

    kind: Literal["document_added"]
    document: NewDocumentIn
    replaces: bool = True

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.DocumentAdded(
            effective_on=self.since(today),
            reason=self.reason,
            document=document_of(self.document),
            document_id=new_id,
            replaces=self.replaces,
        )


class TrueCrossingIn(Asked):
    """A crossing as it truly was; what is absent was right."""

    checkpoint: CheckpointCode | None = None
    occurred_at: Instant | None = None


class TrueGroundIn(Asked):
    """A payment, extension or change of purpose that was recorded wrongly: until another day, or never at all."""

    from_: Annotated[CardDate, Field(alias="from", description="Its first day, as recorded.")]
    until: CardDate | None = Field(None, description="Its true last day.")
    removed: Literal[True] | None = Field(None, description="It should not be recorded at all.")

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if self.removed and self.until:
            raise PydanticCustomError("given-and-removed", "either until or removed")
        if not self.removed and not self.until:
            raise PydanticCustomError("nothing-corrected", "neither until nor removed")
        return self


class CorrectionIn(ChangeIn):
    """Every field that was wrong; what is absent was right. `exit: null` says that the recorded exit never was.

    A name that is corrected without its Latin form loses the one that is recorded.
    """

    kind: Literal["correction"]
    holder: HolderIn | None = None
    document: DocumentIn | None = None
    visa: VisaIn | None = None
    host: HostIn | None = None
    purpose: Purpose | None = None
    basis: Basis | None = None
    intended: IntendedIn | None = None
    paper: PaperIn | None = None
    reference: Annotated[Text, Field(max_length=64)] | None = None
    shortened_to: CardDate | None = Field(None, description="The day that the stay was truly shortened to.")
    ground: TrueGroundIn | None = None
    entry: TrueCrossingIn | None = None
    exit: TrueCrossingIn | None = None
    removed: Annotated[list[Removable], Field(max_length=len(Removable))] | None = Field(
        None,
        description="What should not be recorded at all, since null only means right; `lost`: the card is found again.",
    )

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if not self.model_fields_set - set(ChangeIn.model_fields) - {"kind"}:
            raise PydanticCustomError("nothing-corrected", "no field is corrected")
        return self

    @property
    def no_exit(self) -> bool:
        """Whether the recorded exit never was."""
        return "exit" in self.model_fields_set and self.exit is None

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        intended, paper, host, ground = self.intended, self.paper, self.host, self.ground
        return Correction(
            effective_on=card.entered_on or self.since(today),
            reason=self.reason,
            holder=self.holder.domain() if self.holder else None,
            document=self.document.domain() if self.document else None,
            visa=_visa(self.visa, today),
            host=Host(kind=host.kind, name=host.name, locality=host.locality) if host else None,
            purpose=self.purpose,
            basis=self.basis,
            intended=Intended(begins_on=intended.from_, until=intended.until, checkpoint=intended.checkpoint)
            if intended
            else None,
            intended_zone=_zone(intended.checkpoint, "/intended/checkpoint")
            if intended and intended.checkpoint
            else None,
            paper=read_paper(paper.series, paper.number, pointer="/paper") if paper else None,
            reference=self.reference,
            shortened_to=self.shortened_to,
            ground=TrueGround(begins_on=ground.from_, until=ground.until) if ground else None,
            entry=_true(self.entry, "/entry", card.checkpoint_in, card.entered_at, "never-entered"),
            exit=_true(self.exit, "/exit", card.checkpoint_out, card.left_at, "never-left"),
            no_exit=self.no_exit,
            removed=tuple(self.removed or ()),
        )


class AnnulmentIn(ChangeIn):
    """The card must not be: its number is spent, its days are charged to nobody."""

    kind: Literal["annulment"]

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.Annulment(effective_on=self.since(today), reason=self.reason)


class WithdrawalIn(ChangeIn):
    """The traveller will not come."""

    kind: Literal["withdrawal"]

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.Withdrawal(effective_on=self.since(today), reason=self.reason)


class LossIn(ChangeIn):
    """The card is lost or damaged: a duplicate takes its place, or with `duplicate: false` it is suspended.

    From when it is told: `effective_on` may be no other day.
    """

    kind: Literal["loss"]
    duplicate: bool = True

    def change(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: ARG002  others need them
        """Give the domain its object."""
        return kinds.Loss(effective_on=self.since(today), reason=self.reason, duplicate=self.duplicate)


AnyChange = Annotated[
    ExtensionIn
    | PatentPaymentIn
    | ShorteningIn
    | CorrectionIn
    | DocumentAddedIn
    | PurposeChangeIn
    | AnnulmentIn
    | WithdrawalIn
    | LossIn,
    Discriminator("kind"),
]


@router.post(
    "/{number}/changes",
    **operation(
        "changeCard",
        "Change a card: extend, correct, annul, replace it",
        Audience.OFFICE,
        CardOut,
        needs=["changes", "cards:write for the own declared card"],
        status=201,
        body=True,
        repeatable=True,
        versioned=True,
        links=card_links(),
        headers=["Location", "ETag", "Idempotency-Replayed"],
        problems={
            404: ["card-not-found"],
            409: ["transition-not-allowed", "open-card-exists", "document-of-another", "paper-number-in-use"],
            422: ["document-expired", "mrz-structure", "no-card-needed"],
        },
    ),
)
async def change(
    request: Request, number: CardNumber, body: Annotated[AnyChange, Body(openapi_examples=CHANGE_EXAMPLES)]
) -> Response:
    """The old version stays readable; the last lawful day is judged anew. A loss answers with the duplicate.

    If-Match names the version that the change was decided on, or `*`.
    """
    if "if-match" not in request.headers:
        raise VersionNeeded("version-needed")
    asked = changes.Asked(
        make=body.change,
        for_holders=body.kind in {"correction", "withdrawal"},
        versions=versions_of(request),
        birth_date=body.birth_date,
        action=_action(body),
    )
    shown = await changes.record(context(request), number, asked, await attempt(request, "changeCard"))
    headers = {"Location": f"/v1/cards/{shown.card.number}", **replayed(shown.replayed)}
    return card_answer(request, shown, 201, headers)


def _action(body: AnyChange) -> Action:
    """Tell what must be possible on the card, whatever else is wrong with what was sent."""
    if isinstance(body, CorrectionIn) and body.no_exit:
        return Action.EXIT_DISPROVED
    return Action(body.kind)


def document_of(given: NewDocumentIn) -> Document:
    """Give the domain its object; RuleViolation for a state that is none, or a number that is none."""
    state = state_code(given.issuing_state)
    try:
        canonical_document_number(given.number)
    except ValueError:
        raise violation("/document/number", "document-number-unfit") from None
    if state not in reference.known_states():
        raise violation("/document/issuing_state", "unknown-state", code=state)
    return Document(kind=given.type, number=given.number, issuing_state=state, expires_on=given.expires_on)


def _visa(given: VisaIn | None, today: date) -> Visa | None:
    return visa_of(given.domain(), today=today) if given else None


def _zone(checkpoint: str, pointer: str) -> str:
    known = reference.checkpoints().get(checkpoint)
    if known is None:
        raise violation(pointer, "unknown-checkpoint", code=checkpoint)
    return known.zone


def _true(
    given: TrueCrossingIn | None, pointer: str, checkpoint: str | None, occurred_at: datetime | None, never: str
) -> Crossing | None:
    """Complete a crossing as it truly was with what is recorded of it."""
    if given is None:
        return None
    if checkpoint is None or occurred_at is None:
        raise violation(pointer, never)
    checkpoint = given.checkpoint or checkpoint
    return Crossing(
        checkpoint=checkpoint,
        occurred_at=given.occurred_at or occurred_at,
        zone=_zone(checkpoint, f"{pointer}/checkpoint"),
    )
