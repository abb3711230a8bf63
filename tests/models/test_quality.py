from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from models.base import ModelError
from models.evaluation import Measure
from models.quality import Quality, headline, read_quality, rows_of, write_quality

ROW = Measure(task="t", dataset="d", model="m (variant)", metric="F1", value=0.5)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    quality = Quality(dates={"t": "2026-01-31"}, rows=[ROW])
    write_quality(tmp_path / "q.json", quality)
    assert read_quality(tmp_path / "q.json") == quality
    (tmp_path / "q.json").write_text("[]")
    with pytest.raises(ModelError, match="expected what `penstock eval --out` writes"):
        read_quality(tmp_path / "q.json")


def test_rows_belong_to_a_model_by_its_whole_name() -> None:
    assert rows_of("m", [ROW]) == [ROW]
    assert rows_of("m (v", [ROW]) == rows_of("", [ROW]) == []
    assert headline([ROW]) == "F1 0.5, d"
    assert headline([]) == ""


def test_the_committed_figures_are_of_every_task() -> None:
    quality = read_quality()
    tasks = {"anomaly", "classification", "clustering", "detection", "nlu", "segmentation"}
    assert tasks | {"tracking"} <= {row.task for row in quality.rows}
    assert {row.task for row in quality.rows} == quality.dates.keys()
    assert all(row.command.startswith(f"penstock eval {row.task} ") for row in quality.rows)


def test_one_task_can_be_measured_again() -> None:
    other = msgspec.structs.replace(ROW, task="a")
    quality = Quality(dates={"t": "2026-01-30"}, rows=[ROW]).with_task("a", "2026-01-31", [other])
    assert quality.rows == [other, ROW]
    better = msgspec.structs.replace(ROW, value=0.6)
    again = quality.with_task("t", "2026-02-01", [better])
    assert again.rows == [other, better]
    assert again.dates == {"a": "2026-01-31", "t": "2026-02-01"}
