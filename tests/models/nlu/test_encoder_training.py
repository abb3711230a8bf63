from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.nlu import encoder_training
from models.nlu.encoder import SentenceEncoder
from models.nlu.encoder_student import StudentShape
from models.nlu.encoder_training import EncoderTraining, main, train

SHAPE = StudentShape(vocabulary=300, width=16, layers=1, heads=2, inner=32, max_tokens=24)
TEXTS = [f"{a} {b} my order {c}" for a in ("where is", "thanks") for b in "abc" for c in "defgh"]


@pytest.fixture
def config(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> EncoderTraining:
    monkeypatch.setattr(encoder_training, "read_corpus", lambda *_: TEXTS)
    return EncoderTraining(
        data=tmp_path, out=tmp_path / "whole", steps=30, batch_size=8, teacher=str(tiny_bert),
        shape=SHAPE,
    )  # fmt: skip


def test_the_trained_folder_is_an_encoder_near_its_teacher(config: EncoderTraining) -> None:
    folder = train(replace(config, steps=200, rate=3e-3))
    student = SentenceEncoder(str(folder))
    student.load()
    teacher = SentenceEncoder(config.teacher)
    teacher.load()
    ours, theirs = student.encode(TEXTS), teacher.encode(TEXTS)
    assert ours.shape == (len(TEXTS), SHAPE.width)
    apart = np.triu_indices(len(TEXTS), 1)
    assert np.corrcoef((ours @ ours.T)[apart], (theirs @ theirs.T)[apart])[0, 1] > 0.8


def test_a_run_that_was_killed_goes_on_to_the_same_weights(
    config: EncoderTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(config)
    killed = replace(config, out=tmp_path / "killed", checkpoint_seconds=0.0)
    real_step = encoder_training._Training._step

    def kill_at_17(self: Any, step: int, rows: Any) -> Any:
        if step == 17:
            raise KeyboardInterrupt
        return real_step(self, step, rows)

    with monkeypatch.context() as patch:
        patch.setattr(encoder_training._Training, "_step", kill_at_17)
        with pytest.raises(KeyboardInterrupt):
            train(killed)
    assert not (killed.out / "model.safetensors").exists()
    train(killed)
    ours, theirs = (folder / "model.safetensors" for folder in (killed.out, whole))
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_run_with_other_settings_is_not_continued(config: EncoderTraining) -> None:
    train(replace(config, steps=2))
    with pytest.raises(ModelError, match="other settings"):
        train(config)


def test_absent_data_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: can't read")


def test_the_settings_are_written_beside_the_run(config: EncoderTraining) -> None:
    folder = train(replace(config, steps=1))
    settings = json.loads((folder / "run" / "settings.json").read_text(encoding="utf-8"))
    assert settings["shape"]["width"] == SHAPE.width
    assert settings["steps"] == 1
