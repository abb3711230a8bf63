"""Fixtures: a tiny BERT, and the real MiniLM if it is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from models.nlu.encoder import SentenceEncoder
from models.nlu.pretrained import MINILM_PACKAGE
from tests.conftest import skip_or_fail
from tests.models.nlu.tiny_bert import write_bert

SaveModel = Callable[..., Path]


@pytest.fixture(scope="session")
def save_bert(tmp_path_factory: pytest.TempPathFactory) -> SaveModel:
    """Save a random two-layer BERT of the given transformers class; config values as keywords."""

    def save(class_name: str = "BertModel", seed: int = 0, **config: Any) -> Path:
        return write_bert(tmp_path_factory.mktemp(class_name), class_name, seed, **config)

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
