import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from app import config
from app.db import schema
from app.db.databases import connect
from app.db.vault import MasterKey
from app.domain.mrz import check_digit
from app.policies.regimes import policies
from app.services.access import Registry
from app.simulation import specimens
from app.simulation.specimens import BrokenSpecimensError, Line, LookedUp, Specimen

SHIPPED = specimens.read((Path(__file__).parents[1] / "data" / "mrz.json").read_text())
MAY_ENTER = {f"mrz-{number}" for number in ["097", "110", "107", "104", "096", "059", "115", "072", "098", "114"]}
UNTIL_2029 = next(one for one in SHIPPED if one.specimen_id == "mrz-097")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    url = f"sqlite:///{tmp_path / 'specimens.db'}"
    schema.upgrade(url)
    db = connect(url)
    await db.open()
    yield Registry(db, MasterKey.read("11" * 32), config.dice, policies())
    await db.close()


def passport(state: str = "UTO", nationality: str = "UTO", birth: str = "740812", expiry: str = "310101") -> Specimen:
    """A made-up passport whose digits agree."""
    number, optional = "L898902C3", "<" * 14
    checked = [f"{part}{check_digit(part)}" for part in (number, birth, expiry, optional)]
    composite = check_digit("".join(checked))
    second = f"{checked[0]}{nationality:<<3}{checked[1]}F{checked[2]}{checked[3]}{composite}"
    return Specimen(specimen_id="made-up", lines=(f"P<{state:<<3}ERIKSSON<<ANNA".ljust(44, "<"), second), valid=True)


async def only(registry: Registry, specimen: Specimen) -> Line:
    (line,) = await specimens.run(registry, [specimen])
    return line


async def test_the_shipped_file_holds_no_surprise(registry: Registry) -> None:
    lines = await specimens.run(registry, SHIPPED)
    assert [line.disagreements for line in lines if not line.agrees] == []
    assert [line.specimen_id for line in lines] == [one.specimen_id for one in SHIPPED]
    issued = {line.specimen_id: line for line in lines if line.issued}
    assert issued.keys() == MAY_ENTER
    assert len({line.number for line in issued.values()}) == len(issued)
    for line in issued.values():
        assert line.looked_up == LookedUp(document=True, mrz=True, name=True, number=True)
        assert line.last_lawful_day == date(2026, 12, 30)
        assert line.expired_at == datetime(2026, 12, 30, 21, tzinfo=UTC)


async def test_each_refusal_has_its_reason(registry: Registry) -> None:
    lines = {line.specimen_id: line for line in await specimens.run(registry, SHIPPED)}
    reasons = {name: lines[f"mrz-{name}"].reason for name in ("022", "053", "001", "043", "074", "124")}
    assert reasons == {
        "022": "document-expired",
        "053": "no-card-needed",
        "001": "visa-zone",
        "043": "mrz-check-digit",
        "074": "mrz-structure",
        "124": "mrz-structure",
    }
    assert lines["mrz-022"].sentence == "the document expired on 2009-03-24"
    assert lines["mrz-053"].sentence == "the holder needs no card"


async def test_more_may_enter_earlier(registry: Registry) -> None:
    lines = await specimens.run(registry, SHIPPED, at=datetime(2010, 1, 10, 9, tzinfo=UTC))
    assert [line.disagreements for line in lines if not line.agrees] == []
    assert sum(line.issued for line in lines) > len(MAY_ENTER)


@pytest.mark.parametrize(
    ("specimen", "reason"),
    [
        (passport(state="ZZY"), "unknown-state"),
        (passport(nationality="ZZY"), "unknown-state"),
        (passport(nationality="RUS"), "no-card-needed"),
        (passport(nationality="BLR"), "no-card-needed"),
        (passport(nationality="KAZ"), None),  # on a visa
        (passport(expiry="261130"), "document-expired"),
        (passport(expiry="261201"), None),
        (passport(birth="740230"), "missing"),
        (passport(birth="<<<<<<"), "missing"),
        (passport(birth="7408<<"), None),
        (passport(birth="74<<<<"), None),
        (passport(birth="261202"), None),  # 1926
        (passport(birth="000229"), None),
    ],
)
async def test_registry_and_expectation_agree_on_made_up_passports(
    registry: Registry, specimen: Specimen, reason: str | None
) -> None:
    line = await only(registry, specimen)
    assert (line.reason, line.disagreements) == (reason, ())


async def test_two_documents_of_one_person_get_a_card_each(registry: Registry) -> None:
    lines = await specimens.run(registry, [passport(), replace(passport(), specimen_id="again")])
    assert [(line.issued, line.agrees) for line in lines] == [(True, True)] * 2


async def test_an_admission_that_was_not_expected_is_told(registry: Registry) -> None:
    line = await only(registry, replace(UNTIL_2029, valid=False))
    assert line.issued
    assert not line.agrees
    assert line.disagreements == ("issued, expected refused as mrz-check-digit",)


async def test_a_refusal_that_was_not_expected_is_told(registry: Registry) -> None:
    wrong_digit = next(one for one in SHIPPED if one.specimen_id == "mrz-076")
    wrong = replace(wrong_digit, lines=(wrong_digit.lines[0], "7507123F3510212UTO<<<<<<<<<<<2", wrong_digit.lines[2]))
    line = await only(registry, replace(wrong, valid=True))
    assert not line.issued
    assert line.disagreements == ("refused as mrz-check-digit, expected a card",)


async def test_a_tampered_file_is_detected(registry: Registry) -> None:
    entries = [{"id": "moved", "lines": list(UNTIL_2029.lines)}]
    (line,) = await specimens.run(registry, specimens.read(json.dumps({"invalid": entries})))
    assert not line.agrees


def test_an_expectation_on_an_entry_overrules_its_list() -> None:
    (one,) = specimens.read('{"valid": [{"lines": ["A"], "expected_valid": false}]}')
    assert one == Specimen(specimen_id="valid[0]", lines=("A",), valid=False)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "no JSON"),
        ("[]", "valid: a list"),
        ("{}", "no specimens"),
        ('{"valid": {}}', "valid: a list"),
        ('{"valid": [1]}', r"valid\[0\]: an object"),
        ('{"invalid": [{"lines": [1]}]}', r"invalid\[0\]: an object"),
    ],
)
def test_another_file_is_refused_with_the_place(text: str, where: str) -> None:
    with pytest.raises(BrokenSpecimensError, match=where):
        specimens.read(text)


async def test_the_table_tells_what_happened(registry: Registry) -> None:
    lines = await specimens.run(registry, [UNTIL_2029, SHIPPED[0], replace(UNTIL_2029, specimen_id="x", valid=False)])
    console = Console(file=StringIO(), width=240)
    console.print(specimens.table(lines))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO just given
    assert "PARAUDZINA MARA" in text
    assert "all four ways" in text
    assert "2026-12-30T21:00:00Z" in text
    assert "the zone of a visa" in text
    assert "NO: issued, expected refused as mrz-check-digit" in text
