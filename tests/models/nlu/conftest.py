"""Fixtures: a tiny BERT, and the real MiniLM if it is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from models.nlu.encoder import SentenceEncoder
from models.nlu.model_files import find_model
from models.nlu.onnx_export import export_onnx
from models.nlu.pretrained import MINILM_PACKAGE
from models.nlu.text_network import Task
from tests.conftest import skip_or_fail
from tests.models.nlu.tiny_bert import write_bert

SaveModel = Callable[..., Path]
SaveOnnx = Callable[..., tuple[Path, Path]]


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


@pytest.fixture(scope="session")
def save_onnx(save_bert: SaveModel, tmp_path_factory: pytest.TempPathFactory) -> SaveOnnx:
    """Save a random BERT of a task, and export it; returns both folders. Made once for each."""
    made: dict[tuple[str, tuple[str, ...]], tuple[Path, Path]] = {}

    def save(task: Task, *inputs: str) -> tuple[Path, Path]:
        if (task, inputs) not in made:
            class_name, labels = _BERTS[task]
            folder = save_bert(class_name, **({"id2label": labels} if labels else {}))
            out = tmp_path_factory.mktemp("onnx")
            export_onnx(find_model(str(folder)), out, task, inputs)
            made[task, inputs] = folder, out
        return made[task, inputs]

    return save


_BERTS: dict[Task, tuple[str, dict[int, str]]] = {
    "encoder": ("BertModel", {}),
    "sequence": ("BertForSequenceClassification", {0: "angry", 1: "calm", 2: "glad"}),
    "tokens": ("BertForTokenClassification", {0: "O", 1: "B-person", 2: "I-person"}),
}
