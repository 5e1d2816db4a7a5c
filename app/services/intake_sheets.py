"""Spreadsheets that are imported: the first sheet of a workbook, whose cells have types.

A workbook is an archive that is read from its end, and its cells are read all at once, so that it is held in memory, as
long as it is not too large.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from app.domain.errors import RuleViolation
from app.policies.registers import Mapped
from app.services.intake_bytes import LARGEST_RATIO, file_fault
from app.services.intake_reading import Line, Rows

LARGEST = 32 * 1024 * 1024
"""Bytes of a workbook; what is larger is sent as CSV, of which any size is read."""
LARGEST_UNPACKED = 128 * 1024 * 1024
"""It takes nearly twice as much memory."""


class Sheet(Rows):
    """Rows of the first sheet."""

    def __init__(self, mapped: Mapped) -> None:
        super().__init__(mapped)
        self._data = io.BytesIO()
        self._sheet: CalamineSheet | None = None

    def feed(self, data: bytes) -> Iterator[Line]:
        """Hold what comes; rows are there at the end."""
        if self._data.tell() + len(data) > LARGEST:
            raise _too_large()
        self._data.write(data)
        yield from ()

    def open(self) -> None:
        """Read the cells, which takes long: in a thread, others go on meanwhile."""
        try:
            with zipfile.ZipFile(self._data) as archive:
                unpacked = sum(one.file_size for one in archive.infolist())
            if unpacked > LARGEST_UNPACKED:
                raise _too_large()
            if unpacked > LARGEST_RATIO * self._data.tell() + LARGEST:
                raise file_fault("gzip-ratio", most=str(LARGEST_RATIO))
            self._data.seek(0)
            self._sheet = CalamineWorkbook.from_filelike(self._data).get_sheet_by_index(0)
        except (zipfile.BadZipFile, CalamineError, OSError, IndexError):
            raise file_fault("sheet-broken") from None

    def close(self) -> Iterator[Line]:
        """Give every row."""
        for cells in self._sheet.iter_rows() if self._sheet else ():
            texts = [_text(cell) for cell in cells]
            if self.captions:
                if line := self._line(texts):
                    yield line
                continue
            self._place += 1
            if any(texts):
                self._head(texts)
        if not self.captions:
            raise file_fault("file-empty")

    @property
    def told(self) -> Mapping[str, str]:
        """Nothing that the sender does not know."""
        return {}


def _too_large() -> RuleViolation:
    return file_fault("sheet-too-large", most=str(LARGEST), unpacked=str(LARGEST_UNPACKED))


def _text(cell: object) -> str:
    """Write a cell as people would have; figures as they stand, so that lost zeros are lost here too."""
    match cell:
        case datetime() if cell.time() == time():
            return f"{cell:%Y-%m-%d}"
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}"
        case date() | time():
            return cell.isoformat()
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return str(cell)
