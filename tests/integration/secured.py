"""Brokers that insist on TLS, on who one is and on what one may; and a pipeline on one of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streams.kafka.admin import create_topics
from streams.kafka.settings import Kafka
from streams.settings import TopicSettings
from tests.certificates import Authority, Certificate

ADMIN_PASSWORD, BROKER_PASSWORD = "of-the-admin-x7", "of-the-broker-x8"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required "
_PLAIN += f'username="broker" password="{BROKER_PASSWORD}" user_broker="{BROKER_PASSWORD}" '
_PLAIN += f'user_admin="{ADMIN_PASSWORD}";'


def _tls(server: Certificate, authority: Authority) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server.store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    }


def sasl_properties(server: Certificate, authority: Authority) -> dict[str, str]:
    """A broker's settings: TLS, passwords (PLAIN and SCRAM-SHA-256), ACLs."""
    return {
        **_tls(server, authority),
        "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": _PLAIN,
        "listener.name.client.scram-sha-256.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        # The controller's own listener, which no client of ours reaches, knows no names.
        "super.users": "User:ANONYMOUS;User:broker;User:admin",
    }


def mutual_tls_properties(server: Certificate, authority: Authority) -> dict[str, str]:
    """A broker's settings: clients show certificates, ACLs go by their names."""
    return {
        **_tls(server, authority),
        "listener.security.protocol.map": "CLIENT:SSL,CONTROLLER:PLAINTEXT",
        "ssl.client.auth": "required",
        "super.users": "User:ANONYMOUS;User:CN=broker;User:CN=admin",
    }


def add_scram_user(admin: Kafka, name: str, password: str) -> None:
    """Make a user who logs in by SCRAM-SHA-256."""
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    wanted = UserScramCredentialUpsertion(name, credential, password.encode())
    client = AdminClient(dict(admin))  # it must outlive its futures
    for future in client.alter_user_scram_credentials([wanted]).values():
        future.result()


Grant = tuple[str, str, str]
"""Kind of resource (topic, group, transactional_id), name (`*` after a prefix), operation."""


def grant(admin: Kafka, user: str, grants: Iterable[Grant]) -> None:
    """Let a user do these things and nothing else."""
    bindings = [
        AclBinding(
            ResourceType[kind.upper()], name.removesuffix("*"),
            ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL,
            f"User:{user}", "*", AclOperation[operation.upper()], AclPermissionType.ALLOW,
        )
        for kind, name, operation in grants
    ]  # fmt: skip
    client = AdminClient(dict(admin))
    for future in client.create_acls(bindings).values():
        future.result()


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    output: str
    seconds: float


class SecuredPipeline:
    """A light pipeline whose `kafka:` is given, secrets in its environment."""

    def __init__(
        self, folder: Path, name: str, kafka: dict[str, Any], admin: Kafka,
        environment: dict[str, str] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.name, self.admin = name, admin
        self.environment = {**os.environ, **(environment or {})}
        self.config = folder / f"{name}.yaml"
        agent = {
            "input": self.input,
            "output": self.output,
            "event": "agents.commands.soak.model:Number",
            "model": "agents.commands.soak.model:Doubling",
        }
        document = {"kafka": {**kafka, "group.id": name}, "metrics": {"port": 0},
                    "agents": {"double": agent}, **settings}  # fmt: skip
        self.config.write_text(yaml.safe_dump(document))
        create_topics(admin, dict.fromkeys(self.topics, TopicSettings(partitions=2)))

    @property
    def input(self) -> str:
        return f"{self.name}.in"

    @property
    def output(self) -> str:
        return f"{self.name}.out"

    @property
    def topics(self) -> list[str]:
        return [self.input, self.output, f"{self.input}.dlq"]

    @property
    def least(self) -> list[Grant]:
        """What docs/security.md says that a worker needs."""
        reads, *writes = self.topics
        return [
            ("topic", reads, "read"),
            *(("topic", name, "write") for name in writes),
            ("group", self.name, "read"),
        ]

    def publish(self, count: int) -> None:
        """Publish numbers, and one record that is no JSON, as the admin."""
        producer = Producer({**self.admin, "log_level": 0})
        for i in range(count):
            producer.produce(self.input, msgspec.json.encode({"x": float(i)}), f"k{i % 7}")
        producer.produce(self.input, b"{bad", "k0")
        assert producer.flush(20) == 0

    def command(self, *words: str, timeout: float = 30.0) -> Done:
        """Run `penstock ...` on the pipeline file to its end."""
        started = time.monotonic()
        done = subprocess.run(
            self._words(*words), env=self.environment, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout + done.stderr, time.monotonic() - started)

    def worker(self, log: Path) -> subprocess.Popen[bytes]:
        """Start a worker."""
        with log.open("wb") as output:
            return subprocess.Popen(
                self._words("worker"), env=self.environment, stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _words(self, *words: str) -> Sequence[str]:
        start = [sys.executable, "-c", "from agents.commands.main import main; main()"]
        return [*start, *words, "-c", str(self.config)]
