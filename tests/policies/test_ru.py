"""The Russian policy against the documents: every figure here is typed from them, and none is read from the file."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date

import pytest

from app.domain.card import Basis, Purpose, State
from app.domain.conditions import Traveller
from app.domain.duties import Deadline, DutyKind, Unit, Who, deadlines
from app.domain.errors import RuleViolation
from app.domain.identity import DocumentKind
from app.domain.limits import Limit
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import Ending, Overstay, UsedUp, assess, entering, on_day
from app.policies.working_days import working_days
from tests.builders import POLICY, card, utc

ANYBODY = Traveller(citizenship="USA", basis=Basis.VISA_FREE, purpose=Purpose.TOURISM, document=DocumentKind.PASSPORT)
WITH_SAUDI_ARABIA = POLICY.with_drafts(["sau-signed-2025"])
WITH_DECLARATIONS = POLICY.with_drafts(["advance-application-2026"])


def day(text: str) -> date:
    return date.fromisoformat(text)


def of(citizenship: str, basis: str = "visa_free", purpose: str = "tourism") -> Traveller:
    return replace(ANYBODY, citizenship=citizenship, basis=Basis(basis), purpose=Purpose(purpose))


def stays(text: str) -> list[Stay]:
    """Read "2025-01-01/2025-03-11 2025-12-12/": days of entry and exit, the last one still to come."""
    pairs = [stay.split("/") for stay in text.split()]
    return [Stay(day(entered), day(left) if left else None) for entered, left in pairs]


def ends(
    traveller: Traveller, entered_on: str, before: str = "", policy: Policy = POLICY
) -> tuple[str, str] | UsedUp | None:
    """Tell the last lawful day of a new stay and what ends it; None for never, UsedUp for no stay at all."""
    found = entering(stays(before), policy.terms(traveller), day(entered_on))
    return (str(found.last_lawful_day), found.ended_by) if isinstance(found, Ending) else found


WORDS: Mapping[str, str] = {
    "rolling": "{max_days}/{window_days} rolling",
    "calendar_year": "{max_days} a year",
    "continuous": "{max_days} in one go",
    "per_entry": "{max_days} a visit",
    "period_from_first_entry": "{max_days}/{period_days} from the first entry",
    "fixed_end": "{name} until {until}",
    "unlimited": "unlimited",
}


def figures(limit: Limit) -> str:
    return WORDS[limit.kind].format(**asdict(limit))


def in_force(traveller: Traveller, on: str, policy: Policy = POLICY) -> str:
    return ", ".join(figures(limit) for limit in on_day(policy.terms(traveller), day(on).toordinal()).limits)


def marks(traveller: Traveller, on: str, policy: Policy = POLICY) -> set[str | None]:
    return {limit.sure for limit in on_day(policy.terms(traveller), day(on).toordinal()).limits}


# The general rule, as we read it (DOMAIN §2) -------------------------------------------------------------------------

GENERAL = "90 a year, 90 in one go"
BEFORE_2025 = "90/180 rolling, 90 in one go"


@pytest.mark.parametrize("basis", ["visa_free", "treaty"])
@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("2013-12-31", "90 in one go"),
        ("2014-01-01", BEFORE_2025),
        ("2024-12-31", BEFORE_2025),
        ("2025-01-01", GENERAL),
        ("2030-12-31", GENERAL),
    ],
)
def test_the_general_rule_counts_in_180_days_until_2024_and_in_a_calendar_year_since(
    basis: str, on: str, expected: str
) -> None:
    assert in_force(of("USA", basis), on) == expected
    assert marks(of("USA", basis), "2025-01-01") == {"Q"}


def test_after_70_days_of_2025_an_entry_on_12_december_2025_lasts_until_11_march_2026() -> None:
    assert ends(ANYBODY, "2025-12-12", "2025-01-01/2025-03-11") == ("2026-03-11", "continuous")


def test_after_70_days_of_2025_an_entry_on_11_december_2025_lasts_until_30_december() -> None:
    assert ends(ANYBODY, "2025-12-11", "2025-01-01/2025-03-11") == ("2025-12-30", "calendar_year")


def test_case_1_an_entry_on_31_december_2025_lasts_until_30_march_2026_with_89_days_of_2026_used() -> None:
    assert ends(ANYBODY, "2025-12-31") == ("2026-03-30", "continuous")
    year, in_one_go = assess(stays("2025-12-31/"), POLICY.terms(ANYBODY), day("2026-03-30")).standings
    assert (year.used, year.left, in_one_go.used, in_one_go.left) == (89, 1, 90, 0)


def test_case_2_an_entry_on_1_november_2024_lasts_until_29_january_2025_with_29_days_of_2025_used() -> None:
    assert ends(ANYBODY, "2024-11-01") == ("2025-01-29", "continuous")
    year, _ = assess(stays("2024-11-01/"), POLICY.terms(ANYBODY), day("2025-01-29")).standings
    assert (year.limit.kind, year.used) == ("calendar_year", 29)


def test_case_2_days_used_up_in_2024_close_the_rest_of_2024_and_nothing_of_2025() -> None:
    before = "2024-08-01/2024-10-29"
    closed = UsedUp(limit="rolling", since=day("2024-10-30"), earliest_entry=day("2025-01-01"))
    assert ends(ANYBODY, "2024-12-31", before) == closed
    assert ends(ANYBODY, "2025-01-01", before) == ("2025-03-31", "calendar_year")


def test_case_2_days_of_a_history_are_judged_by_the_rule_of_their_own_time() -> None:
    told = assess(stays("2024-05-01/2024-06-29 2024-08-01/2024-09-05"), POLICY.terms(ANYBODY), day("2025-06-01"))
    assert told.overstay == Overstay(begins_on=day("2024-08-31"), until=day("2024-09-05"), days=6, limit="rolling")
    assert told.regime == "general-2025"


@pytest.mark.parametrize(
    ("entered_on", "last"),
    [
        ("2026-12-01", "2027-02-28"),
        ("2026-12-31", "2027-03-30"),
        ("2027-12-01", "2028-02-28"),
        ("2026-02-01", "2026-05-01"),
    ],
)
def test_case_4_ninety_days_are_the_day_of_entry_and_eighty_nine(entered_on: str, last: str) -> None:
    found = ends(ANYBODY, entered_on)
    assert isinstance(found, tuple)
    assert found[0] == last


# Visas ---------------------------------------------------------------------------------------------------------------


def e_visa(applied_on: str, visa_until: str = "2025-12-31", citizenship: str = "IND") -> Traveller:
    return replace(of(citizenship, "e_visa"), applied_on=day(applied_on), visa_until=day(visa_until))


@pytest.mark.parametrize("entered_on", ["2025-08-22", "2025-08-23", "2025-09-01"])
@pytest.mark.parametrize(("applied_on", "days"), [("2025-08-22", 16), ("2025-08-23", 30), ("2023-08-01", 16)])
def test_case_3_the_day_of_application_decides_the_days_of_an_e_visa_and_that_of_entry_does_not(
    applied_on: str, days: int, entered_on: str
) -> None:
    last = date.fromordinal(day(entered_on).toordinal() + days - 1)
    assert ends(e_visa(applied_on), entered_on) == (str(last), "per_entry")


def test_case_3_sixteen_days_are_entry_and_fifteen_thirty_are_entry_and_twenty_nine() -> None:
    assert ends(e_visa("2025-08-22"), "2025-09-01") == ("2025-09-16", "per_entry")
    assert ends(e_visa("2025-08-23"), "2025-09-01") == ("2025-09-30", "per_entry")


@pytest.mark.parametrize("citizenship", ["TUR", "IRN", "IND", "MYS", "KWT", "BHR", "VNM"])
def test_an_e_visa_lasts_30_days_within_its_own_dates_whoever_holds_it(citizenship: str) -> None:
    traveller = e_visa("2026-10-01", "2027-01-28", citizenship)
    assert in_force(traveller, "2026-12-01") == "visa until 2027-01-28, 30 a visit"
    assert marks(traveller, "2026-12-01") == {"S"}


def test_an_e_visa_ends_the_stay_with_its_last_day_and_with_the_days_it_grants() -> None:
    assert ends(e_visa("2025-08-23", "2025-09-10"), "2025-09-01") == ("2025-09-10", "visa")
    granted = replace(e_visa("2025-08-23"), visa_days=12)
    assert ends(granted, "2025-09-01") == ("2025-09-12", "visa_days")


def test_an_e_visa_of_which_nobody_knows_when_it_was_applied_for_is_not_judged_by_a_guess() -> None:
    with pytest.raises(RuleViolation, match=r"^application-date-needed$"):
        POLICY.terms(replace(e_visa("2025-08-23"), applied_on=None))


@pytest.mark.parametrize(
    ("days", "expected"),
    [(None, ("2027-01-31", "visa")), (30, ("2026-12-30", "visa_days")), (62, ("2027-01-31", "visa"))],
)
def test_a_visa_ends_the_stay_with_its_last_day_and_with_the_days_it_grants(
    days: int | None, expected: tuple[str, str]
) -> None:
    for citizenship in ("USA", "UZB", "CHN", "THA"):
        traveller = replace(of(citizenship, "visa"), visa_until=day("2027-01-31"), visa_days=days)
        assert ends(traveller, "2026-12-01") == expected


# Grounds that end on a day of their own ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("basis", "name"),
    [
        ("eaeu_contract", "contract"),
        ("eaeu_family", "contract"),
        ("patent", "paid_through"),
        ("education", "course"),
        ("highly_qualified", "contract"),
        ("compatriot", "certificate"),
    ],
)
def test_a_ground_lasts_until_its_own_day_and_by_the_general_rule_while_that_is_unknown(basis: str, name: str) -> None:
    traveller = replace(of("KGZ", basis), ground_until=day("2028-06-30"))
    assert ends(traveller, "2026-12-01") == ("2028-06-30", name)
    assert in_force(of("KGZ", basis), "2026-12-01") == GENERAL
    assert in_force(of("KGZ", basis), "2024-12-01") == BEFORE_2025


def test_whoever_has_applied_for_a_residence_permit_stays_while_that_is_examined() -> None:
    assert ends(of("UZB", "residence_application"), "2026-12-01") is None


# Extensions on no other basis (115-FZ Art. 5) ------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["visa_free", "treaty"])
@pytest.mark.parametrize("citizenship", ["USA", "UZB", "CHN", "THA", "OMN", "KOR", "UKR"])
def test_a_stay_extended_on_no_other_basis_lasts_until_the_day_that_was_granted(citizenship: str, basis: str) -> None:
    extended = replace(of(citizenship, basis), ground_until=day("2027-06-30"))
    assert ends(extended, "2026-12-01", before="2026-02-01/2026-05-01") == ("2027-06-30", "extension")
    for on in ("2013-12-31", "2024-12-31", "2030-12-31"):
        assert in_force(extended, on) == "extension until 2027-06-30"
        assert marks(extended, on) == {"S"}


def test_an_extension_is_judged_before_every_term_of_a_country_but_never_ends_a_stay_without_one() -> None:
    for citizenship in ("RUS", "BLR"):
        assert in_force(replace(of(citizenship), ground_until=day("2027-06-30")), "2026-12-01") == "unlimited"
    named = {code for one in POLICY.regimes for code in one.when.citizenships or ()} - {"RUS", "BLR"}
    for citizenship in named:
        extended = replace(of(citizenship), ground_until=day("2027-06-30"))
        assert {one.regime for one in POLICY.terms(extended)} == {"extended"}


def test_a_day_that_was_granted_with_another_basis_is_not_called_an_extension() -> None:
    for basis in set(Basis) - {Basis.VISA_FREE, Basis.TREATY}:
        traveller = replace(
            of("UZB", basis.value),
            ground_until=day("2027-06-30"),
            visa_until=day("2027-05-31"),
            applied_on=day("2026-11-01"),
        )
        assert "extended" not in {one.regime for one in POLICY.terms(traveller)}


# Own terms of countries (DOMAIN-DATA §4a) ----------------------------------------------------------------------------

EVERY = "official tourism business education employment private transit"
VISITS = "official tourism business private transit"
STUDY_AND_WORK = "education employment"
VISIT_AND_YEAR = "30 a visit, 90 a year"
ROLLING = "90/180 rolling"
FIRST_ENTRY = "90/180 from the first entry"

TABLE = [
    # citizenships, purposes, day, limits
    ("OMN", VISITS, "2025-07-17", GENERAL),
    ("OMN", VISITS, "2025-07-18", VISIT_AND_YEAR),
    ("OMN", VISITS, "2030-12-31", VISIT_AND_YEAR),
    ("OMN", STUDY_AND_WORK, "2025-07-18", GENERAL),
    ("JOR", VISITS, "2025-12-12", GENERAL),
    ("JOR", VISITS, "2025-12-13", VISIT_AND_YEAR),
    ("JOR", STUDY_AND_WORK, "2025-12-13", GENERAL),
    ("MMR", VISITS, "2026-01-26", GENERAL),
    ("MMR", VISITS, "2026-01-27", VISIT_AND_YEAR),
    ("MMR", STUDY_AND_WORK, "2026-01-27", GENERAL),
    ("SAU", EVERY, "2025-12-01", GENERAL),
    ("SAU", EVERY, "2026-12-01", GENERAL),
    ("CHN", EVERY, "2025-11-30", GENERAL),
    ("CHN", VISITS, "2025-12-01", "30 a visit"),
    ("CHN", VISITS, "2026-09-14", "30 a visit"),
    ("CHN", VISITS, "2026-09-15", "30 a visit"),
    ("CHN", STUDY_AND_WORK, "2025-12-01", GENERAL),
    ("CHN", STUDY_AND_WORK, "2026-09-15", GENERAL),
    ("BLR", EVERY, "2014-01-01", "unlimited"),
    ("BLR", EVERY, "2024-12-31", "unlimited"),
    ("BLR", EVERY, "2030-12-31", "unlimited"),
    ("THA SRB MNE", EVERY, "2026-12-01", "30 a visit"),
    ("BIH MKD", "tourism", "2026-12-01", "30 a visit"),
    ("BIH MKD", "official business education employment private transit", "2026-12-01", "90 a visit"),
    ("CUB", EVERY, "2025-01-01", GENERAL),
    ("CUB", EVERY, "2024-12-31", BEFORE_2025),
    ("MNG", EVERY, "2026-12-01", "30 a visit, 90/180 rolling"),
    ("LAO BWA MAC PLW SYC", EVERY, "2026-12-01", "30 a visit"),
    ("HKG BRN NRU", EVERY, "2026-12-01", "14 a visit"),
    ("KOR", EVERY, "2026-12-01", "60 a visit, 90/180 rolling"),
    ("MUS CPV DOM WSM", EVERY, "2026-12-01", "60 a visit"),
    ("ARG", "official tourism education private transit", "2026-12-01", FIRST_ENTRY),
    ("ARG", "business employment", "2026-12-01", GENERAL),
    ("BRA", "tourism private transit", "2026-12-01", FIRST_ENTRY),
    ("BRA", "official business education employment", "2026-12-01", GENERAL),
    ("CHL", "official tourism education private transit", "2026-12-01", ROLLING),
    ("CHL", "business employment", "2026-12-01", GENERAL),
    ("ISR COL PER URY ECU GTM NIC", "official tourism education employment private transit", "2026-12-01", ROLLING),
    ("ISR COL PER URY ECU GTM NIC", "business", "2026-12-01", GENERAL),
    ("VEN", EVERY, "2026-12-01", ROLLING),
    ("ARE QAT MDV ZAF GEO JAM FJI SLV PAN PRY CRI HND GUY SUR VUT AND ATG", EVERY, "2026-12-01", GENERAL),
    ("BLZ DMA GRD KNA VCT", EVERY, "2026-12-01", GENERAL),
    ("ARE QAT MDV ZAF GEO JAM FJI SLV PAN PRY CRI HND GUY SUR VUT AND ATG", EVERY, "2024-12-31", BEFORE_2025),
    ("BLZ DMA GRD KNA VCT", EVERY, "2024-12-31", BEFORE_2025),
    ("ARM AZE KAZ KGZ MDA TJK UZB UKR", EVERY, "2026-12-01", GENERAL),
    ("ARM AZE KAZ KGZ MDA TJK UZB", EVERY, "2024-12-31", BEFORE_2025),
    ("UKR", EVERY, "2025-09-10", "unlimited"),
    ("UKR", EVERY, "2025-09-11", GENERAL),
]


ROWS = [
    (citizenship, purposes, on, expected)
    for citizenships, purposes, on, expected in TABLE
    for citizenship in citizenships.split()
]


@pytest.mark.parametrize(("citizenship", "purposes", "on", "expected"), ROWS)
def test_the_term_of_a_country(citizenship: str, purposes: str, on: str, expected: str) -> None:
    for basis in ("visa_free", "treaty"):
        for purpose in purposes.split():
            assert (purpose, in_force(of(citizenship, basis, purpose), on)) == (purpose, expected)


def test_every_country_that_the_policy_names_is_in_the_table() -> None:
    named = {code for one in POLICY.regimes for code in one.when.citizenships or ()}
    assert named - {citizenship for citizenship, *_ in ROWS} == {"RUS"}  # own citizens, whom no row limits


def test_every_purpose_has_a_place_in_the_table_for_every_country() -> None:
    asked: dict[str, set[str]] = {}
    for citizenship, purposes, *_ in ROWS:
        asked.setdefault(citizenship, set()).update(purposes.split())
    assert [citizenship for citizenship, purposes in asked.items() if purposes != set(Purpose)] == []


INDEXED = "THA SRB MNE BIH MKD LAO HKG BRN MUS ARG BRA CHL ISR VEN CUB ARE GEO VCT"


@pytest.mark.parametrize(
    ("citizenship", "on", "expected"),
    [
        ("OMN", "2025-07-18", {"Q"}),
        ("JOR", "2025-12-13", {"S"}),
        ("MMR", "2026-01-27", {"S"}),
        ("CHN", "2025-12-01", {"Q"}),
        ("CHN", "2026-09-14", {"Q"}),
        ("CHN", "2026-09-15", {"?"}),
        ("BLR", "2026-12-01", {"S"}),
        ("UKR", "2025-09-10", {"S"}),
        ("MNG", "2026-12-01", {"S", "M"}),
        ("KOR", "2026-12-01", {"S", "M"}),
        *(
            (code, "2026-12-01", {"S"})
            for code in [
                "THA",
                "SRB",
                "MNE",
                "BIH",
                "MKD",
                "LAO",
                "HKG",
                "BRN",
                "MUS",
                "ARG",
                "BRA",
                "CHL",
                "ISR",
                "VEN",
            ]
        ),
        *((code, "2026-12-01", {"S"}) for code in INDEXED.split()),
    ],
)
def test_a_term_says_how_sure_it_is(citizenship: str, on: str, expected: set[str]) -> None:
    assert marks(of(citizenship), on) == expected


# Both limits of Oman, Jordan and Myanmar can end a stay --------------------------------------------------------------


@pytest.mark.parametrize("citizenship", ["OMN", "JOR", "MMR"])
def test_thirty_days_a_visit_and_ninety_a_year_hold_at_once(citizenship: str) -> None:
    traveller = of(citizenship)
    assert ends(traveller, "2026-03-01") == ("2026-03-30", "per_entry")
    before = "2026-02-01/2026-03-02 2026-03-04/2026-04-02"
    assert ends(traveller, "2026-05-01", before) == ("2026-05-30", "per_entry")
    before += " 2026-04-10/2026-04-24"
    assert ends(traveller, "2026-05-01", before) == ("2026-05-15", "calendar_year")
    before += " 2026-05-01/2026-05-15"
    closed = UsedUp(limit="calendar_year", since=day("2026-05-16"), earliest_entry=day("2027-01-01"))
    assert ends(traveller, "2026-05-16", before) == closed
    assert ends(traveller, "2027-01-01", before) == ("2027-01-30", "per_entry")


def test_a_stay_that_began_before_the_agreement_with_oman_is_judged_by_it_from_its_first_day_on() -> None:
    assert ends(of("OMN"), "2025-07-01") == ("2025-07-30", "per_entry")
    assert ends(of("OMN"), "2025-06-01") == ("2025-07-17", "per_entry")
    assert ends(of("OMN", purpose="employment"), "2025-07-01") == ("2025-09-28", "calendar_year")


# Other countries, as stays -------------------------------------------------------------------------------------------


def test_case_32_a_treaty_of_30_days_ends_before_the_general_rule_and_begins_anew_with_the_next_visit() -> None:
    assert ends(of("THA"), "2026-12-01") == ("2026-12-30", "per_entry")
    assert ends(of("THA"), "2026-12-31", "2026-12-01/2026-12-30") == ("2027-01-29", "per_entry")
    assert ends(of("HKG"), "2026-12-01") == ("2026-12-14", "per_entry")


@pytest.mark.parametrize("basis", [one for one in Basis if one is not Basis.E_VISA])
def test_a_citizen_of_belarus_may_stay_for_ever_on_whatever_basis(basis: Basis) -> None:
    traveller = replace(of("BLR", basis), ground_until=day("2026-12-31"), visa_until=day("2026-12-31"))
    assert ends(traveller, "2026-12-01") is None
    assert ends(traveller, "2014-01-01") is None


def test_a_citizen_of_ukraine_is_judged_from_11_september_2025_on() -> None:
    told = assess(stays("2025-01-01/"), POLICY.terms(of("UKR")), day("2025-09-10"))
    assert (told.last_lawful_day, told.ended_by, told.overstay) == (day("2025-09-10"), "calendar_year", None)
    assert assess(stays("2025-01-01/"), POLICY.terms(of("UKR")), day("2025-09-11")).overstay == Overstay(
        begins_on=day("2025-09-11"), until=day("2025-09-11"), days=1, limit="calendar_year"
    )
    assert ends(of("UKR"), "2025-09-10") == ("2025-12-08", "calendar_year")
    assert ends(of("UKR"), "2025-09-11") == ("2025-12-09", "calendar_year")
    closed = UsedUp(limit="calendar_year", since=day("2025-04-01"), earliest_entry=day("2026-01-01"))
    assert ends(of("UKR"), "2025-09-11", "2025-01-01/2025-09-10") == closed


def test_a_period_of_an_older_treaty_begins_with_the_first_entry_and_does_not_roll() -> None:
    before = "2026-01-01/2026-03-31"
    closed = UsedUp(limit="period_from_first_entry", since=day("2026-04-01"), earliest_entry=day("2026-06-30"))
    assert ends(of("BRA"), "2026-04-01", before) == closed
    assert ends(of("BRA"), "2026-06-30", before) == ("2026-09-27", "period_from_first_entry")
    assert ends(of("CHL"), "2026-06-30", "2026-01-11/2026-04-10") == UsedUp(
        limit="rolling", since=day("2026-04-11"), earliest_entry=day("2026-07-10")
    )


@pytest.mark.parametrize("purpose", VISITS.split())
def test_saudi_arabia_has_its_own_term_from_july_2026_only_where_the_draft_is_switched_on(purpose: str) -> None:
    traveller = of("SAU", purpose=purpose)
    assert in_force(traveller, "2026-07-01") == GENERAL
    assert in_force(traveller, "2026-06-30", WITH_SAUDI_ARABIA) == GENERAL
    assert in_force(traveller, "2026-07-01", WITH_SAUDI_ARABIA) == "90 a year"
    assert marks(traveller, "2026-07-01", WITH_SAUDI_ARABIA) == {"S"}
    assert ends(traveller, "2026-11-01") == ("2027-01-29", "continuous")
    assert ends(traveller, "2026-11-01", policy=WITH_SAUDI_ARABIA) == ("2027-03-31", "calendar_year")


@pytest.mark.parametrize("purpose", STUDY_AND_WORK.split())
def test_the_draft_for_saudi_arabia_is_not_for_work_or_study(purpose: str) -> None:
    assert in_force(of("SAU", purpose=purpose), "2026-12-01", WITH_SAUDI_ARABIA) == GENERAL


# Where sources disagree ----------------------------------------------------------------------------------------------


def test_rows_on_which_sources_disagree_say_what_the_others_say() -> None:
    said = {row.row_id: row.disagree for row in POLICY.rows() if row.disagree}
    for row_id, words in {
        "mmr-2026": "e-visa",
        "mkd-tourism": "e-visa",
        "mkd-other-purpose": "e-visa",
        "bih-other-purpose": "30 days",
        "cub-general-2025": "30 days",
        "registration-blr": "30 days",
        "registration-ukr": "90 days",
        "sau-signed-2025": "2026",
    }.items():
        assert words in said.pop(row_id)
    assert said == {}


# Who needs a card (DOMAIN §1) ----------------------------------------------------------------------------------------


def refusal(traveller: Traveller, until: str | None = None, today: str = "2026-12-01") -> dict[str, str | None] | None:
    try:
        POLICY.require_card(
            traveller, begins_on=day("2026-12-01"), until=day(until) if until else None, today=day(today)
        )
    except RuleViolation as refused:
        return refused.extra
    return None


@pytest.mark.parametrize(
    ("traveller", "exemption"),
    [
        (of("RUS"), "own-citizens"),
        (of("RUS", "visa", "employment"), "own-citizens"),
        (of("BLR"), "belarus"),
        (of("BLR", "education", "education"), "belarus"),
        (replace(of("USA", "visa", "official"), document=DocumentKind.DIPLOMATIC_PASSPORT), "diplomats-on-duty"),
        (replace(of("USA", "visa", "official"), document=DocumentKind.LAISSEZ_PASSER), "international-officials"),
        (replace(of("PHL", "visa_free", "transit"), document=DocumentKind.SEAFARER), "ship-crews"),
    ],
)
def test_whoever_is_exempt_needs_no_card_however_long_the_stay(traveller: Traveller, exemption: str) -> None:
    assert refusal(traveller) == refusal(traveller, "2027-12-01") == {"exemption": exemption}


@pytest.mark.parametrize(
    "traveller",
    [
        of("UZB"),
        of("XXA"),
        of("USA", purpose="official"),
        of("USA", purpose="transit"),
        replace(of("USA"), document=DocumentKind.DIPLOMATIC_PASSPORT),
        replace(of("USA"), document=DocumentKind.LAISSEZ_PASSER),
        replace(of("PHL"), document=DocumentKind.SEAFARER),
    ],
)
def test_everybody_else_needs_one_those_in_transit_too(traveller: Traveller) -> None:
    assert refusal(traveller) is None


@pytest.mark.parametrize("citizenship", ["ARM", "KAZ", "KGZ"])
def test_case_31_citizens_of_the_eaeu_need_a_card_from_day_31_on_a_passport_and_from_day_1_on_an_id_card(
    citizenship: str,
) -> None:
    on_passport = of(citizenship, purpose="private")
    later = {"exemption": "eaeu-short-stay", "needed_from": "2026-12-31"}
    assert refusal(on_passport, "2026-12-30") == later
    assert refusal(on_passport, "2026-12-31") is None
    assert refusal(on_passport, None, "2026-12-30") == later
    assert refusal(on_passport, None, "2026-12-31") is None
    on_id_card = replace(on_passport, document=DocumentKind.ID_CARD)
    assert refusal(on_id_card, "2026-12-01") is None


def test_other_neighbours_have_no_thirty_days_without_a_card() -> None:
    assert [refusal(of(citizenship), "2026-12-02") for citizenship in ("UZB", "TJK", "AZE", "MDA", "UKR")] == [None] * 5


# Who must have declared (DOMAIN §3) ----------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", Purpose)
def test_a_declaration_is_voluntary(purpose: Purpose) -> None:
    POLICY.require_declaration(of("UZB", purpose=purpose), day("2030-12-31"))


@pytest.mark.parametrize("purpose", STUDY_AND_WORK.split())
def test_the_draft_makes_it_compulsory_for_visa_free_work_and_study_from_july_2026(purpose: str) -> None:
    WITH_DECLARATIONS.require_declaration(of("UZB", purpose=purpose), day("2026-06-30"))
    with pytest.raises(RuleViolation, match=r"^declaration-needed$") as refused:
        WITH_DECLARATIONS.require_declaration(of("UZB", purpose=purpose), day("2026-07-01"))
    assert refused.value.values == {"since": "2026-07-01", "rule": "advance-application-2026"}


@pytest.mark.parametrize(
    "traveller",
    [
        *(of("UZB", purpose=purpose) for purpose in VISITS.split()),
        of("BLR", purpose="employment"),
        of("USA", "visa", "employment"),
        of("IND", "e_visa", "education"),
    ],
)
def test_the_draft_is_not_for_visitors_citizens_of_belarus_and_holders_of_visas(traveller: Traveller) -> None:
    WITH_DECLARATIONS.require_declaration(traveller, day("2026-12-01"))


def test_a_declaration_waits_three_days_beyond_the_intended_one() -> None:
    assert POLICY.lapses_at(day("2026-12-10"), "Europe/Moscow") == utc("2026-12-13 21:00")


# What is to be done by when (DOMAIN §3) ------------------------------------------------------------------------------


def due(traveller: Traveller, entered_on: str) -> dict[DutyKind, Deadline]:
    on = card(
        State.ACTIVE, citizenship=traveller.citizenship, entered_on=day(entered_on), last_lawful_day=day("2027-02-28")
    )
    duties = POLICY.duties_after(traveller, day(entered_on))
    listed = deadlines(duties, on, {}, calendar=working_days(), at=utc("2026-12-01 06:00"))
    return {one.duty.kind: one for one in listed}


@pytest.mark.parametrize(
    ("traveller", "entered_on", "due_on"),
    [
        (of("USA"), "2025-04-29", "2025-05-14"),
        (of("USA"), "2026-12-28", "2027-01-15"),
        (of("AZE", "patent", "employment"), "2025-04-29", "2025-05-14"),
        (of("XXA"), "2025-04-29", "2025-05-14"),
        (of("TJK"), "2026-11-22", "2026-12-07"),
        (of("UZB"), "2026-11-22", "2026-12-07"),
        (of("UZB", "patent", "employment"), "2026-11-22", "2026-12-07"),
        (of("KAZ"), "2026-12-01", "2026-12-31"),
        (of("KGZ"), "2026-12-01", "2026-12-31"),
        (of("ARM"), "2026-12-01", "2026-12-31"),
        (of("ARM", "eaeu_contract", "employment"), "2026-12-01", "2026-12-31"),
        (of("USA", "eaeu_family", "private"), "2026-12-01", "2026-12-31"),
        (of("UZB", "eaeu_family", "private"), "2026-12-01", "2026-12-31"),
        (of("BLR"), "2026-12-01", "2027-03-01"),
        (of("UKR"), "2025-04-29", "2025-05-14"),
    ],
)
def test_the_term_of_migration_registration(traveller: Traveller, entered_on: str, due_on: str) -> None:
    found = due(traveller, entered_on)[DutyKind.REGISTRATION]
    assert (str(found.due_on), found.duty.who) == (due_on, Who.HOST)


def test_registration_over_the_new_year_of_2027_is_provisional_and_calendar_days_never_are() -> None:
    assert due(of("USA"), "2026-12-28")[DutyKind.REGISTRATION].provisional
    assert not due(of("USA"), "2025-04-29")[DutyKind.REGISTRATION].provisional
    assert not due(of("BLR"), "2026-12-28")[DutyKind.REGISTRATION].provisional


def test_the_term_of_registration_says_how_sure_it_is() -> None:
    known = {
        code: due(of(code), "2026-12-01")[DutyKind.REGISTRATION].duty.sure for code in ("USA", "UZB", "KAZ", "BLR")
    }
    assert set(known.values()) == {"S"}
    assert due(of("UKR"), "2026-12-01")[DutyKind.REGISTRATION].duty.sure == "?"


@pytest.mark.parametrize(
    ("traveller", "entered_on", "due_on"),
    [
        (of("UZB", purpose="employment"), "2026-12-01", "2026-12-31"),
        (of("AZE", purpose="employment"), "2026-12-01", "2026-12-31"),
        (of("UKR", purpose="employment"), "2025-09-11", "2025-10-11"),
    ],
)
def test_whoever_comes_to_work_visa_free_applies_for_a_patent_within_30_days(
    traveller: Traveller, entered_on: str, due_on: str
) -> None:
    found = due(traveller, entered_on)[DutyKind.PATENT_APPLICATION]
    assert (str(found.due_on), found.duty.who, found.duty.sure) == (due_on, Who.TRAVELLER, "S")


@pytest.mark.parametrize(
    ("traveller", "entered_on"),
    [
        *((of("UZB", purpose=purpose), "2026-12-01") for purpose in Purpose if purpose is not Purpose.EMPLOYMENT),
        *((of("UZB", basis, "employment"), "2026-12-01") for basis in ("patent", "visa", "eaeu_family")),
        *((of(code, purpose="employment"), "2026-12-01") for code in ("ARM", "BLR", "KAZ", "KGZ")),
        (of("UKR", purpose="employment"), "2025-09-10"),
    ],
)
def test_nobody_else_applies_for_a_patent(traveller: Traveller, entered_on: str) -> None:
    assert DutyKind.PATENT_APPLICATION not in due(traveller, entered_on)


def test_the_adaptation_course_of_labour_migrants_has_no_known_term() -> None:
    found = due(of("UZB", purpose="employment"), "2026-12-01")[DutyKind.ADAPTATION_COURSE]
    assert (found.due_on, found.duty.unit, found.duty.sure) == (None, Unit.UNKNOWN, "?")
    assert DutyKind.ADAPTATION_COURSE not in due(of("UZB"), "2026-12-01")


@pytest.mark.parametrize("purpose", ["tourism", "business"])
@pytest.mark.parametrize(
    ("entered_on", "due_on"),
    [("2026-12-01", "2026-12-02"), ("2026-12-04", "2026-12-07"), ("2025-10-31", "2025-11-01")],
)
def test_a_hotel_notifies_the_arrival_of_its_guest_within_one_working_day(
    purpose: str, entered_on: str, due_on: str
) -> None:
    found = due(of("USA", purpose=purpose), entered_on)[DutyKind.HOTEL_NOTIFICATION]
    assert (str(found.due_on), found.duty.who) == (due_on, Who.HOTEL)


@pytest.mark.parametrize("purpose", ["official", "education", "employment", "private", "transit"])
def test_no_hotel_is_taken_for_granted_for_other_purposes(purpose: str) -> None:
    assert DutyKind.HOTEL_NOTIFICATION not in due(of("USA", purpose=purpose), "2026-12-01")


@pytest.mark.parametrize("traveller", [of("USA"), of("BLR"), of("UZB", "patent", "employment")])
def test_everybody_leaves_by_the_last_lawful_day(traveller: Traveller) -> None:
    found = due(traveller, "2026-12-01")[DutyKind.DEPARTURE]
    assert (found.due_on, found.duty.who, found.duty.sure) == (day("2027-02-28"), Who.TRAVELLER, "Q")
