import json
from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.speech.recognizer import SpeechRecognizer
from models.speech.voices import require_programs
from models.training.recognizer import Settings, train
from models.training.run_folder import RunFolder
from models.training.settings import no_progress
from schemas import AudioChunk
from tests.conftest import skip_or_fail

TINY = Settings(
    num_sentences=32, hidden=12, layers=1, joint=12, batch_size=8, num_measured=0,
    epochs=4, first_epochs=1, encoder_epochs=1,
)  # fmt: skip


def require_voices() -> None:
    try:
        require_programs()
    except ModelError as error:
        skip_or_fail(str(error))


@pytest.mark.slow
def test_a_run_that_was_ended_gives_the_model_of_a_whole_one(tmp_path: Path) -> None:
    require_voices()
    whole, ended = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "ended")
    train(TINY, whole, no_progress)

    def end_at_5(what: str, done: int, total: int) -> None:
        if what == "steps" and done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, ended, end_at_5)
    trained = train(TINY, ended, no_progress)
    files = [run.model / "model.safetensors" for run in (whole, ended)]
    assert files[0].read_bytes() == files[1].read_bytes()
    losses = [line["loss"] for line in whole.metrics() if "loss" in line]
    assert np.isfinite(losses).all()
    assert trained.model == "speech_recognizer"


@pytest.mark.slow
def test_the_model_is_served_and_its_loss_falls(tmp_path: Path) -> None:
    require_voices()
    run = RunFolder(tmp_path)
    settings = Settings(
        num_sentences=32, hidden=12, layers=1, joint=12, epochs=8, batch_size=8, num_measured=0
    )
    train(settings, run, no_progress)
    held_out = [line["held_out_loss"] for line in run.metrics() if "held_out_loss" in line]
    assert len(held_out) == 8
    assert held_out[-1] < held_out[0]
    config = json.loads((run.model / "config.json").read_text())
    assert config["penstock"] == {
        "model": "speech_recognizer", "files": {"path": "."}, "options": {}
    }  # fmt: skip
    model = SpeechRecognizer(str(run.model))
    model.load("cpu")
    silence = AudioChunk(audio=bytes(32_000), encoding="s16le", sample_rate_hz=16_000)
    (answer,) = model.predict_batch([silence])
    assert isinstance(answer, list)
    assert [result.text for result in answer] == [""]
