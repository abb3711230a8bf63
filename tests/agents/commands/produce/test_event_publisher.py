"""Events published to the embedded broker: order, rate, limits and failures."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from agents.commands.broker import BrokerProcess, embedded_broker
from agents.commands.produce.event_publisher import MAX_BEHIND_SECONDS, EventPublisher, Pace
from agents.commands.produce.event_records import EventEncoder
from schemas import SensorReading, make_codec
from streams.kafka.admin import create_topics
from streams.kafka.reader import TopicReader, record_of
from streams.settings import TopicSettings


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with embedded_broker() as broker:
        names = ("arrive", "murmur", "bounded", "large", "rate", "now")
        create_topics(
            {"bootstrap.servers": broker.bootstrap_servers}, dict.fromkeys(names, TopicSettings())
        )
        yield broker.bootstrap_servers


def readings(count: int) -> list[SensorReading]:
    return [
        SensorReading(source_id=f"s-{n % 7}", event_time_ms=1_700_000_000_000 + n, values={"n": n})
        for n in range(count)
    ]


def read_topic(
    servers: str, topic: str, count: int
) -> list[tuple[SensorReading, int, dict[str, bytes]]]:
    """Return the event, partition and headers of each record."""
    codec = make_codec("json", SensorReading)
    events: list[tuple[SensorReading, int, dict[str, bytes]]] = []
    with TopicReader({"bootstrap.servers": servers}) as reader:
        for record in map(record_of, reader.read_all(topic, 4)):
            headers = dict(record.headers)
            event = codec.decode(record.value or b"", headers)
            assert isinstance(event, SensorReading)
            assert record.key == event.source_id.encode()
            events.append((event, record.partition, headers))
    assert len(events) == count
    return events


def test_events_arrive_in_order_with_key_and_headers(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "arrive", EventEncoder(SensorReading, "json")
    )
    published = publisher.publish(readings(300))
    assert (published.num_sent, published.num_delivered, published.num_failed) == (300, 300, 0)
    records = read_topic(servers, "arrive", 300)
    assert sorted(event.event_time_ms for event, _, _ in records) == [
        1_700_000_000_000 + n for n in range(300)
    ]
    partitions_of: dict[str, set[int]] = {}
    last: dict[str, int] = {}
    for event, partition, headers in records:
        partitions_of.setdefault(event.source_id, set()).add(partition)
        assert event.event_time_ms > last.get(event.source_id, 0)
        last[event.source_id] = event.event_time_ms
        assert headers["ce_type"] == b"penstock.sensor_reading.v1"
    assert all(len(partitions) == 1 for partitions in partitions_of.values())
    assert len({headers["ce_id"] for _, _, headers in records}) == 300


def test_keys_are_partitioned_by_murmur2(servers: str) -> None:
    """The partitioner is that of Java clients and aiokafka."""
    from aiokafka.partitioner import murmur2

    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "murmur", EventEncoder(SensorReading, "json")
    )
    publisher.publish(readings(50))
    for event, partition, _ in read_topic(servers, "murmur", 50):
        assert partition == (murmur2(event.source_id.encode()) & 0x7FFFFFFF) % 4


def test_unacknowledged_events_are_limited(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers, "linger.ms": 50},
        "bounded",
        EventEncoder(SensorReading, "json"),
        max_outstanding_bytes=1000,
    )
    num_read = 0
    ahead = []

    def events() -> Iterator[SensorReading]:
        nonlocal num_read
        for reading in readings(200):
            num_read += 1
            ahead.append(num_read - publisher.deliveries.num_delivered)
            yield reading

    assert publisher.publish(events()).num_delivered == 200
    assert max(ahead) < 20  # about 75 bytes each; one more is read before the limit is checked


def test_an_event_that_is_too_large_fails_alone(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "large", EventEncoder(SensorReading, "json")
    )
    large = SensorReading(source_id="s", values={"x" * 2_000_000: 1.0})
    published = publisher.publish([*readings(2), large, *readings(2)])
    assert (published.num_sent, published.num_delivered, published.num_failed) == (5, 4, 1)
    assert "too large" in published.first_failure


def test_events_are_sent_at_the_given_rate(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "rate", EventEncoder(SensorReading, "json")
    )
    publisher.publish(readings(100), rate=100)
    assert publisher.seconds == pytest.approx(0.99, abs=0.3)


def test_stamp_now_replaces_the_event_time(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "now", EventEncoder(SensorReading, "json"), stamp_now=True
    )
    before = time.time_ns() // 1_000_000
    publisher.publish(readings(3))
    for event, _, _ in read_topic(servers, "now", 3):
        assert before <= event.event_time_ms <= before + 10_000


def test_events_fail_if_the_broker_dies() -> None:
    with embedded_broker() as broker:
        publisher = EventPublisher(
            {"bootstrap.servers": broker.bootstrap_servers, "delivery.timeout.ms": 1500},
            "dies",
            EventEncoder(SensorReading, "json"),
        )
        published = publisher.publish(stop_after(broker, readings(20)))
    assert published.num_delivered + published.num_failed == published.num_sent == 20
    assert published.num_failed > 0
    assert published.first_failure


def stop_after(broker: BrokerProcess, events: list[SensorReading]) -> Iterator[SensorReading]:
    yield from events[:10]
    broker.stop()
    yield from events[10:]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def turns_within(seconds: float, pace: Pace, clock: Clock, work_seconds: float) -> int:
    """Count the turns if each takes some time for work and sleeps are exact."""
    end, turns = clock.now + seconds, 0
    while True:
        clock.now += pace.wait_seconds()
        if clock.now >= end:
            return turns
        pace.took_turn()
        clock.now += work_seconds
        turns += 1


def test_the_schedule_includes_the_work_between_turns() -> None:
    clock = Clock()
    turns = turns_within(10.0, Pace(50, clock), clock, work_seconds=0.015)
    assert abs(turns - 500) <= 1


def test_a_stall_is_not_followed_by_a_long_burst() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    pace.took_turn()
    clock.now += 60
    burst = 0
    while pace.wait_seconds() == 0:
        pace.took_turn()
        burst += 1
    assert burst <= 10 * MAX_BEHIND_SECONDS + 1


def test_rate_0_never_waits() -> None:
    clock = Clock()
    pace = Pace(0, clock)
    for _ in range(1000):
        assert pace.wait_seconds() == 0
        pace.took_turn()
