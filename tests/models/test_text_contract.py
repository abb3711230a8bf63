"""Checks that every registered model that reads texts must pass."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from models.base import Model, PreparedModel
from models.nlu.online_intent_head import OnlineIntentHead
from models.nlu.pretrained import MINILM_PACKAGE
from models.registry import model_class, model_names
from models.transliteration.transliterator import Transliterator
from schemas import InputError, SpokenAudio, TextMessage
from tests.conftest import skip_or_fail
from tests.models.contract import MINILM_MODELS, assert_alike, make_registered

#: Another batch shape sums float32 in another order.
TOLERANCE = 1e-4
TEXT_MODELS = [name for name in model_names() if model_class(name).event_type is TextMessage]
BLANKS = ["", " ", "\n\t ", "\0\0", "\u200b\u200b", "\u200f", "\ufffd", " " * 8192]
CONTROL = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "<s>", "</s>", "<pad>", "<|endoftext|>"]


@pytest.fixture(scope="module", params=TEXT_MODELS)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Model[Any, Any]]:
    if request.param in MINILM_MODELS and find_spec(MINILM_PACKAGE) is None:
        skip_or_fail("the extra `demo` is not installed: no MiniLM")
    if request.param == "hibari" and find_spec("hibari") is None:
        skip_or_fail("the extra `demo` is not installed: no hibari-tts")
    made = make_registered(request.param, tmp_path_factory.mktemp(request.param))
    made.load("cpu")
    yield made
    made.close()


def answers(model: Model[Any, Any], *texts: str) -> list[Any]:
    return list(model.predict_batch([TextMessage(text=text) for text in texts]))


def is_marked_as_cut(answer: Any) -> bool:
    if isinstance(answer, SpokenAudio):
        return any(note.startswith("cut:") for note in answer.notes)
    return bool(answer.is_truncated or getattr(answer, "is_search_truncated", False))


def test_the_suite_has_every_text_model() -> None:
    assert len(TEXT_MODELS) >= 7


def test_an_answer_does_not_depend_on_its_neighbors(model: Model[Any, Any]) -> None:
    text = "where is my order? I ordered a book in Paris"
    (alone,) = answers(model, text)
    for neighbors in (["hello"], ["money " * 400], ["", "\udfff"], ["a"] * 40, [text.upper()]):
        assert_alike(answers(model, *neighbors, text)[-1], alone, TOLERANCE)
        assert_alike(answers(model, text, *neighbors)[0], alone, TOLERANCE)


def test_a_text_that_is_cut_says_so(model: Model[Any, Any]) -> None:
    short, long = answers(model, "where is my order", "my money is here " * 20_000)
    assert not is_marked_as_cut(short)
    assert is_marked_as_cut(long)


def test_blanks_around_a_text_hide_nothing(model: Model[Any, Any]) -> None:
    plain, behind, before = answers(
        model, "cancel my order", " " * 9000 + "cancel my order", "cancel my order" + "\n" * 9000
    )
    assert not is_marked_as_cut(behind)
    for padded in (behind, before):
        if hasattr(plain, "entities") and plain.entities:
            assert [e.label for e in padded.entities] == [e.label for e in plain.entities]
        else:
            assert_alike(padded, plain, TOLERANCE)


@pytest.mark.parametrize("text", BLANKS, ids=repr)
def test_a_text_with_nothing_to_read_is_an_error(model: Model[Any, Any], text: str) -> None:
    (answer,) = answers(model, text)
    assert isinstance(answer, InputError)


def test_invalid_unicode_is_an_error_for_that_text_alone(model: Model[Any, Any]) -> None:
    good, bad, last = answers(model, "hello", "a\udfffb", "my balance")
    assert isinstance(bad, InputError)
    assert not isinstance(good, InputError)
    assert not isinstance(last, InputError)


def token_ids(model: Model[Any, Any], text: str) -> list[int]:
    if isinstance(model, PreparedModel):
        (texts,) = model.prepare_batch([TextMessage(text=text)]).passes
    else:
        assert isinstance(model, OnlineIntentHead)
        (texts,) = model._encoder.prepare([text]).passes
    ids: list[int] = texts.ids.tensor()[0].tolist()
    return ids


def test_control_tokens_in_a_text_are_text(model: Model[Any, Any]) -> None:
    if isinstance(model, Transliterator):
        return  # it reads letters: there is no token that a text could spell
    if model.result_type is SpokenAudio:
        return  # it reads characters
    first, *_, last = token_ids(model, "hello")
    for token in CONTROL:
        ids = token_ids(model, f"hello {token} my money {token}{token}")
        assert (ids[0], ids.count(first)) == (first, 1), token
        assert (ids[-1], ids.count(last)) == (last, 1), token


def test_many_texts_of_all_lengths_are_each_answered(model: Model[Any, Any]) -> None:
    texts = [("order " * (1 + 7 * i % 53)).strip() for i in range(120)]
    together = answers(model, *texts)
    assert len(together) == len(texts)
    for index in (0, 17, 52, 119):
        assert_alike(together[index], answers(model, texts[index])[0], TOLERANCE)
