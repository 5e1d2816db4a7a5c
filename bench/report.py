"""The report of a run: Markdown to read, JSON to keep; figures of different runs are never divided."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median

from bench.asking import Operation
from bench.measuring import CONNECTIONS, Measured, spread, summary
from bench.scale import Scale

FOLDER = Path("build/bench")
_OWN = (
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "orjson",
    "sqlalchemy",
    "asyncpg",
    "cryptography",
)
_OURS = "ours"

Rounds = Sequence[Measured]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a ratio to another contestant should be; of rates, or of the 99th percentiles."""

    operation: Operation
    other: str
    least: float | None = None
    p99_most: float | None = None


TARGETS = (
    *(Target(operation=one, other="bare", least=0.65) for one in (Operation.L, Operation.P)),
    Target(operation=Operation.I, other="bare", least=0.6),
    Target(operation=Operation.Q, other="bare", least=0.7),
    *(Target(operation=one, other="orm", least=3) for one in (Operation.L, Operation.P, Operation.I)),
    *(Target(operation=one, other="django_rest", least=3.5) for one in (Operation.L, Operation.P, Operation.I)),
    Target(operation=Operation.Q, other="django_rest", least=3),
    *(
        Target(operation=one, other="bare", p99_most=1.5)
        for one in (Operation.L, Operation.P, Operation.I, Operation.Q)
    ),
)


@dataclass(kw_only=True)
class Run:
    """What was measured, on which machine, with which versions; `notes` are what a reader must know."""

    scale: Scale
    titles: Mapping[str, str]
    versions: Mapping[str, str]
    commit: str
    on: str
    rounds: dict[tuple[Operation, str], list[Measured]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path = FOLDER) -> Path:
        """Write both reports; gives the Markdown one."""
        folder.mkdir(parents=True, exist_ok=True)
        told = {
            "on": self.on,
            "commit": self.commit,
            "scale": asdict(self.scale),
            "connections": CONNECTIONS,
            "machine": machine(),
            "versions": self.versions,
            "notes": self.notes,
            "rounds": [
                {"operation": operation.name, "contestant": name, "rounds": [asdict(one) for one in rounds]}
                for (operation, name), rounds in self.rounds.items()
            ],
            "targets": [{"target": what, "reached": told, "met": met} for what, told, met in self._targets()],
        }
        (folder / "report.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        path = folder / "report.md"
        path.write_text("\n".join(self.lines()) + "\n", encoding="utf-8")
        return path

    def lines(self) -> Iterator[str]:
        """Write it as Markdown."""
        scale, own = self.scale, machine()
        yield f"# Benchmark of {self.on}, commit {self.commit}"
        yield ""
        yield (
            f"{own['processor']}, {own['cores']} cores, {own['memory_gb']} GB, {own['system']}; {scale.cards:,} cards, "
            f"{CONNECTIONS} connections, medians of {scale.rounds} interleaved rounds of {scale.seconds} s. Load, "
            "servers and database on the same machine. *Ratio*: to the bare route in the same round, the median. "
            "*CPU*: what a request costs the server's own processes; the database comes on top."
        )
        for operation in Operation:
            if names := [name for one, name in self.rounds if one is operation]:
                yield from ("", f"## {operation.name}: {operation.value}", "")
                yield "| | a second | spread | ratio | p50, ms | p99, ms | CPU, µs |"
                yield "|---|--:|--:|--:|--:|--:|--:|"
                yield from (self._line(operation, name) for name in names)
        yield from ("", "## Targets", "", "| target | reached | |", "|---|--:|---|")
        for what, reached, met in self._targets():
            yield f"| {what} | {reached} | {'' if met is None else 'met' if met else 'missed'} |"
        yield from ("", "## Versions", "", ", ".join(f"{name} {version}" for name, version in self.versions.items()))
        if self.notes:
            yield from ("", "## Notes", "", *(f"- {note}" for note in self.notes))

    def _line(self, operation: Operation, name: str) -> str:
        rounds = self.rounds[operation, name]
        told, ratio = summary(rounds), self._ratio(operation, name, "bare")
        return (
            f"| {self.titles[name]} | {told.rate:,.0f} | {spread(rounds):.0%} | "
            f"{'' if ratio is None else f'{ratio:.2f}'} | {told.p50_ms:.1f} | {told.p99_ms:.1f} | "
            f"{'' if told.cpu_us is None else f'{told.cpu_us:,.0f}'} |"
        )

    def _ratio(self, operation: Operation, name: str, other: str) -> float | None:
        """Divide rounds by those that stood beside them; None where one of the two was not measured."""
        mine, theirs = self.rounds.get((operation, name)), self.rounds.get((operation, other))
        if not mine or not theirs:
            return None
        return median(one.rate / beside.rate for one, beside in zip(mine, theirs, strict=True))

    def _targets(self) -> Iterator[tuple[str, str, bool | None]]:
        """Tell each target, what was reached, and whether that is enough; None where it was not measured."""
        for one in TARGETS:
            mine, theirs = self.rounds.get((one.operation, _OURS)), self.rounds.get((one.operation, one.other))
            if one.p99_most is not None:
                what = f"{one.operation.name}: p99 at most {one.p99_most} of {one.other}"
                reached = summary(mine).p99_ms / summary(theirs).p99_ms if mine and theirs else None
                met = None if reached is None else reached <= one.p99_most
            else:
                what = f"{one.operation.name}: at least {one.least} of {one.other}"
                reached = self._ratio(one.operation, _OURS, one.other)
                met = None if reached is None or one.least is None else reached >= one.least
            yield what, "not measured" if reached is None else f"{reached:.2f}", met


def machine() -> dict[str, object]:
    """Tell what the run was made on."""
    processors = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processors[0] if processors else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": f"{platform.system()} {platform.release()}",
    }


def own_versions() -> dict[str, str]:
    """Tell the versions of what ours and the bare routes run on."""
    return {"Python": platform.python_version()} | {name: metadata.version(name) for name in _OWN}


def commit() -> str:
    """Name the commit, with a mark where files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603
