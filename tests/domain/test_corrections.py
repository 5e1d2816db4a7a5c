from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.application import DocumentFields, HolderFields
from app.domain.card import Basis, Card, Ground, Host, HostKind, Intended, Particulars, Purpose, State, Status, VisaKind
from app.domain.changes import Changed, Extension, judged
from app.domain.corrections import Correction, Removable, corrected_documents, recorded_in, require_apart
from app.domain.errors import Conflict, RuleViolation
from app.domain.events import FactKind, Source
from app.domain.grounds import TrueGround
from app.domain.identity import BirthDate, DocumentKind, Sex
from app.domain.joining import CardStay
from app.domain.number import PaperNumber
from app.domain.presence import Stay
from tests.builders import (
    BREST,
    KAMCHATKA,
    MOSCOW_AIR,
    POLICY,
    at_status,
    card,
    crossing,
    personal,
    setting,
    stayed,
    utc,
    visa,
)

ACTIVE = card(State.ACTIVE)
DECLARED = card()
LEFT = card(State.DEPARTED, exit_source=Source.OFFICER)
BEFORE_THE_TRIP, INSIDE, AFTERWARDS = "2026-12-02 10:00", "2026-12-20 10:00", "2027-01-20 10:00"
NOW = {State.DECLARED: BEFORE_THE_TRIP, State.ACTIVE: INSIDE, State.DEPARTED: AFTERWARDS}


def correction(**wrong: Any) -> Correction:  # noqa: ANN401  fields of many types
    return Correction(effective_on=date(2026, 12, 2), reason="misread", **wrong)


def correct(made: Card = ACTIVE, person: Particulars | None = None, **wrong: Any) -> Changed:  # noqa: ANN401
    since = made.entered_on or date(2026, 12, 2)
    return replace(correction(**wrong), effective_on=since).apply(made, person or personal(), setting(NOW[made.state]))


def refused(pointer: str, code: str, made: Card = ACTIVE, person: Particulars | None = None, **wrong: Any) -> None:  # noqa: ANN401
    with pytest.raises(RuleViolation) as refusal:
        correct(made, person, **wrong)
    assert (pointer, code) in [(fault.pointer, fault.code) for fault in refusal.value.faults]


def told(changed: Changed) -> list[tuple[FactKind, FactKind | None]]:
    return [(part.kind, part.corrects) for part in changed.parts]


OF_THE_APPLICATION = [(FactKind.CHANGED, FactKind.DECLARED)]
OF_THE_ENTRY = [(FactKind.CHANGED, FactKind.ENTERED)]
OF_THE_EXIT = [(FactKind.CHANGED, FactKind.DEPARTED)]


# Who may be corrected ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_a_card_is_corrected_while_it_means_something(status: Status) -> None:
    made, instant = at_status(status)
    now = replace(setting(), at=instant)
    if status in {Status.DECLARED, Status.ACTIVE, Status.OVERSTAYED, Status.DEPARTED}:
        after = correction(reference="hers").apply(made, personal(), now).card
        assert (after.state, after.version) == (made.state, made.version + 1)
        return
    with pytest.raises(Conflict, match="transition-not-allowed"):
        correction(reference="hers").apply(made, personal(), now)


@pytest.mark.parametrize("state", sorted(NOW))
def test_a_correction_of_nothing_is_refused(state: State) -> None:
    made = replace(card(state), reference="hers", paper_series="4601", paper_number="0123456")
    person = personal(visa=visa(), host=Host(kind=HostKind.PERSON, name="Пётр", locality=None))
    refused("", "nothing-corrected", made, person)
    as_it_is = {
        "holder": HolderFields(surname="Абдуллаев", citizenship="UZB"),
        "document": DocumentFields(number="FA1234567"),
        "visa": visa(),
        "host": person.host,
        "purpose": Purpose.TOURISM,
        "basis": Basis.VISA_FREE,
        "paper": PaperNumber(series="4601", number="0123456"),
        "reference": "hers",
    }
    refused("", "nothing-corrected", made, person, **as_it_is)


@pytest.mark.parametrize(
    ("made", "as_it_is"),
    [
        (ACTIVE, {"entry": crossing("2026-12-02 10:00")}),
        (LEFT, {"entry": crossing("2026-12-02 10:00")}),
        (LEFT, {"exit": crossing("2027-01-10 10:00", BREST, "Europe/Minsk")}),
    ],
    ids=["entry", "entry of a past stay", "exit"],
)
def test_a_crossing_as_it_is_recorded_corrects_nothing(made: Card, as_it_is: dict[str, Any]) -> None:
    refused("", "nothing-corrected", made, **as_it_is)
    assert told(correct(made, reference="hers", **as_it_is)) == OF_THE_APPLICATION


def test_an_intention_as_it_is_recorded_corrects_nothing_though_cards_lapse_otherwise_by_now() -> None:
    lapsing_otherwise = replace(DECLARED, lapses_at=utc("2026-12-20 21:00"))
    refused("", "nothing-corrected", lapsing_otherwise, intended=Intended(begins_on=date(2026, 12, 10)))


