"""Windows contain the last values of each row, and their statistics are those of the values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.anomaly import blocks
from models.anomaly.windows import MAD_TO_SIGMA, TAIL_SHARE, TAIL_SIGMAS, Windows

STEPS = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-50, 50)), min_size=1, max_size=30),
    max_size=8,
)


def expected_statistics(values: np.ndarray) -> tuple[float, float]:
    median = float(np.median(values))
    deviations = np.sort(np.abs(values - median))
    core = max(MAD_TO_SIGMA * float(np.median(deviations)), float(deviations.mean()))
    last = min(int(TAIL_SHARE * len(values)), len(values) - 1)
    tail = max(core, float(deviations[last]) / TAIL_SIGMAS)
    return median, float(np.sqrt(core * tail))


def filled(size: int, steps: list[list[tuple[int, int]]]) -> tuple[Windows, list[list[float]]]:
    windows = Windows(size)
    windows.grow_to(5)
    logs: list[list[float]] = [[] for _ in range(5)]
    for step in steps:
        rows, values = np.array([row for row, _ in step]), np.array([v for _, v in step], float)
        assert windows.append(rows, values).tolist() == sorted({row for row, _ in step})
        for row, value in step:
            logs[row].append(float(value))
    return windows, logs


@given(STEPS, st.sampled_from([1, 3, 7, 70, 200]))
def test_windows_and_statistics_are_those_of_the_last_values(
    steps: list[list[tuple[int, int]]], size: int
) -> None:
    windows, logs = filled(size, steps)
    assert windows.totals.tolist() == [len(log) for log in logs]
    rows = np.array([row for row, log in enumerate(logs) if log], np.int64)
    values, ends = windows.values_of(rows), np.cumsum(windows.held(rows))
    medians, spreads = windows.medians_and_spreads(rows)
    parts = np.split(values, ends[:-1]) if len(rows) else []
    for row, part, median, spread in zip(rows, parts, medians, spreads, strict=True):
        last = np.array(logs[row][-size:])
        assert sorted(part.tolist()) == sorted(last.tolist())
        assert (median, spread) == pytest.approx(expected_statistics(last))


@given(STEPS, st.sampled_from([3, 70]))
def test_filled_windows_continue_like_the_originals(
    steps: list[list[tuple[int, int]]], size: int
) -> None:
    windows, logs = filled(size, steps)
    rows = np.array([row for row, log in enumerate(logs) if log], np.int64)
    other, other_rows = Windows(size), 4 - rows
    other.grow_to(5)
    other.fill(other_rows, windows.totals[rows], windows.values_of(rows))
    more = np.arange(4.0)
    for row, other_row in zip(rows, other_rows, strict=True):
        windows.append(np.full(4, row), more)
        other.append(np.full(4, other_row), more)
    assert np.array_equal(windows.values_of(rows), other.values_of(other_rows))
    assert np.array_equal(windows.totals[rows], other.totals[other_rows])


def test_many_long_windows_in_several_pieces_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_PIECE_BYTES", 64 * 8 * 128)
    windows, rng = Windows(1024), np.random.default_rng(0)
    windows.grow_to(100)
    logs = [rng.normal(size=rng.integers(1, 2500)) for _ in range(100)]
    for start in range(0, 2500, 500):
        parts = [log[start : start + 500] for log in logs]
        rows = np.repeat(np.arange(100), [len(part) for part in parts])
        ranks = np.concatenate([np.arange(len(part)) for part in parts])
        mixed = np.argsort(ranks, kind="stable")  # all first values, then all second ones ...
        windows.append(rows[mixed], np.concatenate(parts)[mixed])
    medians, spreads = windows.medians_and_spreads(np.arange(100))
    expected = [expected_statistics(log[-1024:]) for log in logs]
    assert np.allclose(np.stack([medians, spreads], axis=1), expected, rtol=1e-12)


def test_statistics_do_not_depend_on_the_other_rows() -> None:
    windows, rng = Windows(300), np.random.default_rng(0)
    windows.grow_to(50)
    rows = np.repeat(np.arange(50), rng.integers(1, 700, size=50))
    windows.append(rows, rng.normal(size=len(rows)) * 1e5)
    together = np.stack(windows.medians_and_spreads(np.arange(50)))
    alone = np.concatenate([windows.medians_and_spreads(np.array([r])) for r in range(50)], axis=1)
    assert np.array_equal(together, alone)


def test_memory_is_used_only_for_values_that_are_there() -> None:
    windows = Windows(1024)
    windows.grow_to(1000)
    windows.append(np.repeat(np.arange(1000), 60), np.zeros(60_000))
    assert windows._pool._used <= 1001
