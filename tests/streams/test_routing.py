"""Records that another agent learns from go to the partition of what they are about, or to all."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner

from streams.output_records import OutputRecord, OutputRecords, PackedRecords, Packing
from streams.routing import Route, routed

PACKING = Packing(1000)


def packed(records: list[tuple[bytes | None, bytes]]) -> PackedRecords:
    return OutputRecords.of([OutputRecord(k, v, [("h", v)]) for k, v in records]).pack(PACKING)


def route(
    records: list[tuple[bytes | None, bytes]], to: Route, partition: int = 5, num: int = 4
) -> dict[int, list[bytes]]:
    parts = routed(packed(records), to, "in", partition, num, PACKING)
    assert len({target for target, _ in parts}) == len(parts)
    return {target: part.unpack().values for target, part in parts}


def test_by_default_the_partition_stands_for_that_of_the_input() -> None:
    assert route([(b"a", b"1"), (b"b", b"2")], "partition") == {1: [b"1", b"2"]}


def test_every_partition_gets_all_records_in_order() -> None:
    assert route([(b"a", b"1"), (None, b"2")], "every_partition", num=3) == {
        0: [b"1", b"2"],
        1: [b"1", b"2"],
        2: [b"1", b"2"],
    }


def test_keys_go_where_other_clients_send_them() -> None:
    keys = [b"key-%d" % i for i in range(100)]
    partitioner, everything = DefaultPartitioner(), list(range(7))
    parts = route([(key, key) for key in keys], "key", num=7)
    assert len(parts) == 7
    for target, values in parts.items():
        assert values == [k for k in keys if partitioner(k, everything, everything) == target]


def test_labels_go_to_the_partition_of_the_record_that_was_answered() -> None:
    values = [b'{"answer": "in:%d:%d:agent:kind:0"}' % (i % 3, i) for i in range(9)]
    parts = route([(b"k", value) for value in values], "answer")
    assert parts == {p: values[p::3] for p in range(3)}


@pytest.mark.parametrize("value", [b'{"answer": "other:3:1"}', b'{"about": "e-1"}', b"[]", b"\xff"])
def test_what_names_no_record_of_the_topic_goes_by_key(value: bytes) -> None:
    assert route([(b"k", value)], "answer") == route([(b"k", value)], "key")


def test_without_a_key_the_partition_is_that_of_the_input() -> None:
    assert route([(None, b"{}")], "answer", partition=6) == {2: [b"{}"]}


def test_keys_and_headers_go_along() -> None:
    ((_, part),) = routed(packed([(b"k", b"v")]), "key", "in", 0, 1, PACKING)
    assert part == packed([(b"k", b"v")])
