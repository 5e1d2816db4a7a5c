"""`migcard import`: the twin of the address, for an operator beside the database."""

import subprocess
import sys
from pathlib import Path

from app.services import sandboxes
from tests.builders import DEMO_START
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
