"""Kinds of refusal. A refusal carries a stable code and the values of its sentence; the sentence itself is data.

The edges turn a kind into a status and a code into words (`app/policies/sentences.yaml`), so a rule never knows
about HTTP or about the language of its reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something to tell a person: a code, and the values that its sentence mentions."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Note):
    """One field that is wrong: a JSON pointer into what was sent, and why."""

    pointer: str


class Refusal(Exception):  # noqa: N818  the word of the field: a refusal is an answer, not a breakdown
    """The registry says no, for a reason with a stable code.

    `faults` name the fields concerned; `values` fill the sentence and, where `extra` names them, travel as
    members of the problem document.
    """

    def __init__(
        self,
        code: str,
        *,
        faults: Sequence[Fault] = (),
        extra: Mapping[str, str | None] | None = None,
        **values: str,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.faults = tuple(faults)
        self.extra = dict(extra or {})
        self.values = {name: value for name, value in self.extra.items() if value is not None} | values

    def point_below(self, pointer: str) -> None:
        """Point into a request that has the refused part at `pointer`, one of several."""
        self.faults = tuple(replace(fault, pointer=f"{pointer}{fault.pointer}") for fault in self.faults)

    def told(self) -> dict[str, Any]:
        """Write it as JSON, so that it can be kept and raised again."""
        return {
            "kind": type(self).__name__,
            "code": self.code,
            "faults": [asdict(fault) for fault in self.faults],
            "extra": self.extra,
            "values": self.values,
        }


class NotFound(Refusal):
    """No such object here; another sandbox's object is not here either."""


class Conflict(Refusal):
    """The request is sound but the present state does not allow it."""


class RuleViolation(Refusal):
    """The request breaks a rule of the card."""


class Forbidden(Refusal):
    """The caller is known and may not do this."""


class Unknown(Refusal):
    """Nobody knows this caller: no key, an unknown one, or one that is no longer good."""


class Stale(Refusal):
    """The caller decided on a version that is no longer the latest."""


class VersionNeeded(Refusal):
    """The caller must say which version was decided on."""


def violation(pointer: str, code: str, /, **values: str) -> RuleViolation:
    """Refuse with the fault of one field, under the fault's own code."""
    refusal = RuleViolation(code, faults=[Fault(pointer=pointer, code=code, values=values)])
    refusal.values.update(values)
    return refusal


_KINDS = {kind.__name__: kind for kind in (Conflict, Forbidden, NotFound, RuleViolation, Stale, Unknown, VersionNeeded)}


def refusal_of(told: Mapping[str, Any]) -> Refusal:
    """Read a refusal that was kept."""
    faults = [Fault(**fault) for fault in told["faults"]]
    refusal = _KINDS[told["kind"]](told["code"], faults=faults, extra=told["extra"])
    refusal.values.update(told["values"])
    return refusal
