"""Names, which have three lives that must not be mixed up.

As *written* a name is Russian or Latin letters, and is given back as it came. As *identity* it is the form of the
machine-readable zone, by the tables of ICAO Doc 9303-3 and nothing else: two people differ when these differ, so no
letter is ever guessed. As *search* it is folded until everything that clerks confuse is the same: finding one person
too many is cheap beside a birth date, finding one too few is not.
"""

import re
from itertools import pairwise
from unicodedata import category, combining, name, normalize


class NoTransliteration(ValueError):  # noqa: N818  named for what is missing, as the refusals are
    """A letter that ICAO's Russian and Latin tables don't have: the passport's own Latin form is needed."""

    def __init__(self, letter: str) -> None:
        super().__init__(f"no ICAO transliteration for {letter!r}")
        self.letter = letter


class UnfitCharacter(ValueError):  # noqa: N818
    """A character that no name contains: a digit, a symbol, an emoji, an invisible control."""

    def __init__(self, character: str) -> None:
        super().__init__(f"{character!r} doesn't belong in a name")
        self.character = character


# ICAO Doc 9303-3 §6 B, the Russian column. Other Cyrillic letters are there too, but with exceptions by language that a
# name doesn't tell, and the letters of Central Asia are not there at all.
_RUSSIAN = {
    "А": "A", "Б": "B", "В": "V", "Г": "G", "Д": "D", "Е": "E", "Ё": "E", "Ж": "ZH", "З": "Z", "И": "I", "Й": "I",
    "К": "K", "Л": "L", "М": "M", "Н": "N", "О": "O", "П": "P", "Р": "R", "С": "S", "Т": "T", "У": "U", "Ф": "F",
    "Х": "KH", "Ц": "TS", "Ч": "CH", "Ш": "SH", "Щ": "SHCH",
    "Ъ": "IE", "Ы": "Y", "Ь": "", "Э": "E", "Ю": "IU", "Я": "IA",
}  # fmt: skip

# ICAO Doc 9303-3 §6 A: the letters that are more than a base letter with a mark to be left out. Where it offers a
# choice, the first that every state may read back: UE for Ü (not UXX), N for Ñ (not NXX).
_LATIN = {
    "Ä": "AE", "Å": "AA", "Æ": "AE", "Ð": "D", "Đ": "D", "Ħ": "H", "Ŀ": "L", "Ł": "L", "Ŋ": "N",
    "Ö": "OE", "Ø": "OE", "Œ": "OE", "ẞ": "SS", "Ŧ": "T", "Þ": "TH", "Ü": "UE",
}  # fmt: skip

_APOSTROPHES = "'’‘ʼʻʹ`´′"
_HYPHENS = "‐‑‒–—―-"  # the ASCII one last, so that it means itself in a character class
_OMITTED = str.maketrans(dict.fromkeys(_APOSTROPHES + "."))
_SEPARATORS = re.compile(rf"[\s,{_HYPHENS}]+")
_LETTER = re.compile(r"[^\W\d_][\u0300-\u036f\u1ab0-\u1aff\ufe00-\ufe0f]*")  # with its marks, invisible ones too


