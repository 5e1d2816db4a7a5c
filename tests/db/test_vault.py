import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from app.config import dice
from app.db import particulars
from app.db.vault import HASH_BYTES, MasterKey, WorldKeys, WrongMasterKeyError
from app.domain.card import Host, HostKind
from app.domain.identity import BirthDate, Holder, Sex
from tests.builders import personal, visa

KEYS = WorldKeys(version=1, seal_key=b"s" * 32, hash_key=b"h" * 32)
SALT = b"0123456789abcdef"


def sealed(clear: bytes = b"clear", *, keys: WorldKeys = KEYS, salt: bytes = SALT, row: str = "cards/A") -> bytes:
    return keys.seal(clear, salt=salt, row=row, dice=dice)


@given(clear=st.binary(max_size=2000), row=st.text(max_size=30), salt=st.binary(min_size=16, max_size=16))
def test_what_is_sealed_opens_for_the_same_row_and_salt(clear: bytes, row: str, salt: bytes) -> None:
    assert KEYS.open(sealed(clear, salt=salt, row=row), salt=salt, row=row) == clear


def test_sealing_twice_gives_different_bytes() -> None:
    assert sealed() != sealed()


def test_nothing_opens_for_another_row() -> None:
    with pytest.raises(InvalidTag):
        KEYS.open(sealed(row="cards/A"), salt=SALT, row="cards/B")


def test_nothing_opens_with_another_salt() -> None:
    with pytest.raises(InvalidTag):
        KEYS.open(sealed(), salt=SALT[::-1], row="cards/A")


def test_nothing_opens_with_another_worlds_key() -> None:
    other = WorldKeys(version=1, seal_key=b"t" * 32, hash_key=b"h" * 32)
    with pytest.raises(InvalidTag):
        other.open(sealed(), salt=SALT, row="cards/A")


@given(place=st.integers(0, 12 + 5 + 16 - 1), bit=st.integers(0, 7))
def test_nothing_opens_once_any_bit_has_changed(place: int, bit: int) -> None:
    changed = bytearray(sealed())
    changed[place] ^= 1 << bit
    with pytest.raises(InvalidTag):
        KEYS.open(bytes(changed), salt=SALT, row="cards/A")


# Hashes --------------------------------------------------------------------------------------------------------------


def test_the_same_is_hashed_to_the_same() -> None:
    assert KEYS.hash("exact", "UZB", "FA1234567") == KEYS.hash("exact", "UZB", "FA1234567")
    assert len(KEYS.hash("exact", "UZB")) == HASH_BYTES


def test_hashes_for_different_purposes_differ() -> None:
    purposes = ("exact", "fold", "birth", "person")
    assert len({KEYS.hash(purpose, "UZB", "FA1234567") for purpose in purposes}) == len(purposes)


def test_where_one_part_ends_and_the_next_begins_matters() -> None:
    assert len({KEYS.hash("exact", *parts) for parts in (("AB", "C"), ("A", "BC"), ("ABC",), ("A", "B", "C"))}) == 4


def test_hashes_of_different_worlds_differ() -> None:
    other = WorldKeys(version=1, seal_key=b"s" * 32, hash_key=b"i" * 32)
    assert KEYS.hash("birth", "1990-05-12") != other.hash("birth", "1990-05-12")
    assert KEYS.mac(b"body") != other.mac(b"body")


def test_bodies_that_differ_have_different_macs() -> None:
    assert KEYS.mac(b"body") == KEYS.mac(b"body") != KEYS.mac(b"body ")


# The master key ------------------------------------------------------------------------------------------------------


def test_a_master_key_opens_the_worlds_that_it_made() -> None:
    master = MasterKey.read("11" * 32)
    seal_key, hash_key = master.new_world(dice, world="w")
    keys = master.unwrap(3, seal_key, hash_key, world="w")
    assert keys.version == 3
    assert len({keys.seal_key, keys.hash_key}) == 2
    assert {len(keys.seal_key), len(keys.hash_key)} == {32}
    assert keys == master.unwrap(3, seal_key, hash_key, world="w")


def test_another_master_key_says_that_it_is_the_wrong_one() -> None:
    wrapped = MasterKey.read("11" * 32).new_world(dice, world="w")
    with pytest.raises(WrongMasterKeyError, match="MIGCARD_MASTER_KEY"):
        MasterKey.read("22" * 32).unwrap(1, *wrapped, world="w")


def test_the_keys_of_one_world_are_not_taken_for_anothers_nor_one_kind_for_the_other() -> None:
    master = MasterKey.read("11" * 32)
    seal_key, hash_key = master.new_world(dice, world="w")
    with pytest.raises(WrongMasterKeyError):
        master.unwrap(1, seal_key, hash_key, world="v")
    with pytest.raises(WrongMasterKeyError):
        master.unwrap(1, hash_key, seal_key, world="w")


@pytest.mark.parametrize("text", ["", "11" * 31, "11" * 33, "zz" * 32])
def test_a_master_key_is_sixty_four_hexadecimal_characters(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        MasterKey.read(text)


def test_keys_are_not_in_what_is_printed() -> None:
    assert "s" * 32 not in repr(KEYS)
    assert "1111" not in repr(MasterKey.read("11" * 32))


# What is sealed ------------------------------------------------------------------------------------------------------

_name = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(names=st.lists(_name, min_size=5, max_size=5), optional=st.booleans(), with_visa=st.booleans())
def test_the_personal_part_comes_back_as_it_was_written(names: list[str], *, optional: bool, with_visa: bool) -> None:
    host = Host(kind=HostKind.ORGANISATION, name=names[4], locality=None if optional else "Казань")
    whole = personal(visa=visa() if with_visa else None, host=None if optional else host)
    holder = Holder(
        surname=names[0],
        given_names=names[1],
        patronymic=None if optional else names[2],
        surname_latin=None if optional else names[3],
        given_names_latin=None,
        birth_date=BirthDate.parse("1990-05" if optional else "1992-02-29"),
        sex=Sex.X,
        citizenship="XXA",
    )
    whole = type(whole)(holder=holder, document=whole.document, visa=whole.visa, host=whole.host)
    assert particulars.read(particulars.write(whole)) == whole


def test_what_belongs_to_no_world_opens_for_its_own_purpose_only() -> None:
    master = MasterKey.read("11" * 32)
    sealed_once, sealed_again = [master.seal(b"a key", purpose="job/1", dice=dice) for _ in range(2)]
    assert sealed_once != sealed_again
    assert b"a key" not in sealed_once
    assert master.open(sealed_once, purpose="job/1") == master.open(sealed_again, purpose="job/1") == b"a key"
    for other, purpose in ((master, "job/2"), (MasterKey.read("22" * 32), "job/1")):
        with pytest.raises(InvalidTag):
            other.open(sealed_once, purpose=purpose)


def test_the_keys_of_a_world_can_be_wrapped_for_another_one() -> None:
    master = MasterKey.read("11" * 32)
    keys = master.unwrap(1, *master.new_world(dice, world="w"), world="w")
    again = master.wrap(keys.seal_key, keys.hash_key, dice, world="v")
    assert master.unwrap(1, *again, world="v") == keys
    with pytest.raises(WrongMasterKeyError):
        master.unwrap(1, *again, world="w")
