"""After a small fetch records gather for a moment; a large or an empty one delays nothing."""

from __future__ import annotations

import pytest

from streams.transport.fetch_pacer import FetchPacer


@pytest.mark.parametrize(("num_records", "is_paced"), [(0, False), (1, True), (1000, False)])
def test_only_a_small_fetch_delays_the_next(num_records: int, is_paced: bool) -> None:
    now = 100.0
    pacer = FetchPacer(lambda: now)
    assert pacer.seconds_left() == 0.0
    pacer.took(num_records, 1)
    assert (pacer.seconds_left() > 0.0) == is_paced
    now += 1.0
    assert pacer.seconds_left() == 0.0


@pytest.mark.parametrize(
    ("num_partitions", "seconds"), [(1, 0.008), (16, 0.008), (50, 0.015), (200, 0.02)]
)
def test_records_of_many_partitions_gather_for_longer(num_partitions: int, seconds: float) -> None:
    pacer = FetchPacer(lambda: 100.0)
    pacer.took(num_partitions, num_partitions)
    assert pacer.seconds_left() == pytest.approx(seconds)
