from __future__ import annotations

import threading

from confluent_kafka import Producer

from agents.commands.broker import embedded_broker
from agents.commands.soak.rebalances import Rebalances
from streams.kafka.admin import ends


def test_a_dead_letter_of_long_ago_is_no_stall() -> None:
    """A partition has results and dead letters; the stall begins with the last of both."""
    with embedded_broker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})

        def write(topic: str, time_ms: int) -> None:
            producer.produce(topic, b"x", partition=0, timestamp=time_ms)
            assert producer.flush(30) == 0

        write("results.dlq", 1_000)
        write("results", 100_000)
        kafka = {"bootstrap.servers": broker.bootstrap_servers}
        outputs = {"results": 1, "results.dlq": 1}
        before = ends(kafka, outputs, 10.0)
        write("results", 100_200)
        later = threading.Timer(1.0, write, ["results", 100_300])
        later.start()
        assert Rebalances(kafka, "group", outputs)._stalls(before) == {0: 0.2}
        later.join()
