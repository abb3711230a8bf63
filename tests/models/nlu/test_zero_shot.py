from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.base import ModelError
from models.nlu.zero_shot import ZeroShot
from models.registry import make_model
from schemas import TextLabels, TextMessage

LABELS = {
    "weather": "a question about the weather forecast",
    "order": ["where is my parcel", "when will my order be delivered"],
    "complaint": "an angry complaint about bad service",
}


def labels_of(model: ZeroShot, *texts: str) -> list[str | None]:
    answers = model.predict_batch([TextMessage(text=text) for text in texts])
    return [answer.label for answer in answers if isinstance(answer, TextLabels)]


def test_texts_are_sorted_by_what_labels_mean(minilm: str) -> None:
    model = ZeroShot(LABELS, encoder=minilm)
    model.load()
    assert labels_of(
        model,
        "do I need an umbrella in Rome tomorrow, is it going to rain?",
        "my package has still not arrived",
        "your support was terrible, I am furious about this service",
        "the derivative of x squared is two x",
    ) == ["weather", "order", "complaint", None]
    model.close()


def test_the_version_follows_labels_and_descriptions(tiny_bert: Path) -> None:
    def version(labels: Any) -> str:
        model = ZeroShot(labels, encoder=str(tiny_bert))
        model.load()
        return model.version

    same = version({"a": "hello", "b": "my money"})
    assert same == version({"a": ["hello"], "b": ["my money"]})
    assert len({same, version({"a": "hello", "b": "money"}), version({"c": "hello"})}) == 3


def test_a_description_that_can_not_be_read_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match=r"description can't be read: .*nothing that the model"):
        ZeroShot({"a": "\u200b"}, encoder=str(tiny_bert)).load()


def test_labels_are_required() -> None:
    with pytest.raises(ModelError, match="labels"):
        make_model(ZeroShot, {})
