"""What ought to become of a specimen document, worked out a second time.

From the columns of the zone alone, without the reader and the rules of `app.domain`: an expectation that came from the
same code would agree with every mistake in it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.domain.identity import BirthDate
from app.policies import reference

# Specimens travel privately and on a visa. So those who need no card on an official trip (diplomats, officials of
# international organisations), at sea (seafarers), or for a short visit without a visa (Armenia, Kazakhstan,
# Kyrgyzstan) need one here, and only those are left who never need any.
_NEVER_NEED_A_CARD = {"RUS", "BLR"}

_CARD = [30, 30, 30]
_PASSPORTS_AND_LARGER_CARDS = ([36, 36], [44, 44])


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a zone, cut out by position and believed."""

    code: str
    issuing_state: str
    nationality: str
    number: str
    born: str
    expires: str
    surname: str
    given_names: str

    @property
    def person(self) -> tuple[str, ...]:
        """What two documents share when the registry takes their holders for one person."""
        return self.issuing_state, self.number, self.born, self.given_names

    def expires_on(self, today: date) -> date | None:
        """Read the day of expiry: this century's, unless that is more than sixty years ahead."""
        try:
            year, month, day = 2000 + int(self.expires[:2]), int(self.expires[2:4]), int(self.expires[4:])
            ahead = (year, month, day) > (today.year + 60, today.month, today.day)
            return date(year - 100 if ahead else year, month, day)
        except ValueError:  # unknown, or no day
            return None

    def birth_date(self, today: date) -> BirthDate | None:
        """Read the birth date as far as it is known: the latest that is not after `today`."""
        known = self.born.partition("<")[0]
        if not known:
            return None
        try:
            year, month, day = (int(known[at : at + 2] or 0) for at in (0, 2, 4))
            born = BirthDate(year=2000 + year, month=month or None, day=day or None)
            return born if born.earliest() <= today else replace(born, year=1900 + year)
        except ValueError:  # no day
            return None


def columns_of(lines: Sequence[str]) -> Columns | None:
    """Cut a zone of three lines of 30, or two of 36 or 44; None for anything else."""
    lines = [line.strip().upper() for line in lines]
    first, second = (*lines, "", "")[:2]
    widths = [len(line) for line in lines]
    if widths == _CARD:
        number, digit, more = first[5:14], first[14], first[15:]
        nationality, born, expires, names = second[15:18], second[:6], second[8:14], lines[2]
    elif widths in _PASSPORTS_AND_LARGER_CARDS:
        number, digit, more = second[:9], second[9], second[28:35]
        nationality, born, expires, names = second[10:13], second[13:19], second[21:27], first[5:]
    else:
        return None
    if digit == "<":  # a long number goes on up to the filler, its digit last
        number += more.partition("<")[0][:-1]
    surname, _, given_names = names.partition("<<")
    return Columns(
        code=first[:2],
        issuing_state=first[2:5].rstrip("<"),
        nationality=nationality.rstrip("<"),
        number=number.replace("<", ""),
        born=born,
        expires=expires,
        surname=" ".join(surname.split("<")).strip(),
        given_names=" ".join(given_names.replace("<", " ").split()),
    )


def obstacles(columns: Columns | None, *, valid: bool, today: date) -> Collection[str]:
    """List every reason to refuse that a look at the columns finds; any of them may be the one that is given.

    `valid`: whether the check digits are known to agree; they are not counted again here.
    """
    if columns is None:
        return {"mrz-structure"}
    if columns.code.startswith("V"):
        return {"visa-zone"}
    if not valid:
        return {"mrz-check-digit"}
    states = {columns.issuing_state, columns.nationality}
    expires_on = columns.expires_on(today)
    found = {
        "missing": columns.birth_date(today) is None,
        "name-missing": not (columns.surname or columns.given_names),
        "unknown-state": not states <= reference.known_states(),
        "no-card-needed": columns.nationality in _NEVER_NEED_A_CARD,
        "document-expired": expires_on is not None and expires_on < today,
    }
    return {reason for reason, applies in found.items() if applies}