# The application -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(NOW))
@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"purpose": Purpose.TRANSIT}, {"purpose": Purpose.TRANSIT}),
        ({"basis": Basis.EDUCATION}, {"basis": Basis.EDUCATION}),
        ({"reference": "hers"}, {"reference": "hers"}),
        (
            {"paper": PaperNumber(series="4601", number="0123456")},
            {"paper_series": "4601", "paper_number": "0123456"},
        ),
        ({"holder": HolderFields(citizenship="TJK")}, {"citizenship": "TJK"}),
    ],
    ids=["purpose", "basis", "reference", "paper", "citizenship"],
)
def test_what_was_applied_with_is_corrected_and_nothing_else(
    state: State, wrong: dict[str, Any], fields: dict[str, Any]
) -> None:
    before = card(state)
    done = correct(before, **wrong)
    assert told(done) == OF_THE_APPLICATION
    assert done.parts[0].crossing is None
    assert done.card == replace(before, version=2, **fields)


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        (HolderFields(surname="Абдуллоев"), {"surname": "Абдуллоев"}),
        (HolderFields(given_names="Алишер"), {"given_names": "Алишер"}),
        (HolderFields(patronymic="Каримович"), {"patronymic": "Каримович"}),
        (HolderFields(surname_latin="ABDULLAYEV"), {"surname_latin": "ABDULLAYEV"}),
        (HolderFields(given_names_latin="ALLI"), {"given_names_latin": "ALLI"}),
        (HolderFields(birth_date=BirthDate.parse("1992-02-29")), {"birth_date": BirthDate.parse("1992-02-29")}),
        (HolderFields(birth_date=BirthDate.parse("1990")), {"birth_date": BirthDate.parse("1990")}),
        (HolderFields(sex=Sex.X), {"sex": Sex.X}),
        (HolderFields(citizenship="tjk"), {"citizenship": "TJK"}),
        (HolderFields(given_names=""), {"given_names": ""}),
    ],
)
def test_of_the_holder_only_what_is_typed_is_corrected(typed: HolderFields, recorded: dict[str, Any]) -> None:
    done = correct(holder=typed)
    assert told(done) == OF_THE_APPLICATION
    assert done.personal == replace(personal(), holder=replace(personal().holder, **recorded))


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        (DocumentFields(kind=DocumentKind.ID_CARD), {"kind": DocumentKind.ID_CARD}),
        (DocumentFields(number="FA7654321"), {"number": "FA7654321"}),
        (DocumentFields(issuing_state="KGZ"), {"issuing_state": "KGZ"}),
        (DocumentFields(expires_on=date(2031, 1, 1)), {"expires_on": date(2031, 1, 1)}),
    ],
)
def test_of_the_document_only_what_is_typed_is_corrected(typed: DocumentFields, recorded: dict[str, Any]) -> None:
    done = correct(document=typed)
    assert told(done) == OF_THE_APPLICATION
    assert done.personal == personal(**recorded)
    assert done.card == replace(ACTIVE, version=2)


def test_a_visa_and_a_host_are_told_anew_in_full() -> None:
    host = Host(kind=HostKind.ORGANISATION, name="Гостиница", locality="Казань")
    done = correct(visa=visa(number="7"), host=host)
    assert told(done) == OF_THE_APPLICATION
    assert done.personal == personal(visa=visa(number="7"), host=host)
    assert correct(person=done.personal, reference="hers").personal == done.personal


def test_a_name_that_the_document_does_not_have_is_emptied_by_saying_so() -> None:
    ali = replace(personal(), holder=replace(personal().holder, patronymic="Каримович", surname_latin="ABDULAYEV"))
    emptied = correct(person=ali, holder=HolderFields(patronymic="", surname_latin=""))
    assert emptied.personal == personal()


def test_a_name_that_icao_cannot_write_needs_the_latin_form_of_the_document() -> None:
    refused("/holder/surname_latin", "latin-form-needed", holder=HolderFields(surname="Өмүрбеков"))
    refused("/holder/given_names_latin", "latin-form-needed", holder=HolderFields(given_names="Ғайрат"))
    done = correct(holder=HolderFields(surname="Өмүрбеков", surname_latin="OMURBEKOV"))
    assert done.personal.holder.surname == "Өмүрбеков"
    assert done.personal.holder.mrz_surname == "OMURBEKOV"


@pytest.mark.parametrize(
    ("typed", "forms"),
    [
        (HolderFields(surname="Абдуллоев"), {"surname": "Абдуллоев", "surname_latin": None}),
        (HolderFields(given_names="Алишер"), {"given_names": "Алишер", "given_names_latin": None}),
        (HolderFields(given_names=""), {"given_names": "", "given_names_latin": None}),
        (HolderFields(surname="Абдуллаев", given_names="Али", patronymic="Каримович"), {"patronymic": "Каримович"}),
        (
            HolderFields(surname="Абдуллоев", surname_latin="ABDULLOEV"),
            {"surname": "Абдуллоев", "surname_latin": "ABDULLOEV"},
        ),
    ],
    ids=["surname", "given names", "no given names", "names that were right", "with its form"],
)
def test_a_name_corrected_without_its_latin_form_drops_the_old_one(typed: HolderFields, forms: dict[str, Any]) -> None:
    ali = replace(personal(), holder=replace(personal().holder, surname_latin="ABDULAYEV", given_names_latin="ALLI"))
    assert correct(person=ali, holder=typed).personal.holder == replace(ali.holder, **forms)


def test_the_latin_form_of_another_name_does_not_write_what_icao_cannot() -> None:
    ali = replace(personal(), holder=replace(personal().holder, surname_latin="ABDULAYEV"))
    refused("/holder/surname_latin", "latin-form-needed", person=ali, holder=HolderFields(surname="Өмүрбеков"))


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"holder": HolderFields(surname="A1i")}, "/holder/surname", "unfit-character"),
        ({"holder": HolderFields(surname_latin="Абдуллаев")}, "/holder/surname_latin", "not-latin"),
        ({"holder": HolderFields(surname="", given_names="")}, "/holder/surname", "name-missing"),
        ({"holder": HolderFields(citizenship="QQQ")}, "/holder/citizenship", "unknown-state"),
        ({"document": DocumentFields(issuing_state="QQQ")}, "/document/issuing_state", "unknown-state"),
        ({"document": DocumentFields(number="№ 1")}, "/document/number", "document-number-unfit"),
    ],
)
def test_what_no_application_may_say_no_correction_may(wrong: dict[str, Any], pointer: str, code: str) -> None:
    refused(pointer, code, **wrong)


def test_a_basis_that_asks_for_a_visa_needs_one_of_its_kind() -> None:
    refused("/visa", "visa-needed", basis=Basis.VISA)
    refused("/visa/kind", "visa-kind-differs", basis=Basis.VISA, visa=visa(kind=VisaKind.E_VISA))
    refused(
        "/visa/kind", "visa-kind-differs", card(State.ACTIVE, basis=Basis.E_VISA), personal(visa=visa()), visa=visa()
    )
    done = correct(basis=Basis.VISA, visa=visa())
    assert (done.card.basis, done.personal.visa) == (Basis.VISA, visa())


def test_the_end_of_a_stay_follows_the_visa_as_it_truly_is() -> None:
    on_a_visa = card(State.ACTIVE, basis=Basis.VISA)
    done = correct(on_a_visa, personal(visa=visa()), visa=visa(valid_until=date(2027, 2, 15)))
    after = judged(done.card, done.personal, [], POLICY)
    assert (after.last_lawful_day, after.ended_by) == (date(2027, 2, 15), "visa")


