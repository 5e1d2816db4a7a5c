"""What is asked: the questions of each operation, the same for everybody who is measured."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count, islice
from urllib.parse import quote

import httpx2

from bench import contract
from bench.population import Record
from bench.samples import Samples

_PAGES = 20
_SAMPLES = 5_000
_ENTRIES = 20_000
"""In a round, where there are so many declared cards."""
_MARKER = "MARKER"


class Operation(Enum):
    """What is measured. Of those that `writes`, each question can be asked once."""

    L = "look-up by number"
    P = "look-up by document"
    I = "issue"  # noqa: E741  the letters are those of the report
    Q = "page of 50"
    K = "issue with an Idempotency-Key"
    E = "entry"
    S = "stay of a card"
    V = "overstays, 50 of them"

    @property
    def writes(self) -> bool:
        """Whether a question changes what the next one finds."""
        return self in {Operation.I, Operation.K, Operation.E}


OF_ALL = (Operation.L, Operation.P, Operation.I, Operation.Q)
"""What everybody does."""
OF_OURS = (Operation.K, Operation.E, Operation.S, Operation.V)
"""What the others have no rules for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request."""

    method: str = "GET"
    path: str
    body: str = ""
    key: str = ""

    def line(self) -> str:
        """Write it as a line; none of its parts has a tab."""
        return f"{self.method}\t{self.path}\t{self.key}\t{self.body}"


@dataclass(kw_only=True)
class Questions:
    """Gives questions about the cards of a world; what can be asked once is given once."""

    cards: Sequence[Record]
    inside: Sequence[Record]
    declared: Iterator[Sequence[Record]]
    _applicants: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    async def about(cls, samples: Samples, *, rounds: int) -> "Questions":
        """Choose the cards to ask about; those that can be entered on are shared out to so many rounds."""
        declared = await samples.some(_ENTRIES * rounds, condition="state = 'declared'")
        share = len(declared) // rounds
        return cls(
            cards=await samples.some(_SAMPLES),
            inside=await samples.some(_SAMPLES, condition="state = 'active'"),
            declared=(declared[place * share : (place + 1) * share] for place in range(rounds)),
        )

    def ask(self, operation: Operation, most: int, *, pages: Sequence[str] = ()) -> list[Question]:
        """Give up to `most` questions, fewer where they can be repeated; `pages` are addresses of a list."""
        made: Iterable[Question]
        match operation:
            case Operation.L:
                made = (Question(path=f"/v1/cards/{card['number']}") for card in self.cards)
            case Operation.P:
                bodies = (json.dumps(contract.by_document(card)) for card in self.cards)
                made = (Question(method="POST", path="/v1/cards/lookup", body=body) for body in bodies)
            case Operation.Q:
                made = (Question(path=page) for page in pages)
            case Operation.I | Operation.K:
                made = islice(self._issues(keyed=operation is Operation.K), most)
            case Operation.E:
                made = (
                    Question(
                        method="POST",
                        path=f"/v1/cards/{card['number']}/entry",
                        body=json.dumps({"checkpoint": card["intended_checkpoint"]}),
                    )
                    for card in next(self.declared)
                )
            case Operation.S:
                made = (Question(path=f"/v1/cards/{card['number']}/stay") for card in self.inside)
            case Operation.V:
                made = [Question(path="/v1/overstays?limit=50")]
        return list(made)

    def _issues(self, *, keyed: bool) -> Iterator[Question]:
        before, after = json.dumps(contract.application(_MARKER), ensure_ascii=False).split(_MARKER)
        for applicant in self._applicants:
            number = f"ZV{applicant:08}"
            key = f"bench-{number}" if keyed else ""
            yield Question(method="POST", path="/v1/cards", body=f"{before}{number}{after}", key=key)


def pages(address: str, headers: dict[str, str]) -> list[str]:
    """Turn the first pages of the list over, and give their addresses: each contestant has cursors of its own."""
    found = [f"/v1/cards?limit={contract.PAGE}"]
    with httpx2.Client(base_url=address, headers=headers, timeout=120) as client:
        while len(found) < _PAGES and (after := client.get(found[-1]).json()["next"]):
            found.append(f"{found[0]}&after={quote(after)}")
    return found
