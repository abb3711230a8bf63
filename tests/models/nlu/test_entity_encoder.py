from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.entity_encoder import EntityEncoder


def loaded(folder: Path, layers: list[int]) -> EntityEncoder:
    encoder = EntityEncoder(str(folder), 64, 16, 4)
    encoder.load("cpu", layers)
    return encoder


def test_words_are_means_of_the_hidden_states_of_their_tokens(tiny_bert: Path) -> None:
    import torch
    from transformers import BertModel

    encoder = loaded(tiny_bert, [0, 2])
    prepared = encoder.prepare(["hello balances", "hello"])  # balance, ##s
    long, short = encoder.encode_prepared(prepared)
    reference = BertModel.from_pretrained(tiny_bert, local_files_only=True).eval()
    with torch.inference_mode():
        states = reference(
            torch.tensor([[2, 5, 13, 14, 3]]), output_hidden_states=True
        ).hidden_states
    both = torch.cat([states[0], states[2]], dim=2)[0].numpy()
    np.testing.assert_allclose(long, [both[1], (both[2] + both[3]) / 2], atol=1e-4)
    assert short.shape == (1, 64)


def test_a_projection_is_applied_to_the_states(tiny_bert: Path) -> None:
    encoder = loaded(tiny_bert, [1])
    texts = ["where is my order", "hello"]
    plain = encoder.encode_prepared(encoder.prepare(texts))
    weights = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
    encoder.project(weights)
    for before, after in zip(plain, encoder.encode_prepared(encoder.prepare(texts)), strict=True):
        np.testing.assert_allclose(after, before @ weights, atol=1e-4)
    with pytest.raises(ModelError, match="hidden states of 5 numbers"):
        encoder.project(np.zeros((5, 3), dtype=np.float32))


def test_a_layer_that_the_encoder_lacks_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match="has 2 layers: the head reads layer 4"):
        loaded(tiny_bert, [0, 4])
