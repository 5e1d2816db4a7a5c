"""Rows of a world that is made again: of its lines, sealed and hashed with the keys of the new one."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.db import tables, world_files
from app.db.json_bytes import to_json
from app.db.vault import SALT_BYTES
from app.db.world_files import BrokenRowError
from app.domain.events import CROSSINGS
from app.domain.history import replay
from app.services import documents
from app.services.access import Context
from app.services.recording import Salt, seal
from app.services.reports import read_seen
from app.services.world_import_lines import WorldLine, broken

TABLES = (  # in an order that foreign keys allow
    tables.salts,
    tables.travellers,
    tables.documents,
    tables.cards,
    tables.facts,
    tables.dues,
    tables.feed,
    tables.outbox,
)
_UNKNOWN: Mapping[str, None] = dict.fromkeys(("exact_hash", "fold_hash", "birth_hash", "person_hash"))
"""What a document of somebody who is forgotten is found by."""


class WorldRows:
    """Makes rows of lines, to be added table by table; `ctx` is of the new world, whose salts hang on `secret`."""

    def __init__(self, ctx: Context, secret: bytes) -> None:
        self._ctx = ctx
        self._secret = secret
        self._world = {"world_id": ctx.caller.world_id}
        self.waiting: dict[str, list[Mapping[str, Any]]] = {table.name: [] for table in TABLES}
        self.counts: Counter[str] = Counter()
        self.fed = 0
        self._makers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "salts": self._salts,
            "traveller": self._traveller,
            "card": self._card,
            "fact": self._fact_of_no_card,
            "places": self._places,
            "waiting": self._outbox,
            "end": self._compare,
        }

    def take(self, line: WorldLine) -> None:
        """Make rows of a line; RuleViolation where it is no line of a world."""
        try:
            self._makers[line.kind](line.told)
        except BrokenRowError as error:
            raise broken(line.place, str(error)) from None
        except (AttributeError, KeyError, TypeError, ValueError):  # whose message may be personal
            raise broken(line.place, f"{line.kind} cannot be read") from None

    def taken(self) -> dict[str, list[Mapping[str, Any]]]:
        """Give the rows that wait."""
        made, self.waiting = self.waiting, {table.name: [] for table in TABLES}
        return made

    def _add(self, table: str, row: Mapping[str, Any]) -> None:
        self.waiting[table].append({**self._world, **row})
        self.counts[table] += 1

    def _salts(self, told: Mapping[str, Any]) -> None:
        forgotten = frozenset(told.get("forgotten", ()))
        for one in told["salts"]:
            salt_id = UUID(one)
            self._add("salts", {"salt_id": salt_id, "salt": None if one in forgotten else self._salt(salt_id)})

    def _salt(self, salt_id: UUID) -> bytes:
        return hmac.digest(self._secret, salt_id.bytes, hashlib.sha256)[:SALT_BYTES]

    def _traveller(self, told: Mapping[str, Any]) -> None:
        self._add("travellers", world_files.read(tables.travellers, told["traveller"], **self._world))
        for one in told["documents"]:
            self._document({name: value for name, value in one.items() if name != "personal"}, one["personal"])

    def _document(self, told: Mapping[str, Any], personal: Mapping[str, Any] | None) -> None:
        own: Mapping[str, Any] = {**_UNKNOWN, **self._sealed(told["salt_id"], None, "")}
        if personal is not None:
            salt_id, document_id = UUID(told["salt_id"]), UUID(told["document_id"])
            salt = Salt(salt_id=salt_id, salt=self._salt(salt_id))
            own = documents.columns(self._ctx, sealed_json.of(personal), salt, document_id)
        sealed = {name: own[name] for name in (*_UNKNOWN, "key_version", "sealed")}
        self._add("documents", world_files.read(tables.documents, told, **self._world, **sealed))

    def _card(self, told: Mapping[str, Any]) -> None:
        head, personal = told["card"], told["personal"]
        number, visa = head["number"], head.get("entered_on_visa")
        card = replay(one["plain"] for one in told["facts"])
        if card.number != number:
            message = "another card's facts"
            raise BrokenRowError(message)
        clear = None if personal is None else sealed_json.write(sealed_json.of(personal))
        row = {
            **rows.columns_of(card),
            **self._sealed(head["salt_id"], clear, f"cards/{number}"),
            "visa_hash": visa and documents.visa_number_hash(self._ctx, visa),
        }
        self._add("cards", row)
        for one in told["facts"]:
            self._fact(one, number)
        for one in told["dues"]:
            self._add("dues", world_files.read(tables.dues, one, **self._world, card_number=number))

    def _fact(self, one: Mapping[str, Any], number: str | None) -> None:
        told = {name: value for name, value in one.items() if name != "personal"}
        personal = one.get("personal")
        own: dict[str, Any] = {"seen_hash": None, "born_hash": None, "key_version": None, "sealed": None}
        if "personal" in one:
            own |= self._sealed(told["salt_id"], personal and to_json(personal), f"facts/{UUID(told['fact_id'])}")
            own.pop("salt_id")
        if "outcome" in told and told["outcome"].get("seen"):
            told["outcome"] = told["outcome"] | {"seen": None}
            if personal and told["kind"] in CROSSINGS:
                own |= self._seen(told, personal)
        self._add("facts", world_files.read(tables.facts, told, **self._world, card_number=number, **own))

    def _seen(self, told: Mapping[str, Any], personal: Mapping[str, Any]) -> dict[str, bytes | None]:
        """Hash what was shown, which an exit of somebody unknown is found by; a repeated scan is compared with it."""
        seen = read_seen(personal)
        exact, born = seen.exact_hash(self._ctx), seen.holder.birth_date
        told["outcome"]["seen"] = exact.hex()
        if told.get("traveller_id") is not None:
            return {}
        return {"seen_hash": exact, "born_hash": documents.birth_hash(self._ctx, born) if born else None}

    def _sealed(self, salt_id: str, clear: bytes | None, name: str) -> dict[str, object]:
        """Name the columns of a sealed part; of somebody who is forgotten, there is nothing to seal."""
        one = UUID(salt_id)
        if clear is None:
            return {"salt_id": one, "key_version": self._ctx.keys.version, "sealed": b""}
        return seal(self._ctx, Salt(salt_id=one, salt=self._salt(one)), clear, name).columns()

    def _fact_of_no_card(self, told: Mapping[str, Any]) -> None:
        self._fact(told["fact"], None)

    def _outbox(self, told: Mapping[str, Any]) -> None:
        for fact_id in told["waiting"]:
            self._add("outbox", {"fact_id": UUID(fact_id)})

    def _places(self, told: Mapping[str, Any]) -> None:
        places = told["places"]
        if places["from"] != self.fed + 1:
            message = "a gap in the feed"
            raise BrokenRowError(message)
        for fact_id in places["facts"]:
            self.fed += 1
            self._add("feed", {"position": self.fed, "fact_id": UUID(fact_id)})

    def _compare(self, told: Mapping[str, Any]) -> None:
        for table in TABLES:
            found, said = self.counts[table.name], told["end"].get(table.name, 0)
            if found != said:
                message = f"{found} {table.name} and not {said}"
                raise BrokenRowError(message)
