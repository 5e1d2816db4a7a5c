"""Cards: issued, shown, listed; those that expire, and those that have."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from app.api import render
from app.api.examples import CARD_EXAMPLES
from app.api.fields import CardDate, CheckpointCode, Instant, StateCode, Text
from app.api.operations import Audience, attempt, operation, replayed
from app.api.paging import cursor, position
from app.api.problems import language_of
from app.api.query import parameters, query
from app.api.security import ScopedRoute, context
from app.api.shapes import CardIn, CardOut, CardsOut, OverstaysOut
from app.domain.card import Basis, Purpose, Status
from app.domain.identity import state_code
from app.services import cards, history
from app.services.access import Scope
from app.services.cards import Page, Shown

router = APIRouter(prefix="/v1", route_class=ScopedRoute)

CardNumber = Annotated[
    str,
    Path(
        description="Read forgivingly: any case and grouping, O as 0, I and L as 1.",
        examples=["7K3M0Q2V9XTH"],
    ),
]


def card_links(where: str = "") -> dict[str, dict[str, object]]:
    """Link an answer to what can be done with its card; `where` is a pointer to the card."""
    parameters = {"number": f"$response.body#{where}/number"}
    operations = {
        "show": "getCard",
        "enter": "enterOnCard",
        "leave": "leaveOnCard",
        "stay": "getStay",
        "deadlines": "listDeadlines",
        "guide": "getGuide",
        "change": "changeCard",
        "history": "getHistory",
    }
    return {name: {"operationId": target, "parameters": parameters} for name, target in operations.items()}


def card_answer(request: Request, shown: Shown, status: int, headers: dict[str, str] | None = None) -> Response:
    """Answer with a card and its entity tag."""
    headers = {
        "ETag": shown.card.etag_at(shown.instant),
        "Cache-Control": "private, no-cache",  # may be kept by the client, asked again each time
        **(headers or {}),
    }
    return Response(render.card(shown, language_of(request)), status, headers, render.JSON)


@router.post(
    "/cards",
    **operation(
        "issueCard",
        "Declare a card in advance, or with an entry issue it at the border",
        Audience.TRAVELLER,
        CardOut,
        Scope.CARDS_WRITE,
        status=201,
        body=True,
        repeatable=True,
        problems={
            409: ["open-card-exists", "paper-number-in-use"],
            422: ["document-expired", "no-card-needed", "stay-used-up", "visa-not-valid", "mrz-structure"],
        },
        links=card_links(),
        headers=["Location", "ETag", "Idempotency-Replayed"],
    ),
)
async def issue(request: Request, body: Annotated[CardIn, Body(openapi_examples=CARD_EXAMPLES)]) -> Response:
    """A new declaration of a person whose card is only declared supersedes that one; the history stays.

    The same person is the same issuing state, document number, birth date and given names in their MRZ form.
    """
    shown = await cards.issue(context(request), body.domain(), await attempt(request, "issueCard"))
    headers = {"Location": f"/v1/cards/{shown.card.number}", **replayed(shown.replayed)}
    return card_answer(request, shown, 201, headers)


class PastAsked(BaseModel):
    """Another time to see the card at."""

    model_config = ConfigDict(extra="forbid")

    as_of: Instant | None = Field(None, description="What was true then; not later than now.")
    known_at: Instant | None = Field(None, description="By what was known then; not later than now.")


@router.get(
    "/cards/{number}",
    **operation(
        "getCard",
        "Show a card",
        Audience.CHECKPOINT,
        CardOut,
        Scope.CARDS_READ,
        problems={404: ["card-not-found"]},
        others={304: "The card is as the entity tag in If-None-Match says."},
        headers=["ETag"],
        links=card_links(),
        asked=parameters(PastAsked),
    ),
)
async def show(request: Request, number: CardNumber) -> Response:
    """Status, days left and warnings are those of this instant by the sandbox's clock, or of the instants asked about.

    `as_of`: what was true then. `known_at`: what the registry knew then.
    """
    asked = query(request, PastAsked)
    if asked.as_of or asked.known_at:
        past = await history.at(context(request), number, as_of=asked.as_of, known_at=asked.known_at)
        return card_answer(request, past, 200)
    shown = await cards.show(context(request), number)
    known = request.headers.get("if-none-match")
    if known is not None and _matches(known, tag := shown.card.etag_at(shown.instant)):
        return Response(status_code=304, headers={"ETag": tag})
    return card_answer(request, shown, 200)


def _matches(known: str, tag: str) -> bool:
    """Compare weakly, as If-None-Match asks (RFC 9110 §13.1.2)."""
    return known.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in known.split(",")}


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=200)] | None = Field(None, description="`next` of the page before.")


class CardFilters(BaseModel):
    """Filters of the list; all given must hold."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    citizenship: StateCode | None = None
    purpose: Purpose | None = None
    basis: Basis | None = None
    checkpoint: CheckpointCode | None = Field(None, description="Of the entry.")
    reference: Annotated[Text, Field(max_length=64)] | None = None
    paper: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{6,13}$")] | None = Field(
        None, description="Series and number.", examples=["4601-1234567"]
    )
    entered_from: CardDate | None = None
    entered_until: CardDate | None = None
    ends_from: CardDate | None = Field(None, description="By the last lawful day.")
    ends_until: CardDate | None = None
    include: Literal["holder"] | None = Field(None, description="The personal part; needs `cards:search`.")

    def domain(self) -> dict[str, str | date]:
        """Give the filters by name but for the status, which is derived."""
        filters: dict[str, str | date] = {
            name: value
            for name in CardFilters.model_fields
            if name not in {"status", "paper", "include"} and (value := getattr(self, name)) is not None
        }
        if self.citizenship:
            filters["citizenship"] = state_code(self.citizenship)
        if self.paper:
            filters["paper_series"], _, filters["paper_number"] = self.paper.partition("-")
        return filters