def test_the_end_of_a_stay_follows_the_citizenship_as_it_truly_is() -> None:
    """Oman: 30 days for a visit."""
    person = replace(personal(), holder=replace(personal().holder, citizenship="OMN"))
    assert judged(ACTIVE, person, [], POLICY).last_lawful_day == date(2026, 12, 31)
    done = correct(card(State.ACTIVE, citizenship="OMN"), person, holder=HolderFields(citizenship="UZB"))
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 3, 1)


@pytest.mark.parametrize("state", [State.DECLARED, State.ACTIVE, State.DEPARTED])
@pytest.mark.parametrize("code", ["RUS", "BLR"])
def test_nobody_becomes_a_citizen_who_needs_no_card_by_a_correction(code: str, state: State) -> None:
    refused("/holder/citizenship", "no-card-needed", card(state), holder=HolderFields(citizenship=code))


def test_nobody_becomes_a_citizen_who_needs_a_card_only_later_by_a_correction_before_then() -> None:
    refused("/holder/citizenship", "card-needed-later", holder=HolderFields(citizenship="KGZ"))


@pytest.mark.parametrize("state", [State.ACTIVE, State.DEPARTED])
def test_whoever_has_stayed_until_a_card_was_needed_keeps_it_under_the_true_citizenship(state: State) -> None:
    change = replace(correction(holder=HolderFields(citizenship="KGZ")), effective_on=date(2026, 12, 2))
    assert change.apply(card(state), personal(), setting("2027-01-20 10:00")).card.citizenship == "KGZ"


def test_the_end_of_a_stay_that_has_changed_its_purpose_follows_the_visa_too() -> None:
    first = Ground(begins_on=None, basis=Basis.VISA, purpose=Purpose.TOURISM, visa_until=date(2027, 1, 31))
    business = replace(first, begins_on=date(2026, 12, 10), purpose=Purpose.BUSINESS)
    made = card(State.ACTIVE, basis=Basis.VISA, purpose=Purpose.BUSINESS, grounds=(first, business))
    done = correct(made, personal(visa=visa()), visa=visa(valid_until=date(2027, 2, 15)))
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 2, 15)


def test_of_several_grounds_the_latest_is_corrected() -> None:
    first = Ground(begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.TOURISM)
    study = Ground(
        begins_on=date(2026, 12, 10), basis=Basis.PATENT, purpose=Purpose.EMPLOYMENT, until=date(2027, 6, 30)
    )
    made = card(State.ACTIVE, basis=Basis.PATENT, purpose=Purpose.EMPLOYMENT, grounds=(first, study))
    after = correct(made, basis=Basis.EDUCATION, purpose=Purpose.EDUCATION).card
    assert (after.basis, after.purpose) == (Basis.EDUCATION, Purpose.EDUCATION)
    assert after.grounds == (first, replace(study, basis=Basis.EDUCATION, purpose=Purpose.EDUCATION))
    assert correct(made, purpose=Purpose.EDUCATION).card.grounds == (first, replace(study, purpose=Purpose.EDUCATION))
    assert correct(made, basis=Basis.EDUCATION).card.grounds == (first, replace(study, basis=Basis.EDUCATION))
    assert correct(made, reference="hers").card.grounds == (first, study)


def test_of_several_grounds_the_latest_by_its_day_is_corrected() -> None:
    first = Ground(begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.TOURISM)
    study = Ground(
        begins_on=date(2026, 12, 15), basis=Basis.EDUCATION, purpose=Purpose.TOURISM, until=date(2027, 6, 30)
    )
    paid = Ground(begins_on=date(2026, 12, 10), basis=Basis.PATENT, purpose=Purpose.TOURISM, until=date(2026, 12, 14))
    made = card(State.ACTIVE, basis=Basis.EDUCATION, grounds=(first, study, paid))
    after = correct(made, basis=Basis.HIGHLY_QUALIFIED).card
    assert after.grounds == (first, replace(study, basis=Basis.HIGHLY_QUALIFIED), paid)


def test_a_visa_that_ends_earlier_than_was_read_ends_a_stay_that_has_changed_its_purpose() -> None:
    first = Ground(begins_on=None, basis=Basis.VISA, purpose=Purpose.TOURISM, visa_until=date(2027, 1, 31))
    business = replace(first, begins_on=date(2026, 12, 10), purpose=Purpose.BUSINESS)
    made = card(State.ACTIVE, basis=Basis.VISA, purpose=Purpose.BUSINESS, grounds=(first, business))
    done = correct(made, personal(visa=visa()), visa=visa(valid_until=date(2027, 1, 15)))
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 1, 15)


def test_a_visa_that_grants_fewer_days_than_was_read_makes_no_stay_longer() -> None:
    at, granted = setting(INSIDE), visa(days_granted=30)
    extension = Extension(effective_on=date(2026, 12, 20), reason="visa", basis=Basis.VISA, visa=granted)
    done = extension.apply(ACTIVE, personal(), at)
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 1, 18)
    done = correct(done.card, done.personal, visa=replace(granted, days_granted=20))
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 1, 8)


# What should not be recorded at all ----------------------------------------------------------------------------------

EVERYTHING = replace(
    personal(visa=visa(), host=Host(kind=HostKind.PERSON, name="Пётр", locality=None)),
    holder=replace(personal().holder, patronymic="Каримович", surname_latin="ABDULAYEV", given_names_latin="ALLI"),
)


def with_everything(state: State) -> Card:
    return replace(
        card(state),
        intended_until=date(2027, 1, 15),
        intended_checkpoint=MOSCOW_AIR,
        paper_series="4601",
        paper_number="0123456",
        reference="hers",
        lost_at=utc("2026-12-02 10:00"),
        shortened_to=date(2027, 1, 5),
    )


ON_THE_CARD: dict[str, dict[str, Any]] = {
    Removable.INTENDED_UNTIL: {"intended_until": None},
    Removable.INTENDED_CHECKPOINT: {"intended_checkpoint": None},
    Removable.PAPER: {"paper_series": None, "paper_number": None},
    Removable.REFERENCE: {"reference": None},
    Removable.SHORTENED_TO: {"shortened_to": None},
    Removable.LOST: {"lost_at": None},
}
AFTER_THE_APPLICATION: dict[str, list[tuple[FactKind, FactKind | None]]] = {
    Removable.SHORTENED_TO: [(FactKind.CHANGED, FactKind.CHANGED)],
    Removable.LOST: [(FactKind.CHANGED, None)],
}


