"""The number on the card: the electronic one that we give, and the paper one that we keep.

An electronic number is eleven random characters and an ISO 7064 MOD 33,32 check character over the same alphabet,
which leaves out I, L, O and U: the first three are read as 1, 1 and 0, and no number spells a word. It is never twelve
digits, so that nobody can take it for a paper series and number.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.errors import Fault, NotFound, violation

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
_MODULUS = len(ALPHABET)
_AS_MEANT = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None, "\N{NO-BREAK SPACE}": None})

SERIES = re.compile(r"[0-9]{4}")
PAPER_NUMBER = re.compile(r"[0-9]{6,13}")
USUAL_PAPER_NUMBER_LENGTH = 7


def check_character(body: str) -> str:
    """Return the ISO 7064 MOD 33,32 check character of `body` (ISO 7064:2003 §9, the hybrid systems)."""
    product = _MODULUS
    for character in body:
        total = (product + _VALUE[character]) % _MODULUS or _MODULUS
        product = total * 2 % (_MODULUS + 1)
    return ALPHABET[(1 - product) % _MODULUS]


def generate(dice: Callable[[int], bytes]) -> str:
    """Make a new number from `dice`, which gives that many random bytes.

    A body of digits only is thrown again: one in 360,000.
    """
    while True:
        roll = int.from_bytes(dice(7), "big")
        body = "".join(ALPHABET[roll >> shift & 31] for shift in range(0, 55, 5))
        if not body.isdigit():
            return body + check_character(body)


def read(text: str) -> str | None:
    """Read a number as people write it: any case, grouped or not, O for 0, I or L for 1.

    None when it isn't a number at all: wrong length, a character outside the alphabet, or digits only.
    """
    number = text.upper().translate(_AS_MEANT)
    shaped = len(number) == LENGTH and all(character in _VALUE for character in number) and not number.isdigit()
    return number if shaped else None


def agrees(number: str) -> bool:
    """Tell whether the check character of a number from `read` fits its body."""
    return check_character(number[:-1]) == number[-1]


def require(text: str) -> str:
    """Read a number that a card may have; NotFound `card-not-found` that says what is wrong with it."""
    number = read(text)
    if number is None:
        raise NotFound("card-not-found", faults=[Fault(pointer="/number", code="card-number-malformed")])
    if not agrees(number):
        raise NotFound("card-not-found", faults=[Fault(pointer="/number", code="check-character-disagrees")])
    return number


def grouped(number: str) -> str:
    """Write the number in fours, as it is printed."""
    return f"{number[:4]} {number[4:8]} {number[8:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperNumber:
    """Series and number printed on a paper card, as text: leading zeros matter."""

    series: str
    number: str


def read_paper(series: str, number: str, *, pointer: str) -> PaperNumber:
    """Read a paper series and number; the joint form "4012 305784" may stand in `number` with an empty series.

    Four digits and 6 to 13 digits, others are refused at `pointer`. Source: DOMAIN §1, not settled by an official text.
    """
    if not series.strip():
        series, _, number = number.strip().rpartition(" ")
    series, number = series.strip(), number.strip()
    if not SERIES.fullmatch(series):
        raise violation(f"{pointer}/series", "paper-series-malformed")
    if not PAPER_NUMBER.fullmatch(number):
        raise violation(f"{pointer}/number", "paper-number-malformed")
    return PaperNumber(series=series, number=number)
