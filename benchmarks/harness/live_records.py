"""The records of one live run, and whether a result is the right answer to one of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
import numpy as np

from benchmarks.harness.inputs import InputRecord
from benchmarks.harness.payloads import Payloads
from benchmarks.harness.sender import SendPlan, SendReport
from models.base import OnlineModel
from models.registry import make_model, model_class
from schemas import BehaviorEvent, Event, Result, SensorReading
from schemas.cloudevents import type_name

#: Of floating point in batches of other sizes.
_TOLERANCE = 1e-9


class LiveRecords:
    """What a sender sent to a topic, by index (an `inputs.Input`): mean scores are expected."""

    kind = "penstock.score.v1"
    model_version = "1"

    def __init__(self, plan: SendPlan, number: int, report: SendReport) -> None:
        """Work out the records of a plan's stream from the report of its sender."""
        stream = plan.streams[number]
        self.payloads = Payloads(stream.kind, stream.sources, stream.partitions)
        self.partitions = stream.partitions
        num_primers, due = plan.num_primers(number), plan.due_seconds(number)
        loaded = report.started_ms + (1000 * due).astype(np.int64)
        self._event_times_ms: list[int] = [report.primed_ms] * num_primers + loaded.tolist()
        self.num_records = len(self._event_times_ms)
        self.first_measured = num_primers + int(np.searchsorted(due, plan.warm_up_seconds))

    @property
    def num_measured(self) -> int:
        """The number of records sent after the warm-up."""
        return self.num_records - self.first_measured

    def records(self) -> Iterator[InputRecord]:
        """Yield all records in the order of their index."""
        for index, time_ms in enumerate(self._event_times_ms):
            yield InputRecord(self.key(index), self.payloads.value(index, time_ms), time_ms)

    def key(self, index: int) -> bytes:
        """Return the key of a record."""
        return self.payloads.key(index)

    def event_time_ms(self, index: int) -> int:
        """Return when a record was due, milliseconds since 1970."""
        return self._event_times_ms[index]

    def event_id(self, index: int) -> str:
        """Return the producer's id of a record."""
        return self.payloads.event_id(index)

    def fault(self, index: int, value: bytes) -> str:
        """Compare the score with the mean of the record's values."""
        values = self.payloads.item(index)["values"].values()
        return _difference({"score": sum(values) / len(values)}, msgspec.json.decode(value))


class LearningRecords(LiveRecords):
    """The same for an online model, whose right answers depend on the records before.

    They are computed by the model alone: for each partition in the order of offsets, each learning
    step is answered and then learned. That is what the engine promises, however records arrive.
    """

    def __init__(
        self, plan: SendPlan, number: int, report: SendReport, model: str, options: dict[str, Any]
    ) -> None:
        """Work out the records and compute the right answers.

        Args:
            plan: of the sender.
            number: of the stream in the plan.
            report: of the sender.
            model: the name of a registered online model.
            options: of the model, as in the pipeline file.
        """
        super().__init__(plan, number, report)
        result_type = model_class(model).result_type
        assert result_type is not None
        self.kind = type_name(result_type)
        self.model_version = model_class(model).version
        self._answers: list[list[Result]] = []
        for partition in range(self.partitions):
            learner = make_model(model_class(model), options)
            assert isinstance(learner, OnlineModel)
            indices = range(partition, self.num_records, self.partitions)
            self._answers.append(answers_in_order(learner, [self._event(i) for i in indices]))

    def _event(self, index: int) -> Event:
        item = self.payloads.item(index)
        event_type: type[Event] = BehaviorEvent if "features" in item else SensorReading
        return event_type(
            source_id=self.payloads.source(index),
            event_time_ms=self.event_time_ms(index),
            event_id=self.event_id(index),
            **item,
        )

    def fault(self, index: int, value: bytes) -> str:
        """Compare the model's fields of a result with the right answer."""
        answer = self._answers[index % self.partitions][index // self.partitions]
        return _difference(_model_fields(answer), msgspec.json.decode(value))


def answers_in_order(model: OnlineModel[Any, Any], events: Sequence[Event]) -> list[Result]:
    """Return an online model's answers to a partition's events, offset 0 first."""
    model.load("cpu")
    answers: list[Result] = []
    for start in range(0, len(events), model.learn_every):
        step = events[start : start + model.learn_every]
        answers += cast(Sequence[Result], model.predict_batch(step))
        if len(step) == model.learn_every:
            model.learn_batch(step)
    model.close()
    return answers


def _model_fields(answer: Result) -> dict[str, Any]:
    """Return the fields that the model filled in."""
    fields = msgspec.structs.asdict(answer)
    return {name: value for name, value in fields.items() if name not in Result.__struct_fields__}


def _difference(expected: dict[str, Any], actual: dict[str, Any]) -> str:
    """Return the first field that differs, "" if none does."""
    for name, right in expected.items():
        value = actual.get(name)
        is_near = (
            isinstance(right, float)
            and isinstance(value, int | float)
            and math.isclose(value, right, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
        )
        if value != right and not is_near:
            return f"its {name} is {value!r}: expected {right!r}"
    return ""
