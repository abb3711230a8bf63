from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from agents.commands.main import app
from models.anomaly import evaluate
from models.quality import read_quality


def test_a_missing_folder_is_an_error_of_one_line() -> None:
    found = CliRunner().invoke(app, ["eval", "--data", "no/such/folder"])
    assert found.exit_code == 2
    assert found.stderr == (
        "penstock: error: no/such/folder: no such folder: name one with --data DIR\n"
    )


def test_an_unknown_task_is_refused() -> None:
    found = CliRunner().invoke(app, ["eval", "weather", "--data", "."])
    assert found.exit_code == 2
    assert (
        "no task 'weather': expected some of anomaly, classification, clustering, " in found.stderr
    )


def test_tasks_and_all_together_are_refused() -> None:
    found = CliRunner().invoke(app, ["eval", "anomaly", "--all", "--data", "."])
    assert found.exit_code == 2
    assert "name tasks, or write --all" in found.stderr


def test_absent_data_is_listed_as_skipped(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["eval", "clustering", "--data", str(tmp_path)])
    assert found.exit_code == 2
    assert "skipped: clustering, kdd99: not in the folder of data\n" in found.stdout
    assert "nothing was measured" in found.stderr


def test_rows_of_real_data_have_every_field(data_dir: Path, tmp_path: Path) -> None:
    """A folder with the shoppers alone: the quickest of the data sets."""
    (tmp_path / "shoppers").symlink_to(data_dir / "shoppers")
    out = tmp_path / "quality.json"
    arguments = ["--data", str(tmp_path), "--json", "--out", str(out)]
    found = CliRunner().invoke(app, ["eval", "clustering", *arguments])
    assert found.exit_code == 0, found.output
    written = read_quality(out)
    assert written.dates.keys() == {"clustering"}
    assert msgspec.to_builtins(written.rows) == json.loads(found.stdout)
    absent = ("kdd99", "clinc150")
    assert found.stderr == "".join(
        f"skipped: clustering, {name}: not in the folder of data\n" for name in absent
    )
    rows = json.loads(found.stdout)
    fields = {"task", "dataset", "model", "metric", "value", "higher_is_better", "seed", "command"}
    assert all(row.keys() == fields for row in rows)
    assert {row["dataset"] for row in rows} == {"shoppers"}
    assert {row["model"] for row in rows} == {"online_kmeans (k=8)", "MiniBatchKMeans (k=8)"}
    assert all(row["command"] == f"penstock eval clustering --data {tmp_path.name}" for row in rows)
    assert {row["higher_is_better"] for row in rows if row["metric"] != "clusters ever made"} == {
        True
    }


@pytest.mark.slow
def test_measures_on_real_data(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files and two models: all of them take an hour."""
    models = [
        entry._replace(sets=("skab",))
        for entry in evaluate.MODELS
        if entry.name in ("robust_zscore", "incremental_pca")
    ]
    monkeypatch.setattr(evaluate, "MODELS", models)
    folder = tmp_path / "skab" / "valve1"
    folder.mkdir(parents=True)
    for name in ("0.csv", "1.csv"):
        (folder / name).symlink_to(data_dir / "skab" / "valve1" / name)
    found = CliRunner().invoke(app, ["eval", "anomaly", "--data", str(tmp_path), "--json"])
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)
    assert {row["model"] for row in rows} == {
        "robust_zscore",
        "incremental_pca",
        "scikit-learn's IsolationForest",
    }
    flagged = [row for row in rows if row["metric"].startswith("share of normal rows")]
    assert len(flagged) == 3
    assert not any(row["higher_is_better"] for row in flagged)
    assert all("mean of 2 files" in row["metric"] for row in rows if "ROC AUC" in row["metric"])