# Nearly every name is plain Russian or plain Latin: then one table does the work of all in a tenth of the time.
_USUAL = re.compile(r"[A-Za-zА-Яа-яЁё' -]+")
_USUAL_SPELLED = str.maketrans(
    {letter.lower(): spelled for letter, spelled in _RUSSIAN.items()}
    | _RUSSIAN
    | {letter.lower(): letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    | {"'": "", " ": "<", "-": "<"},
)


def latin(text: str) -> str:
    """Write Russian letters in Latin ones, keeping the case (ICAO Doc 9303-3 §6 B); all else stays as it is.

    Raises NoTransliteration for a letter that is neither Latin nor of the Russian alphabet.
    """
    composed = normalize("NFC", text)
    for letter in _LETTER.findall(composed):
        if letter.upper() not in _RUSSIAN and not is_latin(letter[0]):
            raise NoTransliteration(letter)
    return re.sub(r"[^\W\d_]+", _latin_word, composed)


def _latin_word(match: re.Match[str]) -> str:
    word = match[0]
    return "".join(_latin_letter(letter, shouted=len(word) > 1 and word.isupper()) for letter in word)


def _latin_letter(letter: str, *, shouted: bool) -> str:
    spelled = _RUSSIAN.get(letter.upper())
    if spelled is None:
        return letter
    if shouted:
        return spelled
    return spelled.capitalize() if letter.isupper() else spelled.lower()


def is_latin(character: str) -> bool:
    """Tell whether a character may stand in a Latin form: a Latin letter, or none at all."""
    return character in _APOSTROPHES or not character.isalpha() or "LATIN " in name(character, "")


def mrz_name(text: str) -> str:
    """Write a name as the machine-readable zone does: A–Z, its parts separated by one `<` (ICAO Doc 9303-3 §4.6, §6).

    Apostrophes and full stops are left out, hyphens, spaces and commas separate. Raises NoTransliteration for a letter
    outside the tables, and UnfitCharacter for what no name contains, digits included.
    """
    written = text.strip()
    if _USUAL.fullmatch(written):
        return "<".join(filter(None, written.translate(_USUAL_SPELLED).split("<")))
    return spelled_out(written)


def spelled_out(written: str) -> str:
    """Do what `mrz_name` does letter by letter, for names that are not plain Russian or Latin too."""
    if (stray := stray_character(written)) is not None:
        raise UnfitCharacter(stray)
    parts = _SEPARATORS.split(latin(written).upper().translate(_OMITTED))
    return "<".join("".join(map(_mrz_letter, _LETTER.findall(normalize("NFC", part)))) for part in parts if part)


def _mrz_letter(letter: str) -> str:
    bare = _without_marks(letter)
    spelled = _LATIN.get(letter) or _LATIN.get(bare, bare)
    if re.fullmatch("[A-Z]+", spelled) is None:
        raise NoTransliteration(letter)
    return spelled


def _without_marks(text: str) -> str:
    return "".join(character for character in normalize("NFKD", text) if not combining(character))


def stray_character(text: str) -> str | None:
    """Return the first character that no name in any script contains."""
    if _USUAL.fullmatch(text):
        return None
    return next((this for before, this in pairwise(f" {text}") if not _belongs(this, after=before)), None)


def _belongs(character: str, *, after: str) -> bool:
    if character in _APOSTROPHES or character in _HYPHENS or character in ".,":
        return True
    kind = category(character)
    return kind[0] == "L" or kind == "Zs" or (kind[0] == "M" and category(after)[0] in "LM")


# For search only: the neighbours' Cyrillic as Russian clerks write it, and Latin letters that have no base letter.
_FOLDED = str.maketrans({cyrillic.lower(): spelled.lower() for cyrillic, spelled in _RUSSIAN.items()} | {
    "ъ": "", "ь": "", "ә": "a", "ө": "o", "ү": "u", "ұ": "u", "қ": "k", "ң": "n", "ғ": "g", "ҳ": "kh", "һ": "kh",
    "ҷ": "j", "і": "i", "є": "e", "ґ": "g", "ј": "j", "љ": "l", "њ": "n", "ћ": "ch", "ђ": "dj", "џ": "dj", "æ": "ae",
    "ø": "o", "œ": "oe", "þ": "th", "ð": "d", "đ": "d", "ħ": "h", "ı": "i", "ł": "l", "ŋ": "n", "ŧ": "t", "ə": "a",
})  # fmt: skip

# What documents of one person show side by side, in the order in which it can be told apart: Shohrux / Шохрух,
# Cvetkov / Tsvetkov, Yo- / Ё-, Jamshid / Dzhamshid / Жамшид, Yulia / Julija / Юлия, -ieia- / -ъя-, Abdulloyev /
# Abdullaev, Müller / Mueller, Rahmon / Рахман, Anna / Ana. J is Ж in Tashkent and Й in Riga, so all of these become I.
_VARIANTS = [(re.compile(pattern), replacement) for pattern, replacement in {
    "shch|sch|sh": "s", "ch?(?=[klrt])": "k", "tch|ch|cz|tz|c": "ts", "kh|ks|x": "h", "gh": "g", "ph": "f", "th": "t",
    "q": "k", "w": "v", "[iy]o": "e", "dzh|dj|zh|j|y": "i", "iei": "i", "i+(?=e)": "", "(?<=[aou])e+": "",
    "o": "a", r"(.)\1+": r"\1",
}.items()]  # fmt: skip


def fold(text: str) -> str:
    """Reduce a name in any script to the form in which spellings of one name are equal. For search, never identity.

    Case, marks, punctuation, doubled letters and the usual ways of writing Russian and Central Asian names in Latin
    letters no longer differ. Folding twice is folding once.
    """
    folded = _fold_once(text)
    while (again := _fold_once(folded)) != folded:
        folded = again
    return folded


def _fold_once(text: str) -> str:
    letters = "".join(filter(str.isalpha, _without_marks(text.translate(_OMITTED)).casefold()))
    folded = letters.translate(_FOLDED)
    for variant, replacement in _VARIANTS:
        folded = variant.sub(replacement, folded)
    return folded


def names_match(query: str, *parts: str) -> bool:
    """Tell whether all words of `query`, in any order and script, are among the words of a person's names.

    `parts` are the surname, the given names, the patronymic, the Latin forms. Words may be run together on either side:
    Ali-Zade finds Alizade and is found by it. An empty query finds nobody.
    """
    words = _words(query)
    known = {fold("".join(run[start:end])) for run in map(_words, parts) for start, end in _spans(len(run))}
    reached = {0}
    for start, end in _spans(len(words)):
        if start in reached and fold("".join(words[start:end])) in known:
            reached.add(end)
    return bool(words) and len(words) in reached


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text) if fold(word)]


def _spans(length: int) -> list[tuple[int, int]]:
    return [(start, end) for start in range(length) for end in range(start + 1, length + 1)]


def says_something(text: str) -> bool:
    """Tell whether anything is left of a name once spaces and punctuation are gone."""
    return _SEPARATORS.sub("", text.translate(_OMITTED)) != ""
