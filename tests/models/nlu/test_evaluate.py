from __future__ import annotations

from pathlib import Path

import pytest

from models.evaluation import figures
from models.nlu.evaluate import _balanced, evaluate_on


def test_a_balanced_sample_contains_every_intent() -> None:
    rows = [{"intent": "often", "text": str(n)} for n in range(90)]
    rows += [{"intent": "rare", "text": str(n)} for n in range(10)]
    counts = [row["intent"] for row in _balanced(rows, 12)]
    assert counts.count("often") == counts.count("rare") == 6


def test_absent_data_raises_file_not_found(minilm: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        evaluate_on(tmp_path)


@pytest.mark.slow
def test_real_texts_are_mostly_understood(minilm: str, data_dir: Path) -> None:
    """A few texts for each intent: the bounds lie well below the figures in docs/language.md."""
    found = figures(evaluate_on(data_dir, limit=604))
    assert len(found) == 21  # three of them about entities, five about zero-shot labels
    minilm_heads = "intent_classifier (minilm"
    assert _value(found, minilm_heads, "in-scope accuracy without oos") > 0.75
    assert _value(found, minilm_heads, "out-of-scope AUROC") > 0.85
    assert _value(found, minilm_heads, "out-of-scope recall with its threshold") > 0.4
    assert _value(found, "intent_classifier (roberta", "in-scope accuracy without oos") > 0.65
    assert _value(found, "shipped head", "accuracy on 6 shared intents") > 0.75
    assert _value(found, "head on the", "F1") > 0.7


def _value(values: dict[str, float], model: str, metric: str) -> float:
    (value,) = [v for k, v in values.items() if model in k and k.endswith(": " + metric)]
    return value
