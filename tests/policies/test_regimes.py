import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from app.domain.card import Basis, Purpose
from app.domain.conditions import Condition, Sure, Traveller
from app.domain.duties import Duty, DutyKind, Unit, Who
from app.domain.identity import DocumentKind
from app.domain.limits import (
    CalendarYear,
    Continuous,
    FixedEnd,
    PerEntry,
    PeriodFromFirstEntry,
    Rolling,
    Unlimited,
)
from app.domain.policy import Declaration, Exemption, FromPapers, Paper, Policy, Regime
from app.domain.stay import on_day
from app.policies import reading, regimes
from app.policies.reading import BrokenData, Plain

SOUND = """\
policy: test
version: 2
title: {en: Test, ru: Проба}
declaration_grace_days: {value: 3, source: ours, sure: I}
exemptions:
  - id: own
    status: in_force
    when: {citizenship: [RUS], document: [passport]}
    days: 30
    source: law
    sure: Q
declarations:
  - id: declare
    status: draft
    from: 2026-07-01
    when: {basis: [visa_free], purpose: [employment], except_citizenship: [BLR]}
    source: draft law
    sure: S
regimes:
  - id: every-kind
    status: in_force
    from: 2025-01-01
    until: 2025-12-31
    when: {applied_from: 2025-08-23, applied_until: 2025-08-24, ground_known: true}
    note: a note
    disagree: another source
    limits:
      - {kind: rolling, max_days: 90, window_days: 180, source: a, sure: Q}
      - {kind: calendar_year, max_days: 91, source: b, sure: S}
      - {kind: continuous, max_days: 92, source: c, sure: I}
      - {kind: per_entry, max_days: 30, source: d, sure: M}
      - {kind: period_from_first_entry, max_days: 93, period_days: 181, source: e, sure: "?"}
      - {kind: fixed_end, until: 2027-01-31, source: f, sure: Q}
      - {kind: unlimited, source: g, sure: Q}
      - {kind: fixed_end, name: visa, until: visa, source: h, sure: Q}
      - {kind: fixed_end, name: contract, until: ground, source: i, sure: Q}
      - {kind: per_entry, name: visa_days, max_days: visa, source: j, sure: Q}
  - id: everybody
    status: in_force
    limits:
      - {kind: unlimited, source: k, sure: Q}
deadlines:
  - id: registration
    kind: registration
    status: in_force
    who: host
    term: {working_days: 7}
    source: law
    sure: S
  - id: patent
    kind: patent_application
    status: in_force
    who: traveller
    term: {days: 30}
    source: law
    sure: S
  - id: course
    kind: adaptation_course
    status: in_force
    who: traveller
    term: {unknown: true}
    source: plan
    sure: "?"
  - id: leave
    kind: departure
    status: in_force
    who: traveller
    term: {last_lawful_day: true}
    source: law
    sure: Q
"""


def read(text: str) -> Policy:
    return regimes.read_policy(reading.parse(text, filename="own.yaml"))


