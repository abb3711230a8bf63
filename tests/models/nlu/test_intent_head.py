from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.encoder import EncoderSettings
from models.nlu.familiarity import Familiarity
from models.nlu.intent_classifier import DEFAULT_HEAD
from models.nlu.intent_head import IntentHead, load_head

FAMILIARITY = Familiarity(np.eye(2, dtype=np.float32), weight=10.0, slope=0.5, offset=-4.0)


@pytest.fixture
def head() -> IntentHead:
    return IntentHead(
        labels=("no", "yes"),
        weights=np.array([[0.0, 2.0], [1.0, -1.0]], dtype=np.float32),
        bias=np.array([0.5, 0.0], dtype=np.float32),
        min_score=0.25,
        encoder=EncoderSettings("abc", "mean", True),
    )


def test_probabilities_are_the_softmax(head: IntentHead) -> None:
    actual = head.probabilities(np.array([[1.0, 0.0]], dtype=np.float32))
    powers = np.exp([0.5, 2.0])
    np.testing.assert_allclose(actual, [powers / powers.sum()], rtol=1e-6)


def test_huge_logits_do_not_overflow(head: IntentHead) -> None:
    actual = head.probabilities(np.array([[1e30, 0.0]], dtype=np.float32))
    np.testing.assert_array_equal(actual, [[0, 1]])


def test_saved_head_is_the_same_when_loaded(head: IntentHead, tmp_path: Path) -> None:
    head.save(tmp_path / "new" / "folder")
    loaded = load_head(tmp_path / "new" / "folder")
    assert loaded.fingerprint() == head.fingerprint()
    assert loaded.labels == head.labels
    np.testing.assert_array_equal(loaded.weights, head.weights)
    np.testing.assert_array_equal(loaded.bias, head.bias)


def test_a_head_with_calibrated_scores_is_the_same_when_loaded(
    head: IntentHead, tmp_path: Path
) -> None:
    calibrated = replace(head, familiarity=FAMILIARITY)
    calibrated.save(tmp_path)
    loaded = load_head(tmp_path)
    assert loaded.fingerprint() == calibrated.fingerprint() != head.fingerprint()
    vectors = np.array([[1.0, 0.5], [-1.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(loaded.scores(vectors), calibrated.scores(vectors))
    np.testing.assert_array_equal(head.scores(vectors), head.probabilities(vectors))


def test_prototypes_of_another_width_are_refused(head: IntentHead, tmp_path: Path) -> None:
    wide = replace(FAMILIARITY, prototypes=np.eye(3, dtype=np.float32))
    replace(head, familiarity=wide).save(tmp_path)
    with pytest.raises(ModelError, match="different widths"):
        load_head(tmp_path)


def test_the_error_for_a_folder_without_head_says_how_to_train_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"No such file.*penstock train intent"):
        load_head(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "head format 99"),
        ({"labels": ["one"]}, "numbers of weights and labels differ"),
        ({"encoder": {"pooling": "mean"}}, "contains no intent head"),
        ({"encoder": {"fingerprint": "", "pooling": "x", "normalize": True}}, "pooling is 'x'"),
        ({"min_score": None}, "contains no intent head"),
    ],
)
def test_damaged_description_is_refused(
    head: IntentHead, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    head.save(tmp_path)
    file = tmp_path / "head.json"
    about = json.loads(file.read_text(encoding="utf-8")) | change
    file.write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_head(tmp_path)


def test_damaged_weights_are_refused(head: IntentHead, tmp_path: Path) -> None:
    head.save(tmp_path)
    (tmp_path / "head.safetensors").write_bytes(b"\x80\x02not safetensors at all")
    with pytest.raises(ModelError, match="contains no intent head"):
        load_head(tmp_path)


def test_the_shipped_head_has_its_intents() -> None:
    shipped = load_head(DEFAULT_HEAD)
    assert len(shipped.labels) == 13
    assert "oos" in shipped.labels
    assert 0 < shipped.min_score < 1
