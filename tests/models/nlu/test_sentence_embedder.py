from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.nlu.encoder import SentenceEncoder
from models.nlu.sentence_embedder import SentenceEmbedder
from schemas import TextEmbedding, TextMessage
from tests.models.nlu.conftest import SaveOnnx

TEXTS = ["hello", "where is my order", "thanks " * 90]


def answers(model: SentenceEmbedder) -> list[TextEmbedding]:
    model.load()
    model.warm_up()
    found = model.predict_batch([TextMessage(text=text) for text in TEXTS])
    model.close()
    assert all(isinstance(answer, TextEmbedding) for answer in found)
    return found  # type: ignore[return-value]


def test_vectors_are_those_of_the_encoder(tiny_bert: Path, tiny_encoder: SentenceEncoder) -> None:
    found = answers(SentenceEmbedder(str(tiny_bert)))
    rows = np.array([answer.embedding for answer in found])
    np.testing.assert_allclose(rows, tiny_encoder.encode(TEXTS), atol=2e-6)
    assert [answer.dimension for answer in found] == [32] * 3
    assert [answer.is_truncated for answer in found] == [False, False, True]
    assert all(answer.packed is None for answer in found)


def test_packed_vectors_are_half_precision(tiny_bert: Path, tiny_encoder: SentenceEncoder) -> None:
    found = answers(SentenceEmbedder(str(tiny_bert), format="float16"))
    packed = [np.frombuffer(base64.b64decode(answer.packed or ""), "<f2") for answer in found]
    np.testing.assert_allclose(np.array(packed), tiny_encoder.encode(TEXTS), atol=5e-4)
    assert all(answer.embedding is None for answer in found)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_pooling_changes_the_vector_and_the_version(tiny_bert: Path, pooling: Any) -> None:
    default, chosen = (
        SentenceEmbedder(str(tiny_bert)),
        SentenceEmbedder(str(tiny_bert), pooling=pooling),
    )
    first, second = answers(default)[1], answers(chosen)[1]
    assert (first.embedding == second.embedding) == (pooling == "mean")
    assert (default.version == chosen.version) == (pooling == "mean")


def test_an_onnx_folder_gives_the_same_vectors(save_onnx: SaveOnnx) -> None:
    found = [answers(SentenceEmbedder(str(folder))) for folder in save_onnx("encoder")]
    rows = [np.array([answer.embedding for answer in each]) for each in found]
    np.testing.assert_allclose(rows[1], rows[0], atol=1e-4)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format is 'int8'"):
        SentenceEmbedder(format="int8")  # type: ignore[arg-type]