class CardsAsked(CardFilters, _Asked):
    """A page of the list."""


class ExpiriesAsked(_Asked):
    """How far to look ahead."""

    within_days: Annotated[int, Field(ge=0, le=3650)] = 10


@router.get(
    "/cards",
    **operation(
        "listCards",
        "List cards, the newest declaration first",
        Audience.OFFICE,
        CardsOut,
        Scope.CARDS_LIST,
        asked=parameters(CardsAsked),
    ),
)
async def listing(request: Request) -> Response:
    """No personal data, unless asked for with the scope."""
    asked = query(request, CardsAsked)
    page = await cards.listing(
        context(request),
        filters=asked.domain(),
        status=asked.status,
        after=position(asked.after),
        limit=asked.limit,
        personal=asked.include is not None,
    )
    language = language_of(request)
    items = [render.card(shown, language) for shown in page.items]
    last = page.items[-1].card if page.more else None
    after = cursor(last.declared_at, last.number) if last else None
    return Response(render.page(items, after), media_type=render.JSON)


@router.get(
    "/expiries",
    **operation(
        "listExpiries",
        "List stays that end soon, the soonest first",
        Audience.OFFICE,
        CardsOut,
        Scope.CARDS_LIST,
        asked=parameters(ExpiriesAsked),
    ),
)
async def expiries(request: Request) -> Response:
    """Open stays with at most `within_days` days left after today."""
    asked = query(request, ExpiriesAsked)
    page = await cards.expiring(
        context(request), within_days=asked.within_days, after=position(asked.after), limit=asked.limit
    )
    language = language_of(request)
    return _by_end(page, [render.card(shown, language) for shown in page.items])


@router.get(
    "/overstays",
    **operation(
        "listOverstays",
        "List open stays that have ended, the oldest first",
        Audience.OFFICE,
        OverstaysOut,
        Scope.CARDS_LIST,
        asked=parameters(_Asked),
    ),
)
async def overstays(request: Request) -> Response:
    """`days_over` counts the days after the last lawful one, today included."""
    asked = query(request, _Asked)
    page = await cards.overstaying(context(request), after=position(asked.after), limit=asked.limit)
    language = language_of(request)
    return _by_end(
        page,
        [render.card(shown, language, days_over=shown.card.days_over_at(shown.instant)) for shown in page.items],
    )


def _by_end(page: Page, items: list[bytes]) -> Response:
    last = page.items[-1].card if page.more else None
    after = cursor(last.ends_at, last.number) if last and last.ends_at else None
    return Response(render.page(items, after), media_type=render.JSON)
