"""Places on the way: how many deliveries of whom may be under way, so that who hangs takes no place of who answers."""

import resource
from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from uuid import UUID

_FILES = 4_096
"""How many open files a worker asks for: half of them are for its connections to endpoints."""
_AT_ONCE = 8
_PROMPT = 5.0
"""Seconds within which an endpoint answers that is not slow: a third of what it may take."""
_REMEMBERED = 10_000


class Place(Enum):
    """What a delivery on the way takes up."""

    OWN = auto()
    MORE = auto()
    UNTRIED = auto()
    SLOW = auto()


class Places:
    """Gives places by how long the latest try of an endpoint took.

    Who was prompt has one of its own, whatever others do, and up to seven more that all the prompt ones share. Who has
    not been tried, and who was slow, has one, of few that its like shares; slow ones take turns.
    """

    def __init__(self, in_all: int) -> None:
        self._limits = {
            Place.OWN: in_all,
            Place.MORE: in_all // 4,
            Place.UNTRIED: in_all // 4,
            Place.SLOW: in_all // 32,
        }
        self._taken: Counter[Place] = Counter()
        self._held: dict[UUID, Counter[Place]] = {}
        self._prompt: dict[UUID, bool] = {}
        """By the latest try; the longest ago first."""

    def in_turn(self, endpoints: Iterable[UUID]) -> list[UUID]:
        """Put first who was prompt, then who has not been tried, then who was slow the longest ago."""
        turns = {endpoint: turn for turn, endpoint in enumerate(self._prompt, 1)}
        return sorted(endpoints, key=lambda one: (not self._prompt.get(one, False), turns.get(one, 0)))

    def take(self, endpoint: UUID, *, failing: bool) -> list[Place]:
        """Take all that an endpoint may have now; `failing` is what others know of one that was not tried here."""
        held = self._held.get(endpoint, Counter())
        if self.is_prompt(endpoint):
            room = _AT_ONCE - held.total()
            wanted = [Place.MORE] * room if held[Place.OWN] else [Place.OWN, *[Place.MORE] * (room - 1)]
        elif held.total():
            return []
        else:
            wanted = [Place.SLOW if self._prompt.get(endpoint, not failing) is False else Place.UNTRIED]
        taken = [place for place in wanted if self._take(place)]
        if taken:
            self._held[endpoint] = held + Counter(taken)
        return taken

    def _take(self, place: Place) -> bool:
        free = self._taken[place] < self._limits[place] and self._taken.total() < self._limits[Place.OWN]
        self._taken[place] += free
        return free

    def give_back(self, endpoint: UUID, places: Iterable[Place]) -> None:
        """Give places back."""
        gone = Counter(places)
        self._taken -= gone
        self._held[endpoint] -= gone
        if not self._held[endpoint]:
            del self._held[endpoint]

    def tried(self, endpoint: UUID, seconds: float) -> None:
        """Remember how long a try took."""
        if len(self._prompt) >= _REMEMBERED:
            self._prompt.clear()
        self._prompt.pop(endpoint, None)
        self._prompt[endpoint] = seconds < _PROMPT

    def is_prompt(self, endpoint: UUID) -> bool:
        """Tell whether the latest try of an endpoint was soon over."""
        return self._prompt.get(endpoint, False)


def connections() -> int:
    """Ask for as many open files as a worker needs, and tell how many connections to endpoints it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _FILES:
        soft = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(soft, _FILES) // 2
