"""The workloads as the bench sees them: input, size, and the names in the results.

The contenders' side is in `benchmarks/workloads/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.harness.frames import frames_input
from benchmarks.harness.inputs import Input
from benchmarks.harness.readings import Readings
from benchmarks.harness.sensors import Sensors, sensors_in_msgpack
from benchmarks.harness.texts import texts_input


@dataclass(frozen=True)
class Workload:
    """One workload."""

    title: str
    make_input: Callable[[int, int], Input]
    """Takes a number of records and a number of partitions."""
    num_records: int
    """By default: some seconds for a fast contender."""
    bytes_per_record: int
    """About, of the larger of input and output: for the embedded broker's limit."""
    agent: str
    model: str
    model_version: str = "1"


WORKLOADS: dict[str, Workload] = {
    "a": Workload("JSON readings of 8 values -> mean -> JSON", Readings, 1_000_000, 620, "score",
                  "mean"),
    "b": Workload("JPEG frames of 640 x 480 -> a small detector -> JSON", frames_input, 4_000,
                  60_000, "objects", "traffic"),
    "c": Workload("texts -> a sentence encoder -> JSON", texts_input, 4_000, 4_500, "vector",
                  "minilm"),
    "d": Workload("readings -> a stub of 5 ms a batch and 20 us an item -> JSON", Readings,
                  200_000, 620, "score", "mean"),
    "s": Workload("JSON readings of 100,000 sensors -> robust z-score -> JSON", Sensors, 2_000_000,
                  800, "score", "robust_zscore", "4"),
    "s-msgpack": Workload("MessagePack readings of 100,000 sensors -> robust z-score -> JSON",
                          sensors_in_msgpack, 2_000_000, 800, "score", "robust_zscore", "4"),
}  # fmt: skip

_EMBEDDED_PARTITIONS = 4
_EMBEDDED_BYTES, _EMBEDDED_RECORDS = 5_000_000, 100_000


def most_on_embedded(workload: Workload) -> int:
    """Return how many records fit the embedded broker."""
    by_bytes = _EMBEDDED_BYTES // workload.bytes_per_record
    return _EMBEDDED_PARTITIONS * min(by_bytes, _EMBEDDED_RECORDS)
