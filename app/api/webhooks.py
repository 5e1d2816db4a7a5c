"""Webhooks: endpoints that events are sent to, by the specification Standard Webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.examples import Examples, example
from app.api.fields import Text
from app.api.operations import Audience, attempt, operation, replayed
from app.api.paging import id_cursor, id_position
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, Told
from app.db.json_bytes import to_json
from app.db.webhooks import Delivery, Webhook
from app.domain.events import FactKind
from app.domain.webhooks import LONGEST_URL, DeliveryState, DisabledReason, EndpointState
from app.services import deliveries, webhooks
from app.services.access import Scope
from app.services.webhooks import NewSecret

router = APIRouter(prefix="/v1/webhooks", route_class=ScopedRoute)

_ID = "^whk_[0-9a-f]{32}$"
_EVENT = "^(fct|tst)_[0-9a-f]{32}$"

CREATE_EXAMPLES: Examples = {
    "everything": example("Every event", url="https://receiver.example/events"),
    "some": example(
        "Ends of stays only",
        url="https://receiver.example/ends",
        types=["stay.ending", "stay.ended"],
        description="Reminders to our guests",
    ),
}
CHANGE_EXAMPLES: Examples = {
    "pause": example("Send nothing for a while", state="disabled"),
    "resume": example("Go on where it stopped", state="active"),
    "types": example("Other events", types=["card.issued", "card.entered", "card.departed"]),
}

WebhookId = Annotated[str, Path(pattern=_ID)]
EventId = Annotated[str, Path(pattern=_EVENT)]
Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, examples=["https://receiver.example/events"])]
Types = Annotated[list[FactKind], Field(max_length=len(FactKind), description="Only events of these; all, when empty.")]


class WebhookIn(Asked):
    """Where events are to be sent, and which."""

    url: Url = Field(description="`https` or `http`, without credentials and fragment.")
    types: Types = Field(default_factory=list)
    description: Text | None = None


class WebhookChangeIn(Asked):
    """What is to be changed; what is absent stays."""

    url: Url | None = None
    types: Types | None = None
    description: Text | None = None
    state: EndpointState | None = None


class WebhookOut(Told):
    """An endpoint. `disabled_reason` is null where it was a person who disabled it."""

    id: Annotated[str, Field(pattern=_ID)]
    url: str
    types: list[FactKind]
    description: str | None
    state: EndpointState
    disabled_reason: DisabledReason | None
    created_at: datetime = Field(description="In real time.")


class NewSecretOut(WebhookOut):
    """An endpoint with its secret, at the only moment when that is shown."""

    secret: Annotated[str, Field(pattern="^whsec_[0-9A-Za-z+/]{43}=$")]


class WebhooksOut(Told):
    """The endpoints of the sandbox, the oldest first; few enough for one page."""

    items: list[WebhookOut]
    next: None


class AttemptOut(Told):
    """One try, in real time: the status that was answered, or what went wrong before there was one."""

    at: datetime
    status: int | None
    error: Literal["address-refused", "connection-failed", "connection-lost", "timeout", "internal-error"] | None
    took_ms: int


class DeliveryOut(Told):
    """An event on its way to an endpoint."""

    event: Annotated[str, Field(pattern=_EVENT, description="The identifier, `webhook-id` of every try.")]
    type: FactKind | Literal["webhook.test"]
    position: int | None = Field(description="In the feed; null for a test event.")
    state: DeliveryState
    attempts: list[AttemptOut] = Field(description="The latest, oldest first.")
    next_at: datetime | None = Field(description="When it is tried next; null when it is over.")


class DeliveriesOut(Told):
    """Deliveries of an endpoint, the newest event first."""

    items: list[DeliveryOut]
    next: str | None


@router.post(
    "",
    **operation(
        "createWebhook",
        "Have events sent to an address",
        Audience.TESTER,
        NewSecretOut,
        Scope.WEBHOOKS,
        status=201,
        body=True,
        repeatable=True,
        problems={409: ["quota-exceeded"]},
    ),
)
async def create(request: Request, body: Annotated[WebhookIn, Body(openapi_examples=CREATE_EXAMPLES)]) -> Response:
    """From now on: what is in the feed already is not sent.

    Each event is sent by POST, as a CloudEvent in JSON and signed by the specification Standard Webhooks with
    `secret`, which is shown this once. Whatever is answered with 2xx within 15 seconds has arrived. It is sent **at
    least once**, always with the same `webhook-id` and body: drop what you have seen. Events are sent in the order of
    the feed and arrive in no promised order: `position` tells it.

    What fails is tried again after 5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours, a fifth sooner or
    later; `Retry-After` of 429 and 503 is kept to, up to a day. 410 disables the endpoint, and so do five days in
    which it was tried again and again and did nothing but fail. Redirects are failures.
    """
    made = await webhooks.create(
        context(request),
        url=body.url,
        types=body.types,
        description=body.description,
        anywhere=request.app.state.webhooks_anywhere,
        attempt=await attempt(request, "createWebhook"),
    )
    return _shown_once(made, 201)


@router.get(
    "", **operation("listWebhooks", "List your sandbox's webhooks", Audience.TESTER, WebhooksOut, Scope.WEBHOOKS)
)
async def listing(request: Request) -> Response:
    """The oldest first, without their secrets."""
    items = [to_json(_members(one)) for one in await webhooks.listing(context(request))]
    return Response(render.page(items, None), media_type=render.JSON)


@router.get(
    "/{webhook}",
    **operation(
        "getWebhook",
        "Show a webhook",
        Audience.TESTER,
        WebhookOut,
        Scope.WEBHOOKS,
        problems={404: ["webhook-not-found"]},
    ),
)
async def show(request: Request, webhook: WebhookId) -> Response:
    """Without its secret: that was shown once."""
    return _answer(_members(await webhooks.show(context(request), _id_of(webhook))))


@router.patch(
    "/{webhook}",
    **operation(
        "changeWebhook",
        "Change, disable or activate a webhook",
        Audience.TESTER,
        WebhookOut,
        Scope.WEBHOOKS,
        body=True,
        problems={404: ["webhook-not-found"]},
    ),
)
async def change(
    request: Request, webhook: WebhookId, body: Annotated[WebhookChangeIn, Body(openapi_examples=CHANGE_EXAMPLES)]
) -> Response:
    """A disabled endpoint keeps its place in the feed: once active again, it is sent everything since."""
    ctx, anywhere = context(request), request.app.state.webhooks_anywhere
    wishes: dict[str, Any] = {name: value for name, value in body if value is not None}
    if "description" in body.model_fields_set:
        wishes["description"] = body.description
    return _answer(_members(await webhooks.change(ctx, _id_of(webhook), wishes, anywhere=anywhere)))


@router.delete(
    "/{webhook}",
    **operation(
        "deleteWebhook",
        "Delete a webhook",
        Audience.TESTER,
        None,
        Scope.WEBHOOKS,
        status=204,
        problems={404: ["webhook-not-found"]},
    ),
)
async def delete(request: Request, webhook: WebhookId) -> Response:
    """With what it was still to be sent, and the history of what it was sent."""
    await webhooks.remove(context(request), _id_of(webhook))
    return Response(status_code=204)


@router.post(
    "/{webhook}/rotate",
    **operation(
        "rotateWebhookSecret",
        "Replace the secret of a webhook",
        Audience.TESTER,
        NewSecretOut,
        Scope.WEBHOOKS,
        repeatable=True,
        problems={404: ["webhook-not-found"]},
    ),
)
async def rotate(request: Request, webhook: WebhookId) -> Response:
    """For 24 hours of real time the old one signs along: `webhook-signature` holds a signature by each."""
    once = await attempt(request, "rotateWebhookSecret")
    return _shown_once(await webhooks.rotate(context(request), _id_of(webhook), once), 200)


@router.post(
    "/{webhook}/test",
    **operation(
        "testWebhook",
        "Send a webhook a test event",
        Audience.TESTER,
        DeliveryOut,
        Scope.WEBHOOKS,
        status=202,
        repeatable=True,
        problems={404: ["webhook-not-found", "delivery-not-found"]},
    ),
)
async def test(request: Request, webhook: WebhookId) -> Response:
    """A CloudEvent of the type `webhook.test`, which is in no feed, sent like every other one.

    A repeat is answered with how its delivery stands.
    """
    once = await attempt(request, "testWebhook")
    return _on_its_way(*await webhooks.test(context(request), _id_of(webhook), once))


@router.get(
    "/{webhook}/deliveries",
    **operation(
        "listDeliveries",
        "List what was sent to a webhook, and what is to be",
        Audience.TESTER,
        DeliveriesOut,
        Scope.WEBHOOKS,
        problems={404: ["webhook-not-found"]},
    ),
)
async def history(
    request: Request,
    webhook: WebhookId,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """The newest event first, each with its latest tries. Told until 30 days of real time after they ended."""
    page = await webhooks.deliveries(
        context(request), _id_of(webhook), state=state, after=id_position(after), limit=limit
    )
    following = id_cursor(page.items[-1].fact_id) if page.more else None
    items = [to_json(_delivery_members(one)) for one in page.items]
    return Response(render.page(items, following), media_type=render.JSON)


@router.post(
    "/{webhook}/deliveries/{event}/replay",
    **operation(
        "replayDelivery",
        "Send an event to a webhook again",
        Audience.TESTER,
        DeliveryOut,
        Scope.WEBHOOKS,
        status=202,
        repeatable=True,
        problems={404: ["webhook-not-found", "delivery-not-found"]},
    ),
)
async def replay(request: Request, webhook: WebhookId, event: EventId) -> Response:
    """At once, whether it has arrived or not; with the whole retry table before it, and the same `webhook-id`.

    A repeat is answered with how the delivery stands.
    """
    once = await attempt(request, "replayDelivery")
    return _on_its_way(*await webhooks.replay(context(request), _id_of(webhook), UUID(event[4:]), once))


def _id_of(webhook: str) -> UUID:
    return UUID(webhook[4:])


def _shown_once(made: NewSecret, status: int) -> Response:
    return _answer(_members(made.webhook) | {"secret": made.secret}, status)


def _answer(members: dict[str, object], status: int = 200) -> Response:
    return Response(to_json(members), status, media_type=render.JSON)


def _on_its_way(delivery: Delivery, again: bool) -> Response:  # noqa: FBT001  what the service tells of both
    return Response(to_json(_delivery_members(delivery)), 202, replayed(again), render.JSON)


def _members(one: Webhook) -> dict[str, object]:
    return {
        "id": f"whk_{one.webhook_id.hex}",
        "url": one.url,
        "types": one.types,
        "description": one.description,
        "state": one.state,
        "disabled_reason": one.disabled_reason,
        "created_at": one.created_at,
    }


def _delivery_members(one: Delivery) -> dict[str, object]:
    return {
        "event": deliveries.event_text(one.fact_id, one.kind),
        "type": one.kind,
        "position": one.position,
        "state": one.state,
        "attempts": one.attempts,
        "next_at": one.next_at,
    }
