"""TLS, SCRAM, mTLS and ACLs on a real Apache Kafka: what works, what is told, what never is."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.commands.broker import kafka_broker
from streams.kafka.admin import probe
from streams.kafka.errors import BrokerTlsError
from streams.kafka.settings import Kafka
from tests.brokers import need_kafka
from tests.certificates import Authority
from tests.integration.running import until
from tests.integration.secured import (
    ADMIN_PASSWORD,
    SecuredPipeline,
    add_scram_user,
    grant,
    mutual_tls_properties,
    sasl_properties,
)

pytestmark = pytest.mark.kafka
PASSWORD, WRONG = "correct-horse-x1", "wrong-battery-x2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def sasl(authority: Authority) -> Iterator[Kafka]:
    """The admin's client settings for a broker with passwords."""
    need_kafka()
    with kafka_broker(properties=sasl_properties(authority.sign("broker"), authority)) as broker:
        admin: Kafka = {
            "bootstrap.servers": broker.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(authority.certificate),
            "sasl.mechanism": "PLAIN",
            "sasl.username": "admin",
            "sasl.password": ADMIN_PASSWORD,
        }
        add_scram_user(admin, "alice", PASSWORD)
        yield admin


def as_alice(admin: Kafka, password: str = "${KAFKA_PASSWORD}") -> dict[str, Any]:
    login = {"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "alice", "sasl.password": password}
    return {**admin, **login}


def run_to_the_end(pipeline: SecuredPipeline, folder: Path, count: int) -> str:
    """Publish, run a worker until all is answered, stop it; return its log and its metrics."""
    pipeline.publish(count)
    log = folder / f"{pipeline.name}.log"
    worker = pipeline.worker(log)
    try:
        until(lambda: "metrics at" in log.read_text() or worker.poll() is not None, 60)
        assert worker.poll() is None, log.read_text()
        until(lambda: _num_finished(log) == count + 1, 60)
        metrics = _metrics(log)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()
    return log.read_text() + metrics


def _metrics(log: Path) -> str:
    (line,) = (line for line in log.read_text().splitlines() if "metrics at" in line)
    address = line.split("metrics at ")[1].split()[0]
    with urllib.request.urlopen(address, timeout=5) as response:
        return str(response.read().decode())


def _num_finished(log: Path) -> int:
    lines = _metrics(log).splitlines()
    return sum(
        int(float(line.split()[-1])) for line in lines if line.startswith("penstock_records_total{")
    )


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_worker_with_a_password_and_the_least_rights(
    tmp_path: Path, sasl: Kafka, source: str
) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    secret = "${KAFKA_PASSWORD}" if source == "environment" else "${file:password}"
    environment = {"KAFKA_PASSWORD": PASSWORD} if source == "environment" else {}
    pipeline = SecuredPipeline(
        tmp_path, f"scram-{source}", as_alice(sasl, secret), sasl, environment
    )
    grant(sasl, "alice", pipeline.least)
    told = run_to_the_end(pipeline, tmp_path, 50)
    for words in (["check"], ["topics", "plan"], ["check", "--json"]):
        done = pipeline.command(*words)
        assert done.code == 0, done.output
        told += done.output
    tailed = pipeline.command("tail", pipeline.input, "--from-beginning", "--limit", "5")
    assert tailed.code == 0, tailed.output
    assert len(tailed.output.splitlines()) == 5
    for secret_word in (PASSWORD, ADMIN_PASSWORD):
        assert secret_word not in told + tailed.output


def test_a_transaction_needs_one_right_more(tmp_path: Path, sasl: Kafka) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "scram-exactly", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD},
        guarantee="exactly_once",
    )  # fmt: skip
    transactions = ("transactional_id", f"{pipeline.name}/*", "write")
    grant(sasl, "alice", [*pipeline.least, transactions])
    run_to_the_end(pipeline, tmp_path, 50)


def test_a_worker_with_a_certificate_and_the_least_rights(
    tmp_path: Path, authority: Authority
) -> None:
    need_kafka()
    properties = mutual_tls_properties(authority.sign("broker"), authority)
    with kafka_broker(properties=properties) as broker:

        def as_user(name: str, days: int = 2) -> dict[str, Any]:
            signed = authority.sign(name, days)
            return {
                "bootstrap.servers": broker.bootstrap_servers,
                "security.protocol": "SSL",
                "ssl.ca.location": str(authority.certificate),
                "ssl.certificate.location": str(signed.certificate),
                "ssl.key.location": str(signed.key),
            }

        admin = as_user("admin")
        pipeline = SecuredPipeline(tmp_path, "mutual", as_user("worker"), admin)
        grant(admin, "CN=worker", pipeline.least)
        run_to_the_end(pipeline, tmp_path, 50)
        late = SecuredPipeline(tmp_path, "late", as_user("late", days=-1), admin)
        _told_in_one_line(late, r"rejects this client.*ssl\.certificate\.location.*has expired")
        without = {name: value for name, value in as_user("worker").items() if "cert" not in name}
        nobody = SecuredPipeline(
            tmp_path, "nobody", {n: v for n, v in without.items() if "key" not in n}, admin
        )
        assert "rejects this client" in nobody.command("check").output


