"""The load: steady, partly bad, the same values for the same number."""

from __future__ import annotations

import time

from agents.soak.load import Load
from agents.soak.model import POISON
from agents.topic_reader import TopicReader
from streams.kafka_client import create_topics
from streams.settings import TopicSettings


def test_all_that_was_sent_is_there_and_some_of_it_is_bad(embedded_bootstrap: str) -> None:
    kafka = {"bootstrap.servers": embedded_bootstrap}
    create_topics(kafka, {"load-test": TopicSettings()})
    load = Load(kafka, "load-test", per_second=2_000, extra=(-1.0,))
    load.start()
    while load.num_delivered < 1_000:
        time.sleep(0.05)
    assert load.stop()
    with TopicReader(kafka) as reader:
        values = [
            message.value()
            for partition, bounds in enumerate(reader.bounds("load-test", 4))
            for messages in reader.read("load-test", partition, bounds)
            for message in messages
        ]
    assert len(values) == load.num_delivered
    assert load.num_failed == 0
    assert values.count(b'{"x": ') >= 3
    assert values.count(b'{"x":%.1f}' % POISON) >= 4
    assert values.count(b'{"x":-1.0}') >= 4
