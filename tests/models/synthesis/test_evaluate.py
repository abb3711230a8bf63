from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.evaluation import Measure, Skipped, figures
from models.speech.recognizer import SpeechRecognizer
from models.synthesis import evaluate
from models.synthesis.evaluate import Listener, evaluate_model, figures_of, words_heard
from models.synthesis.sentences import words_of
from models.synthesis.tacotron2_synthesizer import Tacotron2Synthesizer
from schemas import SpokenAudio
from tests.models.speech.small_recognizer import write_small_recognizer
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
    listeners: dict[str, Listener] = {
        "a perfect ear": lambda spoken: words_of(spoken.text),
        "a deaf one": lambda _: [],
    }
    rows = evaluate_model(model, listeners)
    assert len(figures(rows)) == len(rows) == 4 + 3  # the rate does not depend on the listener
    found = [row for row in rows if isinstance(row, Measure)]
    assert [row.value for row in found[4:]] == [0, 1, 1]
    values = {row.metric: row.value for row in found[:4]}
    assert values["words recognized"] == 1
    assert values["word error rate"] == 0
    assert values["sentences with a fault"] == 1  # it is not trained
    assert not any(isinstance(row, Skipped) for row in rows)


def test_the_recognizer_hears_speech_as_it_is_spoken(tmp_path: Path) -> None:
    write_small_recognizer(tmp_path)
    recognizer = SpeechRecognizer(str(tmp_path))
    recognizer.load("cpu")
    samples = np.random.default_rng(0).integers(-9000, 9000, 22_050).astype("<i2")
    spoken = SpokenAudio(audio=samples.tobytes(), sample_rate_hz=22_050)
    words = words_heard(recognizer, spoken)
    assert words  # it is not trained, but says something in noise
    assert words == words_heard(recognizer, spoken)
