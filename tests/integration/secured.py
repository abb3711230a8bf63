"""Settings of brokers with TLS, passwords and ACLs, and a pipeline on one of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from contextlib import AbstractContextManager
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
from tests.integration.workers import RunningWorker, running_worker
from tests.penstock_command import run_penstock

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
        # The controller's listener, which no client reaches, has no user names.
        "super.users": "User:ANONYMOUS;User:broker;User:admin",
    }


def mutual_tls_properties(server: Certificate, authority: Authority) -> dict[str, str]:
    """A broker's settings: clients present certificates, whose names the ACLs use."""
    return {
        **_tls(server, authority),
        "listener.security.protocol.map": "CLIENT:SSL,CONTROLLER:PLAINTEXT",
        "ssl.client.auth": "required",
        "super.users": "User:ANONYMOUS;User:CN=broker;User:CN=admin",
    }


def add_scram_user(admin: Kafka, name: str, password: str) -> None:
    """Create a user who logs in with SCRAM-SHA-256."""
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    wanted = UserScramCredentialUpsertion(name, credential, password.encode())
    client = AdminClient(dict(admin))  # must outlive its futures
    for future in client.alter_user_scram_credentials([wanted]).values():
        future.result()


Grant = tuple[str, str, str]
"""Kind of resource (topic, group, transactional_id), name (`*` after a prefix), operation."""


def grant(admin: Kafka, user: str, grants: Iterable[Grant]) -> None:
    """Allow a user these operations and nothing else."""
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


class SecuredPipeline:
    """A light pipeline with given `kafka:` settings; secrets are in its environment."""

    def __init__(
        self, folder: Path, name: str, kafka: dict[str, Any], admin: Kafka,
        environment: dict[str, str] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.name, self.admin = name, admin
        self.environment = environment or {}
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
    def minimal_grants(self) -> list[Grant]:
        """The rights that a worker needs by docs/security.md."""
        input_topic, *output_topics = self.topics
        return [
            ("topic", input_topic, "read"),
            *(("topic", name, "write") for name in output_topics),
            ("group", self.name, "read"),
        ]

    def publish(self, count: int) -> None:
        """Publish `count` numbers and one record that is not JSON, as the admin."""
        producer = Producer({**self.admin, "log_level": 0})
        for i in range(count):
            producer.produce(self.input, msgspec.json.encode({"x": float(i)}), f"k{i % 7}")
        producer.produce(self.input, b"{bad", "k0")
        assert producer.flush(20) == 0

    def command(self, *arguments: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a `penstock` command on the pipeline file to its end."""
        words = [*arguments, "-c", str(self.config)]
        return run_penstock(*words, env=self.environment, timeout=timeout)

    def worker(self) -> AbstractContextManager[RunningWorker]:
        """Run a worker for the length of a `with` block."""
        return running_worker(self.config, env=self.environment)
