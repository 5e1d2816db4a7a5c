"""Questions about stays that are wrong name their fields."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body
from tests.api.conftest import House, NewColleague
from tests.api.contract import code_of, faults_of
from tests.api.histories import UZBEK, by_policy, by_rule, calculate, stays, without

ASKED = by_policy("2026-05-01", "2026-01-01 2026-01-10", "2026-04-01")
RULED = by_rule("2026-05-01", "2026-04-01", kind="rolling", max_days=90, window_days=180)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (ASKED | {"stays": stays("2026-01-01", "2026-02-02 2026-02-01")}, {"/stays/1/left_on": "left-before-entered"}),
        (ASKED | {"stays": stays("1800-01-01")}, {"/stays/0/entered_on": "date-out-of-range"}),
        (
            ASKED | {"stays": stays("2400-01-01 2400-01-02")},
            dict.fromkeys(("/stays/0/entered_on", "/stays/0/left_on"), "too-far-away"),
        ),
        (ASKED | {"stays": stays(*["2026-01-01 2026-01-02"] * 501)}, {"/stays": "too-long"}),
        (ASKED | {"stays": {}}, {"/stays": "wrong-type"}),
        (ASKED | {"stays": ["2026-01-01"]}, {"/stays/0": "wrong-type"}),
        (
            ASKED | {"stays": [{"left_on": "2026-13-01", "x": 1}]},
            {"/stays/0/entered_on": "missing", "/stays/0/left_on": "date-malformed", "/stays/0/x": "unknown-field"},
        ),
        (without(ASKED, "stays", "on"), {"/stays": "missing", "/on": "missing"}),
        (ASKED | {"on": 20260501}, {"/on": "date-malformed"}),
        (ASKED | {"on": "2026-05-01T00:00:00Z"}, {"/on": "date-malformed"}),
        (without(ASKED, "traveller"), {"/traveller": "missing"}),
        (without(ASKED, "policy"), {"": "exactly-one"}),
        (ASKED | {"rule": RULED["rule"]}, {"": "exactly-one"}),
        (RULED | {"rules": [RULED["rule"]]}, {"": "exactly-one"}),
        (ASKED | {"policy": "atlantis"}, {"/policy": "unknown-policy"}),
        (ASKED | {"policy": "No Policy"}, {"/policy": "malformed"}),
        (ASKED | {"traveller": UZBEK | {"citizenship": "ZZZ"}}, {"/traveller/citizenship": "unknown-state"}),
        (ASKED | {"traveller": UZBEK | {"basis": "luck"}}, {"/traveller/basis": "not-one-of"}),
        (
            ASKED | {"traveller": without(UZBEK, "basis", "citizenship")},
            {"/traveller/basis": "missing", "/traveller/citizenship": "missing"},
        ),
        (ASKED | {"traveller": UZBEK | {"basis": "visa"}}, {"/traveller/visa/valid_until": "visa-needed"}),
        (
            ASKED | {"traveller": UZBEK | {"basis": "e_visa", "visa": {"valid_until": "2026-06-01"}}},
            {"/traveller/visa/applied_on": "application-date-needed"},
        ),
        (
            ASKED | {"traveller": UZBEK | {"basis": "e_visa", "visa": {"kind": "visa"}}},
            {"/traveller/visa/kind": "visa-kind-differs"},
        ),
        (
            ASKED | {"traveller": UZBEK | {"visa": {"days_granted": 0}}},
            {"/traveller/visa/days_granted": "out-of-range"},
        ),
        (RULED | {"rule": {"kind": "lunar", "max_days": 9}}, {"/rule/kind": "not-one-of"}),
        (RULED | {"rule": {"max_days": 9}}, {"/rule/kind": "missing"}),
        (RULED | {"rule": 90}, {"/rule": "wrong-type"}),
        (
            RULED | {"rule": {"kind": "rolling", "max_days": "90"}},
            {"/rule/max_days": "wrong-type", "/rule/window_days": "missing"},
        ),
        (
            RULED | {"rule": {"kind": "continuous", "max_days": 90, "window_days": 180}},
            {"/rule/window_days": "unknown-field"},
        ),
        (RULED | {"rule": {"kind": "fixed_end", "until": "soon"}}, {"/rule/until": "date-malformed"}),
        (without(RULED, "rule") | {"rules": []}, {"/rules": "too-short"}),
        (
            without(RULED, "rule")
            | {"rules": [{"kind": "unlimited"}, {"kind": "per_entry", "max_days": 0}, {"kind": "x"}]},
            {"/rules/1/max_days": "out-of-range", "/rules/2/kind": "not-one-of"},
        ),
        (without(RULED, "rule") | {"rules": [{"kind": "unlimited"}] * 21}, {"/rules": "too-long"}),
        ([], {"": "wrong-type"}),
    ],
    ids=str,
)
async def test_a_question_that_is_wrong_names_its_fields(
    client: AsyncClient, body: Body, faults: dict[str, str]
) -> None:
    answer = await client.post("/v1/stay/calculate", json=body)
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (422, "validation-failed", faults)


async def test_a_window_may_be_shorter_than_its_days_and_limits_nothing(client: AsyncClient) -> None:
    body = by_rule("2026-05-01", "2020-01-01", kind="rolling", max_days=180, window_days=90)
    told = await calculate(client, body)
    assert (told["last_lawful_day"], told["overstay"], told["longest_stay"]) == (None, None, None)


async def test_whoever_has_a_key_may_ask(colleague: NewColleague, house: House) -> None:
    for role in ("traveller", "carrier", "host", "auditor"):
        caller = await colleague(role)
        assert (await caller.post("/v1/stay/calculate", json=ASKED)).status_code == 200
    answer = await house.client(None).post("/v1/stay/calculate", json=ASKED)
    assert (answer.status_code, code_of(answer)) == (401, "key-missing")
