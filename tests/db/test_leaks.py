"""Nothing personal rests in clear: a whole story in an SQLite file, then every byte on the disk is searched for it."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from app.db import schema
from app.db.vault import WorldKeys
from app.domain.application import HolderFields
from app.domain.card import Basis, Host, HostKind
from app.domain.identity import BirthDate, Sex
from app.domain.number import PaperNumber
from app.services import border, cards, lookups, sandboxes
from app.services.access import Context
from tests.builders import (
    BREST,
    DEMO_START,
    application,
    attempt,
    context_of,
    crossing_at,
    entry_at,
    once,
    passport,
    visa_fields,
    zone_lines,
)
from tests.conftest import opened, registry_on

PERSON = HolderFields(
    surname="Дурдымаммедова",
    given_names="Огульбиби",
    patronymic="Гурбангулыевна",
    surname_latin="Durdymammedova",
    given_names_latin="Ogulbibi",
    birth_date=BirthDate.parse("1987-03-29"),
    sex=Sex.F,
    citizenship="TKM",
)
HOST = Host(kind=HostKind.ORGANISATION, name="Рыбозавод Колыбель", locality="Зеленоградск")
DOCUMENT, VISA, OTHER_DOCUMENT = "QZ7391846", "XY8264019", "KW5520173"
SECRETS = (
    *("Дурдымаммедова", "Огульбиби", "Гурбангулыевна", "Durdymammedova", "Ogulbibi", "Рыбозавод", "Колыбель"),
    *("Зеленоградск", "1987-03-29", "870329", "29.03.1987", "Durdymammedow", "Ogulnabat"),
    *(DOCUMENT, VISA, OTHER_DOCUMENT),
)


def spellings(secret: str) -> Iterator[tuple[str, bytes]]:
    """Write a secret in every case, encoding and place within base64."""
    for cased in dict.fromkeys((secret, secret.upper(), secret.lower(), secret.title())):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "cp1251"):
            try:
                written = cased.encode(encoding)
            except UnicodeEncodeError:
                continue
            yield f"{cased} in {encoding}", written
            for shift in range(3):
                # only the characters that depend on nothing before or after the secret
                encoded = b64encode(bytes(shift) + written + bytes(-(shift + len(written)) % 3))
                whole = encoded[(shift * 8 + 5) // 6 : (shift + len(written)) * 8 // 6]
                yield f"{cased} in {encoding} in base64, shifted by {shift}", whole
        yield f"{cased} in JSON", cased.encode("unicode_escape").lower()
        yield f"{cased} in hexadecimal", cased.encode().hex().encode()


def found_in(folder: Path) -> set[str]:
    """Name every secret that stands in a file of `folder`, in whatever spelling."""
    contents = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert contents["leak.db"]
    return {
        f"{secret}: {spelling} in {name}"
        for secret in SECRETS
        for spelling, needle in spellings(secret)
        for name, content in contents.items()
        if needle in content
    }


async def story(ctx: Context) -> None:
    """Do with one woman's cards everything that a registry does."""
    wish = application(
        holder=PERSON,
        document=passport(DOCUMENT, issuing_state="TKM"),
        basis=Basis.VISA,
        visa=visa_fields(number=VISA),
        host=HOST,
        paper=PaperNumber(series="4601", number="1234567"),
        reference="our own id",
    )
    declared = await cards.issue(ctx, wish, attempt("declare", repr(wish).encode()))
    await cards.issue(ctx, wish, attempt("declare", repr(wish).encode()))
    again = await cards.issue(ctx, wish, once())
    zone = zone_lines(
        OTHER_DOCUMENT,
        issuing_state="TKM",
        nationality="TKM",
        surname="DURDYMAMMEDOW",
        given_names="OGULNABAT",
        birth_date=PERSON.birth_date,
        sex=Sex.F,
    )
    nothing = application()
    await cards.issue(
        ctx, application(lines=zone, holder=HolderFields(), document=type(nothing.document)(), entry=entry_at()), once()
    )
    await border.enter(ctx, again.card.number, crossing_at(), attempt("enter"))
    await border.enter(ctx, again.card.number, crossing_at(), once())
    assert PERSON.birth_date
    given = lookups.DocumentGiven(issuing_state="TKM", number=DOCUMENT, birth_date=PERSON.birth_date)
    assert await lookups.by_document(ctx, given, departed=True)
    assert await lookups.by_name(ctx, "durdymammedova ogulbibi", BirthDate.parse("1987"), departed=True)
    assert await lookups.by_zone(ctx, zone, departed=True)
    assert await lookups.by_number(ctx, again.card.number, PERSON.birth_date, departed=True)
    await lookups.check(ctx, [given], lookups.AccessPurpose.BOARDING)
    await cards.listing(ctx, filters={}, status=None, after=None, limit=10, personal=True)
    await cards.statistics(ctx, groups=("citizenship",), begins=date(2026, 1, 1), until=None)
    await border.leave(ctx, again.card.number, crossing_at(BREST), attempt("leave"))
    await border.leave(ctx, declared.card.number, crossing_at(BREST), once())
    await sandboxes.current(ctx)


def live_through(folder: Path) -> set[str]:
    """Let the story happen in a new database in `folder`, and search it open (with its journal) and closed."""
    url = f"sqlite:///{folder / 'leak.db'}"
    schema.upgrade(url)

    async def live() -> set[str]:
        async with opened(url) as database:
            registry = registry_on(database)
            _, key = await sandboxes.create(registry, name="leaks", at=DEMO_START)
            await story(await context_of(registry, key.key))
            assert (folder / "leak.db-wal").stat().st_size > 0
            assert (folder / "leak.db-shm").exists()
            return found_in(folder)

    return asyncio.run(live()) | found_in(folder)


def test_nothing_personal_is_on_the_disk_in_any_spelling(tmp_path: Path) -> None:
    assert live_through(tmp_path) == set()


def test_the_search_finds_every_name_once_nothing_is_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it takes away our own sealing, so that the test above is known to be able to fail."""
    monkeypatch.setattr(WorldKeys, "seal", lambda _self, clear, **_: clear)
    monkeypatch.setattr(WorldKeys, "open", lambda _self, sealed, **_: sealed)
    found = {one.partition(":")[0] for one in live_through(tmp_path)}
    never_written = {"870329", "29.03.1987"}
    assert {secret.casefold() for secret in SECRETS} - {one.casefold() for one in found} == never_written


@pytest.mark.parametrize("secret", SECRETS)
def test_the_search_finds_a_secret_however_it_is_written(tmp_path: Path, secret: str) -> None:
    (tmp_path / "leak.db").write_bytes(b"SQLite format 3")
    for content in (
        secret.upper().encode("utf-16-le"),
        secret.lower().encode("utf-16-be"),
        b64encode(b"{" + secret.title().encode() + b"}"),
        b64encode(b"{{" + secret.encode() + b"} }"),
        b64encode(b"{{{" + secret.encode("utf-16-le") + b"}"),
    ):
        (tmp_path / "log").write_bytes(b"before " + content + b" after")
        assert secret in {one.partition(":")[0] for one in found_in(tmp_path)}  # and what it begins like
