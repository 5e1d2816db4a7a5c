import re
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.iso7064 import mod_37_36

from app.domain.errors import Note, NotFound, RuleViolation
from app.domain.number import (
    ALPHABET,
    LENGTH,
    PaperNumber,
    agrees,
    check_character,
    generate,
    grouped,
    read,
    read_paper,
    require,
)
from tests.builders import card

_seeds = st.binary(min_size=7, max_size=7)
_bodies = st.text(ALPHABET, min_size=LENGTH - 1, max_size=LENGTH - 1)
PAPER = re.compile(r"^\d{4} ?\d{6,8}$")


def dice(*rolls: bytes) -> Callable[[int], bytes]:
    """Give prepared bytes, and fail when more are asked for."""
    left = list(rolls)

    def roll(count: int) -> bytes:
        assert len(left[0]) == count
        return left.pop(0)

    return roll


@given(_seeds)
def test_a_number_has_twelve_characters_that_agree_and_is_never_a_paper_number(seed: bytes) -> None:
    number = generate(dice(seed, b"\xff" * 7))
    assert len(number) == LENGTH
    assert set(number) <= set(ALPHABET)
    assert agrees(number)
    assert require(number) == number
    assert not PAPER.match(number)
    assert not number.isdigit()


def test_a_body_of_digits_only_is_thrown_again() -> None:
    assert generate(dice(bytes(7), b"\xff" * 7)) == "ZZZZZZZZZZZ" + check_character("ZZZZZZZZZZZ")


def test_every_bit_of_the_dice_that_is_used_makes_another_number() -> None:
    rolls = [((1 << 55) - 1) ^ 1 << bit for bit in range(55)]
    numbers = {generate(dice(roll.to_bytes(7, "big"))) for roll in rolls}
    assert len(numbers) == 55


# The check character -------------------------------------------------------------------------------------------------


@given(st.text(ALPHABET, max_size=40))
def test_the_check_character_is_that_of_iso_7064(body: str) -> None:
    assert check_character(body) == mod_37_36.calc_check_digit(body, ALPHABET)
    assert mod_37_36.is_valid(body + check_character(body), ALPHABET)


@given(_bodies)
def test_every_wrong_character_is_noticed(body: str) -> None:
    number = body + check_character(body)
    for place, character in product(range(LENGTH), ALPHABET):
        wrong = number[:place] + character + number[place + 1 :]
        assert agrees(wrong) == (wrong == number)


def test_of_all_swaps_of_neighbours_hardly_any_is_missed() -> None:
    # what follows the pair takes different sums to different sums, so pairs after every first character say it all
    swaps = [(a, b, c) for a, b, c in product(ALPHABET, repeat=3) if b != c]
    missed = [swap for swap in swaps if check_character("".join(swap)) == check_character(swap[0] + swap[2] + swap[1])]
    assert len(swaps) == 32 * 32 * 31
    assert len(missed) == 64  # one in 496


@given(_bodies, st.integers(0, LENGTH - 3))
def test_a_swap_of_neighbours_is_noticed_unless_the_pair_itself_allows_it(body: str, place: int) -> None:
    swapped = body[:place] + body[place + 1] + body[place] + body[place + 2 :]
    before, after = body[: place + 2], swapped[: place + 2]
    assert (check_character(body) == check_character(swapped)) == (check_character(before) == check_character(after))


# Reading -------------------------------------------------------------------------------------------------------------

_spaces = st.sampled_from(["", " ", "-", "\N{NO-BREAK SPACE}", " - "])


@given(_seeds, st.data())
def test_a_number_is_read_in_any_case_and_grouping_with_letters_for_figures(seed: bytes, data: st.DataObject) -> None:
    number = generate(dice(seed, b"\xff" * 7))
    looks_like = {"0": "0Oo", "1": "1IiLl"}
    written = "".join(
        data.draw(_spaces) + data.draw(st.sampled_from(looks_like.get(one, one + one.lower()))) for one in number
    )
    assert read(written) == number
    assert read(grouped(number)) == number


def test_a_number_is_printed_in_fours() -> None:
    assert grouped("7K3M0Q2V9XTH") == "7K3M 0Q2V 9XTH"


@pytest.mark.parametrize(
    "text",
    [
        *("", "7K3M0Q2V9XT", "7K3M0Q2V9XTHH", "7K3M0Q2V9XTU", "7K3M0Q2V9XT!"),
        *("123456789012", "1234 56789012", "\uff17K3M0Q2V9XTH"),
    ],
    ids=["nothing", "short", "long", "with U", "with a sign", "digits", "a paper number", "a wide digit"],
)
def test_what_is_no_number_is_not_read(text: str) -> None:
    assert read(text) is None


@given(st.text(max_size=20))
def test_reading_never_fails_and_gives_only_numbers(text: str) -> None:
    number = read(text)
    assert number is None or (len(number) == LENGTH and set(number) <= set(ALPHABET) and not number.isdigit())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A00000000000", "check-character-disagrees"),
        ("no number", "card-number-malformed"),
        ("", "card-number-malformed"),
    ],
)
def test_what_can_be_no_cards_number_is_not_found_and_says_why(text: str, why: str) -> None:
    with pytest.raises(NotFound) as refusal:
        require(text)
    assert refusal.value.code == "card-not-found"
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/number", why)]


# Paper ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "number"), [("4601", "1234567"), ("0001", "000000"), ("0000", "0000000000000"), (" 4601 ", " 1234567 ")]
)
def test_a_paper_number_is_kept_as_text_with_its_leading_zeros(series: str, number: str) -> None:
    kept = read_paper(series, number, pointer="/paper")
    assert kept == PaperNumber(series=series.strip(), number=number.strip())


@pytest.mark.parametrize("number", ["4012 305784", " 4012 305784 ", "4012  305784"])
def test_a_paper_number_may_be_written_in_one(number: str) -> None:
    assert read_paper("", number, pointer="/paper") == PaperNumber(series="4012", number="305784")


@pytest.mark.parametrize(
    ("series", "number", "pointer", "code"),
    [
        ("460", "1234567", "/paper/series", "paper-series-malformed"),
        ("46011", "1234567", "/paper/series", "paper-series-malformed"),
        ("46O1", "1234567", "/paper/series", "paper-series-malformed"),
        ("٣٣٣٣", "1234567", "/paper/series", "paper-series-malformed"),
        ("", "4601234567", "/paper/series", "paper-series-malformed"),
        ("4601", "12345", "/paper/number", "paper-number-malformed"),
        ("4601", "12345678901234", "/paper/number", "paper-number-malformed"),
        ("4601", "4601 234567", "/paper/number", "paper-number-malformed"),
        ("4601", "", "/paper/number", "paper-number-malformed"),
    ],
)
def test_a_malformed_paper_number_is_refused_at_its_field(series: str, number: str, pointer: str, code: str) -> None:
    with pytest.raises(RuleViolation) as refusal:
        read_paper(series, number, pointer="/paper")
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [(pointer, code)]


@pytest.mark.parametrize("length", range(6, 14))
def test_a_paper_number_of_another_length_than_seven_is_taken_with_a_warning(length: int) -> None:
    paper = read_paper("4601", "1" * length, pointer="/paper")
    warnings = card(paper_series=paper.series, paper_number=paper.number).warnings()
    assert warnings == ([] if length == 7 else [Note(code="paper_number_unusual", values={"length": str(length)})])
