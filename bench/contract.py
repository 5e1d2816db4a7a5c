"""What whoever is measured must answer before: twenty answers and five refusals about the same cards.

The fields are those that all of them tell. Ours has many more; of the rivals the holder is asked for too, who rests in
the clear there, but not of the bare routes, which do not open what is sealed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from httpx2 import AsyncClient, Response

from bench.population import Record

PAGE = 50
ANSWERS, REFUSALS = 20, 5
SAMPLES = 7
"""Cards that are asked about, neither lapsed nor overstayed: then what is stored is the status."""

_CARDS = "/v1/cards"
_OF_CARD = (
    "number",
    "status",
    "version",
    "citizenship",
    "purpose",
    "basis",
    "declared_at",
    "last_lawful_day",
    "ends_at",
)
_OF_HOLDER = ("surname", "given_names", "birth_date", "sex")

APPLICATION: Mapping[str, Any] = {
    "purpose": "employment",
    "basis": "visa_free",
    "holder": {
        "surname": "Абдуллаев",
        "given_names": "Азиз",
        "birth_date": "1990-05-12",
        "sex": "M",
        "citizenship": "UZB",
    },
    "document": {"type": "passport", "number": "ZW00000000", "issuing_state": "UZB", "expires_on": "2030-01-15"},
    "intended": {"from": "2026-12-10"},
}


class BrokenContractError(Exception):
    """An answer is not what it must be."""


def by_document(card: Record) -> dict[str, str]:
    """Ask for a card by the document of its holder."""
    return {
        "by": "document",
        "access_purpose": "border_check",
        "issuing_state": str(card["issuing_state"]),
        "number": str(card["document_number"]),
        "birth_date": str(card["birth_date"]),
    }


def application(number: str) -> dict[str, Any]:
    """Apply for somebody with a document of this number."""
    return {**APPLICATION, "document": {**APPLICATION["document"], "number": number}}


async def check(
    client: AsyncClient, samples: Sequence[Record], newest: Sequence[str], *, personal: bool, unused: str
) -> None:
    """Ask everything, or raise BrokenContractError.

    `newest` are the numbers of the first hundred cards of the list; `unused` is a document number that nobody has.
    """
    asked = _Asked(client=client, personal=personal)
    for card in samples[:SAMPLES]:
        asked.same(await asked.get(f"{_CARDS}/{card['number']}"), card)
    for card in samples[: SAMPLES - 1]:
        asked.matched(await asked.post(f"{_CARDS}/lookup", by_document(card)), [card])
    someone = by_document(samples[0])
    asked.matched(await asked.post(f"{_CARDS}/lookup", someone | {"birth_date": "1900-01-01"}), [])
    asked.matched(await asked.post(f"{_CARDS}/lookup", someone | {"number": unused}), [])
    first = await asked.get(_CARDS, limit=str(PAGE))
    asked.listed(first, newest[:PAGE])
    asked.listed(await asked.get(_CARDS, limit=str(PAGE), after=first["next"]), newest[PAGE : 2 * PAGE])

    made = await asked.post(_CARDS, application(unused), status=201)
    issued = _issued(made, unused)
    asked.same(made, issued)
    asked.same(await asked.get(f"{_CARDS}/{made['number']}"), issued)
    asked.matched(await asked.post(f"{_CARDS}/lookup", by_document(issued)), [issued])

    await asked.refused(404, "GET", f"{_CARDS}/{samples[0]['number'][:-1]}")
    await asked.refused(422, "GET", f"{_CARDS}?limit=0")
    await asked.refused(422, "POST", f"{_CARDS}/lookup", _without(someone, "birth_date"))
    await asked.refused(422, "POST", _CARDS, _without(APPLICATION, "document"))
    await asked.refused(422, "POST", _CARDS, {**APPLICATION, "purpose": "hobby"})
    if (asked.answers, asked.refusals) != (ANSWERS, REFUSALS):
        raise BrokenContractError(f"{asked.answers} answers and {asked.refusals} refusals were asked for")


def _without(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def _issued(made: Mapping[str, Any], document_number: str) -> Record:
    """Tell what is known of the card just applied for; its number and instant are the answer's own."""
    applied = APPLICATION["holder"] | {name: APPLICATION[name] for name in ("purpose", "basis")}
    return {
        **applied,
        "number": made["number"],
        "declared_at": datetime.fromisoformat(made["declared_at"]),
        "state": "declared",
        "version": 1,
        "last_lawful_day": None,
        "ends_at": None,
        "issuing_state": APPLICATION["document"]["issuing_state"],
        "document_number": document_number,
    }


@dataclass(kw_only=True)
class _Asked:
    """Asks and compares, and counts what was asked."""

    client: AsyncClient
    personal: bool
    answers: int = 0
    refusals: int = 0

    async def get(self, path: str, **asked: str) -> Any:  # noqa: ANN401  JSON
        return self._answer(await self.client.get(path, params=asked), 200)

    async def post(self, path: str, body: Mapping[str, Any], *, status: int = 200) -> Any:  # noqa: ANN401  JSON
        return self._answer(await self.client.post(path, json=body), status)

    def _answer(self, answer: Response, status: int) -> Any:  # noqa: ANN401  JSON
        _require(answer.status_code, status, f"status of {answer.request.method} {answer.request.url}")
        self.answers += 1
        return answer.json()

    async def refused(self, status: int, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        answer = await self.client.request(method, path, json=body)
        _require(answer.status_code, status, f"status of {method} {path}")
        self.refusals += 1

    def same(self, told: Mapping[str, Any], card: Record) -> None:
        """Compare a card as it was told with the one that is stored."""
        where = f"card {card['number']}"
        for name in _OF_CARD:
            stored = card["state" if name == "status" else name]
            _require(_value(name, told[name]), _value(name, stored), f"{name} of {where}")
        if self.personal:
            for name in _OF_HOLDER:
                _require(told["holder"][name], card[name], f"{name} on {where}")
            _require(told["document"]["number"], card["document_number"], f"document on {where}")

    def matched(self, told: Mapping[str, Any], cards: Sequence[Record]) -> None:
        """Compare what was found with what should be."""
        _require(len(told["items"]), len(cards), "cards found by document")
        for match, card in zip(told["items"], cards, strict=True):
            self.same(match["card"], card)

    def listed(self, told: Mapping[str, Any], numbers: Sequence[str]) -> None:
        """Compare a page with what should stand on it, in this order."""
        _require([one["number"] for one in told["items"]], list(numbers), "the page")


def _require(told: object, expected: object, what: str) -> None:
    if told != expected:
        raise BrokenContractError(f"{what}: {told!r}, not {expected!r}")


def _value(name: str, one: object) -> object:
    """Write instants and days in one way: some tell an instant with Z, some with an offset."""
    if name.endswith("_at") and one is not None:
        return one.timestamp() if isinstance(one, datetime) else datetime.fromisoformat(str(one)).timestamp()
    return str(one) if isinstance(one, date) else one
