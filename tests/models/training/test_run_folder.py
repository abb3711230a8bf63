from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.training.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.begin("classifier", {"seed": 0, "epochs": 2, "checkpoint_seconds": 5.0}, "data")
    return run


def test_other_settings_are_named_and_those_that_decide_nothing_may_change(run: RunFolder) -> None:
    run.begin("classifier", {"seed": 0, "epochs": 2, "checkpoint_seconds": 0.0}, "data")
    with pytest.raises(ModelError, match=r"other settings \(epochs\)"):
        run.begin("classifier", {"seed": 0, "epochs": 3}, "data")
    with pytest.raises(ModelError, match=r"other settings \(data\)"):
        run.begin("classifier", {"seed": 0, "epochs": 2}, "other data")


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="is not empty and holds no run"):
        RunFolder(tmp_path).begin("classifier", {}, "")


def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do(run: RunFolder) -> None:
    assert run.load_checkpoint() == (0, {})
    run.save_checkpoint(7, {"a": torch.ones(2)})
    step, tensors = run.load_checkpoint()
    assert (step, tensors["a"].tolist()) == (7, [1.0, 1.0])
    (run.path / "checkpoint.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="remove it to start the run again"):
        run.load_checkpoint()


def test_figures_of_steps_that_are_done_again_are_forgotten(run: RunFolder) -> None:
    for step in (10, 20, 30):
        run.record(step, loss=step / 10)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "lo')  # as a kill leaves it
    run.forget_after(20)
    assert run.metrics() == [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 2.0}]


def test_prepared_data_is_made_once(run: RunFolder) -> None:
    calls = []

    def fill(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
        calls.append(1)
        array[:] = 3

    for _ in range(2):
        assert run.prepared("pixels", (2, 2), np.uint8, fill).tolist() == [[3, 3], [3, 3]]
    assert len(calls) == 1
