"""`make states`: draws docs/states.md from the table of transitions."""

from pathlib import Path

from app.domain.transitions import diagram

DOCUMENT = Path(__file__).parents[2] / "docs/states.md"


def text() -> str:
    """Write the page."""
    return f"""# What may happen to a card

Drawn by `make states` from the table in `app/domain/transitions.py`; a test fails when it is stale. Lapsed and
overstayed are never stored: time makes them of a declared and of an active card. What has no arrow is a conflict that
says what is possible instead, and at the border an answer `refuse` with a reason.

```mermaid
{diagram()}```
"""


def main() -> None:
    """Write the page to its place."""
    DOCUMENT.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
