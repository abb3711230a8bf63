"""A text's answer must not depend on the padding that its neighbors in the batch cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.padded import run_passes
from models.nlu.padding import check_padding
from models.nlu.sequence_classifier import HuggingFaceClassifier
from models.nlu.tokenizer import Tokenizer
from models.transfer import HostTransfer
from schemas import NluResult, TextMessage
from tests.models.nlu.tiny_byte_level import END, WORDS, write_byte_level

SMALL_GPT2: dict[str, Any] = {"n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
SMALL_ROBERTA: dict[str, Any] = {
    "max_position_embeddings": 65,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
WITH_PAD = {"eos_token": END, "pad_token": END}


def check_alone_and_together(folder: Path) -> None:
    model = HuggingFaceClassifier(str(folder), max_tokens=64)
    model.load()
    words = WORDS.split()
    texts = [TextMessage(text=" ".join(words[: 8 + i % 4])) for i in range(16)]
    together = model.predict_batch(texts)
    calls = len(model.prepare_batch(texts).passes)
    assert calls == 1
    answers = set()
    for text, answer in zip(texts, together, strict=True):
        (alone,) = model.predict_batch([text])
        assert isinstance(alone, NluResult)
        assert isinstance(answer, NluResult)
        assert answer.intent == alone.intent
        assert answer.score == pytest.approx(alone.score, abs=1e-5)
        answers.add(round(alone.score, 4))
    assert len(answers) > 1  # otherwise nothing above could fail


@pytest.mark.parametrize(
    ("in_config", "special"),
    [(END, WITH_PAD), (END, None), (None, None), (None, WITH_PAD), (100_000, None)],
    ids=["both", "config only", "nowhere", "tokenizer only", "not in the vocabulary"],
)
def test_a_decoder_reads_the_end_of_its_text_wherever_padding_is_named(
    tmp_path: Path, in_config: str | int | None, special: dict[str, str] | None
) -> None:
    config = {**SMALL_GPT2, "eos_token_id": END, "bos_token_id": END, "num_labels": 3}
    if in_config == 100_000:  # transformers' model can't have it, a file can
        write_byte_level(tmp_path, "GPT2ForSequenceClassification", special, **config)
        file = tmp_path / "config.json"
        file.write_text(file.read_text().replace("{", '{"pad_token_id": 100000,', 1))
    else:
        write_byte_level(
            tmp_path, "GPT2ForSequenceClassification", special, pad_token_id=in_config, **config
        )
    check_alone_and_together(tmp_path)


def test_roberta_gives_padding_no_position(tmp_path: Path) -> None:
    special = {"pad_token": "<pad>", "eos_token": END}
    write_byte_level(
        tmp_path,
        "RobertaForSequenceClassification",
        special,
        pad_token_id=0,  # not the tokenizer's
        num_labels=3,
        **SMALL_ROBERTA,
    )
    check_alone_and_together(tmp_path)


def test_without_any_control_token_the_folder_is_refused(tmp_path: Path) -> None:
    config = {**SMALL_GPT2, "eos_token_id": 5, "bos_token_id": 5, "num_labels": 3}
    write_byte_level(tmp_path, "GPT2ForSequenceClassification", {}, pad_token_id=None, **config)
    with pytest.raises(ModelError, match="names no padding token"):
        HuggingFaceClassifier(str(tmp_path)).load()


def test_a_text_as_long_as_the_positions_is_answered(tmp_path: Path) -> None:
    special = {"pad_token": "<pad>", "eos_token": END}
    config = {**SMALL_ROBERTA, "num_labels": 3, "pad_token_id": 0}
    write_byte_level(tmp_path, "RobertaForSequenceClassification", special, **config)
    model = HuggingFaceClassifier(str(tmp_path), max_tokens=4096)
    model.load()
    (answer,) = model.predict_batch([TextMessage(text="order " * 500)])
    assert isinstance(answer, NluResult)
    assert answer.is_truncated
    (tokens,) = model.prepare_batch([TextMessage(text="order " * 500)]).slots
    assert isinstance(tokens, list)
    assert len(tokens) == 64


def test_a_network_that_reads_padding_is_refused(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, 64)

    def mean_of_all(ids: Any, mask: Any) -> Any:
        return ids.float().mean(dim=1, keepdim=True)

    with pytest.raises(ModelError, match="depends on the texts beside it"):
        check_padding(tiny_bert, tokenizer, 0, HostTransfer(), lambda p: run_passes(p, mean_of_all))


def test_a_network_for_one_text_at_a_time_is_refused(tiny_bert: Path) -> None:
    def only_one(passes: Any) -> Any:
        if len(passes[0].indices) > 1:
            raise ValueError("batch sizes > 1 are not handled")
        return np.zeros((1, 1), dtype=np.float32)

    with pytest.raises(ModelError, match=r"two texts in one call: batch sizes > 1"):
        check_padding(tiny_bert, Tokenizer(tiny_bert, 64), 0, HostTransfer(), only_one)
