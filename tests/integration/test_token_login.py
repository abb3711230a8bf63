"""OAUTHBEARER on Apache Kafka, which checks signed tokens: expiry, renewal, outages, errors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from agents.commands.broker import kafka_broker
from streams.kafka.admin import probe
from streams.kafka.errors import BrokerLoginError
from streams.kafka.settings import Kafka, aiokafka_arguments
from streams.transport.connection import KafkaConnection, fix_connections
from tests.brokers import need_kafka
from tests.integration.outcomes import line_with
from tests.integration.secured import SecuredPipeline
from tests.token_server import AUDIENCE, CLIENT, ISSUER, SECRET, Signer, TokenServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("token-login")]  # one broker for all
#: Longer than a worker needs to start on a busy machine, and short enough to see tokens expire.
_SECONDS = 15.0
_ADMIN_PASSWORD = "of-the-admin-x7"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("keys"))


def _properties(signer: Signer) -> dict[str, str]:
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required "
    plain += f'username="broker" password="b" user_broker="b" user_admin="{_ADMIN_PASSWORD}";'
    oauth = "org.apache.kafka.common.security.oauthbearer"
    listener = "listener.name.client.oauthbearer"
    return {
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": plain,
        f"{listener}.sasl.jaas.config": f"{oauth}.OAuthBearerLoginModule required;",
        f"{listener}.sasl.server.callback.handler.class": (
            f"{oauth}.OAuthBearerValidatorCallbackHandler"
        ),
        f"{listener}.sasl.oauthbearer.jwks.endpoint.url": f"file://{signer.jwks}",
        f"{listener}.sasl.oauthbearer.expected.audience": AUDIENCE,
        f"{listener}.sasl.oauthbearer.expected.issuer": ISSUER,
    }


@pytest.fixture(scope="module")
def admin(signer: Signer) -> Iterator[Kafka]:
    """The admin's settings, by password, for a broker that takes the signer's tokens."""
    need_kafka()
    allowed = "-Dorg.apache.kafka.sasl.oauthbearer.allowed"
    options = f"{allowed}.urls=file://{signer.jwks} {allowed}.files={signer.jwks}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "JAVA_TOOL_OPTIONS", options)
        with kafka_broker(properties=_properties(signer)) as broker:
            yield {
                "bootstrap.servers": broker.bootstrap_servers,
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "admin",
                "sasl.password": _ADMIN_PASSWORD,
            }


def by_token(admin: Kafka, url: str) -> dict[str, Any]:
    """Settings of a login with tokens of an endpoint or a file."""
    login = {
        "bootstrap.servers": admin["bootstrap.servers"],
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.token.endpoint.url": url,
    }
    if url.startswith("http"):
        login["sasl.oauthbearer.client.id"] = CLIENT
        login["sasl.oauthbearer.client.secret"] = "${KAFKA_SECRET}"
    return login


def with_secret(admin: Kafka, url: str) -> Kafka:
    return {**by_token(admin, url), "sasl.oauthbearer.client.secret": SECRET}


def pipeline_of(
    folder: Path, name: str, admin: Kafka, url: str, secret: str = SECRET, **settings: Any
) -> SecuredPipeline:
    kafka = by_token(admin, url)
    return SecuredPipeline(folder, name, kafka, admin, {"KAFKA_SECRET": secret}, **settings)


def assert_no_secret(output: str) -> None:
    assert SECRET not in output
    assert "eyJ" not in output, "a token is in the output"


async def test_a_connection_outlives_its_tokens(
    signer: Signer, admin: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the renewal, the broker closes each connection when its token expires."""
    opened: list[KafkaConnection] = []
    connect = KafkaConnection.connect

    async def noting(self: KafkaConnection) -> Any:
        opened.append(self)
        return await connect(self)

    monkeypatch.setattr(KafkaConnection, "connect", noting)
    monkeypatch.setattr("aiokafka.conn.AIOKafkaConnection", KafkaConnection)
    fix_connections()
    with TokenServer(signer, _SECONDS).running() as server:
        kafka = with_secret(admin, server.url)
        producer = aiokafka_arguments(kafka, "producer")
        consumer = aiokafka_arguments({**kafka, "auto.offset.reset": "earliest"}, "consumer")
        SecuredPipeline(Path(signer.key).parent, "lives", {}, admin)
        async with (
            AIOKafkaProducer(**producer) as sending,
            AIOKafkaConsumer("lives.in", **consumer) as reading,
        ):
            await sending.send_and_wait("lives.in", b"first", partition=0)
            await reading.getone()
            known, ends = len(opened), time.monotonic() + 2.5 * _SECONDS
            while time.monotonic() < ends:
                await sending.send_and_wait("lives.in", b"word", partition=0)
                assert (await reading.getone()).value == b"word"
            assert len(opened) == known, "connections were opened anew"
            assert len(server.asked) >= 3


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_a_worker_outlives_its_tokens(
    tmp_path: Path, signer: Signer, admin: Kafka, guarantee: str
) -> None:
    with TokenServer(signer, _SECONDS).running() as server:
        pipeline = pipeline_of(
            tmp_path, f"lives-{guarantee}", admin, server.url, guarantee=guarantee
        )
        pipeline.publish(50)
        with pipeline.worker() as worker:
            worker.await_finished(51)
            asked = len(server.asked)
            wait_until("two more tokens", lambda: len(server.asked) >= asked + 2, 90)
            pipeline.publish(50)
            worker.await_finished(102)
            worker.stop()
        assert_no_secret(worker.log_text())


