from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.encoder import SentenceEncoder
from models.nlu.intent_classifier import DEFAULT_HEAD, IntentClassifier
from models.nlu.intent_head import load_head
from models.nlu.phrases import generate
from models.nlu.train import main, read_pairs, train_head
from schemas import NluResult, TextMessage


def write_lines(path: Path, pairs: list[tuple[str, str]]) -> Path:
    lines = [json.dumps({"text": text, "intent": intent, "id": 1}) for text, intent in pairs]
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


def test_the_classifier_can_use_a_trained_folder(
    tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [("hello", "greet"), ("hello a", "greet"), ("money", "pay"), ("money the", "pay")]
    data = write_lines(tmp_path / "train.jsonl", pairs)
    out = tmp_path / "head"
    encoder = ["--encoder", str(tiny_bert)]
    options = ["--data", str(data), "--test", str(data), "--out", str(out), "--min-score", "0.1"]
    assert main([*encoder, *options]) == 0
    assert "4 texts, 2 labels, min_score 0.1" in capsys.readouterr().out
    model = IntentClassifier(encoder=str(tiny_bert), head=str(out))
    model.load()
    answers = model.predict_batch([TextMessage(text=text) for text, _ in pairs])
    assert [a.intent for a in answers if isinstance(a, NluResult)] == [p[1] for p in pairs]


def test_a_threshold_is_chosen_if_none_is_given(tiny_bert: Path, tmp_path: Path) -> None:
    pairs = [(f"hello{' a' * n}", "greet") for n in range(6)]
    pairs += [(f"money{' the' * n}", "pay") for n in range(6)]
    data = write_lines(tmp_path / "train.jsonl", pairs)
    out = tmp_path / "head"
    assert main(["--data", str(data), "--encoder", str(tiny_bert), "--out", str(out)]) == 0
    assert 0 < load_head(out).min_score < 1


@pytest.mark.slow
def test_the_script_reproduces_the_shipped_head(minilm: str) -> None:
    """The command, seed and threshold are those of models/nlu/weights/README.md."""
    encoder = SentenceEncoder(minilm)
    encoder.load()
    shipped, again = load_head(DEFAULT_HEAD), train_head(generate(7, "train"), encoder, 0.4)
    assert (again.labels, again.min_score) == (shipped.labels, shipped.min_score)
    assert again.encoder == shipped.encoder
    held_out = encoder.encode([text for text, _ in generate(7, "test")[:60]])
    # Another machine's float sums lead L-BFGS to another point near the same optimum.
    np.testing.assert_allclose(
        again.probabilities(held_out), shipped.probabilities(held_out), atol=0.01
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: expected an object"),
        ('{"text": "x"}', "line 2: expected an object"),
        ('["x", "y"]', "line 2: expected an object"),
        ('{"text": "", "intent": "y"}', "line 2: expected `text` and `intent` to be strings"),
        ('{"text": "x", "intent": 3}', "line 2: expected `text` and `intent` to be strings"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "x", "intent": "y"}\n' + line, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        read_pairs(path)


def test_absent_file_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.jsonl"
    assert main(["--data", str(absent), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: can't read")
    assert error.count("\n") == 1
