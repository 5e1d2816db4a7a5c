import unicodedata
from collections import Counter
from dataclasses import fields
from datetime import date, timedelta
from hashlib import sha256

import pytest

from app.domain import mrz
from app.domain.application import DocumentFields, HolderFields, identify, particulars
from app.domain.card import Basis, Purpose, State
from app.domain.identity import DocumentKind, check_holder
from app.domain.issuing import NewCard, declare, issue
from app.domain.mrz import Format
from app.domain.names import names_match
from app.policies import reference
from app.simulation import people
from app.simulation.people import Person
from tests.builders import DEMO_START, POLICY, crossing, new_id

TODAY = date(2026, 12, 1)
MANY = [people.person(11, index) for index in range(1500)]
EVERY_CITIZENSHIP = [people.person(3, index, citizenship=code) for code in people.citizenships() for index in range(40)]


def told(person: Person) -> str:
    """Everything about a person as text that does not hang on how Python prints a class."""
    values = {field.name: getattr(person, field.name) for field in fields(person)}
    holder, document = values.pop("holder"), values.pop("document")
    parts = [getattr(part, field.name) for part in (holder, document) for field in fields(part)]
    return "|".join(str(value) for value in [*parts, *values.values()])


def test_the_same_seed_gives_the_same_people() -> None:
    first_fifty = "\n".join(told(people.person(2026, index)) for index in range(50))
    digest = sha256(first_fifty.encode()).hexdigest()
    assert digest == "c5a1b8d5aba4a1846ee8843ca28902f5ef72021576787e548f610914559f0fa1", (
        "another version of these people: say so in the changelog"
    )


def test_another_seed_gives_other_people() -> None:
    assert people.person(1, 0) != people.person(2, 0)


def test_a_person_does_not_depend_on_who_was_made_before() -> None:
    assert people.person(11, 700) == MANY[700]


def test_no_two_people_of_a_seed_share_a_document() -> None:
    assert len({(person.document.issuing_state, person.document.number) for person in MANY}) == len(MANY)


def test_documents_are_of_series_that_no_state_uses() -> None:
    assert {person.document.number[:2] for person in MANY} == {"ZZ"}
    assert {person.visa_number[:2] for person in MANY if person.visa_number} == {"ZV"}


def test_citizenships_come_in_their_shares() -> None:
    counts = Counter(person.holder.citizenship for person in MANY)
    assert [code for code, _ in counts.most_common(2)] in (["KAZ", "UZB"], ["UZB", "KAZ"])
    assert len(counts) >= 8
    assert 0.15 < counts["KAZ"] / len(MANY) < 0.27
    assert not counts.keys() & {"RUS", "BLR"}


@pytest.mark.parametrize("person", EVERY_CITIZENSHIP, ids=lambda one: f"{one.holder.citizenship}-{one.document.number}")
def test_every_person_may_apply(person: Person) -> None:
    assert check_holder(person.holder) == []
    asked = people.application(person, intended_from=TODAY, entry=None)
    made = particulars(asked, today=TODAY, known_states=reference.known_states())
    assert (made.holder, made.document) == (person.holder, person.document)
    assert (made.visa is not None) == (person.basis in {Basis.VISA, Basis.E_VISA})
    assert made.visa is None or (made.visa.is_valid_on(TODAY) and made.visa.days_granted == person.lawful_days(TODAY))
    new = NewCard(number="7K3M0Q2V9XTH", traveller_id=new_id(), document_id=new_id())
    assert declare(asked, made, new, zone="Europe/Moscow", policy=POLICY, at=DEMO_START).state is State.DECLARED
    _, card = issue(asked, made, new, crossing=crossing(f"{TODAY} 05:00"), former=(), policy=POLICY, at=DEMO_START)
    assert card.last_lawful_day == TODAY + timedelta(days=person.lawful_days(TODAY) - 1)


def test_a_stay_may_last_thirty_days_on_an_electronic_or_a_short_visa_and_ninety_otherwise() -> None:
    for person in EVERY_CITIZENSHIP:
        long_visa = person.purpose in {Purpose.EMPLOYMENT, Purpose.EDUCATION}
        short = person.basis is Basis.E_VISA or (person.basis is Basis.VISA and not long_visa)
        for on in (date(2026, 5, 1), TODAY):
            assert person.lawful_days(on) == (30 if short else 90)


