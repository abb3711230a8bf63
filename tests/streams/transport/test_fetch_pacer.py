"""After a small fetch records gather for a moment; a large or an empty one delays nothing."""

from __future__ import annotations

import pytest

from streams.transport.fetch_pacer import FetchPacer


@pytest.mark.parametrize(("num_records", "is_paced"), [(0, False), (1, True), (1000, False)])
def test_only_a_small_fetch_delays_the_next(num_records: int, is_paced: bool) -> None:
    now = 100.0
    pacer = FetchPacer(lambda: now)
    assert pacer.seconds_left() == 0.0
    pacer.took(num_records)
    assert (pacer.seconds_left() > 0.0) == is_paced
    now += 1.0
    assert pacer.seconds_left() == 0.0
