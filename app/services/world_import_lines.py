"""The lines of an exported world, read back: whole objects, in the order in which they were written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.domain.clock import within_range
from app.domain.errors import RuleViolation
from app.services.intake_bytes import file_fault
from app.services.intake_reading import no_number
from app.services.world_export import FORMAT
from app.services.worlds import Then

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes: a card with ten thousand facts has less."""
_ORDER: Final = ("world", "salts", "traveller", "card", "fact", "places", "waiting", "end")


@dataclass(frozen=True, slots=True)
class WorldLine:
    """A line: its number in the file, its kind, and all that it tells."""

    place: int
    kind: str
    told: Mapping[str, Any]


def broken(place: int, problem: str) -> RuleViolation:
    """Refuse a file for one of its lines."""
    return file_fault("world-line-broken", line=str(place), problem=problem)


class WorldLines:
    """Reads lines out of pieces of a file."""

    captions: Sequence[str] = ()

    def __init__(self) -> None:
        self._tail = b""
        self._place = 0
        self._reached = 0

    def feed(self, data: bytes) -> Iterator[WorldLine]:
        """Give the lines that are whole by now."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        if len(self._tail) > LONGEST_LINE:
            raise broken(self._place + 1, "too long")
        for line in lines:
            yield self._read(line)

    def close(self) -> Iterator[WorldLine]:
        """Give the rest; a fault of a file that ends before its end."""
        if self._tail:
            yield self._read(self._tail)
        if self._reached != len(_ORDER) - 1:
            raise file_fault("world-cut-off", lines=str(self._place))

    def _read(self, line: bytes) -> WorldLine:
        self._place += 1
        try:
            told = json.loads(line, parse_constant=no_number)
        except (ValueError, RecursionError):
            told = None
        kind = next(iter(told), None) if isinstance(told, dict) else None
        if self._place == 1 and kind != "world":
            raise file_fault("no-world")
        if kind not in _ORDER:
            raise broken(self._place, "not a line of a world")
        reached = _ORDER.index(kind)
        if reached < self._reached or (reached == self._reached and kind in {"world", "end"} and self._place > 1):
            raise broken(self._place, f"{kind} out of order")
        self._reached = reached
        return WorldLine(self._place, kind, told)


class WorldHead(WorldLines):
    """Looks at the first line while a file comes: so far that whoever sends it hears at once that it is none."""

    def feed(self, data: bytes) -> Iterator[WorldLine]:
        """Read the first line."""
        if not self.captions:
            for line in super().feed(data):
                then_of(line)
                self.captions = ("world",)
                yield line
                return

    def close(self) -> Iterator[WorldLine]:
        """Refuse a file that has not even that."""
        yield from ()
        if not self.captions:
            raise file_fault("no-world")


def then_of(line: WorldLine) -> Then:
    """Read the first line: when the world was as it is, and by which rules."""
    try:
        head = line.told["world"]
        if head["format"] != FORMAT:
            raise file_fault("world-format", format=str(head["format"])[:20], known=str(FORMAT))
        policy = head["policy"]
        instant = datetime.fromisoformat(head["now"])
        if instant.tzinfo is None or not all(isinstance(one, str) for one in (policy["id"], *policy["drafts"])):
            raise broken(line.place, "not the beginning of a world")
        document = policy["document"]
        return Then(
            instant=within_range(instant, pointer="/file"),
            policy=policy["id"],
            drafts=frozenset(policy["drafts"]),
            document=None if document is None else json.dumps(document, ensure_ascii=False),
        )
    except (KeyError, TypeError, ValueError):
        raise broken(line.place, "not the beginning of a world") from None