COMMANDS: list[list[str]] = [
    ["worker"],
    ["check"],
    ["topics", "plan"],
    ["produce", "sensor", "demo:water-flow", "--limit", "3", "--topic", "any"],
    ["tail", "any"],
    ["audit"],
]


def _told_in_one_line(pipeline: SecuredPipeline, words: str) -> None:
    for command in COMMANDS:
        done = pipeline.command(*command)
        assert done.code == 2, (command, done.output)
        told = [line for line in done.output.splitlines() if "error" in line]
        assert len(told) == 1, (command, done.output)
        assert re.search(words, told[0]), (command, done.output)
        assert "Traceback" not in done.output
        for secret in (WRONG, PASSWORD, ADMIN_PASSWORD):
            assert secret not in done.output


def test_a_wrong_password_is_told_by_every_command(tmp_path: Path, sasl: Kafka) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "wrong", as_alice(sasl), sasl, {"KAFKA_PASSWORD": WRONG}
    )  # fmt: skip
    _told_in_one_line(pipeline, r"rejects the login.*check sasl\.username, sasl\.password")


def test_an_unknown_authority_is_told_by_every_command(tmp_path: Path, sasl: Kafka) -> None:
    other = Authority(tmp_path, "other")
    kafka = {**as_alice(sasl), "ssl.ca.location": str(other.certificate)}
    pipeline = SecuredPipeline(tmp_path, "unknown", kafka, sasl, {"KAFKA_PASSWORD": PASSWORD})
    _told_in_one_line(pipeline, r"certificate verify failed.*ssl\.ca\.location")


def test_a_server_certificate_that_has_expired_is_told(authority: Authority) -> None:
    """Kafka itself refuses to start with one, so that here a plain TLS server shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signed = authority.sign("past", days=-1)
    context.load_cert_chain(signed.certificate, signed.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    context.wrap_socket(listener.accept()[0], server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:  # the listener is closed
                    return

        threading.Thread(target=serve, daemon=True).start()
        kafka = {
            "bootstrap.servers": f"127.0.0.1:{listener.getsockname()[1]}",
            "security.protocol": "SSL",
            "ssl.ca.location": str(authority.certificate),
        }
        with pytest.raises(BrokerTlsError, match=r"certificate verify failed"):
            probe(kafka, timeout=20)


@pytest.mark.parametrize("absent", ["input", "output"])
def test_a_topic_that_one_may_not_see_is_told_so(tmp_path: Path, sasl: Kafka, absent: str) -> None:
    pipeline = SecuredPipeline(
        tmp_path, f"hidden-{absent}", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD}
    )  # fmt: skip
    hidden = getattr(pipeline, absent)
    grant(sasl, "alice", [g for g in pipeline.least if g[1] != hidden])
    for command in (["worker"], ["check"]):
        done = pipeline.command(*command)
        assert done.code == 2
        assert f"no topic {hidden} that this user may see" in done.output


def test_an_output_that_one_may_only_see_ends_the_worker(tmp_path: Path, sasl: Kafka) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "read-only", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD}
    )  # fmt: skip
    grant(sasl, "alice", [
        (kind, name, "describe" if name == pipeline.output else operation)
        for kind, name, operation in pipeline.least
    ])  # fmt: skip
    pipeline.publish(20)
    done = pipeline.command("worker", timeout=60)
    assert done.code == 1, done.output
    (line,) = (line for line in done.output.splitlines() if "the worker ends" in line)
    assert pipeline.output in line
    assert "Authorization" in line
    assert "Traceback" not in done.output


def test_a_group_that_one_may_not_join_is_told_within_seconds(tmp_path: Path, sasl: Kafka) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "no-group", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD}
    )  # fmt: skip
    grant(sasl, "alice", [g for g in pipeline.least if g[0] != "group"])
    log = tmp_path / "worker.log"
    worker = pipeline.worker(log)
    try:
        until(lambda: "GroupAuthorizationFailedError" in log.read_text(), 30)
        time.sleep(1.0)
        (line,) = (line for line in log.read_text().splitlines() if "GroupAuthorization" in line)
        assert "no-group" in line
        assert worker.poll() is None
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
