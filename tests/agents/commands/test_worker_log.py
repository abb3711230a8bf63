"""A worker's log leaves out service steps, repeats, and each request's error in an outage."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from mode import Service

from agents.commands.worker_log import (
    JsonLines,
    LogFormat,
    NoRepeats,
    is_no_service_step,
    log_outages_once,
)
from streams.app import App
from streams.health.health import Health
from streams.inference import Inference
from streams.state.keeper import StateKeeper
from streams.transport.consumer import Consumer
from streams.transport.consumer_thread import ConsumerThread
from streams.transport.transport import Producer, Transport

#: Classes whose lines the filters must recognize, wherever they are defined.
_SERVICES = [App, Health, Inference, StateKeeper, Consumer, ConsumerThread, Producer]
_CLIENTS = [Consumer, ConsumerThread, Producer]


class _Lines(logging.Handler):
    """Collects the lines that pass its filters."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> _Lines:
    """The only handler of the root logger."""
    root, lines = logging.getLogger(), _Lines()
    monkeypatch.setattr(root, "handlers", [lines])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    return lines


def say_as(kind: type[Any]) -> Any:
    """Return the log of a service as it would be in an object of that class."""

    class Stub(Service):  # type: ignore[misc]
        __module__ = kind.__module__

    return Stub().log


@pytest.mark.parametrize("kind", _SERVICES)
def test_the_steps_of_services_are_left_out_and_their_warnings_are_not(
    kind: type[Any], log: _Lines
) -> None:
    assert issubclass(kind, Service)
    log.addFilter(is_no_service_step)
    say_as(kind).info("Starting...")
    say_as(kind).warning("can't start")
    logging.getLogger(kind.__module__).info("holding 4 partitions")
    assert [line.rpartition("]: ")[2] for line in log.lines] == [
        "can't start", "holding 4 partitions",
    ]  # fmt: skip


async def test_a_real_service_starts_and_stops_without_a_line(log: _Lines) -> None:
    log.addFilter(is_no_service_step)

    class Quiet(Service):  # type: ignore[misc]
        pass

    log.lines.clear()
    async with Quiet():
        pass
    assert log.lines == []


def clients() -> list[Callable[[], None]]:
    """Ways in which Kafka clients report that a request failed."""
    libraries = ["aiokafka.consumer.fetcher", "asyncio", "mode.timers"]
    return [
        *(lambda name=name: logging.getLogger(name).error("no answer") for name in libraries),
        *(lambda kind=kind: say_as(kind).error("no answer") for kind in _CLIENTS),
    ]


@pytest.mark.parametrize("say", clients())
def test_the_errors_of_requests_are_left_out_during_a_known_outage(
    say: Callable[[], None], log: _Lines
) -> None:
    is_away = False
    log_outages_once(lambda: is_away)
    say()
    assert len(log.lines) == 1
    is_away = True
    say()
    assert len(log.lines) == 1


@pytest.mark.parametrize("name", [Health.__module__, "agents.worker", Transport.__module__])
def test_other_lines_are_logged_during_an_outage(name: str, log: _Lines) -> None:
    log_outages_once(lambda: True)
    logging.getLogger(name).warning("the broker answers again")
    assert log.lines == ["the broker answers again"]


def test_a_repeat_is_left_out_until_it_is_old() -> None:
    now = 0.0
    repeats = NoRepeats(lambda: now)

    def passes(message: str) -> bool:
        return repeats.filter(logging.makeLogRecord({"name": "lib", "msg": message}))

    assert passes("a")
    assert not passes("a")
    assert passes("b")
    now = 9.9
    assert not passes("a")
    now = 10.1
    assert passes("a")


def test_the_memory_for_repeats_is_bounded() -> None:
    repeats = NoRepeats(lambda: 0.0)
    for i in range(5000):
        assert repeats.filter(logging.makeLogRecord({"name": "lib", "msg": f"line {i}"}))
    assert len(repeats._last) <= 1000


def line_of(record: logging.LogRecord, process: str = "") -> dict[str, Any]:
    text = JsonLines(process).format(record)
    assert "\n" not in text
    fields: dict[str, Any] = json.loads(text)
    return fields


def test_a_line_of_json_has_time_level_logger_and_message() -> None:
    record = logging.LogRecord("a.b", logging.WARNING, "", 1, "holding %d\npartitions", (4,), None)
    record.created = 1_764_400_000.0625
    assert line_of(record) == {
        "time": "2025-11-29T07:06:40.062Z",
        "level": "WARNING",
        "logger": "a.b",
        "message": "holding 4\npartitions",
    }
    assert line_of(record, "2/4")["process"] == "2/4"


def test_a_line_of_json_has_the_traceback_and_is_never_long() -> None:
    try:
        raise ArithmeticError("x" * 100_000)
    except ArithmeticError:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "y" * 100_000, None, sys.exc_info())
    line = line_of(record)
    assert line["exception"].startswith("Traceback (most recent call last)")
    assert all(len(text) < 8100 for text in line.values())


@pytest.mark.parametrize(
    ("form", "is_terminal", "expected"),
    [
        (LogFormat.TEXT, False, False),
        (LogFormat.JSON, True, True),
        (LogFormat.AUTO, True, False),
        (LogFormat.AUTO, False, True),
    ],
)
def test_auto_is_text_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, form: LogFormat, is_terminal: bool, expected: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    assert form.is_json is expected
