"""The vault: personal fields sealed into one column of a row, and keyed hashes to find them by (ADR 10).

A world has a seal key and a hash key, random, wrapped by the master key. A row is sealed with AES-256-GCM under a key
derived from the seal key and the person's salt: without the salt nobody opens it, so that forgetting the salt forgets
the person. The associated data names the row but no world, so that a fork may copy the bytes.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Dice = Callable[[int], bytes]
"""Gives that many random bytes."""

KEY_BYTES = 32
SALT_BYTES = 16
HASH_BYTES = 16
_NONCE_BYTES = 12


class WrongMasterKeyError(Exception):
    """The master key does not open this database's keys."""


@dataclass(frozen=True, slots=True, repr=False)
class WorldKeys:
    """The unwrapped keys of a world."""

    version: int
    seal_key: bytes
    hash_key: bytes

    def seal(self, clear: bytes, *, salt: bytes, row: str, dice: Dice) -> bytes:
        """Seal the personal part of the row that `row` names, as `nonce || ciphertext || tag`."""
        nonce = dice(_NONCE_BYTES)
        return nonce + _cipher(self.seal_key, salt).encrypt(nonce, clear, row.encode())

    def open(self, sealed: bytes, *, salt: bytes, row: str) -> bytes:
        """Open what `seal` made for the same row and salt; InvalidTag when anything differs."""
        return _cipher(self.seal_key, salt).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], row.encode())

    def hash(self, purpose: str, *parts: str) -> bytes:
        """Hash something that a person is found by. `purpose` keeps hashes of different columns apart."""
        text = "\x1f".join((purpose, *parts))  # a unit separator occurs in no name, number or date
        return hmac.digest(self.hash_key, text.encode(), hashlib.sha256)[:HASH_BYTES]

    def mac(self, body: bytes) -> bytes:
        """Authenticate a request body, to recognise it without keeping it."""
        return hmac.digest(self.hash_key, body, hashlib.sha256)


@lru_cache(1)
def _cipher(seal_key: bytes, salt: bytes) -> AESGCM:
    """Derive a person's cipher. What is written of somebody is several rows at once; of nobody else it is kept."""
    return AESGCM(hmac.digest(seal_key, salt, hashlib.sha256))


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """The key that wraps the keys of worlds: from the environment, or a generated file in demo mode."""

    key: bytes

    @classmethod
    def read(cls, text: str) -> "MasterKey":
        """Take 64 hexadecimal characters; ValueError otherwise."""
        key = bytes.fromhex(text)
        if len(key) != KEY_BYTES:
            message = "the master key must be 32 bytes, written as 64 hexadecimal characters"
            raise ValueError(message)
        return cls(key)

    def new_world(self, dice: Dice, *, world: str) -> tuple[bytes, bytes]:
        """Make the two keys of the world named `world`, wrapped: seal key, hash key."""
        return self.wrap(dice(KEY_BYTES), dice(KEY_BYTES), dice, world=world)

    def wrap(self, seal_key: bytes, hash_key: bytes, dice: Dice, *, world: str) -> tuple[bytes, bytes]:
        """Wrap two keys for the world named `world`: they are opened under no other name."""
        return (
            self.seal(seal_key, purpose=f"{world}/seal", dice=dice),
            self.seal(hash_key, purpose=f"{world}/hash", dice=dice),
        )

    def unwrap(self, version: int, wrapped_seal_key: bytes, wrapped_hash_key: bytes, *, world: str) -> WorldKeys:
        """Open the keys of a world; WrongMasterKeyError when this is not the key that wrapped them."""
        try:
            return WorldKeys(
                version=version,
                seal_key=self.open(wrapped_seal_key, purpose=f"{world}/seal"),
                hash_key=self.open(wrapped_hash_key, purpose=f"{world}/hash"),
            )
        except InvalidTag as error:
            message = "MIGCARD_MASTER_KEY is not the key that this database was written with"
            raise WrongMasterKeyError(message) from error

    def mac(self, body: bytes) -> bytes:
        """Authenticate a request body that belongs to no world, to recognise it without keeping it."""
        return hmac.digest(self.key, body, hashlib.sha256)

    def seal(self, clear: bytes, *, purpose: str, dice: Dice) -> bytes:
        """Seal what belongs to no world; `purpose` names what it is and whose, and must be named again to open it."""
        nonce = dice(_NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, clear, purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Open what `seal` made for the same purpose; InvalidTag when anything differs."""
        return AESGCM(self.key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
