"""A workload as the peers run it: raw values in, values and headers to produce out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from workloads.envelope import Answer, Headers, Origin, batch_headers, constant_headers, format_time

Output = tuple[bytes, Headers]


@dataclass(frozen=True)
class Workload:
    """The work on a batch, and the limits of batches."""

    kind: str
    """Of the results: the middle part of `ce_type`."""
    model: str
    max_batch_size: int
    max_wait_seconds: float
    """For the contenders that wait for a batch to fill."""
    linger_ms: int
    """Of the producer."""
    is_slow: bool
    """Whether a batch takes so long that it must not run on an event loop."""
    decode_batch: Callable[[Any, Any, Any], Sequence[Any]]
    """Of values, keys and timestamps in ms since 1970."""
    answer_batch: Callable[[Any], Sequence[Answer]]


#: Of workload `a`: max_batch_size, max_wait_seconds, linger_ms.
_BACKLOG = (5_000, 0.02, 5)


def load(name: str) -> Workload:
    """Return the workload of that name, its model loaded."""
    if name in ("a", "d", "live"):
        from workloads import readings

        answer = readings.answer_batch_slowly if name == "d" else readings.answer_batch
        size, wait, linger_ms = (256, 0.005, 0) if name == "live" else _BACKLOG
        size = 256 if name == "d" else size
        return Workload(
            "score", "mean", size, wait, linger_ms, name == "d", readings.decode_batch, answer
        )
    if name == "b":
        from workloads import frames

        answer = frames.make_answer(_device())
        return Workload("objects", "traffic", 32, 0.02, 5, True, frames.decode_batch, answer)
    if name == "c":
        from workloads import texts

        answer = texts.make_answer(_device())
        return Workload("vector", "minilm", 64, 0.02, 5, True, texts.decode_batch, answer)
    raise SystemExit(f"no workload {name!r}")


def _device() -> str:
    return "cuda:0" if os.path.exists("/dev/nvidia0") else "cpu"


class Work:
    """Decodes, predicts and encodes for one contender."""

    def __init__(self, name: str) -> None:
        self.workload = load(name)
        self._agent = self.workload.kind
        self._constant = constant_headers(self.workload.kind, self._agent)
        self._id_end = f":{self._agent}:penstock.{self.workload.kind}.v1:0"
        self._encode = msgspec.json.Encoder().encode

    def answer(
        self,
        values: Sequence[bytes],
        origins: Sequence[Origin],
        keys: Sequence[bytes],
        timestamps_ms: Sequence[int],
        arrived: float,
    ) -> list[Output]:
        """Answer N records; `arrived` is the time of their fetch, by `time.monotonic`."""
        events = self.workload.decode_batch(values, keys, timestamps_ms)
        started = time.monotonic()
        answers = self.workload.answer_batch(events)
        seconds = time.monotonic() - started
        shared = self._constant + batch_headers(len(events), started - arrived, seconds)
        return [
            self._output(event, answer, origin, shared)
            for event, answer, origin in zip(events, answers, origins, strict=True)
        ]

    def _output(self, event: Any, answer: Answer, origin: Origin, shared: Headers) -> Output:
        answer.source_id = event.source_id
        answer.event_id = event.event_id
        answer.event_time_ms = event.event_time_ms
        answer.origin = origin
        answer.model = self.workload.model
        answer.model_version = "1"
        place = f"{origin.topic}:{origin.partition}:{origin.offset}"
        of_record = [
            ("ce_id", f"{place}{self._id_end}".encode()),
            ("ce_time", format_time(event.event_time_ms)),
        ]
        return self._encode(answer), shared + of_record
