from __future__ import annotations

from pathlib import Path

import pytest

from models.evaluation import Measure, Skipped, figures
from models.synthesis import evaluate
from models.synthesis.evaluate import evaluate_model, figures_of
from models.synthesis.sentences import words_of
from models.synthesis.tacotron2_synthesizer import Tacotron2Synthesizer
from schemas import SpokenAudio
from tests.models.synthesis.tiny_tacotron2 import write_tacotron2


def test_figures_count_words_and_faults() -> None:
    texts = ["open the door.", "stop."]
    spoken = [
        SpokenAudio(audio=b"", sample_rate_hz=1, text=text, notes=notes)
        for text, notes in zip(texts, ([], ["a part was skipped"]), strict=True)
    ]
    heard = {"open the door.": ["open", "a", "door"], "stop.": ["stop"]}
    assert figures_of(texts, spoken, lambda one: heard[one.text]) == {
        "words recognized": 3 / 4,
        "word error rate": 1 / 4,
        "sentences with a fault": 1 / 2,
    }


def test_a_model_is_judged_by_what_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "NUM_SENTENCES", 9)
    model = Tacotron2Synthesizer(str(write_tacotron2(tmp_path)))
    model.load("cpu")
    rows = evaluate_model(model, lambda spoken: words_of(spoken.text))
    values = {row.metric: row.value for row in rows if isinstance(row, Measure)}
    assert len(figures(rows)) == len(rows) == 4
    assert values["words recognized"] == 1
    assert values["word error rate"] == 0
    assert values["sentences with a fault"] == 1  # it is not trained
    assert not any(isinstance(row, Skipped) for row in rows)
