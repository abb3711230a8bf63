"""The store of several models: rows are reused, and statistics are computed in turn."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly import channel_store
from models.anomaly.channel_store import ChannelStore
from models.anomaly.windows import Windows


def test_released_rows_are_used_again_before_new_ones() -> None:
    store = ChannelStore(8)
    first, second = store.allocate(3), store.allocate(2)
    assert sorted(first + second) == [0, 1, 2, 3, 4]
    store.release(first)
    assert sorted(store.allocate(4)) == [0, 1, 2, 5]


def test_growing_keeps_windows_and_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_store, "_FIRST_CAPACITY", 2)
    store, expected = ChannelStore(8), []
    for count in range(1, 30):
        rows = np.array(store.allocate(count))
        store.clear(rows, np.arange(count))
        store.append(rows, np.full(count, float(count)))
        expected += [float(count)] * count
    assert store.medians[: len(expected)].tolist() == expected
    assert store.windows.totals[: len(expected)].tolist() == [1] * len(expected)


def test_sensors_with_one_rhythm_do_not_all_need_new_statistics_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of full windows 1/16 are due in each round, because each is due every 16 values."""
    store, rows = ChannelStore(1024), np.arange(800)
    store.clear(np.array(store.allocate(800)), rows)
    rng = np.random.default_rng(0)
    for _ in range(1100):
        store.append(rows, rng.normal(size=800))
    computed: list[int] = []
    compute = Windows.medians_and_spreads

    def counting(windows: Windows, due: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        computed.append(len(due))
        return compute(windows, due)

    monkeypatch.setattr(Windows, "medians_and_spreads", counting)
    for _ in range(32):
        store.append(rows, rng.normal(size=800))
    assert set(computed) == {800 // 16}
