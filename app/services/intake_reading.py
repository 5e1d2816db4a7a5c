"""Tables that are imported, read row by row from the pieces in which they come: CSV and lines of JSON."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.cells import fold
from app.domain.errors import Fault, RuleViolation
from app.domain.register import COMPULSORY, Column
from app.policies.registers import Mapped
from app.services.intake_bytes import Decoding, file_fault

LONGEST_ROW = 64 * 1024
"""Characters of a row: a longer one has lost a quotation mark."""
_MOST_NAMED = 50
_LONGEST_NAME = 60
_SEPARATORS = ";,\t"


class Form(StrEnum):
    """What a file is."""

    CSV = "csv"
    NDJSON = "ndjson"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it was read: its place in the file, its cells in the order of the captions, or why it cannot be read."""

    place: int
    cells: Sequence[str]
    fault: Fault | None = None


class Rows(ABC):
    """Reads rows out of pieces of a file. `captions` and `columns` are known once the first row is there."""

    def __init__(self, mapped: Mapped) -> None:
        self._mapped = mapped
        self._place = 0
        self.captions: list[str] = []
        self.columns: list[Column | None] = []

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[Line]:
        """Give the rows that are whole by now."""

    @abstractmethod
    def close(self) -> Iterator[Line]:
        """Give the rest; a fault of a file that has not even captions."""

    @property
    def told(self) -> Mapping[str, str]:
        """What was found out about the file."""
        return {}

    def _head(self, captions: Sequence[str]) -> None:
        """Take the captions; RuleViolation naming those that are unknown, stand twice, or are missing."""
        self.captions = [" ".join(caption.split()) for caption in captions]
        while self.captions and not self.captions[-1]:
            self.captions.pop()
        faults, found = list[Fault](), list[Column | None]()
        for place, caption in enumerate(self.captions):
            column = self._mapped.columns.get(fold(caption))
            pointer, values = f"/columns/{place}", {"column": caption[:_LONGEST_NAME]}
            if column is None and fold(caption) not in self._mapped.ignored:
                faults.append(Fault(pointer=pointer, code="column-unknown", values=values))
            elif column in found and column is not None:
                faults.append(Fault(pointer=pointer, code="column-twice", values=values))
            found.append(column)
        for column in COMPULSORY:
            if column not in found:
                values = {"column": self._mapped.names[column]}
                faults.append(Fault(pointer="/columns", code="column-missing", values=values))
        if faults:
            raise RuleViolation("validation-failed", faults=faults[:_MOST_NAMED])
        self.columns = found

    def _line(self, cells: Sequence[str]) -> Line | None:
        """Make a row of its cells; None of one that is empty."""
        self._place += 1
        if not any(map(str.strip, cells)):
            return None
        width = len(self.captions)
        if sum(map(len, cells)) > LONGEST_ROW:
            return Line(self._place, (), Fault(pointer="", code="row-too-long", values={"most": str(LONGEST_ROW)}))
        if any(map(str.strip, cells[width:])):
            return Line(self._place, cells[:width], Fault(pointer="", code="row-too-wide", values={"most": str(width)}))
        return Line(self._place, [*cells[:width], *[""] * (width - len(cells))])

    def _broken(self, code: str) -> Line:
        self._place += 1
        return Line(self._place, (), Fault(pointer="", code=code, values={"most": str(LONGEST_ROW)}))


class Text(Rows):
    """Rows of a text, line by line."""

    def __init__(self, mapped: Mapped) -> None:
        super().__init__(mapped)
        self._decoding = Decoding()
        self._tail = ""

    def feed(self, data: bytes) -> Iterator[Line]:
        """Give the rows that are whole by now."""
        *lines, tail = (self._tail + self._decoding.feed(data)).split("\n")
        self._tail = tail[: LONGEST_ROW + 1]  # enough to see that it is too long
        yield from self._read([f"{line}\n" for line in lines], last=False)

    def close(self) -> Iterator[Line]:
        """Give the rest."""
        tail = self._tail + self._decoding.feed(b"", last=True)
        yield from self._read([tail] if tail else [], last=True)
        if not self.captions:
            raise file_fault("file-empty")

    @abstractmethod
    def _read(self, lines: list[str], *, last: bool) -> Iterator[Line]:
        """Read the next whole lines."""


