"""Only records about the own partition count, and the latest of each global cluster."""

from __future__ import annotations

from models.clustering.global_ids import GlobalIds
from schemas import GlobalClusterRecord, Member


def record(global_id: int, *members: tuple[int, int]) -> GlobalClusterRecord:
    return GlobalClusterRecord(
        global_id=global_id,
        status="changed",
        weight=1.0,
        center={},
        radius=0.1,
        members=[Member("a", *member) for member in members],
    )


def test_members_come_and_go() -> None:
    known = GlobalIds()
    known.partition = 2
    known.note(record(7, (2, 0), (2, 1), (3, 5)))
    assert known.ids == {0: 7, 1: 7}
    known.note(record(9, (2, 1)))
    known.note(record(7, (2, 0), (2, 4)))
    assert known.ids == {0: 7, 1: 9, 4: 7}


def test_before_the_partition_is_known_no_record_is_about_it() -> None:
    known = GlobalIds()
    known.note(record(7, (0, 0)))
    assert known.ids == {}