@pytest.mark.parametrize("citizenship", ["ARM", "KAZ", "KGZ"])
def test_whoever_would_need_no_card_on_a_passport_travels_on_the_identity_card(citizenship: str) -> None:
    drawn = [people.person(5, index, citizenship=citizenship) for index in range(200)]
    for person in drawn:
        short = person.basis is Basis.VISA_FREE and person.trip_days < 30  # 30 days with the day of entry
        assert person.document.kind is (DocumentKind.ID_CARD if short else DocumentKind.PASSPORT)
    counts = Counter((person.basis, person.document.kind) for person in drawn)
    assert counts[Basis.VISA_FREE, DocumentKind.ID_CARD] >= 20
    assert counts[Basis.VISA_FREE, DocumentKind.PASSPORT] >= 5
    assert counts[Basis.EAEU_CONTRACT, DocumentKind.PASSPORT] >= 20


def test_a_latin_form_stands_beside_every_name_in_other_letters() -> None:
    for person in EVERY_CITIZENSHIP:
        holder = person.holder
        for written, latin in (
            (holder.surname, holder.surname_latin),
            (holder.given_names, holder.given_names_latin),
        ):
            assert (latin is None) == (not any("CYRILLIC" in unicodedata.name(letter, "") for letter in written)), (
                holder
            )


@pytest.mark.parametrize("person", EVERY_CITIZENSHIP[::5], ids=lambda one: one.document.number)
def test_a_document_can_be_written_as_a_zone_and_read_back(person: Person) -> None:
    holder, document = person.holder, person.document
    card = document.kind is DocumentKind.ID_CARD
    built = mrz.build(
        Format.TD1 if card else Format.TD3,
        document_code="I" if card else "P",
        issuing_state=document.issuing_state,
        document_number=document.number,
        nationality=holder.citizenship,
        birth_date=holder.birth_date,
        sex=holder.sex,
        expires_on=document.expires_on or TODAY,
        surname=holder.surname_latin or holder.surname,
        given_names=holder.given_names_latin or holder.given_names,
    )
    assert built.truncated == ()
    zone = mrz.parse(built.lines, today=TODAY, known_states=reference.known_states())
    assert zone.valid
    assert zone.warnings == ()
    typed = HolderFields(
        surname=holder.surname,
        given_names=holder.given_names,
        patronymic=holder.patronymic,
        surname_latin=holder.surname_latin,
        given_names_latin=holder.given_names_latin,
        birth_date=None,
        sex=None,
        citizenship=None,
    )
    read, shown = identify(typed, DocumentFields(kind=document.kind), zone)
    assert shown == document
    assert (read.mrz_surname, read.mrz_given_names) == (holder.mrz_surname, holder.mrz_given_names)
    assert (read.birth_date, read.sex, read.citizenship) == (holder.birth_date, holder.sex, holder.citizenship)


def test_the_latin_form_is_found_by_the_name_as_written() -> None:
    for person in EVERY_CITIZENSHIP:
        holder = person.holder
        latin_form = f"{holder.given_names_latin or holder.given_names} {holder.surname_latin or holder.surname}"
        parts = (holder.surname, holder.given_names, holder.surname_latin or "", holder.given_names_latin or "")
        assert names_match(latin_form, *parts)


def test_some_have_one_name_only() -> None:
    single = people.person(1, 1, citizenship="IDN").holder
    assert single.surname
    assert single.given_names == ""
    assert check_holder(single) == []


def test_a_stateless_person_has_a_travel_document_of_the_state_that_issued_it() -> None:
    stateless = people.person(1, 1, citizenship="XXA")
    assert (stateless.holder.citizenship, stateless.document.issuing_state) == ("XXA", "KAZ")
    assert stateless.document.kind == "travel_document_1954"


def test_a_child_travels_on_the_parents_document() -> None:
    parent = people.person(1, 5)
    child = people.child_of(parent, 1, 5)
    assert child.document == parent.document
    assert child.holder.surname == parent.holder.surname
    assert child.holder.birth_date.year >= 2012
    assert check_holder(child.holder) == []
