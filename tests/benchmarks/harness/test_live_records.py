"""The records of a live load, and what counts as a right answer to them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from benchmarks.harness.live_records import LearningRecords, LiveRecords, answers_in_order
from benchmarks.harness.live_run import MODELS, model_options
from benchmarks.harness.payloads import KINDS, Payloads
from benchmarks.harness.sender import SendPlan, SendReport, Stream
from models.base import OnlineModel
from models.registry import make_model, model_class
from schemas import BehaviorEvent, SensorReading, TextMessage

REPORT = SendReport(
    primed_ms=1_000, started_ms=5_000, late_p50_ms=0, late_p99_ms=0, late_max_ms=0,
    records_per_request=1,
)  # fmt: skip
EVENT_TYPES = {"readings": SensorReading, "sensors": SensorReading, "wide_sensors": SensorReading,
               "behavior": BehaviorEvent, "texts": TextMessage}  # fmt: skip


def plan(kind: str, rate: float = 10.0) -> SendPlan:
    return SendPlan("", [Stream("t", 2, kind, 5, rate)], "even", 1.0, 2.0, 0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "frames"])
def test_values_are_events_of_their_kind(kind: str) -> None:
    payloads = Payloads(kind, sources=5, partitions=2)
    event: Any = msgspec.json.decode(payloads.value(7, 123), type=EVENT_TYPES[kind])
    assert (event.event_id, event.event_time_ms) == ("r-7", 123)
    assert event.source_id.encode() == payloads.key(7)
    item = payloads.item(7)
    assert msgspec.to_builtins(event).items() >= item.items()


def test_a_key_stays_in_its_partition() -> None:
    payloads = Payloads("readings", sources=5, partitions=4)
    assert payloads.num_sources == 8
    partitions_of_key: dict[bytes, set[int]] = {}
    for index in range(100):
        partitions_of_key.setdefault(payloads.key(index), set()).add(index % 4)
    assert [len(partitions) for partitions in partitions_of_key.values()] == [1] * 8


def test_event_times_are_due_times_and_the_warm_up_is_not_measured() -> None:
    records = LiveRecords(plan("readings"), 0, REPORT)
    times = [records.event_time_ms(index) for index in range(records.num_records)]
    assert times[:4] == [1_000, 1_000, 5_000, 5_100]  # a primer in each partition comes first
    assert (records.num_records, records.first_measured, records.num_measured) == (32, 12, 20)
    assert times[records.first_measured] == 6_000


def test_a_wrong_mean_is_a_fault() -> None:
    records = LiveRecords(plan("readings"), 0, REPORT)
    values = records.payloads.item(3)["values"].values()
    mean = sum(values) / len(values)
    assert records.fault(3, msgspec.json.encode({"score": mean})) == ""
    assert "its score is" in records.fault(3, msgspec.json.encode({"score": mean + 1e-6}))
    assert "its score is None" in records.fault(3, b"{}")


@pytest.mark.parametrize("model", [model for model in MODELS if model != "mean"])
def test_the_right_answers_of_online_models(model: str) -> None:
    sent = plan(MODELS[model], rate=400.0)
    records = LearningRecords(sent, 0, REPORT, model, model_options(model))
    # Predicted one by one and learned at the end of each step: answers must be the same.
    learner = make_model(model_class(model), model_options(model))
    assert isinstance(learner, OnlineModel)
    learner.load("cpu")
    event_type = EVENT_TYPES[MODELS[model]]
    events = [
        msgspec.json.decode(record.value, type=event_type)
        for index, record in enumerate(records.records())
        if index % 2 == 1
    ]
    answers: list[Any] = []
    for offset, event in enumerate(events):
        answers += learner.predict_batch([event])
        if offset % learner.learn_every == learner.learn_every - 1:
            learner.learn_batch(events[offset + 1 - learner.learn_every : offset + 1])
    values = [msgspec.json.encode(answer) for answer in answers]
    assert [records.fault(2 * i + 1, value) for i, value in enumerate(values)] == [""] * len(values)
    assert len(set(values)) > 10
    assert records.fault(1, values[-1]) != ""


def test_answers_do_not_depend_on_events_that_follow() -> None:
    def answers(count: int) -> list[Any]:
        model = make_model(model_class("robust_zscore"), {"min_values": 3, "window": 8})
        assert isinstance(model, OnlineModel)
        events = [SensorReading(source_id="s", values={"x": float(i % 7)}) for i in range(count)]
        return answers_in_order(model, events)

    assert answers(100)[:40] == answers(40)
