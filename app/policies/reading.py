"""YAML that remembers its lines.

These files are edited by hand, by people who know the law better than Python. Nodes are composed and narrowed here, and
never turned into plain dicts, because only nodes know where they stood: every mistake is reported as `file:line`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from importlib.resources import files
from typing import TypeVar

import yaml
from yaml.reader import ReaderError

Choice = TypeVar("Choice", bound=Enum)

# libyaml reads the three reference files six times faster (15 ms); PyYAML builds without it exist.
_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class BrokenData(ValueError):  # noqa: N818  says what is broken; nobody recovers from it
    """A data file is wrong. The message starts with `file:line`; `pointer` is the same place in a JSON document."""

    def __init__(self, filename: str, line: int, problem: str, *, pointer: str = "") -> None:
        super().__init__(f"{filename}:{line}: {problem}")
        self.problem = problem
        self.pointer = pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mapping of a file. Fields are asked for by the type they must have; anything else is `BrokenData`."""

    filename: str
    line: int
    fields: Mapping[str, yaml.Node]
    key_lines: Mapping[str, int]
    pointer: str = ""

    def broken(self, problem: str, *, key: str | None = None) -> BrokenData:
        """Make an error that points at this row, or at one of its fields, for the caller to raise."""
        line = self.key_lines.get(key, self.line) if key else self.line
        return BrokenData(self.filename, line, problem, pointer=self._pointer(key) if key else self.pointer)

    def only(self, *allowed: str) -> None:
        """Refuse keys that nothing reads: a misspelt optional key would otherwise be ignored in silence."""
        for key in self.fields:
            if key not in allowed:
                problem = f"unknown key {key!r}, known are {', '.join(allowed)}"
                raise self.broken(problem, key=key)

    def has(self, key: str) -> bool:
        """Say whether the field is there and not null."""
        node = self.fields.get(key)
        return node is not None and node.tag != f"{_TAG}null"

    def text(self, key: str) -> str:
        """Read a text that is not blank."""
        return self._text(self._node(key), key, self._pointer(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of texts, none of them blank."""
        nodes = enumerate(self._sequence(key))
        return tuple(self._text(node, key, f"{self._pointer(key)}/{place}") for place, node in nodes)

    def choice(self, key: str, choices: type[Choice]) -> Choice:
        """Read one of the values of a closed list."""
        return self._choice(self.text(key), key, choices)

    def choices(self, key: str, choices: type[Choice]) -> tuple[Choice, ...]:
        """Read a list of values of a closed list."""
        return tuple(self._choice(text, key, choices) for text in self.texts(key))

    def word(self, key: str, choices: type[Choice]) -> Choice | None:
        """Read one of the words that may stand in place of a figure or a date; None when none of them does."""
        node = self.fields.get(key)
        return next((choice for choice in choices if node is not None and node.value == choice.value), None)

    def flag(self, key: str) -> bool:
        """Read `true` or `false`; YAML's yes, no, on and off are refused, as they are too easily meant as words."""
        text = self._scalar(key, ("bool",), "true or false")
        if text not in {"true", "false"}:
            problem = f"{key!r} must be true or false, not {text!r}"
            raise self.broken(problem, key=key)
        return text == "true"

    def whole(self, key: str) -> int:
        """Read a whole number in decimal digits."""
        text = self._scalar(key, ("int",), "a whole number")
        # YAML 1.1 takes 010 for eight and 1:30 for ninety; nobody who writes a number of days means that.
        if text != "0" and not (text.removeprefix("-").isdecimal() and not text.removeprefix("-").startswith("0")):
            problem = f"{key!r} must be a plain decimal number, not {text!r}"
            raise self.broken(problem, key=key)
        return int(text)

    def day(self, key: str) -> date:
        """Read a date, `2025-01-01`."""
        text = self._scalar(key, ("timestamp", "str"), "a date, YYYY-MM-DD")  # JSON has dates as text only
        if not _DATE.fullmatch(text):
            problem = f"{key!r} must be a date, YYYY-MM-DD, not {text!r}"
            raise self.broken(problem, key=key)
        try:
            return date.fromisoformat(text)
        except ValueError:
            problem = f"{key!r} is no date: {text!r}"
            raise self.broken(problem, key=key) from None

    def row(self, key: str) -> "Row":
        """Read a nested mapping."""
        return _row(self._node(key), self.filename, self._pointer(key))

    def rows(self, key: str) -> list["Row"]:
        """Read a list of mappings."""
        nodes = enumerate(self._sequence(key))
        return [_row(node, self.filename, f"{self._pointer(key)}/{place}") for place, node in nodes]

    def _pointer(self, key: str) -> str:
        return f"{self.pointer}/{key.replace('~', '~0').replace('/', '~1')}"

    def _choice(self, text: str, key: str, choices: type[Choice]) -> Choice:
        try:
            return choices(text)
        except ValueError:
            problem = f"{key!r} is {text!r}, allowed are {', '.join(str(choice.value) for choice in choices)}"
            raise self.broken(problem, key=key) from None

    def _node(self, key: str) -> yaml.Node:
        if not self.has(key):
            problem = f"{key!r} is missing"
            raise self.broken(problem, key=key)
        return self.fields[key]

    def _scalar(self, key: str, kinds: Sequence[str], wanted: str) -> str:
        node = self._node(key)
        if not isinstance(node, yaml.ScalarNode) or node.tag.removeprefix(_TAG) not in kinds:
            problem = f"{key!r} must be {wanted}"
            raise self.broken(problem, key=key)
        return str(node.value)

    def _text(self, node: yaml.Node, key: str, pointer: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}str" or not node.value.strip():
            problem = f"{key!r} must be a text that is not blank"
            raise BrokenData(self.filename, _line(node), problem, pointer=pointer)
        return str(node.value)

    def _sequence(self, key: str) -> list[yaml.Node]:
        node = self._node(key)
        if not isinstance(node, yaml.SequenceNode):
            problem = f"{key!r} must be a list"
            raise self.broken(problem, key=key)
        return list(node.value)


def load(filename: str) -> Row:
    """Read a file of this package; its outermost mapping is the row that everything else hangs on."""
    data = files(__package__).joinpath(filename).read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:  # an editor that still saves Russian as windows-1251
        raise BrokenData(filename, data.count(b"\n", 0, error.start) + 1, "not UTF-8") from error
    return parse(text, filename=filename)


def parse(text: str, *, filename: str) -> Row:
    """Read YAML from a text; `filename` only serves the messages."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BrokenData(filename, line, error.problem or "not YAML") from error
    except ReaderError as error:  # a character that YAML forbids; its position is in bytes or characters, by loader
        line = text.partition(chr(error.character))[0].count("\n") + 1
        problem = f"character U+{error.character:04X} may not stand in YAML"
        raise BrokenData(filename, line, problem) from error
    except RecursionError as error:
        raise BrokenData(filename, 1, "nested too deeply") from error
    if node is None:
        raise BrokenData(filename, 1, "the file is empty")
    return _row(node, filename)


Plain = str | int | bool | None | list["Plain"] | dict[str, "Plain"]
"""What JSON can say; dates are texts."""


def plain(row: Row) -> dict[str, Plain]:
    """Give a row as JSON would have it, in the order of the file."""
    return {key: _plain(node) for key, node in row.fields.items()}


def _plain(node: yaml.Node) -> Plain:
    match node:
        case yaml.MappingNode():
            return {str(key.value): _plain(value) for key, value in node.value}
        case yaml.SequenceNode():
            return [_plain(one) for one in node.value]
    text = str(node.value)
    match node.tag.removeprefix(_TAG):
        case "int":
            return int(text)
        case "bool":
            return text == "true"
        case "null":
            return None
        case _:
            return text


def unique(rows: Iterable[Row], key: str) -> dict[str, Row]:
    """Index rows by a text field, in the order of the file, and refuse a value that was there before."""
    indexed: dict[str, Row] = {}
    for row in rows:
        text = row.text(key)
        if text in indexed:
            problem = f"{key} {text!r} is already on line {indexed[text].line}"
            raise row.broken(problem)
        indexed[text] = row
    return indexed


def _row(node: yaml.Node, filename: str, pointer: str = "") -> Row:
    if not isinstance(node, yaml.MappingNode):
        raise BrokenData(filename, _line(node), "a mapping of keys to values must stand here", pointer=pointer)
    fields: dict[str, yaml.Node] = {}
    key_lines: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise BrokenData(filename, _line(key), "a key must be a word")
        if key.value in fields:  # YAML forbids it, PyYAML lets the last one win
            raise BrokenData(filename, _line(key), f"key {key.value!r} stands twice")
        fields[key.value] = value
        key_lines[key.value] = _line(key)
    return Row(filename=filename, line=_line(node), fields=fields, key_lines=key_lines, pointer=pointer)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
