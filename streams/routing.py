"""Choose the partitions of an agent's output where they are not those of its input.

Usually a result goes to the output partition that stands for the input partition. A record that
another agent learns from must be in the partition of what it is about, or in all of them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from aiokafka.partitioner import murmur2

from schemas.feedback import parse_origin
from streams.output_records import OutputRecords, PackedRecords, Packing

Route: TypeAlias = Literal["partition", "answer", "key", "every_partition"]


class _Answer(msgspec.Struct):
    answer: str = ""


_decoder = msgspec.json.Decoder(_Answer)


def routed(
    packed: PackedRecords,
    route: Route,
    topic: str,
    partition: int,
    num_partitions: int,
    packing: Packing,
) -> list[tuple[int, PackedRecords]]:
    """Return what goes to each partition of the output topic, each in order.

    Args:
        packed: the records of one input partition.
        route: the agent's setting.
        topic: the output topic.
        partition: the input partition.
        num_partitions: of the output topic, >= 1.
        packing: limits and compression of the producer batches.
    """
    if route == "partition":
        return [(partition % num_partitions, packed)]
    if route == "every_partition":
        return [(each, packed) for each in range(num_partitions)]
    records = packed.unpack()
    parts: dict[int, OutputRecords] = {}
    for row in range(len(records)):
        target = _by_answer(records.values[row], topic) if route == "answer" else None
        if target is None:
            target = _by_key(records.keys[row], num_partitions, partition)
        part = parts.setdefault(target % num_partitions, OutputRecords())
        part.keys.append(records.keys[row])
        part.values.append(records.values[row])
        part.headers.append(records.headers[row])
    return [(each, part.pack(packing)) for each, part in sorted(parts.items())]


def _by_answer(value: bytes, topic: str) -> int | None:
    """Return the partition of the record whose answer a value names, if it is of this topic."""
    try:
        origin = parse_origin(_decoder.decode(value).answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return origin.partition if origin is not None and origin.topic == topic else None


def _by_key(key: bytes | None, num_partitions: int, partition: int) -> int:
    """Return the partition that Kafka's Java clients choose for a key; without one, the input's."""
    if key is None:
        return partition
    return (int(murmur2(key)) & 0x7FFFFFFF) % num_partitions