class Csv(Text):
    """CSV with one of three separators, told by which of them makes most captions known."""

    def __init__(self, mapped: Mapped) -> None:
        super().__init__(mapped)
        self._separator = ""
        self._open: list[str] = []

    @property
    def told(self) -> Mapping[str, str]:
        """The encoding and the separator."""
        return {"encoding": self._decoding.encoding, "separator": self._separator}

    def _read(self, lines: list[str], *, last: bool) -> Iterator[Line]:
        held: list[str] = []
        for line in lines:
            if len(line) > LONGEST_ROW:
                yield from self._parsed(held, last=True)
                held = []
                yield self._broken("row-too-long")
            else:
                held.append(line)
        yield from self._parsed(held, last=last)

    def _parsed(self, lines: list[str], *, last: bool) -> Iterator[Line]:
        lines, self._open = self._open + lines, []
        while lines:
            self._separator = self._separator or self._separator_of(lines[0])
            reader = csv.reader(lines, delimiter=self._separator, strict=True)
            read = 0
            try:
                for cells in reader:
                    read = reader.line_num
                    yield from self._taken(cells)
            except csv.Error as error:
                lines = lines[read:]
                within_quotes = "unexpected end" in str(error)
                if within_quotes and not last and sum(map(len, lines)) <= LONGEST_ROW:
                    self._open = lines
                    return
                yield self._broken("row-malformed")
                lines = lines[1:]
            else:
                return

    def _taken(self, cells: list[str]) -> Iterator[Line]:
        if self.captions:
            if line := self._line(cells):
                yield line
            return
        self._place += 1
        if any(map(str.strip, cells)):
            self._head(cells)

    def _separator_of(self, head: str) -> str:
        def known(separator: str) -> int:
            cells = next(csv.reader([head], delimiter=separator), [])
            return sum(fold(cell) in self._mapped.columns for cell in cells)

        return max(_SEPARATORS, key=known)


class Ndjson(Text):
    """An object of JSON on each line; its keys are captions, or the names of our fields."""

    def __init__(self, mapped: Mapped) -> None:
        super().__init__(mapped)
        self.columns = list(Column)
        self.captions = [mapped.names[column] for column in Column]
        self._some = False

    @property
    def told(self) -> Mapping[str, str]:
        """The encoding."""
        return {"encoding": self._decoding.encoding}

    def close(self) -> Iterator[Line]:
        """Give the rest."""
        yield from super().close()
        if not self._place:
            raise file_fault("file-empty")

    def _read(self, lines: list[str], *, last: bool) -> Iterator[Line]:  # noqa: ARG002  each line is whole
        for line in lines:
            if len(line) > LONGEST_ROW:
                yield self._broken("row-too-long")
            elif line.strip():
                yield self._object(line)
            else:
                self._place += 1

    def _object(self, text: str) -> Line:
        try:
            told = json.loads(text, parse_constant=no_number)
            if "\\u" in text:
                json.dumps(told, ensure_ascii=False).encode()  # half of a pair of surrogates is no text
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            return self._broken("row-malformed")
        self._place += 1
        cells, fault = dict[Column, str](), None
        for key, value in told.items():
            column = self._mapped.columns.get(fold(key))
            if column is None:
                if fold(key) not in self._mapped.ignored:
                    fault = Fault(pointer="", code="column-unknown", values={"column": key[:_LONGEST_NAME]})
            elif isinstance(value, dict | list | bool):
                fault = Fault(pointer="", code="wrong-type")
            else:
                cells[column] = "" if value is None else str(value)
        return Line(self._place, [cells.get(column, "") for column in Column], fault)


def no_number(word: str) -> float:
    """Refuse what Python takes for JSON and nobody else: NaN and infinities."""
    raise ValueError(word)
