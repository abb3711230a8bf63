"""Which partition a producer sends a key to, and which partitioner put sources where they are.

State is kept by source_id, and moves with the record key. The two are equal for most producers; the
evidence is where the sources lie. If one partitioner explains the place of every source, it says as
well where each goes. If none does, the records are not partitioned by source_id.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aiokafka.partitioner import murmur2


def _murmur2(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


#: Hash functions by librdkafka's names of their partitioners; a key's partition is the hash modulo
#: the number of partitions. murmur2 is that of Java clients, aiokafka and Penstock; `consistent`
#: (CRC-32) is librdkafka's default.
PARTITIONERS: dict[str, Callable[[bytes], int]] = {"murmur2": _murmur2, "consistent": zlib.crc32}


class Recognized(NamedTuple):
    """The partitioner that explains best where sources lie."""

    name: str
    num_before: int
    """The number of partitions that explains it; the topic's, if nothing has to move."""
    num_explained: int
    num_sources: int


def recognize(held: Sequence[Mapping[str, int]]) -> Recognized:
    """Find the partitioner that put sources where they lie, before or after partitions were added.

    Args:
        held: for each partition of the topic, the sources whose state it has.
    """
    places = [(name.encode(), p) for p, sources in enumerate(held) for name in sources]
    best = Recognized("murmur2", len(held), 0, len(places))
    for name, hash_of in PARTITIONERS.items():
        hashes = [(hash_of(key), partition) for key, partition in places]
        for num_before in range(len(held), 0, -1):
            num_explained = sum(
                partition in (number % num_before, number % len(held))
                for number, partition in hashes
            )
            if num_explained > best.num_explained:
                best = Recognized(name, num_before, num_explained, len(places))
    return best


def partition_of(partitioner: str, num_partitions: int) -> Callable[[bytes], int]:
    """Return the function from a key to its partition."""
    hash_of = PARTITIONERS[partitioner]
    return lambda key: hash_of(key) % num_partitions