def without(person: Particulars, path: Removable) -> Particulars:
    """The personal part with what stands at the path gone."""
    part, _, name = path.rpartition(".")
    gone: dict[str, Any] = {name: None}
    if part == "holder":
        return replace(person, holder=replace(person.holder, **gone))
    if part == "document":
        return replace(person, document=replace(person.document, **gone))
    return person if path in ON_THE_CARD else replace(person, **gone)


@pytest.mark.parametrize("state", sorted(NOW))
@pytest.mark.parametrize("path", Removable)
def test_what_should_not_be_recorded_is_removed_and_nothing_else(path: Removable, state: State) -> None:
    made = with_everything(state)
    done = correct(made, EVERYTHING, removed=(path,))
    assert told(done) == AFTER_THE_APPLICATION.get(path, OF_THE_APPLICATION)
    assert done.card == replace(made, version=2, **ON_THE_CARD.get(path, {}))
    assert done.personal == without(EVERYTHING, path)
    assert (done.card, done.personal) != (replace(made, version=2), EVERYTHING)


@pytest.mark.parametrize("path", Removable)
def test_what_is_not_recorded_cannot_be_removed(path: Removable) -> None:
    nothing = personal(expires_on=None)
    refused("", "nothing-corrected", person=nothing, removed=(path,))
    done = correct(person=nothing, removed=(path,), purpose=Purpose.TRANSIT)
    assert (done.card, done.personal) == (replace(ACTIVE, version=2, purpose=Purpose.TRANSIT), nothing)


def test_everything_is_removed_at_once() -> None:
    done = correct(with_everything(State.ACTIVE), EVERYTHING, removed=tuple(Removable))
    assert (done.card, done.personal) == (replace(ACTIVE, version=2), personal(expires_on=None))


@pytest.mark.parametrize(
    ("path", "given"),
    [
        (Removable.PATRONYMIC, {"holder": HolderFields(patronymic="")}),
        (Removable.SURNAME_LATIN, {"holder": HolderFields(surname_latin="ABDULLAEV")}),
        (Removable.GIVEN_NAMES_LATIN, {"holder": HolderFields(given_names_latin="ALI")}),
        (Removable.EXPIRES_ON, {"document": DocumentFields(expires_on=date(2031, 1, 1))}),
        (Removable.VISA, {"visa": visa()}),
        (Removable.HOST, {"host": EVERYTHING.host}),
        (Removable.INTENDED_UNTIL, {"intended": Intended(until=date(2027, 1, 20))}),
        (Removable.INTENDED_CHECKPOINT, {"intended": Intended(checkpoint=BREST)}),
        (Removable.PAPER, {"paper": PaperNumber(series="4601", number="0123456")}),
        (Removable.REFERENCE, {"reference": "hers"}),
        (Removable.SHORTENED_TO, {"shortened_to": date(2027, 1, 6)}),
    ],
)
def test_nothing_is_given_and_removed_at_once(path: Removable, given: dict[str, Any]) -> None:
    made = with_everything(State.ACTIVE)
    refused("/removed/1", "given-and-removed", made, EVERYTHING, removed=(Removable.LOST, path), **given)
    assert correct(made, EVERYTHING, removed=(Removable.LOST,), **given).card.lost_at is None


def test_beside_what_is_given_something_else_of_the_same_part_is_removed() -> None:
    typed = HolderFields(surname="Абдуллоев", surname_latin="ABDULLOEV")
    done = correct(person=EVERYTHING, holder=typed, removed=(Removable.PATRONYMIC,))
    assert (done.personal.holder.surname, done.personal.holder.patronymic) == ("Абдуллоев", None)
    intended = Intended(begins_on=date(2027, 1, 20))  # after the day that is removed
    done = correct(with_everything(State.DECLARED), intended=intended, removed=(Removable.INTENDED_UNTIL,))
    assert (done.card.intended_from, done.card.intended_until) == (date(2027, 1, 20), None)


def test_a_name_that_icao_cannot_write_keeps_its_latin_form() -> None:
    holder = replace(personal().holder, surname="Өмүрбеков", surname_latin="OMURBEKOV")
    person = replace(personal(), holder=holder)
    refused("/holder/surname_latin", "latin-form-needed", person=person, removed=(Removable.SURNAME_LATIN,))


def test_a_stay_that_rests_on_a_visa_keeps_it() -> None:
    on_a_visa = card(State.ACTIVE, basis=Basis.VISA)
    refused("/visa", "visa-needed", on_a_visa, personal(visa=visa()), removed=(Removable.VISA,))
    done = correct(on_a_visa, personal(visa=visa()), basis=Basis.VISA_FREE, removed=(Removable.VISA,))
    assert (done.card.basis, done.personal.visa) == (Basis.VISA_FREE, None)


def test_a_stay_that_rested_on_a_visa_at_first_keeps_it_too() -> None:
    first = Ground(begins_on=None, basis=Basis.VISA, purpose=Purpose.TOURISM, visa_until=date(2027, 1, 31))
    study = Ground(begins_on=date(2026, 12, 10), basis=Basis.EDUCATION, purpose=Purpose.TOURISM)
    made = card(State.ACTIVE, basis=Basis.EDUCATION, grounds=(first, study))
    refused("/visa", "visa-needed", made, personal(visa=visa()), removed=(Removable.VISA,))


def test_with_a_visa_its_days_go_from_the_ground_that_was_said_to_rest_on_it() -> None:
    ground = Ground(
        begins_on=date(2026, 12, 10),
        basis=Basis.VISA,
        purpose=Purpose.TOURISM,
        visa_until=date(2027, 1, 31),
        visa_days=30,
        applied_on=date(2026, 12, 5),
    )
    made = card(State.ACTIVE, basis=Basis.VISA, grounds=(ground,))
    done = correct(made, personal(visa=visa()), basis=Basis.VISA_FREE, removed=(Removable.VISA,))
    assert done.card.grounds == (Ground(begins_on=date(2026, 12, 10), basis=Basis.VISA_FREE, purpose=Purpose.TOURISM),)


