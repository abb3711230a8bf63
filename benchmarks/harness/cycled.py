"""Inputs of workloads `b` and `c`: a few distinct items, repeated.

The right answers are computed beforehand by the workload's function, for each item alone. A
contender that batches may differ from them in the last digits.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.inputs import KEYS_PER_PARTITION, InputRecord

_START_MS = 1_700_000_000_000
#: For floating point in batches of other sizes, and rounding after it.
TOLERANCE = 1e-3


class CycledInput:
    """Record i is item i mod n; the value is the item, or names the record as JSON."""

    def __init__(
        self,
        num_records: int,
        partitions: int,
        *,
        kind: str,
        answers: Sequence[Any],
        value: Callable[[CycledInput, int], bytes],
        fault: Callable[[Any, bytes], str],
        has_ids: bool,
    ) -> None:
        """Define the records and their right answers.

        Args:
            num_records: of the input.
            partitions: of the topic.
            kind: of the results: their `ce_type`.
            answers: the right answer to each item.
            value: makes a record's value.
            fault: compares the right answer with a value: what is wrong, "" if nothing.
            has_ids: whether values hold an `event_id`.
        """
        self.num_records, self.kind = num_records, kind
        self._num_keys = partitions * KEYS_PER_PARTITION
        self._answers, self._value, self._fault, self._has_ids = answers, value, fault, has_ids

    def records(self) -> Iterator[InputRecord]:
        """Yield all records in the order of their index."""
        for index in range(self.num_records):
            yield InputRecord(self.key(index), self._value(self, index), self.event_time_ms(index))

    def key(self, index: int) -> bytes:
        """Return the source's name."""
        return b"source-%d" % (index % self._num_keys)

    def event_time_ms(self, index: int) -> int:
        """Return the event time: one record a millisecond."""
        return _START_MS + index

    def event_id(self, index: int) -> str:
        """Return the producer's id; "" if the values have no field for it."""
        return f"r-{index}" if self._has_ids else ""

    def fault(self, index: int, value: bytes) -> str:
        """Compare a result with the item's right answer."""
        return self._fault(self._answers[index % len(self._answers)], value)


def workload_module(name: str) -> Any:
    """Import a module of `benchmarks/workloads`, which is not installed with Penstock."""
    folder = str(BENCHMARKS)
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(f"workloads.{name}")
