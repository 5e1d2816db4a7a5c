"""Lives of cards drawn at random over HTTP: whatever is asked in whatever order, what must hold goes on to hold.

The machine knows nothing of the rules but the table of transitions: it asks, and holds every answer against what was
there before.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from httpx2 import AsyncClient, Response
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.card import State, Status
from app.domain.events import ANNOUNCEMENTS, FactKind
from app.domain.transitions import TRANSITIONS, Action, to_ask_for
from app.main import create_app
from tests.api.bodies import DOCUMENT, MOSCOW_AIR, VISA, Body, declaration, entering
from tests.api.conftest import START, House
from tests.api.conftest import settings as app_settings
from tests.api.contract import Contract, code_of, faults_of

LIVES = max(1, int(os.environ.get("HISTORIES", "2000")) // 130)
"""How many are drawn on each database: fifteen, unless HISTORIES asks for more or fewer."""
STEPS = 25
PHASES = [Phase.generate]
"""A failure is told as it was drawn; add Phase.shrink to have it made small, which takes minutes."""

PASSPORTS = [f"FA100000{place}" for place in range(3)]
FURTHER = [f"FB200000{place}" for place in range(2)]
CHECKPOINTS = [MOSCOW_AIR, "BREST-ROAD", "PETROPAVLOVSK-KAMCHATSKY-SEA"]
OPEN = {Status.ACTIVE, Status.OVERSTAYED}
SERVER_ERROR = 500

hours = st.sampled_from([0, 0, 0, 1, 30, 24 * 9, 24 * 100])
days = st.integers(-40, 120)
checkpoints = st.sampled_from(CHECKPOINTS)
scans = st.sampled_from([None, None, None, "scan-1", "scan-2"])
reports = st.fixed_dictionaries(
    {
        "checkpoint": checkpoints,
        "source": st.sampled_from(["officer", "officer", "officer", "carrier", "late_upload", "inferred"]),
        "scan_id": scans,
        "observed": st.sampled_from([None, None, {"decision": "admit"}, {"decision": "refuse", "reason": "no ticket"}]),
    }
)

ACTION_OF = {
    "extension": Action.EXTENSION,
    "patent_payment": Action.PATENT_PAYMENT,
    "shortening": Action.SHORTENING,
    "correction": Action.CORRECTION,
    "document_added": Action.DOCUMENT_ADDED,
    "purpose_change": Action.PURPOSE_CHANGE,
    "annulment": Action.ANNULMENT,
    "withdrawal": Action.WITHDRAWAL,
}

STATE_OF = {FactKind.ENTERED.value: State.ACTIVE, FactKind.DEPARTED.value: State.DEPARTED}


def action_of(body: Body) -> Action:
    """Tell what a change does to a card, as the table of transitions names it."""
    kind = body["kind"]
    if kind == "loss":
        return Action.DUPLICATE if body["duplicate"] else Action.LOSS
    if kind == "correction" and body.get("exit", ...) is None:
        return Action.EXIT_DISPROVED
    return ACTION_OF[kind]


class Life(RuleBasedStateMachine):
    """A tester in a new sandbox, a few passports, and everything that can be done to their cards."""

    cards = Bundle("cards")
    merges = Bundle("merges")

    def __init__(self, portal: BlockingPortal, house: House) -> None:
        super().__init__()
        self._portal = portal
        self._client = house.client(None)
        made = self.ask("POST", "/v1/sandboxes", {"name": "Life", "clock": {"mode": "frozen", "at": START}})
        self._client = house.client(made.json()["key"])
        self.now = datetime.fromisoformat(START)
        self.known: dict[str, Body] = {}
        self.facts: dict[str, list[Body]] = {}
        self._keys = 0
        self._touched = False

    # Asking ----------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Body | None = None, **headers: str) -> Response:
        """Ask; that an answer is declared is checked by the client."""

        async def asked() -> Response:
            return await self._client.request(method, path, json=body, headers=headers)

        answer = self._portal.call(asked)
        assert answer.status_code < SERVER_ERROR, (method, path, body, answer.text)
        return answer

    def do(self, path: str, body: Body, *, again: bool = False, **headers: str) -> Response:
        """Ask for something that changes the world; `again`: a repeat of it changes nothing and is answered alike."""
        self._touched = True
        if not again:
            return self.ask("POST", path, body, **headers)
        self._keys += 1
        headers["Idempotency-Key"] = f"key-{self._keys}"
        first, second = (self.ask("POST", path, body, **headers) for _ in range(2))
        assert second.status_code == first.status_code
        if first.is_success:
            assert second.content == first.content
            assert second.headers.get("etag") == first.headers.get("etag")
        return first

    def card(self, number: str) -> Body:
        """Read a card as its row tells it."""
        answer = self.ask("GET", f"/v1/cards/{number}")
        assert answer.is_success
        return answer.json()  # type: ignore[no-any-return]

    def at(self, hours_ago: int) -> str | None:
        return (self.now - timedelta(hours=hours_ago)).isoformat() if hours_ago else None

    def day(self, after: int) -> str:
        return (self.now.date() + timedelta(days=after)).isoformat()

    # What happens ----------------------------------------------------------------------------------------------------

    @initialize(target=cards)
    def begin(self) -> Any:  # noqa: ANN401
        return multiple(
            self.issue(PASSPORTS[0], 24 * 9, visa=False, again=False), self.declare(PASSPORTS[1], 5, again=False)
        )

    @rule(target=cards, passport=st.sampled_from(PASSPORTS), begins=st.integers(0, 20), again=st.booleans())
    def declare(self, passport: str, begins: int, *, again: bool) -> Any:  # noqa: ANN401  a card or none
        return self._made(self.do("/v1/cards", declaration(passport, intended={"from": self.day(begins)}), again=again))

    @rule(target=cards, passport=st.sampled_from(PASSPORTS), ago=hours, visa=st.booleans(), again=st.booleans())
    def issue(self, passport: str, ago: int, *, visa: bool, again: bool) -> Any:  # noqa: ANN401
        more = {"basis": "visa", "visa": VISA} if visa else {}
        return self._made(self.do("/v1/cards", entering(passport, at=self.at(ago), intended=None, **more), again=again))

    @precondition(lambda self: len(self.known) < 60)
    @rule(target=cards, passports=st.lists(st.sampled_from(PASSPORTS + FURTHER), min_size=2, max_size=3, unique=True))
    def declare_a_group(self, passports: list[str]) -> Any:  # noqa: ANN401
        answer = self.do(
            "/v1/groups", {"cards": [declaration(one, intended={"from": self.day(5)}) for one in passports]}
        )
        made = [item["card"]["number"] for item in answer.json()["items"]] if answer.is_success else []
        return multiple(*made)

    @staticmethod
    def _made(answer: Response) -> Any:  # noqa: ANN401
        return answer.json()["number"] if answer.is_success else multiple()

    @rule(number=cards, report=reports, ago=hours, again=st.booleans())
    def enter(self, number: str, report: Body, ago: int, *, again: bool) -> None:
        before, told = self._cross(number, "entry", report, ago, again=again)
        now_by_an_officer = ago == 0 and report["source"] in {"officer", "carrier"} and told["reason"] is not None
        if now_by_an_officer and Action.ENTRY not in TRANSITIONS.get(Status(before["status"]), {}):
            assert told["decision"] in {"refuse", None}
            assert self.card(number) == before

    @rule(number=cards, report=reports, ago=hours, again=st.booleans())
    def leave(self, number: str, report: Body, ago: int, *, again: bool) -> None:
        before, told = self._cross(number, "exit", report, ago, again=again)
        actions = TRANSITIONS.get(Status(before["status"]), {})
        joined = told["reason"] and "entered_before" in told["flags"]  # the entry had waited for this exit
        if told["reason"] and not joined and Action.EXIT not in actions and Action.EXIT_SEEN not in actions:
            assert told["reason"] == "exit_without_entry"
            assert self.card(number) == before

    @rule(number=cards, report=reports, ago=hours, again=st.booleans())
    def refuse(self, number: str, report: Body, ago: int, *, again: bool) -> None:
        before, told = self._cross(number, "refusal", report, ago, again=again)
        if told["reason"] and Action.REFUSAL not in TRANSITIONS.get(Status(before["status"]), {}):
            assert told["decision"] == "refuse"
            assert ago or self.card(number) == before

    def _cross(self, number: str, way: str, report: Body, ago: int, *, again: bool) -> tuple[Body, Body]:
        """Cross on a card; gives the card before, and what was told, nothing where it was a scan seen before."""
        before = self.card(number)
        facts = self._facts_by_hand(number)
        path, body = f"/v1/cards/{number}/{way}", report | {"occurred_at": self.at(ago)}
        answer = self.do(path, body, again=again)
        if not answer.is_success:
            assert answer.status_code in {409, 422}, answer.text
            return before, {"decision": None, "reason": None}
        told = answer.json()
        if way == "exit" and before["status"] == "replaced":  # whoever shows the original leaves on the duplicate
            assert told["card"]["number"] != number
        if way == "exit" and told["card"]["number"] != number:  # whoever shows another card leaves on the open one
            assert self.card(number) == before or "entered_since" in told["flags"]
            return before, {"decision": None, "reason": None}
        kept = [one["fact"] for one in self._facts_by_hand(number)]
        if told["fact"] not in kept or told["fact"] in {one["fact"] for one in facts}:  # a scan that came before
            assert report["scan_id"]
            assert answer.status_code == 200
            assert self.card(number) == before
            return before, {"decision": None, "reason": None}
        two = {"left_since", "entered_before"} & set(told["flags"])
        assert len(kept) == len(facts) + 1 + len(two), "every attempt is one fact, and one more of what waited for it"
        return before, told

    @rule(
        passport=st.sampled_from(PASSPORTS + FURTHER),
        direction=st.sampled_from(["entry", "exit"]),
        report=reports,
        ago=hours,
    )
    def cross_by_document(self, passport: str, direction: str, report: Body, ago: int) -> None:
        seen = {name: DOCUMENT[name] for name in ("type", "issuing_state")} | {"number": passport}
        body = report | {"direction": direction, "document": seen, "occurred_at": self.at(ago)}
        answer = self.do("/v1/crossings", body)
        assert answer.status_code in {200, 201, 409, 422}

    @rule(forward=st.sampled_from([1, 1, 5, 30, 100]), next_event=st.booleans())
    def wait(self, forward: int, *, next_event: bool) -> None:
        answer = self.do("/v1/clock/advance", {"next_event": True} if next_event else {"by": f"P{forward}D"})
        if answer.is_success:
            self.now = datetime.fromisoformat(answer.json()["now"])

    # Changes ---------------------------------------------------------------------------------------------------------

    @rule(
        number=cards, until=days, basis=st.sampled_from([None, "education", "residence_application", "eaeu_contract"])
    )
    def extend(self, number: str, until: int, basis: str | None) -> None:
        self._change(number, {"kind": "extension", "until": self.day(until), "basis": basis})

    @rule(number=cards, since=st.none() | days, paid=days, again=st.booleans())
    def pay(self, number: str, since: int | None, paid: int, *, again: bool) -> None:
        body: Body = {"kind": "patent_payment", "paid_through": self.day(paid)}
        if since is not None:
            body["effective_on"] = self.day(since)
        self._change(number, body, again=again)

    @rule(number=cards, until=days)
    def shorten(self, number: str, until: int) -> None:
        self._change(number, {"kind": "shortening", "until": self.day(until)})

    @rule(
        number=cards,
        purpose=st.sampled_from(["employment", "private", "education"]),
        since=st.none() | st.integers(-9, 0),
    )
    def change_the_purpose(self, number: str, purpose: str, since: int | None) -> None:
        body: Body = {"kind": "purpose_change", "purpose": purpose}
        if since is not None:
            body["effective_on"] = self.day(since)
        self._change(number, body)

    @rule(number=cards, passport=st.sampled_from(PASSPORTS + FURTHER), replaces=st.booleans())
    def add_a_document(self, number: str, passport: str, *, replaces: bool) -> None:
        document = DOCUMENT | {"number": passport}
        self._change(number, {"kind": "document_added", "document": document, "replaces": replaces})

    @rule(
        number=cards,
        fields=st.fixed_dictionaries(
            {},
            optional={
                "holder": st.sampled_from([{"given_names": "Алишер"}, {"birth_date": "1991"}, {"sex": "X"}]),
                "document": st.sampled_from([{"number": one} for one in (*PASSPORTS, *FURTHER)]),
                "purpose": st.sampled_from(["private", "business"]),
                "paper": st.sampled_from([{"series": "4601", "number": f"123456{place}"} for place in range(2)]),
                "reference": st.just("ours"),
                "exit": st.none(),
            },
        ),
        entered=st.none() | hours,
        left=st.none() | hours,
        intended=st.none() | st.integers(-5, 30),
        again=st.booleans(),
    )
    def correct(
        self,
        number: str,
        fields: Mapping[str, Any],
        entered: int | None,
        left: int | None,
        intended: int | None,
        *,
        again: bool,
    ) -> None:
        body: Body = {"kind": "correction", **fields}
        now = self.now.isoformat()
        if entered is not None:
            body["entry"] = {"occurred_at": self.at(entered) or now}
        if left is not None and "exit" not in body:
            body["exit"] = {"occurred_at": self.at(left) or now}
        if intended is not None:
            body["intended"] = {"from": self.day(intended)}
        if len(body) > 1:
            self._change(number, body, again=again)

    @rule(number=cards)
    def disprove_the_exit(self, number: str) -> None:
        self._change(number, {"kind": "correction", "exit": None})

    @rule(number=cards, kind=st.sampled_from(["annulment", "withdrawal"]))
    def end(self, number: str, kind: str) -> None:
        self._change(number, {"kind": kind})

    @rule(target=cards, number=cards, duplicate=st.booleans(), again=st.booleans())
    def lose(self, number: str, *, duplicate: bool, again: bool) -> Any:  # noqa: ANN401
        answer = self._change(number, {"kind": "loss", "duplicate": duplicate}, again=again)
        return answer.json()["number"] if answer.is_success and duplicate else multiple()

    def _change(self, number: str, body: Body, *, again: bool = False) -> Response:
        before = self.card(number)
        status, action = Status(before["status"]), action_of(body)
        path, tag = f"/v1/cards/{number}/changes", f'"{before["version"]}-x"'
        answer = self.do(path, body | {"reason": "test"}, again=again, **{"If-Match": tag})
        possible = TRANSITIONS.get(status, {})
        if answer.is_success:
            assert action in possible, (status, action)
            self._is_next(before, answer.json(), action, number)
        else:
            self._is_refused_rightly(answer, body, action, status)
            assert self.card(number) == before
        stale = self.ask("POST", path, body | {"reason": "test"}, **{"If-Match": '"1000000-x"'})
        assert stale.status_code in {412, 422}
        return answer

    def _is_next(self, before: Body, answered: Body, action: Action, number: str) -> None:
        after = self.card(number)
        new = [one["type"] for one in self._facts_by_hand(number) if one["version"] > before["version"]]
        joined = [STATE_OF[kind] for kind in new if kind in STATE_OF]  # crossings that have waited for this
        assert after["version"] == before["version"] + 1 + len(joined)
        state = joined[-1] if joined else TRANSITIONS[Status(before["status"])][action]
        in_time = {"active": {"active", "overstayed"}, "declared": {"declared", "lapsed"}}
        assert after["status"] in in_time.get(state.value, {state.value})
        if action is Action.DUPLICATE:
            assert (after["replaced_by"], answered["replaces"]) == (answered["number"], number)
        else:
            assert answered == after

    @staticmethod
    def _is_refused_rightly(answer: Response, body: Body, action: Action, status: Status) -> None:
        possible = TRANSITIONS.get(status, {})
        code = code_of(answer)
        if code == "transition-not-allowed":
            assert action not in possible, (status, action)
            assert answer.json()["possible"] == (", ".join(to_ask_for(status)) or "-")
        elif action not in possible:
            # what the change itself says wrongly is told first: a day, a crossing that is not there, a passport
            own = {"/effective_on", "/exit", "/entry", "/document/number"}
            assert (answer.status_code == 422 and faults_of(answer).keys() <= own) or (
                code == "document-of-another" and body["kind"] == "document_added"
            ), answer.text

    # People ----------------------------------------------------------------------------------------------------------

    def traveller_of(self, number: str) -> str:
        traveller: str = self.card(number)["traveller"]
        return traveller

    @rule(number=cards, passport=st.sampled_from(FURTHER))
    def link(self, number: str, passport: str) -> None:
        body = {"document": DOCUMENT | {"number": passport}, "evidence": "both shown"}
        answer = self.do(f"/v1/travellers/{self.traveller_of(number)}/documents", body)
        assert answer.status_code in {201, 409, 422}

    @rule(target=merges, number=cards, of_other=cards, again=st.booleans())
    def merge(self, number: str, of_other: str, *, again: bool) -> Any:  # noqa: ANN401  a pair or none
        one, other = self.traveller_of(number), self.traveller_of(of_other)
        answer = self.do(f"/v1/travellers/{one}/merge", {"traveller": other, "reason": "same"}, again=again)
        if not answer.is_success:
            assert answer.status_code == (422 if one == other else 409)
            return multiple()
        assert other in answer.json()["merged"]
        return one, other

    @rule(pair=merges, again=st.booleans())
    def separate(self, pair: tuple[str, str], *, again: bool) -> None:
        one, other = pair
        answer = self.do(f"/v1/travellers/{one}/unmerge", {"traveller": other, "reason": "twins"}, again=again)
        if answer.is_success:
            back = self.ask("GET", f"/v1/travellers/{other}").json()
            assert back["merged_into"] is None
            assert back["documents"], "what came with the other goes back to it"

    # What holds ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self._touched)
    @invariant()
    def everything_holds(self) -> None:
        self._touched = False
        listed = self.ask("GET", "/v1/cards?limit=100").json()["items"]
        inside = Counter(one["traveller"] for one in listed if one["status"] in OPEN)
        assert max(inside.values(), default=0) <= 1, "at most one open card for a traveller"
        for one in listed:
            former = self.known.get(one["number"])
            if former is None or former != one:
                self._card_holds(one, former)
            self.known[one["number"]] = one
        assert self.known.keys() == {one["number"] for one in listed}, "no card is lost"
        if inside:
            self._ends_hold({one["number"]: one for one in listed})

    def _card_holds(self, listed: Body, former: Body | None) -> None:
        number = listed["number"]
        assert former is None or listed["version"] >= former["version"], "versions only grow"
        row = self.ask("GET", f"/v1/cards/{number}")
        told = self.ask("GET", f"/v1/cards/{number}?known_at={self.now.isoformat().replace('+', '%2B')}")
        assert told.json() == row.json(), "the row is the replay of its facts"
        assert told.headers["etag"] == row.headers["etag"]
        assert {name: row.json()[name] for name in listed} == listed
        facts = self._facts_of(number)
        assert {one["version"] for one in facts} == set(range(1, listed["version"] + 1))

    def _facts_of(self, number: str) -> list[Body]:
        """Read the history, which only grows: what was told once stands as it was told."""
        facts: list[Body] = self.ask("GET", f"/v1/cards/{number}/history").json()["items"]
        former = self.facts.get(number, [])
        assert facts[: len(former)] == former
        self.facts[number] = facts
        return facts

    def _facts_by_hand(self, number: str) -> list[Body]:
        """Leave out announcements, which a worker makes meanwhile."""
        return [one for one in self._facts_of(number) if one["type"] not in ANNOUNCEMENTS]

    def _ends_hold(self, listed: Mapping[str, Body]) -> None:
        """Whatever moves the end of an open stay has moved it: it is what the rules say now."""
        ru = {"policy": "ru"}
        for line in self.ask("POST", "/v1/stay/compare/cards", {"a": ru, "b": ru}).text.splitlines()[:-1]:
            judged = json.loads(line)
            card, side = listed[judged["card"]], judged["a"]
            if side is not None:
                assert (card["last_lawful_day"], card["ended_by"]) == (side["last_lawful_day"], side["ended_by"])

    def teardown(self) -> None:
        """Look at everything once more: a scan is one fact, cards are of people who are there, and nobody is bare."""
        for listed in self.known.values():
            self._card_holds(listed, listed)
        told = Counter(one["scan_id"] for facts in self.facts.values() for one in facts if one["scan_id"])
        assert max(told.values(), default=0) <= 1
        for traveller in {one["traveller"] for one in self.known.values()}:
            person = self.ask("GET", f"/v1/travellers/{traveller}").json()
            assert person["merged_into"] is None
            assert person["documents"]
            own = {number for number, one in self.known.items() if one["traveller"] == traveller}
            assert {one["number"] for one in person["cards"]} == own


@pytest.fixture
def served(database_url: str, tmp_path: Path, contract: Contract) -> Iterator[tuple[BlockingPortal, House]]:
    """The application running in a thread of its own: a state machine waits, the application must not."""
    app = create_app(app_settings(database_url, tmp_path))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        yield portal, House(app, contract)


def test_whatever_happens_to_cards_what_must_hold_holds(served: tuple[BlockingPortal, House]) -> None:
    make: Any = lambda: Life(*served)  # noqa: E731  called only, though the annotation asks for a class
    run_state_machine_as_test(
        make,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_a_record_is_separated_from_the_one_that_holds_what_came_with_it(client: AsyncClient) -> None:
    """Of a chain of merges only the last record holds documents: to separate from another one would lose them."""
    made = [await client.post("/v1/cards", json=declaration(passport)) for passport in PASSPORTS[:3]]
    first, second, third = [answer.json()["traveller"] for answer in made]

    async def ask(what: str, one: str, other: str) -> Response:
        return await client.post(f"/v1/travellers/{one}/{what}", json={"traveller": other, "reason": "test"})

    assert (await ask("merge", first, second)).is_success
    assert (await ask("merge", third, first)).is_success
    await ask("unmerge", first, second)  # refused or carried out, but not half of it
    told = (await client.get(f"/v1/travellers/{second}")).json()
    assert (told["merged_into"] is None) is bool(told["documents"])
    assert (told["merged_into"] is None) is bool(told["cards"])
    await ask("unmerge", third, first)
    await ask("unmerge", first, second)
    for traveller in (first, second, third):
        told = (await client.get(f"/v1/travellers/{traveller}")).json()
        assert (told["merged_into"], len(told["documents"]), len(told["cards"])) == (None, 1, 1)


async def test_an_exit_seen_in_place_of_an_inferred_one_moves_the_end_of_the_open_stay(client: AsyncClient) -> None:
    first = (await client.post("/v1/cards", json=entering(at="2026-08-01T09:00:00Z"))).json()["number"]
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-08-10T09:00:00Z", "source": "inferred"}
    await client.post(f"/v1/cards/{first}/exit", json=left)
    second = (await client.post("/v1/cards", json=entering())).json()
    assert second["last_lawful_day"] == "2027-02-28"
    seen = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-10-20T09:00:00Z"}
    assert (await client.post(f"/v1/cards/{first}/exit", json=seen)).json()["flags"] == ["inferred_exit_replaced"]
    # 81 days of 2026 were used by then, and nine are left in December
    now = (await client.get(f"/v1/cards/{second['number']}")).json()
    assert (now["last_lawful_day"], now["ended_by"]) == ("2026-12-09", "calendar_year")