def test_without_a_checkpoint_a_declared_card_lapses_at_moscows_midnight() -> None:
    before = card(zone="Asia/Kamchatka", intended_checkpoint=KAMCHATKA, lapses_at=utc("2026-12-13 12:00"))
    after = correct(before, removed=(Removable.INTENDED_CHECKPOINT,)).card
    assert after == replace(DECLARED, version=2)
    inside = card(State.ACTIVE, zone="Asia/Kamchatka", intended_checkpoint=KAMCHATKA)
    assert correct(inside, removed=(Removable.INTENDED_CHECKPOINT,)).card.zone == "Asia/Kamchatka"


# What was reported, granted and decided after the application --------------------------------------------------------


def test_a_card_that_is_found_again_was_lost_until_then_whatever_else_is_corrected() -> None:
    lost = replace(ACTIVE, lost_at=utc("2026-12-05 10:00"))
    done = correct(lost, removed=(Removable.LOST,), reference="hers", entry=crossing("2026-12-03 10:00"))
    assert told(done) == [(FactKind.CHANGED, None), *OF_THE_APPLICATION, *OF_THE_ENTRY]
    assert done.parts[0].card == replace(lost, version=2, lost_at=None)


FIRST = Ground(begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.EMPLOYMENT)
MISTYPED = Ground(
    begins_on=date(2026, 12, 10), basis=Basis.PATENT, purpose=Purpose.EMPLOYMENT, until=date(2036, 12, 31)
)
WORKER = card(State.ACTIVE, basis=Basis.PATENT, purpose=Purpose.EMPLOYMENT, grounds=(FIRST, MISTYPED))


def test_a_payment_that_was_mistyped_ends_the_stay_on_its_true_day() -> None:
    done = correct(WORKER, ground=TrueGround(begins_on=date(2026, 12, 10), until=date(2026, 12, 31)))
    (part,) = done.parts
    assert (part.kind, part.corrects) == (FactKind.CHANGED, FactKind.CHANGED)
    assert (part.wrong, part.ground) == ("grounds", date(2026, 12, 10))
    assert done.card == replace(WORKER, version=2, grounds=(FIRST, replace(MISTYPED, until=date(2026, 12, 31))))
    after = judged(done.card, done.personal, [], POLICY)
    assert (after.last_lawful_day, after.ended_by) == (date(2026, 12, 31), "paid_through")


def test_a_payment_that_never_was_leaves_the_stay_on_what_it_rested_on_before() -> None:
    done = correct(WORKER, ground=TrueGround(begins_on=date(2026, 12, 10), until=None))
    assert done.card == replace(WORKER, version=2, basis=Basis.VISA_FREE, grounds=(FIRST,))
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 3, 1)


def test_a_ground_as_it_is_recorded_corrects_nothing() -> None:
    refused("", "nothing-corrected", WORKER, ground=TrueGround(begins_on=date(2026, 12, 10), until=date(2036, 12, 31)))


def test_a_ground_that_is_not_recorded_is_not_corrected() -> None:
    refused("/ground/from", "ground-not-recorded", ground=TrueGround(begins_on=date(2026, 12, 10), until=None))


def test_a_shortening_is_corrected_or_taken_out() -> None:
    shortened = replace(ACTIVE, shortened_to=date(2026, 12, 10), last_lawful_day=date(2026, 12, 10))
    done = correct(shortened, shortened_to=date(2027, 1, 10))
    assert [(part.corrects, part.wrong) for part in done.parts] == [(FactKind.CHANGED, "shortened_to")]
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 1, 10)
    done = correct(shortened, removed=(Removable.SHORTENED_TO,))
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 3, 1)


def test_only_a_shortening_that_was_decided_is_corrected_and_no_earlier_than_the_entry() -> None:
    refused("/shortened_to", "never-shortened", shortened_to=date(2026, 12, 10))
    shortened = replace(ACTIVE, shortened_to=date(2026, 12, 10))
    refused("/shortened_to", "before-the-entry", shortened, shortened_to=date(2026, 12, 1))
    moved = crossing("2026-12-12 10:00")
    refused("/shortened_to", "before-the-entry", shortened, shortened_to=date(2026, 12, 11), entry=moved)
    assert correct(shortened, shortened_to=date(2026, 12, 12), entry=moved).card.shortened_to == date(2026, 12, 12)


def _grounds(*days: str | None) -> dict[str, Any]:
    return {
        "grounds": [{"basis": "patent", "purpose": "tourism"} | ({"begins_on": day} if day else {}) for day in days]
    }


def test_the_fact_that_is_corrected_is_the_one_that_told_it() -> None:
    day = date(2026, 12, 10)
    told: list[dict[str, Any]] = [
        {},
        {"purpose": "transit"},
        _grounds(None, "2026-12-10"),
        {"shortened_to": "2027-01-01"},
    ]
    assert recorded_in(told, "grounds", day) == 2
    told += [_grounds(None, "2026-12-10", "2026-12-20"), _grounds(None, "2026-12-10", "2026-12-20", "2026-12-10")]
    assert recorded_in(told, "grounds", day) == 5
    assert recorded_in(told, "grounds", date(2026, 12, 20)) == 4
    assert recorded_in(told, "shortened_to", None) == 3
    assert recorded_in([*told, {"shortened_to": None}], "shortened_to", None) == 3
    # taken out and paid again: the second payment
    taken_out = [*told[:3], _grounds(None), _grounds(None, "2026-12-10")]
    assert recorded_in(taken_out, "grounds", day) == 4
    # a duplicate tells all of it at once
    assert recorded_in([_grounds(None, "2026-12-10")], "grounds", day) == 0


# Documents -----------------------------------------------------------------------------------------------------------

ONE, TWO = UUID(int=1), UUID(int=2)


def named(given_names: str, number: str = "FA1234567") -> Particulars:
    return replace(personal(number=number), holder=replace(personal().holder, given_names=given_names))


