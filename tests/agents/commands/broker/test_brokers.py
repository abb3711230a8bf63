"""Brokers on this machine serve clients, stop cleanly, and end with their parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from agents.commands.broker import EMBEDDED_LIMITS, embedded_broker, kafka_broker, kafka_libs
from agents.commands.broker.process import BrokerProcess
from streams.kafka.admin import create_topics, probe
from streams.kafka.errors import BrokerError
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.penstock_command import start_penstock


def publish(servers: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(10) == 0


def read(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": uuid.uuid4().hex})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    records = consumer.consume(count, timeout=10)
    consumer.close()
    return [record.value() for record in records if record.error() is None]


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} outlives its parent"
        time.sleep(0.02)


def command_line(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return start_penstock("broker", *arguments, env=environment)


def test_records_are_read_in_order(bootstrap: str) -> None:
    create_topics({"bootstrap.servers": bootstrap}, {"round-trip": TopicSettings(partitions=1)})
    values = [str(i).encode() for i in range(100)]
    publish(bootstrap, "round-trip", values)
    assert read(bootstrap, "round-trip", 100) == values


def test_the_embedded_broker_is_empty_after_a_restart() -> None:
    with embedded_broker() as broker:
        pid = broker.pid
        assert broker.is_alive
        publish(broker.bootstrap_servers, "t", [b"1"])
        broker.restart()
        assert not is_running(pid)
        assert probe({"bootstrap.servers": broker.bootstrap_servers}).topics == {}
        pid = broker.pid
    assert not broker.is_alive
    assert not is_running(pid)


def test_the_embedded_broker_ends_when_its_parent_is_killed() -> None:
    script = (
        "import time; from agents.commands.broker import embedded_broker\n"
        "with embedded_broker() as broker: print(broker.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    wait_until_gone(pid)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_a_signal_and_exits_with_0(ending: signal.Signals) -> None:
    with command_line("embedded") as command:
        assert command.stdout is not None
        assert command.stderr is not None
        name, _, servers = command.stdout.readline().strip().partition("=")
        assert name == "bootstrap.servers"
        assert probe({"bootstrap.servers": servers}).is_embedded
        command.send_signal(ending)
        output, errors = command.stdout.read(), command.stderr.read()
    assert command.returncode == 0
    assert errors == ""
    assert all(limit in output for limit in EMBEDDED_LIMITS)


def test_the_command_prints_its_address_as_json() -> None:
    with command_line("embedded", "--json") as command:
        assert command.stdout is not None
        address = json.loads(command.stdout.readline())
        assert is_running(address["pid"])
        command.terminate()
        command.communicate(timeout=10)
    assert address["bootstrap.servers"].startswith("127.0.0.1:")
    assert not is_running(address["pid"])


def test_the_command_reports_a_broker_that_ends_by_itself() -> None:
    with command_line("embedded", "--json") as command:
        assert command.stdout is not None
        os.kill(json.loads(command.stdout.readline())["pid"], signal.SIGKILL)
        _, errors = command.communicate(timeout=10)
    assert command.returncode == 2
    assert errors == "penstock: error: the broker ended by itself: start it again\n"


def test_without_java_the_command_says_how_to_install_it(tmp_path: Path) -> None:
    with command_line("kafka", "--port", "0", PATH=str(tmp_path)) as command:
        _, errors = command.communicate(timeout=20)
    assert command.returncode == 2
    assert errors.startswith("penstock: error: `java` is not installed")
    assert "make tools" in errors
    assert errors.count("\n") == 1


def test_without_maven_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PENSTOCK_KAFKA_LIBS", str(tmp_path / "libs"))
    with pytest.raises(BrokerError, match=r"`mvn` is not installed.*apt-get install maven"):
        kafka_libs()


def test_kafka_home_is_used_without_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENSTOCK_KAFKA_LIBS", raising=False)
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match=r"no kafka_2\.13-\*\.jar is in"):
        kafka_libs()
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-4.3.1.jar").touch()
    assert kafka_libs() == tmp_path / "libs"


def test_a_failed_start_quotes_the_cause(tmp_path: Path) -> None:
    broker = BrokerProcess(
        "the broker",
        [sys.executable, "-c", "print('ERROR the disk is full'); raise SystemExit(1)"],
        tmp_path / "log",
        lambda output: None,
    )
    with pytest.raises(BrokerError, match="the broker did not start: ERROR the disk is full"):
        broker.start()
    assert not broker.is_alive


def test_a_start_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    broker = BrokerProcess("the broker", command, tmp_path / "log", lambda output: None)
    with pytest.raises(BrokerError, match="not ready in time"):
        broker.start(timeout=0.2)
    assert broker.pid == -1


@pytest.mark.kafka
def test_a_port_in_use_is_an_error() -> None:
    need_kafka()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} can't be used"), kafka_broker(port):
            pytest.fail("it started on a port in use")


@pytest.mark.kafka
@pytest.mark.slow
def test_kafka_keeps_its_data_after_a_kill_and_a_restart(tmp_path: Path) -> None:
    need_kafka()
    with kafka_broker(data_dir=tmp_path) as broker:
        servers = broker.bootstrap_servers
        create_topics({"bootstrap.servers": servers}, {"kept": TopicSettings(partitions=1)})
        publish(servers, "kept", [b"1"])
        broker.kill()
        assert not broker.is_alive
        broker.restart()
        assert broker.bootstrap_servers == servers
        publish(servers, "kept", [b"2"])
        pid = broker.pid
    assert not is_running(pid)
    with kafka_broker(data_dir=tmp_path) as broker:
        assert read(broker.bootstrap_servers, "kept", 2) == [b"1", b"2"]


def test_an_error_of_kafka_is_quoted(tmp_path: Path) -> None:
    need_kafka()
    properties = {"process.roles": "wizard"}
    with pytest.raises(BrokerError, match=r"can't format .*ConfigException.*process\.roles"):
        with kafka_broker(data_dir=tmp_path, properties=properties):
            pass
