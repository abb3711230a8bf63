from __future__ import annotations

from pathlib import Path

import pytest

from models.base import ModelError
from models.evaluation import Measure
from models.quality import Quality, headline, read_quality, rows_of, write_quality

ROW = Measure(task="t", dataset="d", model="m (variant)", metric="F1", value=0.5)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    quality = Quality(date="2026-01-31", command="penstock eval --all", rows=[ROW])
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
    assert quality.command.startswith("penstock eval --all --data ")
