"""The limit: pgbench runs the statements of the bare routes, prepared, with no HTTP and no Python at all."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import contract, sql
from bench.asking import Operation
from bench.measuring import CONNECTIONS, Measured, SpoiltRoundError, of_times
from bench.population import Record, World
from bench.yardstick import LookupIn, Yardstick
from tests.postgresql import programs

_SCRIPTS = 32
"""Different cards, each a script: pgbench has variables of text only from its command line."""
_EVERY = 10
"""One request in so many is timed."""
_TPS = re.compile(r"tps = ([\d.]+)")
_PARAMETER = re.compile(r"\$(\d+)")

_ISSUE = {
    # world, traveller, salt, its bytes, document
    1: ":world",
    2: "md5('t' || :roll)::uuid",
    3: "md5('s' || :roll)::uuid",
    4: "decode(md5('b' || :roll), 'hex')",
    5: "md5('d' || :roll)::uuid",
    # person, state, expiry, sealed, number
    6: "decode(md5('p' || :roll), 'hex')",
    7: "'UZB'",
    8: "date '2030-01-15'",
    9: "decode(repeat(md5('x' || :roll), 10), 'hex')",
    10: "upper(substr(md5('n' || :roll), 1, 12))",
    # citizenship, purpose, basis, declared, from, lapses
    11: "'UZB'",
    12: "'employment'",
    13: "'visa_free'",
    14: "now()",
    15: "date '2026-12-10'",
    16: "now() + interval '3 days'",
    # fact, hashes of the document and of the birth date
    17: "md5('f' || :roll)::uuid",
    18: "decode(md5('o' || :roll), 'hex')",
    19: "decode(md5('h' || left(:roll, 4)), 'hex')",
}
"""What stands for the parameters of an issue: made of one random number, since nothing else can vary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pgbench:
    """Runs an operation's statement on the cards of a world."""

    world: World
    cards: Sequence[Record]

    def run(self, operation: Operation, *, seconds: int) -> Measured:
        """Run for so many seconds."""
        scripts, variables = _OPERATIONS[operation](self)
        with TemporaryDirectory() as folder:
            command = [str(programs() / "pgbench"), "-n", "-M", "prepared", f"-c{CONNECTIONS}", "-j2", f"-T{seconds}"]
            command += ["-l", f"--log-prefix={folder}/times", f"--sampling-rate={1 / _EVERY}"]
            command += [f"-D{name}={value}" for name, value in variables.items()]
            for place, script in enumerate(scripts):
                Path(folder, f"{place}.sql").write_text(f"{script};\n", encoding="utf-8")
                command += ["-f", f"{folder}/{place}.sql"]
            settings = {**os.environ, "PGOPTIONS": "-c timezone=UTC -c jit=off"}  # as ours sets them
            done = subprocess.run(  # noqa: S603  our own command
                [*command, self.world.url], check=False, capture_output=True, text=True, env=settings
            )
            if done.returncode or not (told := _TPS.search(done.stdout)):
                raise SpoiltRoundError(done.stdout + done.stderr)
            times = [
                int(line.split()[2]) / 1000
                for log in Path(folder).glob("times.*")
                for line in log.read_text(encoding="ascii").splitlines()
            ]
        timed = of_times(times, seconds=seconds, every=_EVERY)
        return Measured(rate=float(told[1]), p50_ms=timed.p50_ms, p99_ms=timed.p99_ms)

    def look_ups(self) -> tuple[Sequence[str], Mapping[str, object]]:
        """Write a script for each of some cards."""
        scripts = [_filled(sql.LOOK_UP, {1: ":world", 2: f":n{place}"}) for place in range(_SCRIPTS)]
        return scripts, self._world() | {f"n{place}": card["number"] for place, card in self._cards()}

    def by_document(self) -> tuple[Sequence[str], Mapping[str, object]]:
        """Write a script for each of some documents."""
        yardstick = Yardstick.of(self.world.world_id, self.world.hash_key)
        variables = self._world()
        for place, card in self._cards():
            _, fold, born = yardstick.of_document(LookupIn.model_validate(contract.by_document(card)))
            variables |= {f"f{place}": f"\\x{fold.hex()}", f"b{place}": f"\\x{born.hex()}"}
        filled = ({1: ":world", 2: f":f{place}", 3: f":b{place}"} for place in range(_SCRIPTS))
        return [_filled(sql.BY_DOCUMENT, each) for each in filled], variables

    def page(self) -> tuple[Sequence[str], Mapping[str, object]]:
        """Write one script for the first page, and one for the page after each of some cards."""
        scripts, variables = [_filled(sql.PAGE, {1: ":world", 2: "51"})], self._world()
        for place, card in self._cards():
            scripts.append(_filled(sql.PAGE_AFTER, {1: ":world", 2: "51", 3: f":d{place}", 4: f":n{place}"}))
            variables |= {f"d{place}": card["declared_at"], f"n{place}": card["number"]}
        return scripts, variables

    def issue(self) -> tuple[Sequence[str], Mapping[str, object]]:
        """Write one script that declares a card for somebody new each time."""
        roll = "\\set roll random(1, 9223372036854775806)\n"
        return [roll + _filled(sql.ISSUE, _ISSUE)], self._world()

    def _world(self) -> dict[str, object]:
        return {"world": self.world.world_id}

    def _cards(self) -> Sequence[tuple[int, Record]]:
        return list(enumerate(self.cards[:_SCRIPTS]))


def _filled(statement: str, names: Mapping[int, str]) -> str:
    """Put pgbench's variables into the places of parameters."""
    return _PARAMETER.sub(lambda found: names[int(found[1])], statement).strip()


_OPERATIONS: Mapping[Operation, Callable[[Pgbench], tuple[Sequence[str], Mapping[str, object]]]] = {
    Operation.L: Pgbench.look_ups,
    Operation.P: Pgbench.by_document,
    Operation.I: Pgbench.issue,
    Operation.Q: Pgbench.page,
}
