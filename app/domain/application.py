"""What a traveller applies with: fields, a machine-readable zone, or both, made into one holder and one document."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from app.domain.card import Basis, Host, Intended, Particulars, Purpose, Visa, VisaKind
from app.domain.errors import Fault, RuleViolation, violation
from app.domain.identity import (
    BirthDate,
    Document,
    DocumentKind,
    Holder,
    Sex,
    canonical_document_number,
    check_holder,
    state_code,
)
from app.domain.mrz import Format, Zone, parse
from app.domain.names import NoTransliteration, UnfitCharacter, mrz_name
from app.domain.number import PaperNumber

T = TypeVar("T")

VISA_FORMATS = frozenset({Format.MRVA, Format.MRVB})


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderFields:
    """The holder as typed; what a zone fills may be missing."""

    surname: str | None = None
    given_names: str | None = None
    patronymic: str | None = None
    surname_latin: str | None = None
    given_names_latin: str | None = None
    birth_date: BirthDate | None = None
    sex: Sex | None = None
    citizenship: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFields:
    """The document as typed; what a zone fills may be missing."""

    kind: DocumentKind | None = None
    number: str | None = None
    issuing_state: str | None = None
    expires_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisaFields:
    """The visa as typed, its zone beside or instead of number and last day."""

    number: str | None
    kind: VisaKind
    category: str | None
    valid_from: date
    valid_until: date | None
    days_granted: int | None
    entries: int | None
    applied_on: date | None
    lines: Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAt:
    """An entry asked for together with the card; `occurred_at` None means now."""

    checkpoint: str
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a traveller applies with, shaped but not yet judged."""

    purpose: Purpose
    basis: Basis
    holder: HolderFields
    document: DocumentFields
    lines: Sequence[str] | None
    visa: VisaFields | None
    host: Host | None
    intended: Intended | None
    paper: PaperNumber | None
    entry: EntryAt | None
    reference: str | None
    emergency: str | None = None
    """Why the entry is urgent: the window for declarations closes later then."""

    @property
    def has_zone(self) -> bool:
        """Whether a machine-readable zone is to be read."""
        return self.lines is not None or (self.visa is not None and self.visa.lines is not None)


def particulars(application: Application, *, today: date, known_states: Collection[str]) -> Particulars:
    """Make the personal part of a card out of an application; RuleViolation naming every field that is wrong.

    `today` decides the centuries of zones; `known_states` are the ICAO codes that may stand in a document.
    """
    lines = application.lines
    zone = _zone(lines, "/mrz", today) if lines is not None else None
    holder, document = identify(application.holder, application.document, zone)
    require_known_states(holder, document, known_states)
    return Particulars(
        holder=holder,
        document=document,
        visa=visa_of(application.visa, today=today) if application.visa else None,
        host=application.host,
    )


def require_known_states(holder: Holder, document: Document, known_states: Collection[str]) -> None:
    """Refuse codes that ICAO Doc 9303-3 does not have."""
    given = {"/holder/citizenship": holder.citizenship, "/document/issuing_state": document.issuing_state}
    refuse(
        [
            Fault(pointer=pointer, code="unknown-state", values={"code": code})
            for pointer, code in given.items()
            if code not in known_states
        ]
    )


def seen(
    holder: HolderFields, document: DocumentFields, lines: Sequence[str] | None, *, today: date
) -> tuple[HolderFields, DocumentFields]:
    """Complete what an officer typed with the zone that was scanned; what is given nowhere stays unknown."""
    if lines is None:
        return holder, document
    return _completed(holder, document, _zone(lines, "/mrz", today))


def _completed(holder: HolderFields, document: DocumentFields, zone: Zone) -> tuple[HolderFields, DocumentFields]:
    if zone.format in VISA_FORMATS:
        raise violation("/mrz", "visa-zone")
    refuse(list(_unproven(zone, "/mrz")))
    refuse(_disagreements(holder, document, zone))
    return _filled(holder, document, zone)


