"""Policies: the rules in force, read from their files and checked whole when the process starts."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from app.domain.policy import Policy
from app.policies import reading
from app.policies.reading import Row
from app.policies.reference import known_states

_FILES = ("ru.yaml",)
_SURE = frozenset("QSI")


@cache
def policies() -> Mapping[str, Policy]:
    """Read every policy, by its identifier."""
    read = (read_policy(reading.load(name)) for name in _FILES)
    return MappingProxyType({policy.policy_id: policy for policy in read})


def read_policy(document: Row) -> Policy:
    """Read a policy; BrokenData with file and line when anything is missing, unknown or without a source."""
    document.only("policy", "version", "continuous_days", "declaration_grace_days", "without_card")
    return Policy(
        policy_id=document.text("policy"),
        version=document.whole("version"),
        continuous_days=_days(document.row("continuous_days")),
        declaration_grace_days=_days(document.row("declaration_grace_days")),
        without_card=frozenset(_state(row) for row in document.rows("without_card")),
    )


def _days(row: Row) -> int:
    row.only("value", "source", "sure")
    _sourced(row)
    return row.whole("value")


def _state(row: Row) -> str:
    row.only("citizenship", "source", "sure")
    _sourced(row)
    code = row.text("citizenship")
    if code not in known_states():
        raise row.broken(f"unknown state {code!r}", key="citizenship")
    return code


def _sourced(row: Row) -> None:
    row.text("source")
    if row.text("sure") not in _SURE:
        raise row.broken("sure must be Q, S or I", key="sure")
