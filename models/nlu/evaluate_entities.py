"""Measure the shipped entity head on WNUT 2017.

Source: Derczynski et al., 2017, "Results of the WNUT2017 Shared Task on Novel and Emerging Entity
Recognition", W-NUT.
"""

from __future__ import annotations

from pathlib import Path

from models.nlu.entity_data import read_tagged
from models.nlu.entity_recognizer import DEFAULT_ENTITY_HEAD
from models.nlu.train_entities import rate


def rate_wnut17(data_dir: Path, limit: int | None = None) -> list[tuple[str, float]]:
    """Return the figures of the shipped head on the dev part, which it was not trained on.

    Args:
        data_dir: contains `wnut17/dev.conll.gz`.
        limit: number of texts, the first ones; None: all 1,009.

    Raises:
        FileNotFoundError: the file is absent.
        ModelError: the encoder is not installed.
    """
    texts = read_tagged(data_dir / "wnut17" / "dev.conll.gz")[:limit]
    scores = rate(DEFAULT_ENTITY_HEAD, texts)
    name = f"entity_recognizer (shipped head), wnut17 dev, {len(texts)} texts"
    return [
        (f"{name}: entity F1", scores.f1),
        (f"{name}: entity precision", scores.precision),
        (f"{name}: entity recall", scores.recall),
    ]
