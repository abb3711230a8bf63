"""One limit for the bytes that a worker has read and not finished, over all of its partitions.

The limits of `intake` hold for each partition, so a worker with a thousand partitions may hold a
thousand times as much. This limit holds for the worker. Kafka Streams has the same by the name
`input.buffer.max.bytes` (KIP-770).

One half is for records in work, counted as they are in memory. The other is for what waits in the
Kafka client, counted as it came from the broker, compressed or not.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

P = TypeVar("P", bound=Hashable)

#: What one record takes in memory beyond the bytes of its key, value and headers: two bytes
#: objects, its timestamp, and its places in the lists of keys, values and headers.
RECORD_BYTES = 128


def over_budget(used: Mapping[P, int], num_partitions: int, max_bytes: int) -> set[P]:
    """Return the partitions that must not take more for now; the others may take a little.

    One half of the budget is shared evenly, and a partition below its share may always take more:
    so partitions whose records wait (for a schema registry, for a model) never stop the others. The
    other half is for any partition. The sum is above the budget by one take of each at most.

    Args:
        used: bytes of each partition; one that has none may be left out.
        num_partitions: that the worker holds.
        max_bytes: the budget.
    """
    common = max_bytes // 2
    if sum(used.values()) < common:
        return set()
    share = common // max(num_partitions, 1)
    if sum(size - share for size in used.values() if size > share) < common:
        return set()
    return {partition for partition, size in used.items() if size >= share}
