"""Synthetic travellers: people who don't exist, the same ones for the same seed on every machine.

Every draw is a hash of seed, stream and index taken as a whole number. There is no state, so the hundredth person can
be made without the ninety-nine before, and a new field is a new stream that changes nobody; and no floating point,
whose functions differ in the last bit from one machine to the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from types import MappingProxyType
from typing import TypeVar

from app.domain.application import Application, DocumentFields, EntryAt, HolderFields, VisaFields
from app.domain.card import VISA_BASES, Basis, Intended, Purpose, VisaKind
from app.domain.conditions import Traveller
from app.domain.identity import BirthDate, Document, DocumentKind, Holder, Sex
from app.domain.number import PaperNumber
from app.domain.stay import ending
from app.policies import reading, reference
from app.policies.reading import Row
from app.policies.regimes import policies

T = TypeVar("T")

_FILE = "names.yaml"
_NUMBERS = 10_000_000  # in a series: seven digits
_STRIDE = 7_654_321  # shares no factor with _NUMBERS, so that numbers of one seed repeat only after all are used

_BORN_FROM, _BORN_UNTIL = date(1958, 1, 1), date(2008, 6, 30)
_CHILDREN_FROM, _CHILDREN_UNTIL = date(2012, 1, 1), date(2023, 12, 31)
_EXPIRY_FROM, _EXPIRY_UNTIL = date(2028, 1, 1), date(2036, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisaTerm:
    """A synthetic visa: days of stay that it grants, and days between its first and its last."""

    kind: VisaKind
    days_granted: int
    valid_days: int


# The electronic visa grants 30 days within 120 (a secondary source); the terms of the others are usual ones.
E_VISA = VisaTerm(kind=VisaKind.E_VISA, days_granted=30, valid_days=120)
SHORT_VISA = VisaTerm(kind=VisaKind.VISA, days_granted=30, valid_days=90)
LONG_VISA = VisaTerm(kind=VisaKind.VISA, days_granted=90, valid_days=180)
_LONG_PURPOSES = frozenset({Purpose.EMPLOYMENT, Purpose.EDUCATION})
_POLICY = "ru"

# How long people mean to stay: weights, and ranges of days. A guess: only the tourists' seven nights are published.
_TRIPS: Mapping[Purpose, Sequence[tuple[int, range]]] = {
    Purpose.OFFICIAL: [(1, range(2, 11))],
    Purpose.TOURISM: [(8, range(3, 11)), (2, range(11, 26))],
    Purpose.BUSINESS: [(8, range(2, 8)), (2, range(8, 29))],
    Purpose.EDUCATION: [(1, range(80, 90))],
    Purpose.EMPLOYMENT: [(15, range(20, 80)), (85, range(80, 90))],
    Purpose.PRIVATE: [(60, range(1, 6)), (40, range(15, 76))],
    Purpose.TRANSIT: [(1, range(1, 4))],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A synthetic traveller: who, with which document, and what for. `trip_days` is how long they mean to stay."""

    holder: Holder
    document: Document
    purpose: Purpose
    basis: Basis
    checkpoint: str
    trip_days: int
    visa_number: str | None

    @property
    def visa_term(self) -> VisaTerm | None:
        """The visa that the basis asks for."""
        match self.basis:
            case Basis.E_VISA:
                return E_VISA
            case Basis.VISA:
                return LONG_VISA if self.purpose in _LONG_PURPOSES else SHORT_VISA
            case _:
                return None

    def lawful_days(self, on: date) -> int:
        """Tell how many days a stay may last that begins on a day, as planned, and is the first one."""
        visa = _visa(self, on)
        traveller = Traveller(
            citizenship=self.holder.citizenship,
            basis=self.basis,
            purpose=self.purpose,
            document=self.document.kind,
            visa_until=visa.valid_until if visa else None,
            visa_days=visa.days_granted if visa else None,
            applied_on=visa.applied_on if visa else None,
        )
        end = ending((), policies()[_POLICY].terms(traveller), on)
        if end is None:  # the file has no such ground
            raise AssertionError
        return (end.last_lawful_day - on).days + 1


# Draws ---------------------------------------------------------------------------------------------------------------


