"""Late labels change the answers: with a small random encoder, which tells texts apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.base import ModelError
from models.evaluation import answer_stream, one_result
from models.nlu.online_intent_head import OnlineIntentHead
from schemas import Event, Feedback, NluResult, TextMessage
from tests.models.nlu.tiny_bert import write_bert

TEXTS = {"money": "where is my money", "order": "hello the order", "thanks": "thanks a balance"}


def loaded(folder: Path, **options: Any) -> OnlineIntentHead:
    model = OnlineIntentHead(encoder=str(folder), head="empty", **options)
    model.load()
    return model


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("encoder"))


def log_of(rounds: int, delay: int) -> list[Event]:
    asked = [label for _ in range(rounds) for label in TEXTS]
    log: list[Event] = []
    for i, label in enumerate(asked):
        log.append(TextMessage(text=f"{TEXTS[label]} {'a ' * (i % 3)}", event_id=str(i)))
        if i >= delay:
            log.append(Feedback(label=asked[i - delay], about=str(i - delay)))
    return log


def test_new_intents_are_learned_from_labels(encoder: Path) -> None:
    model = loaded(encoder)
    answers = answer_stream(model, log_of(rounds=60, delay=20))
    texts = [one_result(answer) for answer in answers if answer is not None]
    assert texts[0].intent == "oos"
    assert [text.intent for text in texts[-30:]] == list(TEXTS) * 10
    num_right, num_labels = model.label_sums()
    assert 0.5 < num_right / num_labels < 1.0
    assert not any(model.take_incidents().values())


def test_instances_of_partitions_share_the_encoder(encoder: Path) -> None:
    one, other = loaded(encoder), loaded(encoder)
    assert one._encoder is other._encoder
    one.close()
    (answer,) = other.predict_batch([TextMessage(text="hello")])
    assert isinstance(answer, NluResult)


def test_a_joint_call_answers_as_single_calls(encoder: Path) -> None:
    one, other = loaded(encoder), loaded(encoder)
    answer_stream(one, log_of(rounds=30, delay=5))
    batches: list[list[Event]] = [
        [TextMessage(text="my money"), Feedback(label="a", about="b"), TextMessage(text="order")],
        [TextMessage(text="thanks")],
    ]
    joint = one.predict_joined([one, other], batches)
    for model, batch, answers in zip([one, other], batches, joint, strict=True):
        for actual, expected in zip(answers, model.predict_batch(batch), strict=True):
            assert type(actual) is type(expected)
            if isinstance(actual, NluResult) and isinstance(expected, NluResult):
                assert actual.intent == expected.intent
                assert actual.score == pytest.approx(expected.score, abs=1e-4)


def test_a_head_of_another_encoder_is_refused(encoder: Path) -> None:
    with pytest.raises(ModelError, match="head: empty"):
        OnlineIntentHead(encoder=str(encoder), head="shipped").load()