@pytest.mark.parametrize(
    ("held", "truly", "changes", "card_document"),
    [
        ([("Али", "FA1")], ("Алишер", "FA1"), {ONE: ("Алишер", "FA1")}, ONE),
        ([("Али", "FA1")], ("Али", "FA2"), {ONE: ("Али", "FA2")}, ONE),
        (
            [("Али", "FA1"), ("Али", "FB1")],
            ("Алишер", "FA1"),
            {ONE: ("Алишер", "FA1"), TWO: ("Алишер", "FB1")},
            ONE,
        ),
        ([("Али", "FA1"), ("Вали", "FB1")], ("Алишер", "FA1"), {ONE: ("Алишер", "FA1")}, ONE),
        ([("Али", "FA1"), ("Али", "FB1")], ("Али", "FB1"), {}, TWO),
        (
            [("Али", "FA1"), ("Али", "FB1")],
            ("Алишер", "FB1"),
            {ONE: ("Алишер", "FA1"), TWO: ("Алишер", "FB1")},
            TWO,
        ),
        ([("Али", "FA1"), ("Алишер", "FA1")], ("Алишер", "FA1"), {}, TWO),
    ],
    ids=[
        "name",
        "number",
        "name on both",
        "another holder's",
        "the linked one",
        "the linked one and the name",
        "one passport twice",
    ],
)
def test_no_two_documents_of_a_person_become_one(
    held: list[tuple[str, str]],
    truly: tuple[str, str],
    changes: dict[UUID, tuple[str, str]],
    card_document: UUID,
) -> None:
    documents = {UUID(int=place): named(*one) for place, one in enumerate(held, 1)}
    found = corrected_documents(documents, ONE, named(*held[0]), named(*truly))
    assert found == ({which: named(*one) for which, one in changes.items()}, card_document)


# What the traveller intends ------------------------------------------------------------------------------------------


def test_a_declared_card_lapses_by_the_corrected_day_and_checkpoint() -> None:
    intended = Intended(begins_on=date(2026, 12, 15), until=date(2026, 12, 20), checkpoint=KAMCHATKA)
    done = correct(DECLARED, intended=intended, intended_zone="Asia/Kamchatka")
    assert told(done) == OF_THE_APPLICATION
    assert done.card == replace(
        DECLARED,
        version=2,
        zone="Asia/Kamchatka",
        intended_from=date(2026, 12, 15),
        intended_until=date(2026, 12, 20),
        intended_checkpoint=KAMCHATKA,
        lapses_at=utc("2026-12-18 12:00"),
    )


def test_what_is_not_said_of_the_intention_was_right() -> None:
    before = card(zone="Asia/Kamchatka", intended_until=date(2026, 12, 30), intended_checkpoint=KAMCHATKA)
    after = correct(before, intended=Intended(begins_on=date(2026, 12, 15))).card
    assert after == replace(before, version=2, intended_from=date(2026, 12, 15), lapses_at=utc("2026-12-18 12:00"))
    assert correct(before, intended=Intended(until=date(2026, 12, 20))).card.intended_from == date(2026, 12, 10)


@pytest.mark.parametrize(
    "intended",
    [
        Intended(begins_on=date(2026, 12, 15), until=date(2026, 12, 14)),
        Intended(until=date(2026, 12, 9)),
        Intended(begins_on=date(2026, 12, 31)),
    ],
)
def test_nobody_intends_to_leave_before_coming(intended: Intended) -> None:
    made = card(intended_until=date(2026, 12, 30))
    refused("/intended/until", "ends-before-it-begins", made, intended=intended)
    on_one_day = Intended(begins_on=date(2026, 12, 30))
    assert correct(made, intended=on_one_day).card.intended_from == date(2026, 12, 30)


def test_a_declaration_is_not_corrected_into_one_that_has_lapsed() -> None:
    lapsed = Intended(begins_on=date(2026, 11, 28))  # and three days of grace: to the end of 1 December
    refused("/intended/from", "intended-period-over", intended=lapsed, made=DECLARED)
    last = Intended(begins_on=date(2026, 11, 29))
    assert correct(DECLARED, intended=last).card.lapses_at == utc("2026-12-02 21:00")


def test_a_declaration_is_not_corrected_into_one_for_a_document_that_is_over_by_then() -> None:
    document = DocumentFields(expires_on=date(2026, 12, 9))
    refused("/document/expires_on", "document-expired", DECLARED, document=document)
    assert correct(DECLARED, document=replace(document, expires_on=date(2026, 12, 10))).card.version == 2
    assert correct(ACTIVE, document=document).card.version == 2


def test_nobody_is_corrected_into_a_child_that_is_not_born() -> None:
    unborn = HolderFields(birth_date=BirthDate.parse("2026-12-03"))
    refused("/holder/birth_date", "birth-date-in-future", DECLARED, holder=unborn)
    refused("/holder/birth_date", "before-birth", ACTIVE, holder=unborn)
    newborn = HolderFields(birth_date=BirthDate.parse("2026-12-02"))
    assert correct(DECLARED, holder=newborn).card.version == correct(ACTIVE, holder=newborn).card.version == 2


@pytest.mark.parametrize("before", [ACTIVE, LEFT])
def test_after_the_entry_an_intention_moves_neither_zone_nor_end(before: Card) -> None:
    intended = Intended(begins_on=date(2026, 12, 1), until=date(2026, 12, 5), checkpoint=KAMCHATKA)
    assert correct(before, intended=intended, intended_zone="Asia/Kamchatka").card == replace(
        before,
        version=2,
        intended_from=date(2026, 12, 1),
        intended_until=date(2026, 12, 5),
        intended_checkpoint=KAMCHATKA,
    )


# The entry -----------------------------------------------------------------------------------------------------------


def test_an_entry_that_was_on_another_day_moves_the_end_of_the_stay() -> None:
    truly = crossing("2026-12-05 10:00")
    done = correct(entry=truly)
    assert told(done) == OF_THE_ENTRY
    assert done.parts[0].crossing == truly
    assert done.card == replace(ACTIVE, version=2, entered_at=truly.occurred_at, entered_on=date(2026, 12, 5))
    assert judged(done.card, done.personal, [], POLICY).last_lawful_day == date(2027, 3, 4)


def test_an_entry_at_another_checkpoint_moves_day_and_midnights() -> None:
    truly = crossing("2026-12-02 15:00", KAMCHATKA, "Asia/Kamchatka")
    done = correct(entry=truly)
    assert done.card == replace(
        ACTIVE,
        version=2,
        zone="Asia/Kamchatka",
        checkpoint_in=KAMCHATKA,
        entered_at=truly.occurred_at,
        entered_on=date(2026, 12, 3),
    )
    after = judged(done.card, done.personal, [], POLICY)
    assert (after.last_lawful_day, after.ends_at) == (date(2027, 3, 2), utc("2027-03-02 12:00"))


