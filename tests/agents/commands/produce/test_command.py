"""`penstock produce` and `penstock tail` as their users run them, on the embedded broker."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from agents.commands.broker import BrokerProcess, embedded_broker
from agents.commands.produce.event_publisher import EventPublisher
from agents.commands.produce.event_records import EventEncoder
from schemas import SensorReading, make_codec
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings

PENSTOCK = [sys.executable, "-c", "from agents.commands.main import main; main()"]


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with embedded_broker() as broker:
        yield broker.bootstrap_servers


def penstock(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PENSTOCK, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(),
        cwd=cwd,
    )


def _environment() -> dict[str, str]:
    repo = Path(__file__).parents[4]
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(repo)}


def readings(count: int) -> list[SensorReading]:
    return [
        SensorReading(source_id=f"s-{n % 7}", event_time_ms=1_700_000_000_000 + n, values={"n": n})
        for n in range(count)
    ]


def write_csv(folder: Path, rows: int) -> Path:
    path = folder / "pump.csv"
    lines = [f"{1_700_000_000 + n},s{n % 3},{n}" for n in range(rows)]
    path.write_text("\n".join(["timestamp,who,bar", *lines, ""]))
    return path


def test_events_arrive_keyed_in_order_with_their_envelope(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "arrive", EventEncoder(SensorReading, "json")
    )
    published = publisher.publish(readings(300))
    assert (published.num_sent, published.num_delivered, published.num_failed) == (300, 300, 0)
    found = read_topic(servers, "arrive", 300)
    assert sorted(event.event_time_ms for event, _, _ in found) == [
        1_700_000_000_000 + n for n in range(300)
    ]
    places: dict[str, set[int]] = {}
    last: dict[str, int] = {}
    for event, partition, headers in found:
        places.setdefault(event.source_id, set()).add(partition)
        assert event.event_time_ms > last.get(event.source_id, 0)
        last[event.source_id] = event.event_time_ms
        assert headers["ce_type"] == b"penstock.sensor_reading.v1"
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len({headers["ce_id"] for _, _, headers in found}) == 300


def read_topic(
    servers: str, topic: str, count: int
) -> list[tuple[SensorReading, int, dict[str, bytes]]]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(4)])
    codec = make_codec("json", SensorReading)
    found: list[tuple[SensorReading, int, dict[str, bytes]]] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        for message in consumer.consume(count, timeout=0.5):
            headers = dict(message.headers() or [])
            event = codec.decode(message.value() or b"", headers)
            assert isinstance(event, SensorReading)
            assert message.key() == event.source_id.encode()
            found.append((event, message.partition() or 0, headers))
    consumer.close()
    assert len(found) == count
    return found


def test_murmur2_decides_the_partition(servers: str) -> None:
    """Java's and aiokafka's partitioner: a key's records meet whoever sends them."""
    from aiokafka.partitioner import murmur2

    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "murmur", EventEncoder(SensorReading, "json")
    )
    publisher.publish(readings(50))
    for event, partition, _ in read_topic(servers, "murmur", 50):
        assert partition == (murmur2(event.source_id.encode()) & 0x7FFFFFFF) % 4


def test_memory_is_bounded_by_what_awaits_its_acknowledgement(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers, "linger.ms": 50},
        "bounded",
        EventEncoder(SensorReading, "json"),
        max_outstanding_bytes=1000,
    )
    read = 0
    ahead = []

    def events() -> Iterator[SensorReading]:
        nonlocal read
        for reading in readings(200):
            read += 1
            ahead.append(read - publisher.deliveries.num_delivered)
            yield reading

    assert publisher.publish(events()).num_delivered == 200
    assert max(ahead) < 20  # of about 75 bytes each, and one more read before the limit is seen


def test_events_that_cannot_be_sent_are_counted_and_hurt_no_other(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "large", EventEncoder(SensorReading, "json")
    )
    large = SensorReading(source_id="s", values={"x" * 2_000_000: 1.0})
    published = publisher.publish([*readings(2), large, *readings(2)])
    assert (published.num_sent, published.num_delivered, published.num_failed) == (5, 4, 1)
    assert "too large" in published.first_failure


def test_the_rate_is_kept(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "rate", EventEncoder(SensorReading, "json")
    )
    publisher.publish(readings(100), rate=100)
    assert publisher.seconds == pytest.approx(0.99, abs=0.3)


def test_now_replaces_the_datas_time(servers: str) -> None:
    publisher = EventPublisher(
        {"bootstrap.servers": servers}, "now", EventEncoder(SensorReading, "json"), stamp_now=True
    )
    before = time.time_ns() // 1_000_000
    publisher.publish(readings(3))
    for event, _, _ in read_topic(servers, "now", 3):
        assert before <= event.event_time_ms <= before + 10_000


