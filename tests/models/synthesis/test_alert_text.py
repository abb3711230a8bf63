from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.base import ModelError
from models.registry import make_model
from models.synthesis.alert_text import AlertText
from schemas import AnomalyReport, JsonCodec, TextMessage


def report(**changed: Any) -> AnomalyReport:
    return msgspec.structs.replace(AnomalyReport.example(), **changed)


def test_an_anomaly_becomes_a_sentence() -> None:
    (answer,) = AlertText().predict_batch([report()])
    assert answer == {"text": "Warning, pressure bar of pump 7 is not normal."}
    (answer,) = AlertText().predict_batch([report(source_id="", channel="")])
    assert answer == {"text": "Warning, a reading of a source is not normal."}


def test_every_field() -> None:
    model = AlertText("{score} {expected} {source} {channel} {source}")
    answers = model.predict_batch([report(), report(expected=None)])
    assert [answer["text"] for answer in answers if answer] == [
        "0.97 2.5 pump 7 pressure bar pump 7",
        "0.97 unknown pump 7 pressure bar pump 7",
    ]


def test_only_anomalies_from_the_least_score_on_are_worded() -> None:
    batch = [report(is_anomaly=False), report(score=0.79), report(score=0.8)]
    answers = AlertText("now", min_score=0.8).predict_batch(batch)
    assert answers == [None, None, {"text": "now"}]


def test_names_can_not_add_fields() -> None:
    model = AlertText("{source}: {channel}")
    (answer,) = model.predict_batch([report(source_id="{channel}", channel="a" * 4096)])
    assert answer == {"text": "{channel}: " + "a" * 100}


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
        make_model(AlertText, options)


def test_its_result_is_a_text_message() -> None:
    (answer,) = AlertText().predict_batch([report()])
    stamped = {"source_id": "pump-7", "event_time_ms": 5, "model": "alert_text", **(answer or {})}
    message = JsonCodec(TextMessage).decode(msgspec.json.encode(stamped), {})
    assert message == TextMessage(
        source_id="pump-7",
        event_time_ms=5,
        text="Warning, pressure bar of pump 7 is not normal.",
    )