def test_a_worker_waits_for_an_endpoint_that_is_away_at_its_start(
    tmp_path: Path, signer: Signer, admin: Kafka
) -> None:
    server = TokenServer(signer)
    with server.running():
        pass  # it has a port now
    pipeline = pipeline_of(tmp_path, "late", admin, server.url)
    pipeline.publish(20)
    checked = pipeline.command("check", timeout=120)
    assert checked.returncode == 2
    assert f"can't reach {server.url}" in line_with(checked.stdout + checked.stderr, "can't reach")
    with pipeline.worker() as worker:
        wait_until("it waits", lambda: "waiting for one" in worker.log_text(), 120)
        assert f"no login token: can't reach {server.url}" in worker.log_text()
        with server.running():
            worker.await_finished(21)
            worker.stop()
        assert worker.log_text().count("waiting for one") == 1


def test_an_endpoint_that_goes_away_is_waited_for_and_ready_says_why(
    tmp_path: Path, signer: Signer, admin: Kafka
) -> None:
    with TokenServer(signer, _SECONDS).running() as server:
        pipeline = pipeline_of(tmp_path, "away", admin, server.url)
        pipeline.publish(20)
        with pipeline.worker() as worker:
            worker.await_finished(21)
            server.status = 503
            reason = f"no login token: {server.url} answers HTTP status 503"
            wait_until("/ready says why", lambda: reason in str(worker.probe("/ready")), 90)
            pipeline.publish(20)
            server.status = 200
            worker.await_finished(42)
            worker.await_ready()
            worker.stop()
    assert_no_secret(worker.log_text())
    assert "no new login token" in worker.log_text()
    assert "there is a new login token again" in worker.log_text()


def test_a_token_file_is_read_again(tmp_path: Path, signer: Signer, admin: Kafka) -> None:
    path = tmp_path / "token"
    num_written, ended = 0, threading.Event()

    def renew() -> None:
        nonlocal num_written
        while not ended.is_set():
            new = tmp_path / "new"
            new.write_text(signer.token(_SECONDS) + "\n")
            new.replace(path)
            num_written += 1
            ended.wait(_SECONDS / 5)

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        pipeline = pipeline_of(tmp_path, "file", admin, f"file://{path}")
        pipeline.publish(20)
        with pipeline.worker() as worker:
            worker.await_finished(21)
            # Two lives of a token later, no connection has a login of the first one.
            known = num_written
            wait_until("two lives of a token", lambda: num_written > known + 11, 200)
            pipeline.publish(20)
            worker.await_finished(42)
            worker.stop()
    finally:
        ended.set()
        renewing.join()
    assert_no_secret(worker.log_text())


@pytest.mark.parametrize("command", [["worker"], ["check"], ["tail", "any"]])
def test_a_wrong_secret_ends_each_command(
    tmp_path: Path, signer: Signer, admin: Kafka, command: list[str]
) -> None:
    with TokenServer(signer).running() as server:
        pipeline = pipeline_of(tmp_path, "wrong", admin, server.url, "hunter2")
        done = pipeline.command(*command, timeout=120)
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert "issues no token: HTTP status 401 invalid_client" in line_with(output, "issues no token")
    assert "Traceback" not in output
    assert "hunter2" not in output


def test_a_token_that_the_broker_refuses_is_reported(
    tmp_path: Path, signer: Signer, admin: Kafka
) -> None:
    path = tmp_path / "token"
    path.write_text(signer.token(aud="another"))
    with pytest.raises(BrokerLoginError, match=r"rejects the login.*check the token's issuer, aud"):
        probe(by_token(admin, f"file://{path}"), timeout=60)
    path.write_text(Signer(tmp_path, "other").token())
    with pytest.raises(BrokerLoginError, match=r"rejects the login"):
        probe(by_token(admin, f"file://{path}"), timeout=60)
