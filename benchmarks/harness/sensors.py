"""The input of workloads `s` and `s-msgpack`: one value each of very many sensors.

The right answers are those of the model without the engine, on each partition's readings in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from benchmarks.harness.inputs import InputRecord
from models.evaluation import answer_stream
from models.registry import model_class
from schemas import AnomalyScore, SensorReading

MODEL = "robust_zscore"
#: As in `benchmarks/penstock/s.yaml`.
OPTIONS: dict[str, Any] = {"max_keys": 32_768, "min_values": 3, "learn_every": 64}
NUM_SENSORS = 100_000
_START_MS = 1_700_000_000_000
_SEED = 6
#: One reading in so many is far out of its sensor's range.
_ONE_ODD_IN = 500


class _Answer(msgspec.Struct):
    score: float
    is_anomaly: bool
    is_scored: bool = True
    expected: float | None = None
    incident: str = ""


class Sensors:
    """Readings of `NUM_SENSORS` sensors in turn; equal for equal numbers."""

    kind = "penstock.anomaly_score.v1"

    def __init__(
        self,
        num_records: int,
        partitions: int,
        encode: Callable[[Any], bytes] = msgspec.json.encode,
    ) -> None:
        """Draw the values.

        Args:
            num_records: of the input.
            partitions: of the topic; a sensor's readings are all in one.
            encode: how the values are written.
        """
        self.num_records = num_records
        self._partitions, self._encode = partitions, encode
        self._num_sensors = NUM_SENSORS // partitions * partitions
        rng = np.random.default_rng(_SEED)
        values = rng.normal(20.0, 5.0, num_records)
        values[rng.integers(_ONE_ODD_IN, size=num_records) == 0] += 500.0
        self._values: list[float] = values.round(3).tolist()
        self._decode = msgspec.json.Decoder(_Answer).decode

    def records(self) -> Iterator[InputRecord]:
        """Yield all records in the order of their index."""
        for index in range(self.num_records):
            reading = self._reading(index)
            yield InputRecord(self.key(index), self._encode(reading), self.event_time_ms(index))

    def _reading(self, index: int) -> SensorReading:
        return SensorReading(
            source_id=self.key(index).decode(),
            event_time_ms=self.event_time_ms(index),
            values={"celsius": self._values[index]},
        )

    def key(self, index: int) -> bytes:
        """Return the sensor's name."""
        return b"sensor-%d" % (index % self._num_sensors)

    def event_time_ms(self, index: int) -> int:
        """Return the event time: one reading a millisecond."""
        return _START_MS + index

    def event_id(self, index: int) -> str:
        """Return "": sensors give their readings no id."""
        return ""

    def fault(self, index: int, value: bytes) -> str:
        """Compare a result with the answer of the model alone."""
        actual, right = self._decode(value), self._answers[index]
        wrong = [
            f"{name} is {getattr(actual, name)}: expected {getattr(right, name)}"
            for name in _Answer.__struct_fields__
            if getattr(actual, name) != getattr(right, name)
        ]
        return ", ".join(wrong)

    @cached_property
    def _answers(self) -> list[AnomalyScore]:
        """The right answer to each record."""
        answers: list[Any] = [None] * self.num_records
        make: Any = model_class(MODEL)
        for partition in range(self._partitions):
            indexes = range(partition, self.num_records, self._partitions)
            answers[partition :: self._partitions] = answer_stream(
                make(**OPTIONS), [self._reading(index) for index in indexes]
            )
        return answers


def sensors_in_msgpack(num_records: int, partitions: int) -> Sensors:
    """Return the same readings written as MessagePack."""
    return Sensors(num_records, partitions, msgspec.msgpack.encode)
