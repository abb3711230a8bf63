"""Which partitioner explains where sources lie."""

from __future__ import annotations

import pytest

from agents.commands.rekey.partitioners import PARTITIONERS, partition_of, recognize

SOURCES = [f"pump-{i}" for i in range(40)]


def lie(partitioner: str, num_partitions: int, among: int) -> list[dict[str, int]]:
    """Return the sources of each of `among` partitions, sent while there were fewer."""
    held: list[dict[str, int]] = [{} for _ in range(among)]
    home = partition_of(partitioner, num_partitions)
    for name in SOURCES:
        held[home(name.encode())][name] = 100
    return held


@pytest.mark.parametrize("partitioner", PARTITIONERS)
def test_the_partitioner_and_the_earlier_number_are_found(partitioner: str) -> None:
    assert recognize(lie(partitioner, 4, among=12)) == (partitioner, 4, 40, 40)
    assert recognize(lie(partitioner, 12, among=12)) == (partitioner, 12, 40, 40)


def test_sources_that_have_begun_anew_in_new_partitions_are_explained_too() -> None:
    held = lie("murmur2", 4, among=8)
    for partition, sources in enumerate(lie("murmur2", 8, among=8)):
        held[partition] |= sources
    found = recognize(held)
    assert (found.name, found.num_before) == ("murmur2", 4)
    assert found.num_explained == found.num_sources > 40


def test_sources_that_are_spread_otherwise_are_not_explained() -> None:
    held: list[dict[str, int]] = [{} for _ in range(6)]
    for i, name in enumerate(SOURCES):
        held[i % 6][name] = 1
    found = recognize(held)
    assert found.num_explained < found.num_sources


def test_nothing_learned_needs_no_explanation() -> None:
    assert recognize([{}, {}]) == ("murmur2", 2, 0, 0)


def test_murmur2_is_that_of_java_clients() -> None:
    """Values of Apache Kafka's own test, `UtilsTest.testMurmur2`."""
    expected = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, number in expected.items():
        assert PARTITIONERS["murmur2"](key) == number & 0x7FFFFFFF