def test_an_entry_moved_into_the_new_year_is_charged_to_it() -> None:
    former = [Stay(date(2026, 1, 1), date(2026, 3, 31))]  # all ninety days of 2026
    made = card(State.DEPARTED, entered_at=utc("2026-12-31 10:00"), entered_on=date(2026, 12, 31))
    assert judged(made, personal(), former, POLICY).last_lawful_day == date(2026, 12, 30)
    done = correct(made, entry=crossing("2026-12-31 21:00"))
    assert judged(done.card, done.personal, former, POLICY).last_lawful_day == date(2027, 3, 31)


def test_an_entry_may_be_corrected_after_the_exit() -> None:
    done = correct(LEFT, entry=crossing("2027-01-10 10:00"))
    assert (done.card.state, done.card.entered_on, done.card.left_on) == (
        State.DEPARTED,
        date(2027, 1, 10),
        date(2027, 1, 10),
    )


def test_only_an_entry_that_was_recorded_is_corrected() -> None:
    refused("/entry", "never-entered", DECLARED, entry=crossing("2026-12-02 09:00"))


def test_no_entry_lies_in_the_future_before_birth_or_after_the_exit() -> None:
    refused("/entry/occurred_at", "in-the-future", entry=crossing("2026-12-20 10:01"))
    assert correct(entry=crossing("2026-12-20 10:00")).card.entered_on == date(2026, 12, 20)
    child = replace(personal(), holder=replace(personal().holder, birth_date=BirthDate.parse("2026-11-30")))
    refused("/entry/occurred_at", "before-birth", ACTIVE, child, entry=crossing("2026-11-29 20:59"))
    assert correct(ACTIVE, child, entry=crossing("2026-11-29 21:00")).card.entered_on == date(2026, 11, 30)
    refused("/entry/occurred_at", "after-the-exit", LEFT, entry=crossing("2027-01-10 10:01"))


def test_the_birth_date_as_corrected_decides_whether_an_entry_lies_before_birth() -> None:
    born = HolderFields(birth_date=BirthDate.parse("2026-11-30"))
    refused("/entry/occurred_at", "before-birth", holder=born, entry=crossing("2026-11-29 10:00"))


# The exit ------------------------------------------------------------------------------------------------------------


def test_an_exit_that_was_elsewhere_and_on_another_day_keeps_how_it_is_known() -> None:
    truly = crossing("2027-01-11 21:30", MOSCOW_AIR)
    done = correct(LEFT, exit=truly)
    assert told(done) == OF_THE_EXIT
    assert done.parts[0].crossing == truly
    assert done.card == replace(
        LEFT,
        version=2,
        checkpoint_out=MOSCOW_AIR,
        left_at=truly.occurred_at,
        left_on=date(2027, 1, 12),
        zone_out="Europe/Moscow",
    )
    inferred = replace(LEFT, exit_source=Source.INFERRED)
    assert correct(inferred, exit=truly).card.exit_source is Source.INFERRED


def test_only_an_exit_that_was_recorded_is_corrected() -> None:
    refused("/exit", "never-left", ACTIVE, exit=crossing("2026-12-15 10:00"))


def test_no_exit_lies_in_the_future_or_before_the_entry() -> None:
    refused("/exit/occurred_at", "in-the-future", LEFT, exit=crossing("2027-01-20 10:01"))
    assert correct(LEFT, exit=crossing("2027-01-20 10:00")).card.left_on == date(2027, 1, 20)
    refused("/exit/occurred_at", "before-the-entry", LEFT, exit=crossing("2026-12-02 09:59"))
    assert correct(LEFT, exit=crossing("2026-12-02 10:00")).card.left_on == date(2026, 12, 2)


def test_the_entry_as_corrected_decides_whether_an_exit_lies_before_it() -> None:
    entry, left = crossing("2026-12-20 10:00"), crossing("2026-12-19 10:00")
    refused("/exit/occurred_at", "before-the-entry", LEFT, entry=entry, exit=left)


def test_a_stay_may_be_moved_as_a_whole_behind_the_exit_that_was_recorded() -> None:
    after = correct(LEFT, entry=crossing("2027-01-12 10:00"), exit=crossing("2027-01-15 10:00")).card
    assert (after.entered_on, after.left_on) == (date(2027, 1, 12), date(2027, 1, 15))


def test_an_entry_may_be_moved_behind_an_exit_that_never_was() -> None:
    after = correct(LEFT, entry=crossing("2027-01-12 10:00"), no_exit=True).card
    assert (after.entered_on, after.left_on) == (date(2027, 1, 12), None)


@pytest.mark.parametrize("source", [Source.INFERRED, Source.OFFICER])
def test_an_exit_that_never_was_reopens_the_stay(source: Source) -> None:
    done = correct(replace(LEFT, exit_source=source), no_exit=True)
    assert told(done) == OF_THE_EXIT
    assert done.parts[0].crossing == crossing("2027-01-10 10:00", BREST, "Europe/Minsk")
    assert done.card == replace(ACTIVE, version=2)


def test_a_reopened_stay_may_be_an_overstay() -> None:
    now = replace(setting(), at=utc("2027-03-05 10:00"))
    after = correction(no_exit=True).apply(LEFT, personal(), now).card
    assert after.status_at(now.at) is Status.OVERSTAYED


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.DEPARTED}))
def test_only_who_left_can_be_found_not_to_have_left(status: Status) -> None:
    made, instant = at_status(status)
    with pytest.raises(Conflict, match="transition-not-allowed") as refusal:
        correction(no_exit=True).apply(made, personal(), replace(setting(), at=instant))
    assert refusal.value.extra["action"] == "exit_disproved"


# Beside the other stays ----------------------------------------------------------------------------------------------


def span(days: str) -> tuple[date, date | None]:
    """Read "5-10" as days of December 2026; "5-" goes on."""
    first, _, last = days.partition("-")
    return date(2026, 12, int(first)), date(2026, 12, int(last)) if last else None


def on_days(days: str) -> Card:
    """The card of a stay on these days of December."""
    first, last = span(days)
    made = card(State.ACTIVE, entered_on=first) if last is None else stayed(str(first), str(last))
    return replace(made, entered_at=noon(first), left_at=noon(last) if last else None)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def other_stay(days: str, *, left_at: datetime | None = None) -> CardStay:
    first, last = span(days)
    left_at = left_at or (noon(last) if last else None)
    return CardStay(number="OTHER", entered_at=noon(first), left_at=left_at, days=Stay(first, last))


