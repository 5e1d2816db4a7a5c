"""`migcard import` and `migcard export`: the twins of addresses, for an operator beside the database."""

import gzip
import subprocess
import sys
from pathlib import Path

from app.db.sandboxes import Sandbox
from app.services import cards, sandboxes
from tests.builders import DEMO_START, application, context_of, entry_at, once
from tests.conftest import opened, registry_on
from tests.faults.processes import environment
from tests.registers import row, table


async def test_a_file_is_imported_and_what_is_wrong_is_said(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as database:
        sandbox, _ = await sandboxes.create(registry_on(database), name="command", at=DEMO_START)
    file = tmp_path / "register.csv"

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("migcard")), "import", str(file), "--source", "test", *options]
        variables = environment(database_url, tmp_path)
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)  # noqa: S603  our own

    into = ("--into", str(sandbox.sandbox_id), "--mode", "skip_bad")
    file.write_bytes(table(row(1), row(2)))
    good = run(*into)
    assert (good.returncode, "2 accepted" in good.stdout) == (0, True), good.stdout + good.stderr
    assert "imported before" in run(*into).stdout
    file.write_bytes(table(row(3), row(4, Пол="?")))
    bad = run(*into)
    assert bad.returncode == 1
    assert "1 accepted" in bad.stdout
    assert "Пол" in bad.stdout
    file.write_bytes(b"a;b\n")
    unread = run(*into)
    assert (unread.returncode, "No column is called a." in unread.stderr) == (1, True)
    nowhere = run("--into", "00000000-0000-0000-0000-000000000000")
    assert (nowhere.returncode, "No sandbox" in nowhere.stderr) == (1, True)


async def test_a_world_is_exported_into_a_file_and_imported_from_it(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as database:
        house = registry_on(database)
        (box, key), (other, _) = [await sandboxes.create(house, name=name, at=DEMO_START) for name in ("one", "other")]
        await cards.issue(await context_of(house, key.key), application(entry=entry_at()), once())

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("migcard")), *arguments]
        variables = environment(database_url, tmp_path)
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)  # noqa: S603  our own

    def exported(of: Sandbox, name: str, *options: str) -> bytes:
        file = tmp_path / name
        done = run("export", str(file), "--of", str(of.sandbox_id), *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()

    world = exported(box, "world.ndjson.gz")
    assert exported(box, "cards.csv", "--what", "cards", "--personal").startswith("\ufeffnumber,".encode())
    assert exported(box, "events.ndjson", "--what", "events").count(b"\n") == 2
    there = run("export", str(tmp_path / "cards.csv"), "--of", str(box.sandbox_id), "--what", "cards")
    assert (there.returncode, "is there already" in there.stderr) == (1, True)
    into = ("--kind", "world", "--mode", "all_or_nothing", "--source", "test", "--into", str(other.sandbox_id))
    imported = run("import", str(tmp_path / "world.ndjson.gz"), *into)
    assert imported.returncode == 0, imported.stdout + imported.stderr
    assert exported(other, "again.ndjson") == world
    refused = run("import", str(tmp_path / "world.ndjson.gz"), *into)
    assert (refused.returncode, "place of an empty one" in refused.stderr) == (1, True)
