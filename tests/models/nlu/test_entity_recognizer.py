"""The shipped entity head, on the real MiniLM."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import ModelError
from models.nlu.entity_recognizer import EntityRecognizer
from schemas import InputError, TextEntities, TextMessage

TEXT = "💶 flying from Chicago to Paris tomorrow with Barack Obama"


@pytest.fixture(scope="module")
def model(minilm: str) -> EntityRecognizer:
    model = EntityRecognizer(minilm)
    model.load()
    return model


def entities(model: EntityRecognizer, text: str) -> list[tuple[str, str]]:
    (answer,) = model.predict_batch([TextMessage(text=text)])
    assert isinstance(answer, TextEntities)
    for entity in answer.entities:
        assert text[entity.start : entity.end] == entity.text
    return [(entity.label, entity.text) for entity in answer.entities]


def test_golden_entities(model: EntityRecognizer) -> None:
    assert entities(model, TEXT) == [
        ("location", "Chicago"),
        ("location", "Paris"),
        ("person", "Barack Obama"),
    ]
    assert entities(model, "where is my order") == []


def test_entities_are_found_beyond_the_positions_of_the_encoder(model: EntityRecognizer) -> None:
    long = "it rains again today . " * 150 + TEXT
    (answer,) = model.predict_batch([TextMessage(text=long)])
    assert isinstance(answer, TextEntities)
    assert not answer.is_truncated
    assert [e.text for e in answer.entities][-3:] == ["Chicago", "Paris", "Barack Obama"]


@settings(max_examples=40)
@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5))
def test_any_texts_get_an_answer_each(model: EntityRecognizer, texts: list[str]) -> None:
    answers = model.predict_batch([TextMessage(text=text) for text in texts])
    assert len(answers) == len(texts)
    for text, answer in zip(texts, answers, strict=True):
        if isinstance(answer, InputError):
            continue
        assert isinstance(answer, TextEntities)
        for entity in answer.entities:
            assert text[entity.start : entity.end] == entity.text
            assert 0 <= entity.score <= 1


def test_a_head_for_another_encoder_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match="has 2 layers"):
        EntityRecognizer(str(tiny_bert)).load()
