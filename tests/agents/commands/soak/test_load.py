"""The load: steady, partly bad, the same values for the same number."""

from __future__ import annotations

import time

from agents.commands.soak.load import Load
from agents.commands.soak.model import POISON
from streams.kafka.admin import create_topics
from streams.kafka.reader import TopicReader
from streams.settings import TopicSettings


def sent(bootstrap: str, topic: str, poisons: bool) -> list[bytes | None]:
    """A thousand records and some: what lies in the topic when all of it is said to be there."""
    kafka = {"bootstrap.servers": bootstrap}
    create_topics(kafka, {topic: TopicSettings()})
    load = Load(kafka, topic, per_second=2_000, extra=(-1.0,), poisons=poisons)
    load.start()
    while load.num_delivered < 1_000:
        time.sleep(0.05)
    assert load.stop()
    with TopicReader(kafka) as reader:
        values = [
            message.value()
            for partition, bounds in enumerate(reader.bounds(topic, 4))
            for messages in reader.read(topic, partition, bounds)
            for message in messages
        ]
    assert len(values) == load.num_delivered
    assert load.num_failed == 0
    return values


def test_all_that_was_sent_is_there_and_some_of_it_is_bad(embedded_bootstrap: str) -> None:
    values = sent(embedded_bootstrap, "load-test", poisons=True)
    assert values.count(b'{"x": ') >= 3
    assert values.count(b'{"x":%.1f}' % POISON) >= 4
    assert values.count(b'{"x":-1.0}') >= 4


def test_without_poison_nothing_makes_the_model_raise(embedded_bootstrap: str) -> None:
    values = sent(embedded_bootstrap, "load-test-tame", poisons=False)
    assert values.count(b'{"x": ') >= 3
    assert values.count(b'{"x":%.1f}' % POISON) == 0
