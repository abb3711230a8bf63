from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.intent_classifier import IntentClassifier
from models.nlu.phrases import generate
from schemas import InputError, NluResult, TextMessage


@pytest.fixture(scope="module")
def model(minilm: str) -> IntentClassifier:
    made = IntentClassifier(encoder=minilm, embedding=True)
    made.load()
    made.warm_up()
    return made


def ask(model: IntentClassifier, *texts: str) -> list[NluResult]:
    answers = model.predict_batch([TextMessage(text=text) for text in texts])
    return [answer for answer in answers if isinstance(answer, NluResult)]


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("what's left on my savings account?", "balance"),
        ("I'd like my money back, the jacket is too small", "refund"),
        ("can a human call me", "talk_to_human"),
        ("is it going to rain in Porto", "weather"),
        ("who discovered penicillin", "oos"),
    ],
)
def test_sentences_that_fit_no_template_are_understood(
    model: IntentClassifier, text: str, intent: str
) -> None:
    (answer,) = ask(model, text)
    assert answer.intent == intent
    assert 0.4 <= answer.score <= 1
    assert len(answer.alternatives) == 3


def test_held_out_templates_are_mostly_right(model: IntentClassifier) -> None:
    pairs = generate(seed=21, split="test")[:150]
    answers = ask(model, *[text for text, _ in pairs])
    is_right = [a.intent == intent for a, (_, intent) in zip(answers, pairs, strict=True)]
    # 0.95 when trained; another seed here, and a margin of a few of 150 texts
    assert np.mean(is_right) > 0.88


def test_embedding_has_length_one(model: IntentClassifier) -> None:
    (answer,) = ask(model, "hello")
    assert answer.embedding is not None
    assert len(answer.embedding) == 384
    assert np.linalg.norm(answer.embedding) == pytest.approx(1, abs=1e-4)


def test_invalid_unicode_is_an_error_for_that_text_alone(model: IntentClassifier) -> None:
    texts = ["hello", "\ud800", "what's my balance?"]
    first, bad, last = model.predict_batch([TextMessage(text=text) for text in texts])
    assert isinstance(bad, InputError)
    assert isinstance(first, NluResult)
    assert isinstance(last, NluResult)
    assert (first.intent, last.intent) == ("greeting", "balance")
    (alone,) = model.predict_batch([TextMessage(text="\ud800")])
    assert isinstance(alone, InputError)


def test_version_is_a_short_digest_of_the_weights(model: IntentClassifier) -> None:
    assert len(model.version) == 12
    assert int(model.version, 16) >= 0


def test_threshold_option_overrides_the_head(minilm: str) -> None:
    sceptic = IntentClassifier(encoder=minilm, min_score=1.0, top_k=1)
    sceptic.load()
    (answer,) = ask(sceptic, "hello")
    assert answer.intent == "oos"
    assert [a.intent for a in answer.alternatives] == ["greeting"]
    assert answer.embedding is None


def test_head_of_another_encoder_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ModelError, match="was trained on another encoder"):
        IntentClassifier(encoder=str(tiny_bert)).load()


@pytest.mark.parametrize("option", [{"top_k": -1}, {"min_score": 1.5}, {"max_tokens": 2}])
def test_options_out_of_range_are_refused(option: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))} is"):
        IntentClassifier(**option)  # type: ignore[arg-type]
