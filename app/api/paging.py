"""Cursors: where a page ended, opaque to clients. Keyset, so that pages stay stable while cards come in."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from app.domain import number as numbers
from app.domain.clock import instant_text
from app.domain.errors import violation


def cursor(at: datetime, number: str) -> str:
    """Write the cursor that continues after the card `number` at its place in time."""
    place = f"{instant_text(at)} {number}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def id_cursor(one: UUID) -> str:
    """Write the cursor that continues after what has an identifier of its own."""
    return base64.urlsafe_b64encode(one.bytes).decode().rstrip("=")


def id_position(after: str | None) -> UUID | None:
    """Read such a cursor; RuleViolation `cursor-invalid`."""
    if after is None:
        return None
    try:
        return UUID(bytes=base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise violation("/after", "cursor-invalid") from None


def position(after: str | None) -> tuple[datetime, str] | None:
    """Read a cursor; RuleViolation `cursor-invalid` for anything that is not one."""
    if after is None:
        return None
    try:
        text = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True).decode("ascii")
        instant, _, number = text.partition(" ")
        at = datetime.fromisoformat(instant)
    except (ValueError, binascii.Error):
        raise violation("/after", "cursor-invalid") from None
    if at.tzinfo is None or numbers.read(number) != number:
        raise violation("/after", "cursor-invalid")
    return at, number
