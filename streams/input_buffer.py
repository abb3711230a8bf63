"""One limit for the bytes that a worker has read and not finished, over all of its partitions.

The limits of `intake` hold for each partition, so a worker with a thousand partitions may hold a
thousand times as much. This limit holds for the worker. Kafka Streams has the same by the name
`input.buffer.max.bytes` (KIP-770).

One half is for records in work, counted as they are in memory. The other is for what waits in the
Kafka client, counted as it came from the broker, compressed or not.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)

#: What one record takes in memory beyond the bytes of its key, value and headers: two bytes
#: objects, its timestamp, and its places in the lists of keys, values and headers.
RECORD_BYTES = 128


class Room(Generic[P]):
    """What may be taken of a budget now, by each partition.

    One half of the budget is shared evenly, and a partition below its share may always take more:
    so partitions whose records wait (for a schema registry, for a model) never stop the others. The
    other half is for any partition. Who takes one record too many of what is left passes the budget
    by this record, once for each partition at most.

    Args:
        used: bytes of each partition; one that has none may be left out.
        num_partitions: that the worker holds.
        max_bytes: the budget.
    """

    def __init__(self, used: Mapping[P, int], num_partitions: int, max_bytes: int) -> None:
        common = max_bytes // 2
        self._used = dict(used)
        self._share = common // max(num_partitions, 1)
        self._common = common - sum(map(self._beyond_share, self._used))

    def left(self, partition: P) -> int:
        """Return how many bytes a partition may take; 0: none for now."""
        own = self._share - self._used.get(partition, 0)
        return max(own, 0) + max(self._common, 0)

    def take(self, partition: P, num_bytes: int) -> None:
        """Note that a partition has taken bytes, perhaps more than were left."""
        self._common += self._beyond_share(partition)
        self._used[partition] = self._used.get(partition, 0) + num_bytes
        self._common -= self._beyond_share(partition)

    def full(self) -> set[P]:
        """Return the partitions that must not take more for now."""
        if self._common > 0:
            return set()
        return {partition for partition, size in self._used.items() if size >= self._share}

    def _beyond_share(self, partition: P) -> int:
        return max(self._used.get(partition, 0) - self._share, 0)