def test_a_broker_that_dies_is_a_failure_of_what_it_did_not_take() -> None:
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


def test_a_file_is_produced_and_tailed(servers: str, tmp_path: Path) -> None:
    path = str(write_csv(tmp_path, 30))
    at = ["--bootstrap-servers", servers]
    done = penstock(
        "produce", "sensor", path, "--topic", "cli", "--key-column", "who", *at, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    summary = json.loads(done.stdout)
    assert (summary["topic"], summary["num_delivered"], summary["num_failed"]) == ("cli", 30, 0)

    seen = penstock("tail", "cli", "--from-beginning", "--limit", "30", "--json", *at)
    assert seen.returncode == 0, seen.stderr
    records = [json.loads(line) for line in seen.stdout.splitlines()]
    assert sorted(r["value"]["values"]["bar"] for r in records) == list(range(30))
    assert {r["key"] for r in records} == {"s0", "s1", "s2"}

    words = penstock("tail", "cli", "--from-beginning", "--limit", "1", *at)
    assert '"values":{"bar":' in words.stdout


def test_demo_sources_can_be_produced(servers: str) -> None:
    at = ["--bootstrap-servers", servers]
    done = penstock("produce", "text", "demo:phrases", "--limit", "5", *at)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 events to text.messages in ")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["produce", "sensor", "none.csv"], "none.csv: no such file"),
        (["produce", "sensor", "demo:none"], "expected demo:water-flow"),
        (["produce", "sensor", "pump.csv", "--codec", "image"], "image codec reads VideoFrame"),
        (["produce", "sensor", "pump.csv", "--value-columns", "x"], "no column 'x'"),
        (["tail", "no.such.topic"], "no topic 'no.such.topic'"),
    ],
)
def test_mistakes_are_told_in_one_line(
    servers: str, tmp_path: Path, arguments: list[str], what: str
) -> None:
    write_csv(tmp_path, 1)
    done = penstock(*arguments, "--bootstrap-servers", servers, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert what in done.stderr


def test_a_broken_file_still_delivers_what_came_before(servers: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, 150)
    path.write_text(path.read_text() + "1700000999,s1,high\n")
    at = ["--bootstrap-servers", servers]
    done = penstock("produce", "sensor", str(path), "--topic", "broken", *at)
    assert done.returncode == 2
    assert "line 152, column 'bar': 'high' is no number (the 150 events before" in done.stderr
    assert len(read_topic(servers, "broken", 150)) == 150


def test_no_broker_is_told_in_one_line(tmp_path: Path) -> None:
    path = str(write_csv(tmp_path, 1))
    done = penstock("produce", "sensor", path, "--bootstrap-servers", "127.0.0.1:1")
    assert done.returncode == 2
    assert "can't reach Kafka at 127.0.0.1:1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["produce", "sensor", "demo:water-flow"], ["tail", "t"]])
def test_a_command_that_knows_no_broker_asks_for_one(tmp_path: Path, command: list[str]) -> None:
    done = penstock(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert "no broker is named: give --bootstrap-servers HOST:PORT" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_endless_run_with_all_delivered(
    servers: str, number: signal.Signals
) -> None:
    topic = f"endless-{number.name}"
    options = ["--rate", "50", "--topic", topic, "--bootstrap-servers", servers, "--json"]
    run = subprocess.Popen(
        [*PENSTOCK, "produce", "sensor", "demo:water-flow", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    wait_for_records(servers, topic)
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 0, err
    summary = json.loads(out)
    assert summary["num_sent"] == summary["num_delivered"] > 0


def wait_for_records(servers: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(4)])
    deadline = time.monotonic() + 20
    while consumer.poll(0.2) is None:
        assert time.monotonic() < deadline
    consumer.close()


@pytest.mark.kafka
def test_on_apache_kafka_a_missing_topic_is_refused_and_not_made(kafka_bootstrap: str) -> None:
    at = ["--bootstrap-servers", kafka_bootstrap]
    arguments = ["produce", "text", "demo:phrases", "--limit", "5", "--topic", "produce-test", *at]
    for _ in range(2):
        refused = penstock(*arguments)
        assert refused.returncode == 2
        assert "no topic 'produce-test'" in refused.stderr
        assert "penstock topics create" in refused.stderr
    create_topics({"bootstrap.servers": kafka_bootstrap}, {"produce-test": TopicSettings()})
    assert penstock(*arguments).returncode == 0
    seen = penstock("tail", "produce-test", "--from-beginning", "--limit", "5", *at)
    assert seen.returncode == 0, seen.stderr
    assert len(seen.stdout.splitlines()) == 5
