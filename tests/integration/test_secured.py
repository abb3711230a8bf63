"""TLS, SCRAM, mTLS and ACLs on Apache Kafka: runs with few rights, errors, and no secrets."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
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
from tests.integration.outcomes import line_with
from tests.integration.secured import (
    ADMIN_PASSWORD,
    SecuredPipeline,
    add_scram_user,
    grant,
    mutual_tls_properties,
    sasl_properties,
)
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("secured")]  # one broker for all
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


def run_worker(pipeline: SecuredPipeline, count: int) -> str:
    """Publish `count` numbers, run a worker on them; return its log and its metrics."""
    pipeline.publish(count)
    with pipeline.worker() as worker:
        worker.await_finished(count + 1)
        metrics = worker.metrics_text()
        worker.stop()
    return worker.log_text() + metrics


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_worker_with_a_password_and_minimal_rights(
    tmp_path: Path, sasl: Kafka, source: str
) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    secret = "${KAFKA_PASSWORD}" if source == "environment" else "${file:password}"
    environment = {"KAFKA_PASSWORD": PASSWORD} if source == "environment" else {}
    pipeline = SecuredPipeline(
        tmp_path, f"scram-{source}", as_alice(sasl, secret), sasl, environment
    )
    grant(sasl, "alice", pipeline.minimal_grants)
    output = run_worker(pipeline, 50)
    for words in (["check"], ["topics", "plan"], ["check", "--json"]):
        done = pipeline.command(*words)
        assert done.returncode == 0, done.stderr
        output += done.stdout + done.stderr
    tailed = pipeline.command("tail", pipeline.input, "--from-beginning", "--limit", "5")
    assert tailed.returncode == 0, tailed.stderr
    assert len(tailed.stdout.splitlines()) == 5, tailed.stdout
    assert_no_secret(output + tailed.stdout + tailed.stderr)


def test_exactly_once_needs_one_more_right(tmp_path: Path, sasl: Kafka) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "scram-exactly", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD},
        guarantee="exactly_once",
    )  # fmt: skip
    transactions = ("transactional_id", f"{pipeline.name}/*", "write")
    grant(sasl, "alice", [*pipeline.minimal_grants, transactions])
    run_worker(pipeline, 50)


def test_a_worker_with_a_certificate_and_minimal_rights(
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
        grant(admin, "CN=worker", pipeline.minimal_grants)
        run_worker(pipeline, 50)
        late = SecuredPipeline(tmp_path, "late", as_user("late", days=-1), admin)
        assert_one_error_line(late, r"rejects this client.*ssl\.certificate\.location.*has expired")
        without = {name: value for name, value in as_user("worker").items() if "cert" not in name}
        nobody = SecuredPipeline(
            tmp_path, "nobody", {n: v for n, v in without.items() if "key" not in n}, admin
        )
        assert "rejects this client" in nobody.command("check").stderr


COMMANDS: list[list[str]] = [
    ["worker"],
    ["check"],
    ["topics", "plan"],
    ["produce", "sensor", "demo:water-flow", "--limit", "3", "--topic", "any"],
    ["tail", "any"],
    ["audit"],
]


def assert_one_error_line(pipeline: SecuredPipeline, pattern: str) -> None:
    """Each of the commands ends with code 2 and one line of error that matches a pattern."""
    for command in COMMANDS:
        done = pipeline.command(*command)
        output = done.stdout + done.stderr
        assert done.returncode == 2, (command, output)
        assert re.search(pattern, line_with(output, "error")), (command, output)
        assert "Traceback" not in output, command
        assert_no_secret(output)


def assert_no_secret(output: str) -> None:
    for secret in (WRONG, PASSWORD, ADMIN_PASSWORD):
        assert secret not in output, "a password is in the output"


def test_every_command_reports_a_wrong_password(tmp_path: Path, sasl: Kafka) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "wrong", as_alice(sasl), sasl, {"KAFKA_PASSWORD": WRONG}
    )  # fmt: skip
    assert_one_error_line(pipeline, r"rejects the login.*check sasl\.username, sasl\.password")


def test_every_command_reports_an_unknown_authority(tmp_path: Path, sasl: Kafka) -> None:
    other = Authority(tmp_path, "other")
    kafka = {**as_alice(sasl), "ssl.ca.location": str(other.certificate)}
    pipeline = SecuredPipeline(tmp_path, "unknown", kafka, sasl, {"KAFKA_PASSWORD": PASSWORD})
    assert_one_error_line(pipeline, r"certificate verify failed.*ssl\.ca\.location")


def test_an_expired_server_certificate_is_reported(authority: Authority) -> None:
    """Shown with a plain TLS server, because Kafka refuses to start with one."""
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


@pytest.mark.parametrize("role", ["input", "output"])
def test_a_topic_that_the_user_may_not_see_is_reported(
    tmp_path: Path, sasl: Kafka, role: str
) -> None:
    pipeline = SecuredPipeline(
        tmp_path, f"hidden-{role}", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD}
    )  # fmt: skip
    hidden = getattr(pipeline, role)
    grant(sasl, "alice", [g for g in pipeline.minimal_grants if g[1] != hidden])
    for command in (["worker"], ["check"]):
        done = pipeline.command(*command)
        assert done.returncode == 2, done.stderr
        assert f"no topic {hidden} that this user may see" in done.stdout + done.stderr


def test_an_output_that_the_user_may_not_write_ends_the_worker(tmp_path: Path, sasl: Kafka) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "read-only", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD}
    )  # fmt: skip
    grant(sasl, "alice", [
        (kind, name, "describe" if name == pipeline.output else operation)
        for kind, name, operation in pipeline.minimal_grants
    ])  # fmt: skip
    pipeline.publish(20)
    with pipeline.worker() as worker:
        log = worker.await_exit(1)
    line = line_with(log, "the worker ends")
    assert pipeline.output in line
    assert "Authorization" in line


def test_a_group_that_the_user_may_not_join_is_reported_within_seconds(
    tmp_path: Path, sasl: Kafka
) -> None:
    pipeline = SecuredPipeline(
        tmp_path, "no-group", as_alice(sasl), sasl, {"KAFKA_PASSWORD": PASSWORD}
    )  # fmt: skip
    grant(sasl, "alice", [g for g in pipeline.minimal_grants if g[0] != "group"])
    with pipeline.worker() as worker:
        wait_until(
            "the log holds GroupAuthorizationFailedError",
            lambda: "GroupAuthorizationFailedError" in worker.log_text(),
        )
        time.sleep(1.0)  # time for a second line
        assert "no-group" in line_with(worker.log_text(), "GroupAuthorization")
        assert worker.is_running(), worker.log_text()
        worker.stop()
