from __future__ import annotations

from pathlib import Path

import pytest

from models.nlu.evaluate_entities import rate_wnut17


def test_absent_data_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rate_wnut17(tmp_path)


def test_entities_of_real_posts_are_found(minilm: str, data_dir: Path) -> None:
    """The first 200 posts; on all of them F1 is 0.55."""
    figures = rate_wnut17(data_dir, limit=200)
    f1, precision, recall = (value for _, value in figures)
    assert f1 > 0.35
    assert precision > 0.4
    assert recall > 0.3
    assert all("wnut17 dev, 200 texts" in name for name, _ in figures)
