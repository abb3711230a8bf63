from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from agents.pipeline.parts import load_agent
from models.base import ModelError
from models.training.tasks import read_settings, train_task
from schemas import SpokenAudio, TextMessage
from streams.settings import AgentSettings
from tests.conftest import skip_or_fail

TINY = {
    "batch_size": 4,
    "checkpoint_seconds": 0,
    "epochs": 1,
    "symbol_size": 16,
    "rnn_size": 16,
    "postnet_size": 16,
    "frames_per_step": 8,
    "held_out": 0.25,
}


def train(folder: Path, lines: list[str], **changed: object) -> Path:
    (folder / "texts.txt").write_text("\n".join(lines) + "\n")
    values = {**TINY, "data": "texts.txt", **changed}
    out = folder / "run"
    train_task("synthesizer", read_settings("synthesizer", values, folder), out, "penstock train")
    return out


@pytest.fixture(autouse=True)
def _teacher() -> None:
    if find_spec("hibari") is None:
        skip_or_fail("the extra `demo` is not installed: no hibari-tts")


def test_sentences_become_a_folder_that_speaks(tmp_path: Path) -> None:
    words = ["Stop.", "Go!", "Pump 7.", "Hot.", "Cold.", "Yes.", "No.", "Pump seven."]
    run = train(tmp_path, [*words, "北京"])
    config = json.loads((run / "model" / "config.json").read_text())
    # Of the characters only those that occur have a symbol; equal texts count once.
    assert config["characters"] == "!. cdeghlmnopstuvy"
    assert config["network"]["num_symbols"] == len(config["characters"])
    card = (run / "model" / "card.md").read_text()
    assert "7 sentences of texts.txt, spoken by hibari-tts" in card
    assert "read from the beginning to the end, in order" in card
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps if "held_out_loss" in line] == [1]
    settings = AgentSettings(input="in", output="out", event="TextMessage", model="./model")
    model = load_agent(settings, run).make_model()
    model.load("cpu")
    (answer,) = model.predict_batch([TextMessage(text="pump")])
    assert isinstance(answer, SpokenAudio)
    assert answer.sample_rate_hz == 16_000
    assert answer.duration_ms > 0


def test_a_sentence_that_takes_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"text 1 takes .* raise max_seconds: 'this is"):
        train(tmp_path, ["this is a long sentence."] + ["go."] * 9, max_seconds=0.5)
