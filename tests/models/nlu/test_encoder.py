from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.encoder import EncoderSettings, SentenceEncoder
from schemas import InputError

TEXTS = ["hello", "where is my order", "thanks " * 40, "my balance", "?", "money " * 9]


def test_vectors_have_length_one_and_the_order_of_the_texts(tiny_encoder: SentenceEncoder) -> None:
    vectors = tiny_encoder.encode(TEXTS)
    assert vectors.shape == (6, 32)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(tiny_encoder.encode(TEXTS[::-1]), vectors[::-1], atol=1e-5)


def test_a_vector_does_not_depend_on_the_batch(tiny_encoder: SentenceEncoder) -> None:
    alone = np.concatenate([tiny_encoder.encode([text]) for text in TEXTS])
    together = tiny_encoder.encode(TEXTS)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    # and the texts differ by far more than that tolerance, so the check above can fail
    assert np.abs(alone[0] - alone[1]).max() > 0.01


def test_padding_does_not_leak_into_the_mean(tiny_encoder: SentenceEncoder) -> None:
    """One bucket, two lengths: the shorter row is padded, and pooled over its own tokens."""
    short, longer = tiny_encoder.tokenize(["hello", "hello my money"])
    assert not isinstance(short, InputError)
    assert not isinstance(longer, InputError)
    passes = tiny_encoder.prepare(["hello", "hello my money"]).passes
    assert len(passes) == 1
    padded = tiny_encoder.encode_prepared(passes)[0]
    np.testing.assert_allclose(padded, tiny_encoder.encode_tokens([short])[0], atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_mean_and_first_pooling(tiny_bert: Path, pooling: str) -> None:
    import torch
    from transformers import BertModel

    encoder = SentenceEncoder(str(tiny_bert), pooling=pooling, normalize=False)  # type: ignore[arg-type]
    encoder.load()
    reference = BertModel.from_pretrained(tiny_bert, local_files_only=True).eval()
    with torch.inference_mode():
        hidden = reference(torch.tensor([[2, 5, 6, 3]])).last_hidden_state[0]
    expected = hidden.mean(dim=0) if pooling == "mean" else hidden[0]
    np.testing.assert_allclose(encoder.encode(["hello money"])[0], expected, atol=1e-5)


def test_text_longer_than_the_positions_is_cut(tiny_encoder: SentenceEncoder) -> None:
    """The tiny BERT has 64 positions, fewer than the 256 tokens asked for."""
    (tokens,) = tiny_encoder.tokenize(["hello " * 500])
    assert not isinstance(tokens, InputError)
    assert len(tokens) == 64
    assert np.isfinite(tiny_encoder.encode_tokens([tokens])).all()


def test_invalid_unicode_is_an_input_error(tiny_encoder: SentenceEncoder) -> None:
    with pytest.raises(InputError, match="Unicode"):
        tiny_encoder.encode(["hello", "\udfff"])


def test_no_texts_give_no_vectors(tiny_encoder: SentenceEncoder) -> None:
    assert tiny_encoder.encode([]).shape == (0, 32)


def test_an_absent_device_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match="device cuda:99 can't be used"):
        SentenceEncoder(str(tiny_bert)).load("cuda:99")


def test_settings_refuse_an_unknown_pooling() -> None:
    with pytest.raises(ValueError, match="pooling is 'max'"):
        EncoderSettings("", "max", True)  # type: ignore[arg-type]


def test_minilm_puts_texts_of_equal_meaning_close_together(minilm: str) -> None:
    encoder = SentenceEncoder(minilm)
    encoder.load()
    query, same, other = encoder.encode(
        ["how much money is in my account", "show me my account balance", "will it rain tomorrow"]
    )
    assert query @ same > query @ other + 0.3


def test_the_shipped_roberta_puts_texts_of_one_meaning_together() -> None:
    encoder = SentenceEncoder("roberta")
    encoder.load()
    texts = [
        "how much money is in my checking account",
        "tell me the balance of my bank account",
        "will it rain in Paris tomorrow",
        "what is the weather forecast for Paris",
    ]
    vectors = encoder.encode(texts)
    assert vectors.shape == (4, 192)
    cosines = vectors @ vectors.T
    assert min(cosines[0, 1], cosines[2, 3]) > cosines[:2, 2:].max() + 0.2
    np.testing.assert_allclose(encoder.encode(texts[2:3]), vectors[2:3], atol=1e-5)
