"""Documents of travellers: how one is stored, and whose it is."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.db import people
from app.db.engine import Row
from app.db.tables import documents
from app.db.write import Step, added, changed
from app.domain.card import Card, Particulars
from app.domain.errors import Conflict
from app.domain.identity import BirthDate, Document, canonical_document_number, fold_document_number, person_key
from app.services.access import Context, Scope
from app.services.recording import Salt, seal


def person_hash(ctx: Context, personal: Particulars) -> bytes:
    """Hash what makes two applications the same person's."""
    return ctx.keys.hash("person", *person_key(personal.holder, personal.document))


def opened(ctx: Context, row: Row) -> Particulars | None:
    """Read a document with its holder; None once the person is forgotten."""
    clear = ctx.open(rows.sealed_of(row), f"documents/{row['document_id']}")
    return sealed_json.read(clear) if clear else None


def visa_hash(ctx: Context, personal: Particulars) -> bytes | None:
    """Hash the number of the visa, so that its entries are counted."""
    return visa_number_hash(ctx, personal.visa.number) if personal.visa else None


def visa_number_hash(ctx: Context, number: str) -> bytes | None:
    """Hash the number of a visa."""
    folded = fold_document_number(number)
    return ctx.keys.hash("visa", folded) if folded else None


async def entered_on_visa(ctx: Context, card: Card) -> bytes | None:
    """Tell the hash of the visa that a card was entered on: it may rest on another one by now."""
    own = await ctx.read(people.DOCUMENTS, traveller_id=card.traveller_id)
    person = next(row["person_hash"] for row in own.rows if row["document_id"] == card.document_id)
    read = await ctx.read(rows.APPLICANT, person_hash=person, key=None)
    entered_on: bytes | None = next(row["visa_hash"] for row in read.rows if row["number"] == card.number)
    return entered_on


def latest_columns(ctx: Context, personal: Particulars, salt: Salt, document_id: UUID) -> Mapping[str, object]:
    """Name the columns of a document that a later application tells anew."""
    bare = replace(personal, visa=None, host=None) if personal.visa or personal.host else personal
    clear = sealed_json.write(bare)
    return {
        "kind": personal.document.kind.value,
        "expires_on": personal.document.expires_on,
        **seal(ctx, salt, clear, f"documents/{document_id}").columns(),
    }


def exact_hash(ctx: Context, document: Document) -> bytes:
    """Hash what a document is found by: the issuing state and the number."""
    return ctx.keys.hash("exact", document.issuing_state, canonical_document_number(document.number))


def birth_hash(ctx: Context, birth_date: BirthDate) -> bytes:
    """Hash a birth date."""
    return ctx.keys.hash("birth", str(birth_date))


def hashes(ctx: Context, personal: Particulars) -> Mapping[str, bytes]:
    """Name the columns that a document is found by."""
    document = personal.document
    exact = canonical_document_number(document.number)
    return {
        "exact_hash": exact_hash(ctx, document),
        "fold_hash": ctx.keys.hash("fold", document.issuing_state, fold_document_number(exact)),
        "birth_hash": birth_hash(ctx, personal.holder.birth_date),
        "person_hash": person_hash(ctx, personal),
    }


def columns(
    ctx: Context,
    personal: Particulars,
    salt: Salt,
    document_id: UUID,
    *,
    hashed: Mapping[str, bytes] | None = None,
) -> Mapping[str, object]:
    """Name all columns of a document with its holder; `hashed` are its `hashes` where they are at hand."""
    return {
        **(hashed or hashes(ctx, personal)),
        "issuing_state": personal.document.issuing_state,
        **latest_columns(ctx, personal, salt, document_id),
    }


async def known_as(ctx: Context, personal: Particulars, *, traveller_id: UUID) -> UUID | None:
    """Find the document among those of the registry; Conflict `document-of-another` when another person holds it."""
    read = await ctx.read(rows.APPLICANT, person_hash=person_hash(ctx, personal), key=None)
    if not read.rows:
        return None
    holder: UUID = read.head["known_traveller_id"]
    if holder != traveller_id:
        raise document_of_another(ctx, holder)
    known: UUID = read.head["known_document_id"]
    return known


def document_of_another(ctx: Context, holder: UUID) -> Conflict:
    """Refuse a document that somebody else holds; who that is, is told to offices only."""
    told = f"tr_{holder.hex}" if Scope.CHANGES in ctx.caller.scopes else None
    return Conflict("document-of-another", extra={"traveller": told})


def new_document(ctx: Context, personal: Particulars, salt: Salt, *, document_id: UUID, traveller_id: UUID) -> Step:
    """Store a document with its holder."""
    world_id, told = ctx.caller.world_id, columns(ctx, personal, salt, document_id)
    return added(documents, world_id=world_id, document_id=document_id, traveller_id=traveller_id, **told)


def corrected_document(ctx: Context, personal: Particulars, salt: Salt, *, document_id: UUID) -> Step:
    """Store what is known of a document and its holder by now."""
    where = {"world_id": ctx.caller.world_id, "document_id": document_id}
    return changed(documents, where, **columns(ctx, personal, salt, document_id))


def renewed_document(ctx: Context, personal: Particulars, salt: Salt, *, document_id: UUID) -> Step:
    """Store what is known of a document by now that is good again, though another one had taken its place."""
    where = {"world_id": ctx.caller.world_id, "document_id": document_id}
    return changed(documents, where, **columns(ctx, personal, salt, document_id), replaced_by=None)
