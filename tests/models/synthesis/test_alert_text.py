from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.base import ModelError
from models.registry import make_model
from models.synthesis.alert_text import AlertWriter
from schemas import AlertText, AnomalyReport, JsonCodec, TextMessage


def report(**changed: Any) -> AnomalyReport:
    return msgspec.structs.replace(AnomalyReport.example(), **changed)


def test_an_anomaly_becomes_a_sentence() -> None:
    (answer,) = AlertWriter().predict_batch([report()])
    assert answer == AlertText(text="Warning, pressure bar of pump 7 is not normal.")
    (answer,) = AlertWriter().predict_batch([report(source_id="", channel="")])
    assert answer == AlertText(text="Warning, a reading of a source is not normal.")


def test_every_field() -> None:
    model = AlertWriter("{score} {expected} {source} {channel} {source}")
    answers = model.predict_batch([report(), report(expected=None)])
    assert [answer.text for answer in answers if answer] == [
        "0.97 2.5 pump 7 pressure bar pump 7",
        "0.97 unknown pump 7 pressure bar pump 7",
    ]


def test_only_anomalies_from_the_least_score_on_are_worded() -> None:
    batch = [report(is_anomaly=False), report(score=0.79), report(score=0.8)]
    answers = AlertWriter("now", min_score=0.8).predict_batch(batch)
    assert answers == [None, None, AlertText(text="now")]


def test_names_can_not_add_fields() -> None:
    model = AlertWriter("{source}: {channel}")
    (answer,) = model.predict_batch([report(source_id="{channel}", channel="a" * 4096)])
    assert answer == AlertText(text="{channel}: " + "a" * 100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "{value}"}, r"template: \{value\} is unknown: expected \{source\}"),
        ({"template": ""}, "template has 0 characters"),
        ({"template": "a" * 1001}, "template has 1001 characters"),
        ({"min_score": 1.5}, "min_score is 1.5"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make_model(AlertWriter, options)


def test_its_result_is_a_text_message() -> None:
    (answer,) = AlertWriter().predict_batch([report()])
    assert answer is not None
    answer.source_id, answer.event_time_ms, answer.model = "pump-7", 5, "alert_text"
    message = JsonCodec(TextMessage).decode(msgspec.json.encode(answer), {})
    assert message == TextMessage(
        source_id="pump-7",
        event_time_ms=5,
        text="Warning, pressure bar of pump 7 is not normal.",
    )
