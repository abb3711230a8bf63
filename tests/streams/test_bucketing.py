"""Events sorted by what the model says that they measure, whatever it may say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from schemas import InputError
from streams.batching import Chunk
from streams.bucketing import Measured, Sorter
from streams.offsets import OffsetTracker
from streams.settings import BatchSettings
from tests.fakes import record_batch

BUCKETS = BatchSettings(buckets=[2, 5])


def chunk(sizes: Sequence[Any]) -> Chunk[Any]:
    """Events that are their own measures, from every second row."""
    batch = record_batch([b"x"] * 2 * len(sizes), tracker=OffsetTracker())
    return Chunk(batch, range(0, 2 * len(sizes), 2), sizes)


def same(events: Sequence[Any]) -> Sequence[Any]:
    return events


def by_bucket(measured: Measured) -> dict[int, list[Any]]:
    return {bucket: list(own.events) for bucket, own in measured.chunks}


def test_an_event_goes_to_the_smallest_bucket_that_holds_it() -> None:
    measured = Sorter(BUCKETS, same).sort(chunk([0, 1, 2, 3, 5, 6, 10**15]))
    assert by_bucket(measured) == {0: [0, 1, 2], 1: [3, 5], 2: [6, 10**15]}
    assert [list(own.rows) for _, own in measured.chunks] == [[0, 2, 4], [6, 8], [10, 12]]


def test_rows_keep_their_order_within_a_bucket() -> None:
    measured = Sorter(BUCKETS, same).sort(chunk([9, 1, 9, 1, 9]))
    assert [list(own.rows) for _, own in measured.chunks] == [[2, 6], [0, 4, 8]]


def test_a_chunk_of_one_bucket_is_not_cut() -> None:
    whole = chunk([3, 4, 5])
    ((bucket, own),) = Sorter(BUCKETS, same).sort(whole).chunks
    assert (bucket, own) == (1, whole)
    assert own is whole
    assert own.weights is None


def test_weights_are_kept_where_a_batch_is_weighed() -> None:
    measured = Sorter(BatchSettings(max_batch_weight=9), same).sort(chunk([7, 1, 3]))
    ((bucket, own),) = measured.chunks
    assert (bucket, own.weights) == (0, [7, 1, 3])
    both = BatchSettings(buckets=[2], max_batch_weight=9)
    assert [o.weights for _, o in Sorter(both, same).sort(chunk([7, 1, 3])).chunks] == [[1], [7, 3]]


def test_an_array_of_any_integers_will_do() -> None:
    def as_array(events: Sequence[Any]) -> Any:
        return np.asarray(events, dtype=np.uint16)

    assert by_bucket(Sorter(BUCKETS, as_array).sort(chunk([1, 9]))) == {0: [1], 2: [9]}


@pytest.mark.parametrize("odd", [-1, 1.5, "long", None])
def test_an_event_that_measures_nothing_sensible_fails_alone(odd: Any) -> None:
    measured = Sorter(BUCKETS, same).sort(chunk([1, odd, 9]))
    assert by_bucket(measured) == {0: [1], 2: [9]}
    ((row, error),) = measured.failed
    assert (row, error.reason) == (2, "model_error")


def test_an_event_that_can_not_be_measured_fails_alone() -> None:
    def choosy(events: Sequence[Any]) -> Sequence[int]:
        if 13 in events:
            raise InputError("13 has no size")
        return events

    measured = Sorter(BUCKETS, choosy).sort(chunk([1, 13, 9]))
    assert by_bucket(measured) == {0: [1], 2: [9]}
    assert [(row, str(error)) for row, error in measured.failed] == [(2, "13 has no size")]


def test_a_model_that_answers_with_too_few_measures_fails_every_event() -> None:
    def lazy(events: Sequence[Any]) -> Sequence[int]:
        return []

    measured = Sorter(BUCKETS, lazy).sort(chunk([1, 2]))
    assert measured.chunks == []
    assert [row for row, _ in measured.failed] == [0, 2]
    assert "one whole number an event" in str(measured.failed[0][1])