def _zone(lines: Sequence[str], pointer: str, today: date) -> Zone:
    try:
        return parse(lines, today=today)
    except RuleViolation as refusal:
        raise violation(pointer, refusal.code) from None


def visa_of(fields: VisaFields, *, today: date) -> Visa:
    """Make a visa of what was typed and what its zone says; RuleViolation naming every field that is wrong."""
    number, until = fields.number, fields.valid_until
    if fields.lines is not None:
        zone = _zone(fields.lines, "/visa/mrz", today)
        if zone.format not in VISA_FORMATS:
            raise violation("/visa/mrz", "not-a-visa-zone")
        refuse(list(_unproven(zone, "/visa/mrz")))
        if number is not None and _number_form(number) != zone.document_number:
            raise RuleViolation("validation-failed", faults=_both("/visa/number", "/visa/mrz"))
        if until is not None and zone.expires_on is not None and until != zone.expires_on:
            raise RuleViolation("validation-failed", faults=_both("/visa/valid_until", "/visa/mrz"))
        number, until = number or zone.document_number, until or zone.expires_on
    given = {"/visa/number": number, "/visa/valid_until": until}
    refuse([Fault(pointer=pointer, code="missing") for pointer, value in given.items() if not value])
    assert number is not None  # noqa: S101  refused just now otherwise
    assert until is not None  # noqa: S101
    if until < fields.valid_from:
        raise violation("/visa/valid_until", "ends-before-it-begins")
    return Visa(
        number=number,
        kind=fields.kind,
        category=fields.category,
        valid_from=fields.valid_from,
        valid_until=until,
        days_granted=fields.days_granted,
        entries=fields.entries,
        applied_on=fields.applied_on,
    )


def identify(holder: HolderFields, document: DocumentFields, zone: Zone | None) -> tuple[Holder, Document]:
    """Make one holder and one document of what was typed and what the zone says.

    What is given twice must agree in MRZ form, and both places are named when it does not. What is given nowhere, and
    names that cannot be written as a zone would, are refused at their fields.
    """
    if zone is not None:
        holder, document = _completed(holder, document, zone)
    refuse(list(_missing(holder, document)))
    assert holder.birth_date is not None  # noqa: S101  _missing has looked
    assert holder.citizenship is not None  # noqa: S101
    assert document.kind is not None  # noqa: S101
    assert document.number is not None  # noqa: S101
    assert document.issuing_state is not None  # noqa: S101
    complete = Holder(
        surname=holder.surname or "",
        given_names=holder.given_names or "",
        patronymic=holder.patronymic or None,
        surname_latin=holder.surname_latin or None,
        given_names_latin=holder.given_names_latin or None,
        birth_date=holder.birth_date,
        sex=holder.sex or Sex.X,
        citizenship=state_code(holder.citizenship),
    )
    faults = check_holder(complete)
    try:
        canonical_document_number(document.number)
    except ValueError:
        faults.append(Fault(pointer="/document/number", code="document-number-unfit"))
    refuse(faults)
    return complete, Document(
        kind=document.kind,
        number=document.number,
        issuing_state=state_code(document.issuing_state),
        expires_on=document.expires_on,
    )


def refuse(faults: list[Fault]) -> None:
    """Refuse an application for all its faults at once, if it has any."""
    if faults:
        raise RuleViolation("validation-failed", faults=faults)


def _unproven(zone: Zone, pointer: str) -> Iterator[Fault]:
    if not zone.valid:
        wrong = ", ".join(name for name, agrees in zone.checks.items() if not agrees)
        yield Fault(pointer=pointer, code="mrz-check-digit", values={"checks": wrong})


def _both(field: str, zone: str) -> list[Fault]:
    return [Fault(pointer=field, code="differs-from-mrz"), Fault(pointer=zone, code="differs-from-fields")]


