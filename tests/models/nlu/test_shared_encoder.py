from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.nlu.encoder import SentenceEncoder
from models.nlu.entity_encoder import EntityEncoder
from models.nlu.shared_encoder import SharedEncoder, SharedText
from schemas import InputError
from tests.models.nlu.conftest import SaveOnnx

TEXTS = ["hello", "where is my order", "thanks money " * 90, " ", "my balance", " " * 4000 + "a"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_vectors_and_words_are_those_of_the_single_encoders(
    tiny_bert: Path, tmp_path: Path, side: str
) -> None:
    """A tokenizer that keeps the end of a long text makes a sentence that is no window."""
    folder = tmp_path / "bert"
    shutil.copytree(tiny_bert, folder)
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "truncation_side": side}))
    single, words = SentenceEncoder(str(folder)), EntityEncoder(str(folder), 256, 16, 20)
    single.load()
    words.load("cpu", [1, 2])
    shared = SharedEncoder(str(folder), 256, 16, 20)
    shared.load("cpu", None, [1, 2])
    weights = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    words.project(weights)
    shared.project(weights)

    prepared = shared.prepare(TEXTS)
    vectors, rows = shared.encode(prepared)
    good = [text for text in TEXTS if text.strip()]
    np.testing.assert_allclose(vectors, single.encode(good), atol=1e-5)
    expected = words.encode_prepared(words.prepare(TEXTS))
    assert len(rows) == len(expected) == len(good)
    for actual, wanted in zip(rows, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-4)
    assert isinstance(prepared.slots[3], InputError)
    cut = [slot.is_cut for slot in prepared.slots if isinstance(slot, SharedText)]
    assert cut == [False, False, True, False, False]
    assert shared.settings == single.settings


def test_no_texts_give_nothing(tiny_bert: Path) -> None:
    shared = SharedEncoder(str(tiny_bert), 64, 16, 4)
    shared.load("cpu", None, [])
    vectors, words = shared.encode(shared.prepare([" "]))
    assert (vectors.shape, words) == ((0, 32), [])


def test_an_onnx_file_serves_all_heads_that_read_the_last_layer(save_onnx: SaveOnnx) -> None:
    results = []
    for folder in save_onnx("encoder"):
        shared = SharedEncoder(str(folder), 64, 16, 4)
        shared.load("cpu", None, [2])
        vectors, words = shared.encode(shared.prepare(TEXTS))
        results.append(np.concatenate([vectors, *words]))
    np.testing.assert_allclose(results[1], results[0], atol=1e-4)