def draw(seed: int, stream: str, index: int, bound: int) -> int:
    """Draw a whole number from 0 up to `bound`, without `bound` itself, by a hash of the other three."""
    digest = blake2b(f"{seed}/{stream}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % bound


@dataclass(frozen=True, slots=True)
class _Draws:
    """The draws for one index of one seed."""

    seed: int
    index: int

    def below(self, stream: str, bound: int) -> int:
        return draw(self.seed, stream, self.index, bound)

    def pick(self, stream: str, choices: Sequence[T]) -> T:
        return choices[self.below(stream, len(choices))]

    def weighted(self, stream: str, choices: Sequence[tuple[int, T]]) -> T:
        left = self.below(stream, sum(weight for weight, _ in choices))
        for weight, choice in choices:
            if left < weight:
                return choice
            left -= weight
        raise AssertionError

    def day(self, stream: str, begins: date, until: date) -> date:
        return begins + timedelta(days=self.below(stream, (until - begins).days + 1))

    def number(self, series: str) -> str:
        """Give a number that no other index of the seed has, as draws now and then would."""
        offset = draw(self.seed, series, 0, _NUMBERS)
        return f"{series}{(offset + self.index * _STRIDE) % _NUMBERS:07}"


# People --------------------------------------------------------------------------------------------------------------


def citizenships() -> Sequence[str]:
    """List the codes of which there are people, the frequent ones first as in the file."""
    return tuple(_nations())


def person(seed: int, index: int, *, citizenship: str | None = None) -> Person:
    """Make the person number `index` of `seed`; of a given citizenship where one is asked for, else by the shares."""
    draws = _Draws(seed, index)
    code = citizenship or draws.weighted("citizenship", [(one.share, code) for code, one in _nations().items()])
    nation = _nations()[code]
    purpose, basis = draws.weighted("stay", nation.stays)
    trip_days = draws.pick("trip days", draws.weighted("trip", _TRIPS[purpose]))
    sex = draws.pick("sex", (Sex.M, Sex.F))
    surname, given_names = _names(draws, nation, sex)
    patronymics = nation.patronymics.get(sex, ())
    return Person(
        holder=Holder(
            surname=surname.written,
            given_names=given_names.written,
            patronymic=draws.pick("patronymic", patronymics) if patronymics and draws.below("has one", 5) else None,
            surname_latin=surname.latin,
            given_names_latin=given_names.latin,
            birth_date=_born(draws.day("birth", _BORN_FROM, _BORN_UNTIL)),
            sex=sex,
            citizenship=code,
        ),
        document=Document(
            kind=nation.document_for(basis, trip_days),
            number=draws.number("ZZ"),
            issuing_state=nation.issuing_state,
            expires_on=draws.day("expiry", _EXPIRY_FROM, _EXPIRY_UNTIL),
        ),
        purpose=purpose,
        basis=basis,
        checkpoint=draws.pick("checkpoint", nation.checkpoints),
        trip_days=trip_days,
        visa_number=draws.number("ZV") if basis in VISA_BASES else None,
    )


def child_of(parent: Person, seed: int, index: int) -> Person:
    """Make a child that travels on the parent's passport and ground, with a name and a birth date of its own."""
    draws = _Draws(seed, index)
    nation = _nations()[parent.holder.citizenship]
    given_names = draws.pick("child", nation.given_names[parent.holder.sex])
    holder = replace(
        parent.holder,  # the sex stays the parent's, so that the surname fits
        given_names=given_names.written,
        given_names_latin=given_names.latin,
        patronymic=None,
        birth_date=_born(draws.day("child birth", _CHILDREN_FROM, _CHILDREN_UNTIL)),
    )
    return replace(parent, holder=holder, visa_number=draws.number("ZV") if parent.visa_number else None)


def application(
    person: Person,
    *,
    intended_from: date,
    entry: EntryAt | None,
    paper: PaperNumber | None = None,
    reference: str | None = None,
) -> Application:
    """Fill in the application that `person` makes for a trip that begins on `intended_from`.

    A visa, where the ground is one, begins ten days before, so that an earlier or later entry is still within it.
    """
    holder, document = person.holder, person.document
    return Application(
        purpose=person.purpose,
        basis=person.basis,
        holder=HolderFields(
            surname=holder.surname,
            given_names=holder.given_names,
            patronymic=holder.patronymic,
            surname_latin=holder.surname_latin,
            given_names_latin=holder.given_names_latin,
            birth_date=holder.birth_date,
            sex=holder.sex,
            citizenship=holder.citizenship,
        ),
        document=DocumentFields(
            kind=document.kind,
            number=document.number,
            issuing_state=document.issuing_state,
            expires_on=document.expires_on,
        ),
        lines=None,
        visa=_visa(person, intended_from),
        host=None,
        intended=Intended(
            begins_on=intended_from,
            until=intended_from + timedelta(days=person.trip_days),
            checkpoint=person.checkpoint,
        ),
        paper=paper,
        entry=entry,
        reference=reference,
    )


def _visa(person: Person, intended_from: date) -> VisaFields | None:
    term = person.visa_term
    if term is None:
        return None
    valid_from = intended_from - timedelta(days=10)
    assert person.visa_number is not None  # noqa: S101  drawn for every basis with a visa
    series, digits = person.visa_number[:2], int(person.visa_number[2:])
    return VisaFields(
        number=f"{series}{(digits + valid_from.toordinal()) % _NUMBERS:07}",  # for one entry, so another for each trip
        kind=term.kind,
        category=person.purpose.value,
        valid_from=valid_from,
        valid_until=valid_from + timedelta(days=term.valid_days - 1),
        days_granted=term.days_granted,
        entries=1,
        applied_on=valid_from - timedelta(days=14),
        lines=None,
    )


def _names(draws: _Draws, nation: "_Nation", sex: Sex) -> tuple["_Name", "_Name"]:
    """Draw surname and given names; a single name stands where the zone has the surname (ICAO Doc 9303-3 §4.6)."""
    if nation.singles and draws.below("single", nation.singles_one_in) == 0:
        return draws.pick("single name", nation.singles[sex]), _Name(written="", latin=None)
    return draws.pick("surname", nation.surnames[sex]), draws.pick("given names", nation.given_names[sex])


def _born(day: date) -> BirthDate:
    return BirthDate(year=day.year, month=day.month, day=day.day)


# The file ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """A name as written, and the passport's Latin form where it is written in other letters."""

    written: str
    latin: str | None


_Names = Mapping[Sex, Sequence[_Name]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nation:
    """What is known about the travellers of a citizenship."""

    share: int
    stays: Sequence[tuple[int, tuple[Purpose, Basis]]]
    checkpoints: Sequence[str]
    surnames: _Names
    given_names: _Names
    patronymics: Mapping[Sex, Sequence[str]]
    singles: _Names
    singles_one_in: int
    document_kind: DocumentKind
    short_visit_days: int
    short_visit_document: DocumentKind
    issuing_state: str

    def document_for(self, basis: Basis, trip_days: int) -> DocumentKind:
        """Choose the document for a trip; the days of entry and exit are both whole days of it."""
        short = basis is Basis.VISA_FREE and trip_days + 1 <= self.short_visit_days
        return self.short_visit_document if short else self.document_kind


@cache
def _nations() -> Mapping[str, _Nation]:
    document = reading.parse(files(__package__).joinpath(_FILE).read_text(encoding="utf-8"), filename=_FILE)
    document.only("citizenships")
    rows = reading.unique(document.rows("citizenships"), "code")
    return MappingProxyType({code: _nation(code, row) for code, row in rows.items()})


def _nation(code: str, row: Row) -> _Nation:
    row.only(
        *("code", "share", "stays", "checkpoints", "surnames", "given_names", "patronymics", "singles", "document"),
        "short_visits",
    )
    if code not in reference.known_states():
        problem = f"unknown state {code!r}"
        raise row.broken(problem, key="code")
    patronymics = dict(_by_sex(row.row("patronymics"))) if row.has("patronymics") else {}
    singles = row.row("singles") if row.has("singles") else None
    kind, issuing_state = DocumentKind.PASSPORT, code
    if row.has("document"):
        document = row.row("document")
        document.only("kind", "issuing_state")
        kind, issuing_state = document.choice("kind", DocumentKind), document.text("issuing_state")
    visits = row.row("short_visits") if row.has("short_visits") else None
    if visits:
        visits.only("days", "document")
    return _Nation(
        share=row.whole("share"),
        stays=[_stay(stay) for stay in row.rows("stays")],
        checkpoints=_posts(row),
        surnames=_forms(row.row("surnames")),
        given_names=_forms(row.row("given_names")),
        patronymics=patronymics,
        singles=_forms(singles) if singles else {},
        singles_one_in=singles.whole("one_in") if singles else 1,
        document_kind=kind,
        short_visit_days=visits.whole("days") if visits else 0,
        short_visit_document=visits.choice("document", DocumentKind) if visits else kind,
        issuing_state=issuing_state,
    )


def _stay(row: Row) -> tuple[int, tuple[Purpose, Basis]]:
    row.only("purpose", "basis", "weight")
    return row.whole("weight"), (row.choice("purpose", Purpose), row.choice("basis", Basis))


def _posts(row: Row) -> Sequence[str]:
    codes = row.texts("checkpoints")
    for code in codes:
        if code not in reference.checkpoints():
            problem = f"unknown checkpoint {code!r}"
            raise row.broken(problem, key="checkpoints")
    return codes


def _forms(row: Row) -> _Names:
    return {sex: [_name(text) for text in texts] for sex, texts in _by_sex(row)}


def _name(text: str) -> _Name:
    written, _, latin = text.partition(" / ")
    return _Name(written=written, latin=latin or None)


def _by_sex(row: Row) -> Iterator[tuple[Sex, Sequence[str]]]:
    row.only("both", "male", "female", "one_in")
    for sex, key in ((Sex.M, "male"), (Sex.F, "female")):
        yield sex, row.texts("both" if row.has("both") else key)
