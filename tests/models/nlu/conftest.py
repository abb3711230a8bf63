"""A tiny BERT that the tests build and save themselves, and the real MiniLM where installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from models.nlu.encoder import SentenceEncoder
from models.nlu.pretrained import MINILM_PACKAGE
from tests.conftest import skip_or_fail

WORDS = ["hello", "money", "where", "is", "my", "order", "thanks", "the", "balance", "##s", "a"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

SaveModel = Callable[..., Path]


@pytest.fixture(scope="session")
def save_bert(tmp_path_factory: pytest.TempPathFactory) -> SaveModel:
    """Save a random two-layer BERT of the given transformers class; config values as keywords."""

    def save(class_name: str = "BertModel", seed: int = 0, **config: Any) -> Path:
        import torch
        import transformers

        folder = tmp_path_factory.mktemp(class_name)
        (folder / "vocab.txt").write_text("\n".join(SPECIAL + WORDS), encoding="utf-8")
        torch.manual_seed(seed)
        settings = transformers.BertConfig(
            vocab_size=len(SPECIAL + WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
            # The usual 0.02 leaves all vectors nearly alike: no test could tell texts apart.
            initializer_range=0.5,
            **config,
        )
        getattr(transformers, class_name)(settings).save_pretrained(folder)
        transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def tiny_bert(save_bert: SaveModel) -> Path:
    return save_bert()


@pytest.fixture(scope="session")
def tiny_encoder(tiny_bert: Path) -> SentenceEncoder:
    encoder = SentenceEncoder(str(tiny_bert))
    encoder.load()
    return encoder


@pytest.fixture(scope="session")
def minilm() -> str:
    if find_spec(MINILM_PACKAGE) is None:
        skip_or_fail("the extra `demo` is not installed: no MiniLM")
    return "minilm"
