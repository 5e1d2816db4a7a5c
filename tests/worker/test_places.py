"""Places on the way: who was prompt has one always, whoever else hangs."""

import resource
from uuid import UUID

import pytest

from app.worker import places as module
from app.worker.places import Place, Places, connections

IN_ALL = 64  # 16 more for the prompt, 16 for those not tried, 2 for slow ones
ENDPOINTS = [UUID(int=one) for one in range(1, 101)]
ONE, OTHER, *_ = ENDPOINTS
SOON, LATE = 0.2, 15.0


def tried(places: Places, endpoint: UUID, seconds: float, *, failing: bool = False) -> None:
    taken = places.take(endpoint, failing=failing)
    assert taken
    places.tried(endpoint, seconds)
    places.give_back(endpoint, taken)


def test_who_was_prompt_has_one_place_and_seven_more() -> None:
    places = Places(IN_ALL)
    assert places.take(ONE, failing=False) == [Place.UNTRIED]
    assert places.take(ONE, failing=False) == []
    places.tried(ONE, SOON)
    places.give_back(ONE, [Place.UNTRIED])
    assert places.take(ONE, failing=False) == [Place.OWN, *7 * [Place.MORE]]
    assert places.take(ONE, failing=False) == []
    places.give_back(ONE, [Place.OWN, Place.MORE])
    assert places.take(ONE, failing=False) == [Place.OWN, Place.MORE]


def test_who_is_slow_has_one_of_few_places_until_it_is_prompt_again() -> None:
    places = Places(IN_ALL)
    for endpoint in ENDPOINTS[:3]:
        tried(places, endpoint, LATE)
    assert [places.take(endpoint, failing=False) for endpoint in ENDPOINTS[:3]] == [[Place.SLOW], [Place.SLOW], []]
    places.tried(ONE, SOON)
    places.give_back(ONE, [Place.SLOW])
    assert places.take(ONE, failing=False)[0] is Place.OWN
    assert places.take(ENDPOINTS[2], failing=False) == [Place.SLOW]


def test_who_is_known_to_fail_is_taken_for_slow_until_it_is_tried() -> None:
    places = Places(IN_ALL)
    assert [places.take(endpoint, failing=True) for endpoint in ENDPOINTS[:3]] == [[Place.SLOW], [Place.SLOW], []]
    places = Places(IN_ALL)
    tried(places, ONE, SOON, failing=True)  # it answers, though with a failure
    assert places.take(ONE, failing=True)[0] is Place.OWN


def test_however_many_hang_who_was_prompt_finds_a_place() -> None:
    places = Places(IN_ALL)
    tried(places, ONE, SOON)
    for endpoint in ENDPOINTS[1:20]:  # they have been prompt, and now they hang with all that they may have
        tried(places, endpoint, SOON)
    for endpoint in ENDPOINTS[1:]:
        places.take(endpoint, failing=False)
    for endpoint in ENDPOINTS[50:]:
        places.take(endpoint, failing=True)
    assert places.take(ONE, failing=False) == [Place.OWN]


def test_slow_ones_take_turns_and_come_last() -> None:
    places = Places(IN_ALL)
    slow, prompt, new = ENDPOINTS[:4], ENDPOINTS[4:6], ENDPOINTS[6:8]
    for endpoint in prompt:
        tried(places, endpoint, SOON)
    for endpoint in slow:
        tried(places, endpoint, LATE)
    assert places.in_turn(ENDPOINTS[:8]) == [*prompt, *new, *slow]
    tried(places, slow[0], LATE)
    assert places.in_turn(ENDPOINTS[:8]) == [*prompt, *new, *slow[1:], slow[0]]


def test_not_everybody_is_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 10)
    places = Places(IN_ALL)
    for endpoint in ENDPOINTS:
        tried(places, endpoint, SOON)
    assert sum(places.is_prompt(endpoint) for endpoint in ENDPOINTS) <= 10


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "given"),
    [
        (1024, 524_288, 4096, 2048),
        (256, resource.RLIM_INFINITY, 4096, 2048),
        (1024, 1024, 1024, 512),
        (65_536, 65_536, None, 2048),
    ],
)
def test_as_many_files_as_may_be_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, asked: int | None, given: int
) -> None:
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    assert connections() == given
    assert limits == ([(asked, hard)] if asked else [])
