"""`penstock bench photos`: the ways agree, and each has a rate."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.errors import UserError
from benchmarks.harness.photos import measure_photos, rows_of


def test_each_way_has_a_rate_and_the_cores_are_given_back(data_dir: Path) -> None:
    cores = os.sched_getaffinity(0)
    rates = measure_photos(data_dir, threads=1, rounds=1)
    assert rates[0].of_batches == 1
    assert all(rate.photos_per_second > 0 and rate.cpu_milliseconds > 0 for rate in rates)
    assert len({len(row) for row in rows_of(rates)}) == 1
    assert os.sched_getaffinity(0) == cores


def test_a_folder_without_the_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no detector_fastestdet and coco_photos in it"):
        measure_photos(tmp_path, threads=1, rounds=1)


def test_more_threads_than_cores_are_an_error(data_dir: Path) -> None:
    with pytest.raises(UserError, match="--threads 4096: this process may use"):
        measure_photos(data_dir, threads=4096, rounds=1)
