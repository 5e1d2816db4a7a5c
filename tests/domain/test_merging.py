from typing import Any
from uuid import UUID

import pytest

from app.domain.events import FactKind
from app.domain.merging import Told, origin_of

A, B, C, D = (UUID(int=place) for place in range(1, 5))
FA, FB = UUID(int=11), UUID(int=12)


def made(record: UUID, document: UUID = FA, **more: Any) -> Told:  # noqa: ANN401
    changes = {"traveller_id": str(record), "document_id": str(document), **more}
    return Told(kind=FactKind.ISSUED, changes=changes)


def merged(record: UUID) -> Told:
    return Told(kind=FactKind.MERGED, changes={"traveller_id": str(record)})


def separated(record: UUID) -> Told:
    return Told(kind=FactKind.UNMERGED, changes={"traveller_id": str(record)})


def document(which: UUID, *, is_correction: bool = False) -> Told:
    return Told(kind=FactKind.CHANGED, changes={"document_id": str(which)}, is_correction=is_correction)


@pytest.mark.parametrize(
    ("told", "goes"),
    [
        ([made(B, FB), merged(A)], True),
        ([made(B, FB), merged(A), document(FA)], True),
        ([made(A, FA), document(FB)], False),
        ([made(A, FB)], True),
        ([made(A, FB), document(FA)], True),
        ([made(A, FA), document(FB, is_correction=True)], True),
        ([made(C, FA), merged(B), merged(A)], True),
        ([made(D, FA), merged(A), document(FB)], False),
        ([made(A, FB), separated(B), merged(A), document(FA)], True),
        ([made(B, FA), merged(A), separated(B), merged(A)], True),
        ([made(A, FA), merged(B), separated(A)], False),
        ([made(B, FB), merged(A), Told(kind=FactKind.DEPARTED, changes={"state": "departed"})], True),
    ],
    ids=[
        "came with it",
        "was given a document of the record that stays",
        "is older than the merge, and was given a document of the other",
        "was made out since, on a document of the other",
        "was made out since, on a document of the other, and was given one that stays",
        "was made out since, on what turned out to be a document of the other",
        "came with what the other had been merged with",
        "came with somebody else",
        "was made out since, went back once, and came again",
        "went back once, and came again",
        "has always been of the record that stays",
        "has left since",
    ],
)
def test_a_card_goes_back_with_the_record_that_it_came_with(told: list[Told], *, goes: bool) -> None:
    assert origin_of(told).goes_back({B, C}, {FB}) is goes


def test_a_duplicate_names_its_original() -> None:
    assert origin_of([made(A, replaces="7K3M0Q2V9XTH")]).replaces == "7K3M0Q2V9XTH"
    assert origin_of([made(A)]).replaces is None