def _missing(holder: HolderFields, document: DocumentFields) -> Iterator[Fault]:
    if not (holder.surname or holder.given_names):
        yield Fault(pointer="/holder/surname", code="name-missing")
    given = {
        "/holder/birth_date": holder.birth_date,
        "/holder/sex": holder.sex,
        "/holder/citizenship": holder.citizenship,
        "/document/type": document.kind,
        "/document/number": document.number,
        "/document/issuing_state": document.issuing_state,
    }
    for pointer, value in given.items():
        if not value:
            yield Fault(pointer=pointer, code="missing")


def _disagreements(holder: HolderFields, document: DocumentFields, zone: Zone) -> list[Fault]:
    cut = any(warning.code == "name_truncated" for warning in zone.warnings)
    same = {
        "/holder/surname": _same_name(holder.surname_latin or holder.surname, zone.surname, cut=cut),
        "/holder/given_names": _same_name(holder.given_names_latin or holder.given_names, zone.given_names, cut=cut),
        "/holder/birth_date": _same(holder.birth_date, zone.birth_date, BirthDate.mrz),
        "/holder/sex": _same(holder.sex, zone.sex, str),
        "/holder/citizenship": _same(holder.citizenship, zone.nationality, state_code),
        "/document/number": _same(document.number, zone.document_number, _number_form),
        "/document/issuing_state": _same(document.issuing_state, zone.issuing_state, state_code),
        "/document/expires_on": _same(document.expires_on, zone.expires_on, date.isoformat),
    }
    faults = [Fault(pointer=pointer, code="differs-from-mrz") for pointer, agrees in same.items() if not agrees]
    return [*faults, Fault(pointer="/mrz", code="differs-from-fields")] if faults else []


def _same(typed: T | None, printed: T | None, form: Callable[[T], str]) -> bool:
    return typed is None or printed is None or form(typed) == form(printed)


def _number_form(number: str) -> str:
    try:
        return canonical_document_number(number)
    except ValueError:
        return number  # _missing and identify say what is wrong with it


def _same_name(typed: str | None, printed: str, *, cut: bool) -> bool:
    if typed is None:
        return True
    try:
        form = mrz_name(typed)
    except (NoTransliteration, UnfitCharacter):
        return True  # nothing to compare; check_holder says what is wrong, if the zone does not fill the Latin form
    if not cut:
        return form == printed.replace(" ", "<")
    # a zone too short for a name cuts its parts (ICAO Doc 9303-4 §4.2.3): each must begin as printed
    return all(typed_part.startswith(part) for part, typed_part in zip(printed.split(), form.split("<"), strict=False))


def _filled(holder: HolderFields, document: DocumentFields, zone: Zone) -> tuple[HolderFields, DocumentFields]:
    return (
        HolderFields(
            surname=zone.surname if holder.surname is None else holder.surname,
            given_names=zone.given_names if holder.given_names is None else holder.given_names,
            patronymic=holder.patronymic,
            surname_latin=holder.surname_latin or _latin_form(holder.surname, zone.surname),
            given_names_latin=holder.given_names_latin or _latin_form(holder.given_names, zone.given_names),
            birth_date=holder.birth_date or zone.birth_date,
            sex=holder.sex or zone.sex,
            citizenship=holder.citizenship or zone.nationality,
        ),
        DocumentFields(
            kind=document.kind or _kind(zone),
            number=document.number or zone.document_number,
            issuing_state=document.issuing_state or zone.issuing_state,
            expires_on=document.expires_on or zone.expires_on,
        ),
    )


def _latin_form(typed: str | None, printed: str) -> str | None:
    """Take the zone's Latin form of a name typed in another script: it is what the passport says."""
    return printed or None if typed and not typed.isascii() else None


def _kind(zone: Zone) -> DocumentKind:
    """Tell the kind by the document code (ICAO Doc 9303-4 §4.2.2, 9303-5 §4.2.2)."""
    match zone.document_code[:2]:
        case "PD":
            return DocumentKind.DIPLOMATIC_PASSPORT
        case "PS" | "PO":
            return DocumentKind.SERVICE_PASSPORT
        case code if code.startswith("P"):
            return DocumentKind.PASSPORT
        case _:
            return DocumentKind.ID_CARD
