from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.entity_features import NUM_FEATURES
from models.nlu.entity_head import WIDTH, EntityHead, load_entity_head

LABELS = ("O", "B-per", "I-per", "B-loc", "I-loc")


def make_head(seed: int = 0, width: int = 4, size: int = 6) -> EntityHead:
    chance = np.random.default_rng(seed)

    def array(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return chance.normal(size=shape).astype(np.float32)

    return EntityHead(
        labels=LABELS,
        layers=(0, 1),
        encoder="abc",
        token_weights=array(size, width),
        shape_weights=array(NUM_FEATURES, width),
        bias=array(width),
        neighbor_weights=array(WIDTH, width, width),
        neighbor_bias=array(width),
        tag_weights=array(width, len(LABELS)),
        tag_bias=array(len(LABELS)),
    )


def test_probabilities_add_up_to_one_and_see_two_neighbors_on_each_side() -> None:
    head = make_head()
    words = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    shapes = np.zeros((9, NUM_FEATURES), dtype=np.float32)
    before = head.probabilities(words, shapes)
    np.testing.assert_allclose(before.sum(axis=1), 1, atol=1e-5)
    words[4] += 10
    changed = np.abs(head.probabilities(words, shapes) - before).max(axis=1) > 1e-7
    assert changed.tolist() == [False, False, *[True] * 5, False, False]


def test_best_tags_are_the_best_allowed_sequence() -> None:
    """Compared with all sequences of four words."""
    head = make_head()
    chance = np.random.default_rng(2)
    for _ in range(20):
        rows = chance.dirichlet(np.ones(len(LABELS)), size=4).astype(np.float32)
        best, choice = -np.inf, []
        for flat in np.ndindex(*(len(LABELS),) * 4):
            tags = ["O", *(LABELS[k] for k in flat)]
            pairs = itertools.pairwise(tags)
            if any(b[0] == "I" and a[2:] != b[2:] for a, b in pairs):
                continue
            score = float(np.log(rows[np.arange(4), flat]).sum())
            if score > best:
                best, choice = score, list(flat)
        assert head.best_tags(rows) == choice


def test_a_saved_head_is_read_back(tmp_path: Path) -> None:
    head = make_head()
    head.save(tmp_path / "head")
    loaded = load_entity_head(tmp_path / "head")
    assert loaded.fingerprint() == head.fingerprint()
    assert loaded.labels == LABELS
    assert make_head(1).fingerprint() != head.fingerprint()


def test_damaged_heads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no entity head"):
        load_entity_head(tmp_path)
    make_head().save(tmp_path)
    file = tmp_path / "entities.json"
    good = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**good, "format": 9}), encoding="utf-8")
    with pytest.raises(ModelError, match="format 9: this build reads 1"):
        load_entity_head(tmp_path)
    file.write_text(json.dumps({**good, "labels": ["O", "B-per"]}), encoding="utf-8")
    with pytest.raises(ModelError, match="tag_weights has another shape"):
        load_entity_head(tmp_path)
    replace(make_head(), layers=()).save(tmp_path)
    with pytest.raises(ModelError, match="token_weights do not fit"):
        load_entity_head(tmp_path)
    (tmp_path / "entities.safetensors").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="contains no entity head"):
        load_entity_head(tmp_path)
