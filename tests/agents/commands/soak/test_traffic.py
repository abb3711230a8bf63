"""The load is steady and partly bad; the watch measures the longest stall of one partition."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from agents.commands.soak.model import POISON
from agents.commands.soak.traffic import Load, StallWatch
from streams.kafka.admin import create_topics
from streams.kafka.reader import TopicReader
from streams.settings import TopicSettings


def published(bootstrap: str, topic: str, poisons: bool) -> list[bytes | None]:
    """Publish at least a thousand records; return the values that the topic then holds."""
    kafka = {"bootstrap.servers": bootstrap}
    create_topics(kafka, {topic: TopicSettings()})
    load = Load(kafka, topic, per_second=2_000, extra=(-1.0,), poisons=poisons)
    load.start()
    while load.num_delivered < 1_000:
        time.sleep(0.05)
    assert load.stop()
    with TopicReader(kafka) as reader:
        values = [message.value() for message in reader.read_all(topic, 4)]
    assert len(values) == load.num_delivered
    assert load.num_failed == 0
    return values


def test_every_record_arrives_and_some_are_bad(embedded_bootstrap: str) -> None:
    values = published(embedded_bootstrap, "load-test", poisons=True)
    assert values.count(b'{"x": ') >= 3
    assert values.count(b'{"x":%.1f}' % POISON) >= 4
    assert values.count(b'{"x":-1.0}') >= 4


def test_without_poison_no_record_makes_the_model_raise(embedded_bootstrap: str) -> None:
    values = published(embedded_bootstrap, "load-test-tame", poisons=False)
    assert values.count(b'{"x": ') >= 3
    assert values.count(b'{"x":%.1f}' % POISON) == 0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> StallWatch:
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    return StallWatch({}, {"out": 2, "dlq": 2})


def look(watch: StallWatch, first: int, second: int, dead_letters: int = 0) -> None:
    watch._look({("out", 0): first, ("out", 1): second, ("dlq", 1): dead_letters})


def test_a_stall_of_one_partition_counts_although_others_move(watch: StallWatch) -> None:
    for first, second in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]:
        look(watch, first, second)
    assert watch.longest_seconds == 4.0
    assert watch.num_out == Counter({0: 5, 1: 2})


def test_a_dead_letter_is_progress_of_its_partition(watch: StallWatch) -> None:
    for dead_letters in range(4):
        look(watch, 1, 1, dead_letters)
    assert watch.longest_seconds == 1.0
    assert watch.num_out[1] == 4


def test_progress_needs_records_of_every_partition(watch: StallWatch) -> None:
    look(watch, 1, 0)
    before = watch.num_out
    look(watch, 50, 0)
    assert not watch.has_moved(before, 40)
    look(watch, 50, 3)
    assert watch.has_moved(before, 40)
    before = watch.num_out
    look(watch, 90, 3)
    assert not watch.has_moved(before, 10)
    look(watch, 91, 4)
    assert watch.has_moved(before, 10)
    assert not watch.has_moved(before, 50)
