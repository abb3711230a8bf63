from __future__ import annotations

from pathlib import Path

import pytest

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
    """A tenth of the usual sample: the bounds lie well below the usual 0.92, 0.81, 0.91, 0.90."""
    figures = dict(evaluate_on(data_dir, limit=604))
    assert len(figures) == 8  # with those of entities
    rated = {name.rpartition(": ")[2]: value for name, value in figures.items()}
    assert rated["in-scope accuracy"] > 0.7
    assert rated["out-of-scope recall"] > 0.5
    assert rated["accuracy on 6 shared intents"] > 0.75
    assert rated["F1"] > 0.7