@pytest.mark.parametrize(
    ("recorded", "truly", "other"),
    [
        ("10-20", "11-19", "5-10"),
        ("11-20", "10-20", "5-10"),  # came back on the day of the exit: DOMAIN §5 case 7
        ("5-9", "5-10", "10-20"),
        ("5-9", "5-10", "10-"),
        ("10-20", "6-20", "5-5"),
        ("10-20", "5-20", "5-5"),  # a day's visit, then the stay
        ("10-20", "5-5", "5-9"),
        ("10-20", "5-5", "5-5"),
        ("10-20", "5-5", "1-5"),
        ("10-20", "1-4", "5-9"),  # the whole stay, over another one
        ("1-4", "10-20", "5-9"),
        ("10-20", "10-", "1-9"),
    ],
)
def test_a_crossing_is_moved_up_to_another_stay(recorded: str, truly: str, other: str) -> None:
    require_apart(on_days(recorded), on_days(truly), [other_stay(other)])


@pytest.mark.parametrize(
    ("recorded", "truly", "other", "pointer"),
    [
        ("11-20", "9-20", "5-10", "/entry/occurred_at"),
        ("10-20", "9-20", "5-10", "/entry/occurred_at"),
        ("11-20", "1-20", "5-10", "/entry/occurred_at"),
        ("10-20", "1-20", "5-5", "/entry/occurred_at"),
        ("10-", "9-", "5-10", "/entry/occurred_at"),
        ("10-20", "6-7", "5-10", "/entry/occurred_at"),
        ("10-20", "7-7", "5-9", "/entry/occurred_at"),
        ("1-5", "1-11", "10-20", "/exit/occurred_at"),
        ("1-5", "1-6", "5-20", "/exit/occurred_at"),
        ("1-5", "1-6", "5-5", "/exit/occurred_at"),
        ("1-5", "1-25", "10-20", "/exit/occurred_at"),
        ("1-5", "1-11", "10-", "/exit/occurred_at"),
        ("1-5", "11-12", "10-20", "/exit/occurred_at"),
        ("1-5", "1-", "10-20", "/exit"),
        ("1-5", "1-", "5-20", "/exit"),
    ],
)
def test_no_crossing_is_moved_into_another_stay(recorded: str, truly: str, other: str, pointer: str) -> None:
    entered_on, left_on = span(other)
    with pytest.raises(RuleViolation) as refusal:
        require_apart(
            on_days(recorded),
            on_days(truly),
            [replace(other_stay("1-1"), days=Stay(date(2026, 11, 1), date(2026, 11, 5))), other_stay(other)],
        )
    (fault,) = refusal.value.faults
    assert (fault.pointer, fault.code) == (pointer, "overlaps-another-stay")
    assert fault.values == {"entered_on": str(entered_on), "left_on": str(left_on or "…")}


HOUR = timedelta(hours=1)


def test_whoever_comes_back_on_the_day_of_the_exit_has_left_first() -> None:
    left_later = other_stay("5-10", left_at=noon(date(2026, 12, 10)) + HOUR)
    with pytest.raises(RuleViolation) as refusal:
        require_apart(on_days("11-20"), on_days("10-20"), [left_later])
    assert refusal.value.faults[0].pointer == "/entry/occurred_at"
    coming_back = on_days("5-9")
    with pytest.raises(RuleViolation) as refusal:
        require_apart(
            coming_back, replace(on_days("5-10"), left_at=noon(date(2026, 12, 10)) + HOUR), [other_stay("10-")]
        )
    assert refusal.value.faults[0].pointer == "/exit/occurred_at"


@pytest.mark.parametrize(
    ("recorded", "truly", "other"),
    [
        ("8-20", "8-20", "5-10"),  # it was at another checkpoint
        ("8-20", "9-20", "5-10"),
        ("8-20", "8-25", "5-10"),
        ("5-12", "3-12", "10-20"),
        ("5-12", "5-11", "10-20"),
        ("5-", "5-12", "10-20"),
    ],
)
def test_days_that_were_recorded_twice_before_are_left_or_lessened(recorded: str, truly: str, other: str) -> None:
    require_apart(on_days(recorded), on_days(truly), [other_stay(other)])


def test_a_card_without_an_entry_lies_in_no_stay() -> None:
    require_apart(DECLARED, DECLARED, [other_stay("1-")])


# All at once ---------------------------------------------------------------------------------------------------------


def test_each_thing_corrected_is_a_fact_of_its_own_and_all_are_one_version() -> None:
    truly_in, truly_out = crossing("2026-12-03 10:00"), crossing("2027-01-09 10:00")
    done = correct(LEFT, holder=HolderFields(given_names="Алишер"), reference="hers", entry=truly_in, exit=truly_out)
    assert told(done) == OF_THE_APPLICATION + OF_THE_ENTRY + OF_THE_EXIT
    assert [part.crossing for part in done.parts] == [None, truly_in, truly_out]
    assert {part.card.version for part in done.parts} == {2}
    first, second, third = (part.card for part in done.parts)
    assert (first.reference, first.entered_on, first.left_on) == ("hers", date(2026, 12, 2), date(2027, 1, 10))
    assert (second.entered_on, second.left_on) == (date(2026, 12, 3), date(2027, 1, 10))
    assert (third.reference, third.entered_on, third.left_on) == ("hers", date(2026, 12, 3), date(2027, 1, 9))
    assert done.personal.holder.given_names == "Алишер"


def test_a_ground_corrected_to_a_visa_takes_the_days_of_the_visa_that_is_recorded() -> None:
    day, person = date(2026, 12, 10), personal(visa=visa(valid_until=date(2027, 1, 5), days_granted=None))
    study = Ground(begins_on=day, basis=Basis.EDUCATION, purpose=Purpose.EDUCATION, until=date(2027, 6, 30))
    first = Ground(begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.TOURISM)
    made = card(State.ACTIVE, basis=Basis.EDUCATION, purpose=Purpose.EDUCATION, grounds=(first, study))
    by_visa = correct(made, person, basis=Basis.VISA)
    assert by_visa.card.grounds[1].last_day == date(2027, 1, 5)
    assert judged(by_visa.card, person, [], POLICY).last_lawful_day == date(2027, 1, 5)
    back = correct(replace(by_visa.card), person, basis=Basis.VISA_FREE)
    assert back.card.grounds[1].last_day is None
