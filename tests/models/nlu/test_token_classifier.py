from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.token_classifier import Aggregation, HuggingFaceEntities, words_of_tokens
from schemas import InputError, TextEntities, TextMessage
from tests.models.nlu.conftest import SaveModel
from tests.models.nlu.tiny_byte_level import END, write_byte_level

LABELS = {0: "O", 1: "B-person", 2: "I-person", 3: "B-place", 4: "I-place"}
TEXT = "Hello MONEY, where is my order? thanks, the 💶 balances"
Load = Callable[..., HuggingFaceEntities]


@pytest.fixture(scope="module")
def folder(save_bert: SaveModel) -> Path:
    return save_bert("BertForTokenClassification", id2label=LABELS)


def loaded(folder: Path, **options: Any) -> HuggingFaceEntities:
    model = HuggingFaceEntities(str(folder), **options)
    model.load()
    return model


def answers(model: HuggingFaceEntities, texts: list[str]) -> list[TextEntities]:
    results = model.predict_batch([TextMessage(text=text) for text in texts])
    assert all(isinstance(result, TextEntities) for result in results)
    return [result for result in results if isinstance(result, TextEntities)]


def reference(folder: Path, aggregation: str, text: str) -> list[tuple[str, int, int]]:
    """Return the entities that transformers' pipeline finds."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    find = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True),
        tokenizer=AutoTokenizer.from_pretrained(folder, local_files_only=True),
        aggregation_strategy=aggregation,
    )
    return [(e["entity_group"], e["start"], e["end"]) for e in find(text)]


@pytest.mark.parametrize(
    ("family", "ours", "theirs"),
    [
        ("Bert", "none", "simple"),
        ("Bert", "first", "first"),
        ("Bert", "max", "max"),
        ("Roberta", "none", "simple"),  # for words, transformers guesses where they begin
    ],
)
def test_entities_equal_those_of_transformers(
    tmp_path: Path, save_bert: SaveModel, family: str, ours: Aggregation, theirs: str
) -> None:
    if family == "Bert":
        folder = save_bert("BertForTokenClassification", seed=3, id2label=LABELS)
    else:
        special = {"pad_token": "<pad>", "eos_token": END}
        size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = {**size, "intermediate_size": 16, "pad_token_id": "<pad>", "id2label": LABELS}
        folder = write_byte_level(tmp_path, "RobertaForTokenClassification", special, **config)
    text = "hello where is my order thanks the balances" if family == "Bert" else "my good service"
    (answer,) = answers(loaded(folder, aggregation=ours), [text])
    actual = [(e.label, e.start, e.end) for e in answer.entities]
    expected = [
        (label, start + len(text[start:end]) - len(text[start:end].lstrip()), end)
        for label, start, end in reference(folder, theirs, text)
    ]
    assert actual == expected
    assert actual


def test_offsets_are_code_points_of_the_original_text(folder: Path) -> None:
    (answer,) = answers(loaded(folder), [TEXT])
    assert answer.entities
    ends = [0]
    for entity in answer.entities:
        assert TEXT[entity.start : entity.end] == entity.text
        assert entity.start >= ends[-1]
        ends.append(entity.end)


def test_an_answer_does_not_depend_on_the_batch(folder: Path) -> None:
    model = loaded(folder, max_tokens=16, overlap=4)
    texts = ["hello", TEXT, "thanks " * 90, "money ? " * 3, TEXT * 9]
    for text, together in zip(texts, answers(model, texts), strict=True):
        (alone,) = answers(model, [text])
        assert [(e.label, e.start, e.end) for e in together.entities] == [
            (e.label, e.start, e.end) for e in alone.entities
        ]


def test_what_stands_far_behind_in_a_long_text_is_found(folder: Path) -> None:
    text = "hello " * 400 + "money"
    model = loaded(folder, max_tokens=16, overlap=4, max_windows=100)
    (answer,) = answers(model, [text])
    assert not answer.is_truncated
    windows = model.prepare_batch([TextMessage(text=text)]).slots[0]
    assert not isinstance(windows, InputError)
    assert windows.spans[-1] == (2400, 2405)
    (cut,) = answers(loaded(folder, max_tokens=16, overlap=4, max_windows=2), [text])
    assert cut.is_truncated


def test_blank_and_invalid_texts_are_errors_for_themselves_alone(folder: Path) -> None:
    model = loaded(folder)
    texts = [TextMessage(text=text) for text in ("hello", " ", "\ud800", "hello")]
    first, blank, invalid, last = model.predict_batch(texts)
    assert isinstance(blank, InputError)
    assert isinstance(invalid, InputError)
    assert isinstance(first, TextEntities)
    assert isinstance(last, TextEntities)
    assert all(isinstance(a, InputError) for a in model.predict_batch(texts[1:3]))


def test_low_scores_are_left_out(folder: Path) -> None:
    (answer,) = answers(loaded(folder, min_score=1.0), [TEXT])
    assert all(entity.score == 1.0 for entity in answer.entities)


def test_other_folders_and_options_are_refused(tiny_bert: Path, save_bert: SaveModel) -> None:
    with pytest.raises(ModelError, match="no token classifier"):
        loaded(tiny_bert)
    with pytest.raises(ModelError, match="option `outside`"):
        loaded(save_bert("BertForTokenClassification", num_labels=3))
    with pytest.raises(ValueError, match="aggregation is 'last'"):
        HuggingFaceEntities("x", aggregation="last")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="option max_windows is 0"):
        HuggingFaceEntities("x", max_windows=0)


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("first", [[0.6, 0.4], [1, 0]]),
        ("average", [[0.4, 0.6], [1, 0]]),
        ("max", [[0.1, 0.9], [1, 0]]),
    ],
)
def test_tokens_become_words(aggregation: Aggregation, expected: list[list[float]]) -> None:
    rows = np.array([[0.6, 0.4], [0.1, 0.9], [0.5, 0.5], [1, 0]], dtype=np.float32)
    words = words_of_tokens(rows, np.array([0, 0, 0, 1]), aggregation)
    np.testing.assert_allclose(words, expected, atol=1e-6)