def replaced(old: str, new: str, text: str = SOUND) -> str:
    """Break one place of a document, and be sure that it was there."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


# A sound document ----------------------------------------------------------------------------------------------------


def test_a_document_says_what_the_policy_is_called_and_how_long_a_declaration_waits() -> None:
    policy = read(SOUND)
    assert (policy.policy_id, policy.version, policy.declaration_grace_days) == ("test", 2, 3)
    assert policy.title == {"en": "Test", "ru": "Проба"}
    assert policy.drafts == frozenset()


def test_exemptions_and_declarations_are_read_with_their_conditions() -> None:
    policy = read(SOUND)
    assert policy.exemptions == (
        Exemption(
            row_id="own",
            when=Condition(citizenships=frozenset({"RUS"}), documents=frozenset({DocumentKind.PASSPORT})),
            days=30,
            source="law",
            sure=Sure.QUOTED,
        ),
    )
    assert policy.declarations == (
        Declaration(
            row_id="declare",
            draft=True,
            begins_on=date(2026, 7, 1),
            when=Condition(
                bases=frozenset({Basis.VISA_FREE}),
                purposes=frozenset({Purpose.EMPLOYMENT}),
                except_citizenships=frozenset({"BLR"}),
            ),
            source="draft law",
            sure=Sure.SECONDARY,
        ),
    )


def test_every_kind_of_limit_is_read_with_its_figures_its_name_its_source_and_how_sure_it_is() -> None:
    every_kind, everybody = read(SOUND).regimes
    assert every_kind == Regime(
        row_id="every-kind",
        begins_on=date(2025, 1, 1),
        until=date(2025, 12, 31),
        when=Condition(applied_from=date(2025, 8, 23), applied_until=date(2025, 8, 24), ground_known=True),
        note="a note",
        disagree="another source",
        limits=(
            Rolling(name="rolling", max_days=90, window_days=180, source="a", sure="Q"),
            CalendarYear(name="calendar_year", max_days=91, source="b", sure="S"),
            Continuous(name="continuous", max_days=92, source="c", sure="I"),
            PerEntry(name="per_entry", max_days=30, source="d", sure="M"),
            PeriodFromFirstEntry(name="period_from_first_entry", max_days=93, period_days=181, source="e", sure="?"),
            FixedEnd(name="fixed_end", until=date(2027, 1, 31), source="f", sure="Q"),
            Unlimited(name="unlimited", source="g", sure="Q"),
            FromPapers(name="visa", days=False, paper=Paper.VISA, source="h", sure=Sure.QUOTED),
            FromPapers(name="contract", days=False, paper=Paper.GROUND, source="i", sure=Sure.QUOTED),
            FromPapers(name="visa_days", days=True, paper=Paper.VISA, source="j", sure=Sure.QUOTED),
        ),
    )
    assert everybody == Regime(row_id="everybody", limits=(Unlimited(name="unlimited", source="k", sure="Q"),))


def test_every_kind_of_term_is_read() -> None:
    registration, *others = read(SOUND).duties
    assert registration == Duty(
        row_id="registration",
        kind=DutyKind.REGISTRATION,
        who=Who.HOST,
        unit=Unit.WORKING_DAYS,
        days=7,
        source="law",
        sure=Sure.SECONDARY,
    )
    assert [(one.row_id, one.unit, one.days) for one in others] == [
        ("patent", Unit.CALENDAR_DAYS, 30),
        ("course", Unit.UNKNOWN, None),
        ("leave", Unit.LAST_LAWFUL_DAY, None),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: 3", "value: 0"),
        ("days: 30\n", "days: 1\n"),
        ("days: 30\n", "days: 36525\n"),
        ("    days: 30\n", ""),
        ("until: 2025-12-31", "until: 2025-01-01"),
        ("until: 2025-12-31", "until: null"),
        ("max_days: 91", "max_days: 36525"),
    ],
)
def test_figures_and_dates_may_lie_on_their_borders(old: str, new: str) -> None:
    assert read(replaced(old, new)).policy_id == "test"


@pytest.mark.parametrize("absent", ["", "declarations: null\n", "declarations: []\n"])
def test_declarations_may_be_absent(absent: str) -> None:
    begins, ends = SOUND.index("declarations:"), SOUND.index("regimes:")
    assert read(SOUND[:begins] + absent + SOUND[ends:]).declarations == ()


# Broken documents ----------------------------------------------------------------------------------------------------

FREE = "a regime without limits judges nothing: say unlimited"


@pytest.mark.parametrize(
    ("old", "new", "line", "pointer", "problem"),
    [
        # the head
        ("policy: test\n", "", 1, "/policy", "'policy' is missing"),
        ("version: 2", "version: 0", 2, "/version", "'version' must be from 1 to 2147483647"),
        ("version: 2", "version: two", 2, "/version", "'version' must be a whole number"),
        ("ru: Проба", "kk: Сынақ", 3, "/title/kk", "unknown key 'kk', known are en, ru"),
        (", ru: Проба", "", 3, "/title/ru", "'ru' is missing"),
        ("value: 3", "value: -1", 4, "/declaration_grace_days/value", "'value' must be from 0 to 36525"),
        (", source: ours", "", 4, "/declaration_grace_days/source", "'source' is missing"),
        ("title:", "titel:", 3, "/titel", "unknown key 'titel', known are policy, version, title"),
        # dated rows
        ("  - id: own\n", "  - name: own\n", 6, "/exemptions/0/name", "unknown key 'name', known are id, status"),
        (
            "    status: draft",
            "    status: law",
            14,
            "/declarations/0/status",
            "'status' is 'law', allowed are in_force",
        ),
        ("from: 2026-07-01", "from: 2026-06-31", 15, "/declarations/0/from", "'from' is no date: '2026-06-31'"),
        ("from: 2026-07-01", "since: 2026-07-01", 15, "/declarations/0/since", "unknown key 'since'"),
        ("until: 2025-12-31", "until: 2024-12-31", 23, "/regimes/0/until", "ends before it begins"),
        ("id: declare", "id: own", 13, "/declarations/0", "id 'own' is already on line 6"),
        ("id: everybody", "id: every-kind", 38, "/regimes/1", "id 'every-kind' is already on line 20"),
        ("id: leave", "id: everybody", 64, "/deadlines/3", "id 'everybody' is already on line 38"),
        ("    source: draft law\n", "", 13, "/declarations/0/source", "'source' is missing"),
        ("source: draft law", 'source: " "', 17, "/declarations/0/source", "'source' must be a text that is not blank"),
        # conditions
        ("[RUS]", "[RUS, SUN]", 8, "/exemptions/0/when/citizenship", "unknown state 'SUN'"),
        ("[RUS]", "[DEU]", 8, "/exemptions/0/when/citizenship", "unknown state 'DEU'"),
        ("[RUS]", "RUS", 8, "/exemptions/0/when/citizenship", "'citizenship' must be a list"),
        ("[RUS]", "[RUS, 7]", 8, "/exemptions/0/when/citizenship/1", "'citizenship' must be a text"),
        ("[BLR]", "[BYS]", 16, "/declarations/0/when/except_citizenship", "unknown state 'BYS'"),
        ("[passport]", "[pass]", 8, "/exemptions/0/when/document", "'document' is 'pass', allowed are passport"),
        ("[visa_free]", "[free]", 16, "/declarations/0/when/basis", "'basis' is 'free', allowed are visa_free"),
        ("[employment]", "[work]", 16, "/declarations/0/when/purpose", "'purpose' is 'work', allowed are official"),
        ("applied_from:", "applied:", 24, "/regimes/0/when/applied", "unknown key 'applied', known are citizenship"),
        ("ground_known: true", "ground_known: false", 24, "/regimes/0/when", "may only be true: a rule for unknown"),
        ("ground_known: true", "ground_known: 1", 24, "/regimes/0/when/ground_known", "'ground_known' must be true"),
        ("when: {citizenship: [RUS], document: [passport]}", "when: RUS", 8, "/exemptions/0/when", "a mapping of keys"),
        # limits
        ("kind: rolling", "kind: sliding", 28, "/regimes/0/limits/0/kind", "unknown kind of limit, known are rolling,"),
        ("kind: rolling, ", "", 28, "/regimes/0/limits/0/kind", "'kind' is missing"),
        (", window_days: 180", "", 28, "/regimes/0/limits/0/window_days", "'window_days' is missing"),
        ("window_days", "period", 28, "/regimes/0/limits/0/period", "unknown key 'period', known are kind, name"),
        ("max_days: 91", "max_days: 0", 29, "/regimes/0/limits/1/max_days", "'max_days' must be from 1 to 36525"),
        ("max_days: 91", "max_days: 36526", 29, "/regimes/0/limits/1/max_days", "'max_days' must be from 1 to 36525"),
        ("max_days: 91", "max_days: 010", 29, "/regimes/0/limits/1/max_days", "'max_days' must be a plain decimal"),
        ("max_days: 92", "max_days: visa", 30, "/regimes/0/limits/2/max_days", "'max_days' must be a whole number"),
        ("max_days: visa", "max_days: ground", 37, "/regimes/0/limits/9/max_days", "'max_days' must be a whole number"),
        (", source: d", "", 31, "/regimes/0/limits/3/source", "'source' is missing"),
        (", source: j", "", 37, "/regimes/0/limits/9/source", "'source' is missing"),
        (", source: g", "", 34, "/regimes/0/limits/6/source", "'source' is missing"),
        ("sure: M", "sure: X", 31, "/regimes/0/limits/3/sure", "'sure' is 'X', allowed are Q, S, I, M, ?"),
        ("sure: M", "sure: yes", 31, "/regimes/0/limits/3/sure", "'sure' must be a text that is not blank"),
        ("sure: I}\n      - {kind: per", "x: 1}\n      - {kind: per", 30, "/regimes/0/limits/2/x", "unknown key 'x'"),
        (
            "until: ground",
            "until: contract",
            36,
            "/regimes/0/limits/8/until",
            "'until' must be a date, YYYY-MM-DD, not 'contract'",
        ),
        ("until: 2027-01-31", "until: 2027-02-29", 33, "/regimes/0/limits/5/until", "'until' is no date: '2027-02-29'"),
        (
            "{kind: unlimited, source: k, sure: Q}",
            "unlimited",
            41,
            "/regimes/1/limits/0",
            "a mapping of keys to values",
        ),
        (
            "    limits:\n      - {kind: unlimited, source: k, sure: Q}\n",
            "    limits: []\n",
            40,
            "/regimes/1/limits",
            FREE,
        ),
        (
            "    limits:\n      - {kind: unlimited, source: k, sure: Q}\n",
            "",
            38,
            "/regimes/1/limits",
            "'limits' is missing",
        ),
        (
            "    note: a note",
            "    source: a note",
            25,
            "/regimes/0/source",
            "unknown key 'source', known are id, status",
        ),
        # deadlines
        ("kind: departure", "kind: exit", 65, "/deadlines/3/kind", "'kind' is 'exit', allowed are registration"),
        ("who: host", "who: landlord", 46, "/deadlines/0/who", "'who' is 'landlord', allowed are traveller, host"),
        ("{working_days: 7}", "{}", 47, "/deadlines/0/term", "exactly one of days, working_days, last_lawful_day"),
        ("{days: 30}", "{days: 30, working_days: 22}", 54, "/deadlines/1/term", "exactly one of days, working_days,"),
        ("{days: 30}", "{days: 0}", 54, "/deadlines/1/term/days", "'days' must be from 1 to 36525"),
        (
            "{days: 30}",
            "{weeks: 4}",
            54,
            "/deadlines/1/term/weeks",
            "unknown key 'weeks', known are days, working_days",
        ),
        ("unknown: true", "unknown: false", 61, "/deadlines/2/term/unknown", "may only be true"),
        ("    term: {last_lawful_day: true}\n", "", 64, "/deadlines/3/term", "'term' is missing"),
    ],
)
def test_a_broken_document_is_refused_at_its_line_and_at_its_place(
    old: str, new: str, line: int, pointer: str, problem: str
) -> None:
    with pytest.raises(BrokenData, match=re.escape(f"own.yaml:{line}: {problem}")) as broken:
        read(replaced(old, new))
    assert broken.value.pointer == pointer
    assert broken.value.problem.startswith(problem)


@pytest.mark.parametrize("key", ["exemptions", "regimes", "deadlines", "title", "version", "declaration_grace_days"])
def test_every_part_but_declarations_is_needed(key: str) -> None:
    document = {name: value for name, value in regimes.document("uk-180").items() if name != key}
    with pytest.raises(BrokenData, match=f"^policy:1: '{key}' is missing$") as broken:
        regimes.read_json(json.dumps(document))
    assert broken.value.pointer == f"/{key}"


def test_a_policy_of_the_registry_is_in_the_file_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regimes, "FILES", {"uk-180": "uk-180.yaml", "ru": "schengen.yaml"})
    with pytest.raises(BrokenData, match=r"^schengen\.yaml:4: .*'ru'$") as broken:
        regimes.policies.__wrapped__()
    assert broken.value.pointer == "/policy"


# Documents as JSON ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy_id", regimes.FILES)
def test_the_document_of_a_policy_is_read_from_json_as_the_same_policy(policy_id: str) -> None:
    for ascii_only in (False, True):
        text = json.dumps(dict(regimes.document(policy_id)), ensure_ascii=ascii_only)
        assert regimes.read_json(text) == regimes.policies()[policy_id]
        assert json.loads(text)["policy"] == policy_id


def test_a_sound_document_survives_json_with_every_type_of_value() -> None:
    document = reading.plain(reading.parse(SOUND, filename="own.yaml"))
    assert document["version"] == 2
    assert document["title"] == {"en": "Test", "ru": "Проба"}
    assert field(document, "declarations", 0, "from") == "2026-07-01"
    assert field(document, "regimes", 0, "when", "ground_known") is True
    assert field(document, "regimes", 0, "limits", 4, "sure") == "?"
    assert field(document, "exemptions", 0, "days") == 30
    assert regimes.read_json(json.dumps(document)) == read(SOUND)
    assert reading.plain(reading.parse("a: null\nb: false", filename="x")) == {"a": None, "b": False}


def field(document: Mapping[str, Plain], *path: str | int) -> Plain:
    value: Plain = dict(document)
    for step in path:
        match value, step:
            case list(), int():
                value = value[step]
            case dict(), str():
                value = value[step]
    return value


def test_a_broken_json_document_is_refused_at_its_pointer() -> None:
    document = json.dumps(dict(regimes.document("uk-180"))).replace('"max_days": 180', '"max_days": "180"')
    with pytest.raises(BrokenData, match=r"^policy:1: 'max_days' must be a whole number$") as broken:
        regimes.read_json(document)
    assert broken.value.pointer == "/regimes/1/limits/0/max_days"


# The policies that come with the registry ----------------------------------------------------------------------------


def test_policies_are_read_once_and_by_their_names() -> None:
    assert regimes.policies() is regimes.policies()
    assert list(regimes.policies()) == ["ru", "schengen", "uk-180"]
    assert [policy.policy_id for policy in regimes.policies().values()] == ["ru", "schengen", "uk-180"]


def named_citizenships(policy: Policy) -> set[str]:
    """Give every citizenship that a regime names, and one that none does."""
    return {"USA"}.union(*(regime.when.citizenships or () for regime in policy.regimes))


@pytest.mark.parametrize("policy_id", regimes.FILES)
@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("applied_on", [date(2025, 8, 22), date(2025, 8, 23)])
@pytest.mark.parametrize("ground_until", [None, date(2027, 6, 1)])
def test_every_day_from_2014_to_2030_is_judged_for_everybody(
    policy_id: str, basis: Basis, applied_on: date, ground_until: date | None
) -> None:
    policy = regimes.policies()[policy_id]
    policy = policy.with_drafts([])
    first, last = date(2014, 1, 1).toordinal(), date(2030, 12, 31).toordinal()
    for citizenship, purpose in product(sorted(named_citizenships(policy)), Purpose):
        traveller = Traveller(
            citizenship=citizenship,
            basis=basis,
            purpose=purpose,
            document=DocumentKind.PASSPORT,
            visa_until=date(2027, 1, 31),
            applied_on=applied_on,
            ground_until=ground_until,
        )
        terms = policy.terms(traveller)
        assert on_day(terms, first).limits
        assert [one for one in terms if one.begins <= last and one.until >= first and not one.limits] == []


@pytest.mark.parametrize("policy_id", regimes.FILES)
def test_every_figure_has_its_source_and_says_how_sure_it_is(policy_id: str) -> None:
    policy = regimes.policies()[policy_id]
    limits = [limit for regime in policy.regimes for limit in regime.limits]
    for one in [*limits, *policy.exemptions, *policy.declarations, *policy.duties]:
        assert one.source
        assert one.sure in set(Sure)


@pytest.mark.parametrize("policy_id", regimes.FILES)
@pytest.mark.parametrize("basis", [Basis.VISA_FREE, Basis.TREATY])
def test_every_policy_knows_stays_that_were_extended_to_a_day_and_nothing_else_ends_those(
    policy_id: str, basis: Basis
) -> None:
    policy, until = regimes.policies()[policy_id], date(2028, 6, 30)
    traveller = Traveller(citizenship="USA", basis=basis, purpose=Purpose.TOURISM)
    [always] = policy.terms(replace(traveller, ground_until=until))
    [limit] = always.limits
    assert always.regime == "extended"
    assert limit == FixedEnd(name="extension", until=until, source=limit.source, sure=limit.sure)
    assert "extended" not in {one.regime for one in policy.terms(traveller)}


def test_only_what_is_not_adopted_is_a_draft_and_all_drafts_are_off() -> None:
    drafts = {name: [row.row_id for row in one.rows() if row.draft] for name, one in regimes.policies().items()}
    of_russia = ["advance-application-2026", "sau-signed-2025", "registration-ukr-agreement"]
    assert drafts == {"ru": of_russia, "schengen": [], "uk-180": []}
    assert {one.drafts for one in regimes.policies().values()} == {frozenset()}


@pytest.mark.parametrize("policy_id", regimes.FILES)
def test_no_row_stands_where_none_can_reach_it(policy_id: str) -> None:
    everything = regimes.policies()[policy_id]
    everything = everything.with_drafts([row.row_id for row in everything.rows() if row.draft])
    reached = set[str | None]()
    for citizenship, basis, purpose in product(sorted(named_citizenships(everything)), Basis, Purpose):
        for applied_on, ground_until in [(date(2025, 8, 22), None), (date(2025, 8, 23), date(2027, 6, 1))]:
            traveller = Traveller(
                citizenship=citizenship,
                basis=basis,
                purpose=purpose,
                visa_until=date(2027, 1, 31),
                applied_on=applied_on,
                ground_until=ground_until,
            )
            reached |= {one.regime for one in everything.terms(traveller)}
    assert {one.row_id for one in everything.regimes} - reached == set()
