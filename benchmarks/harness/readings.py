"""The input of workloads `a` and `d`: readings of 8 values, whose mean is the right answer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from benchmarks.harness.inputs import KEYS_PER_PARTITION, InputRecord
from schemas import SensorReading

NUM_VALUES = 8
#: Sums in another order differ by less; single precision would differ by 1e-7.
_RELATIVE_TOLERANCE = 1e-12
_START_MS = 1_700_000_000_000
_SEED = 4


class _Answer(msgspec.Struct):
    score: float


class Readings:
    """Readings of random sensors; equal for an equal number of records."""

    kind = "penstock.score.v1"

    def __init__(self, num_records: int, partitions: int) -> None:
        self.num_records = num_records
        self._num_keys = partitions * KEYS_PER_PARTITION
        rng = np.random.default_rng(_SEED)
        # Three decimals, as sensors send; (N, 8) float64.
        self._values = rng.normal(20.0, 5.0, (num_records, NUM_VALUES)).round(3)
        self._means = self._values.mean(axis=1)
        self._decode = msgspec.json.Decoder(_Answer).decode

    def records(self) -> Iterator[InputRecord]:
        """Yield all records in the order of their index."""
        encode = msgspec.json.Encoder().encode
        names = [f"channel_{i}" for i in range(NUM_VALUES)]
        for index, row in enumerate(self._values):
            reading = SensorReading(
                source_id=self.key(index).decode(),
                event_time_ms=self.event_time_ms(index),
                event_id=self.event_id(index),
                values=dict(zip(names, row.tolist(), strict=True)),
            )
            yield InputRecord(self.key(index), encode(reading), self.event_time_ms(index))

    def key(self, index: int) -> bytes:
        """Return the sensor's name."""
        return b"pump-%d" % (index % self._num_keys)

    def event_time_ms(self, index: int) -> int:
        """Return the event time: one reading a millisecond."""
        return _START_MS + index

    def event_id(self, index: int) -> str:
        """Return the producer's id of the reading."""
        return f"r-{index}"

    def fault(self, index: int, value: bytes) -> str:
        """Compare the score with the mean of the record's values."""
        score, mean = self._decode(value).score, float(self._means[index])
        if math.isclose(score, mean, rel_tol=_RELATIVE_TOLERANCE):
            return ""
        return f"the score is {score}, but the mean is {mean}"
