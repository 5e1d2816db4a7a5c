"""The bytes of a file that is imported, piece by piece: unpacked, and decoded by what they turn out to be."""

import codecs
import zlib
from collections.abc import Iterator

from app.domain.errors import RuleViolation, violation

LARGEST_RATIO = 200
"""How many times its size a packed file may unpack to: a register packs to a tenth."""
_FREE = 1024 * 1024
"""Bytes that a file may unpack to whatever its size."""
_PIECE = 256 * 1024


def file_fault(code: str, **values: str) -> RuleViolation:
    """Refuse a file as a whole."""
    return violation("/file", code, **values)


class Inflation:
    """Unpacks gzip, several members one after the other too, and counts what comes of it."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._taken = self._given = 0
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpack; a fault of the file where it is no gzip, or unpacks to too much."""
        self._taken += len(data)
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            self._begun = True
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error:
                raise file_fault("gzip-broken") from None
            self._given += len(piece)
            if self._given > max(_FREE, LARGEST_RATIO * self._taken):
                raise file_fault("gzip-ratio", most=str(LARGEST_RATIO))
            data = self._member.unconsumed_tail or self._member.unused_data
            if piece:
                yield piece

    def close(self) -> None:
        """Refuse a file that ends too early."""
        if not self._begun or not self._member.eof:
            raise file_fault("gzip-broken")


_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LONGEST_MARK = 3


class Decoding:
    """Decodes text: UTF-8 with its mark or without, UTF-16 with its mark, else what Russian spreadsheets write.

    As long as all is ASCII nobody knows which it is, and nobody need know.
    """

    def __init__(self) -> None:
        self.encoding = "utf-8"
        self._decoder: codecs.IncrementalDecoder | None = None
        self._first = b""

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """Decode; a fault of the file where it is none of them."""
        if self._decoder is None:
            self._first += data
            if len(self._first) < _LONGEST_MARK and not last:
                return ""
            data, self._first = self._first, b""
            mark = next((mark for mark in _MARKS if data.startswith(mark)), None)
            if mark is None and data.isascii() and not last:
                return data.decode("ascii")
            self.encoding = _MARKS[mark] if mark else _guessed(data)
            self._decoder = codecs.getincrementaldecoder(self.encoding)()
        try:
            return self._decoder.decode(data, last)
        except UnicodeDecodeError:
            raise file_fault("encoding-unknown") from None


def _guessed(data: bytes) -> str:
    try:
        # a character may be cut off at the end of a piece
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "cp1251"
    return "utf-8"
