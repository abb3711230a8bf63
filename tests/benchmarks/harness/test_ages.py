"""The arithmetic of `bench live`: ages, offered rates and the sustained rate."""

from __future__ import annotations

import numpy as np
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME

from benchmarks.harness.ages import AppendTimes, ages_ms, rate_of, summarize_ages, sustained_rate


class Record:
    """A consumed message's place and timestamp."""

    def __init__(self, partition: int, offset: int, time_ms: int, kind: int) -> None:
        self._partition, self._offset, self._timestamp = partition, offset, (kind, time_ms)

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp


def appended(partition: int, offset: int, time_ms: int) -> Record:
    return Record(partition, offset, time_ms, TIMESTAMP_LOG_APPEND_TIME)


def test_ages_are_differences_of_the_same_record() -> None:
    inputs, outputs = AppendTimes(4, partitions=2), AppendTimes(4, partitions=2)
    # Partition by partition, as they are read back: records 0 and 2, then 1 and 3.
    inputs.add_all([appended(0, 0, 10), appended(0, 1, 30), appended(1, 0, 20), appended(1, 1, 40)])
    for index, time_ms in ((3, 47), (0, 11), (1, 25)):
        outputs.add(index, appended(0, 0, time_ms))
    assert ages_ms(inputs, outputs, first=0).tolist() == [1, 5, 7]  # record 2 has no answer
    assert ages_ms(inputs, outputs, first=1).tolist() == [5, 7]
    assert inputs.is_log_append_time


def test_a_client_s_timestamp_is_noticed() -> None:
    times = AppendTimes(2, partitions=1)
    times.add_all([appended(0, 0, 1), Record(0, 1, 2, TIMESTAMP_CREATE_TIME)])
    assert not times.is_log_append_time


def test_quantiles_of_ages() -> None:
    summary = summarize_ages(np.arange(1, 102))
    assert (summary.p50_ms, summary.p99_ms, summary.max_ms) == (51.0, 100.0, 101.0)
    assert summarize_ages(np.array([], np.int64)).max_ms == 0.0


def test_the_offered_rate_is_that_of_the_gaps() -> None:
    assert rate_of(np.array([1000, 1500, 2000])) == pytest.approx(2.0)
    assert rate_of(np.array([7])) == rate_of(np.array([7, 7])) == 0.0


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(300.0, 5.0), (100.0, 9.0), (1000.0, 99.9)], 1000.0),
        ([(100.0, 9.0), (300.0, 100.0), (1000.0, 9.0)], 100.0),  # 1,000 counts only behind 300
        ([(100.0, 9.0), (300.0, None)], 100.0),  # it fell behind
        ([(100.0, 200.0)], None),
        ([], None),
    ],
)
def test_a_rate_is_sustained_if_every_lower_one_is(
    points: list[tuple[float, float | None]], expected: float | None
) -> None:
    assert sustained_rate(points) == expected
