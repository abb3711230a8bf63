"""A cluster of three Apache Kafka nodes on the local JVM: leaders move, nodes are upgraded."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from agents.commands.broker import BrokerProcess, kafka_libs
from agents.commands.broker.kafka import HOST, free_port, new_cluster_id, prepare
from agents.commands.broker.kafka_libs import DEPLOY
from tests.conftest import skip_or_fail

_NUM_NODES = 3
#: The version that an upgrade begins at; it ends at the one in deploy/kafka/pom.xml.
OLDER_VERSION = "4.1.1"


def older_kafka_libs() -> Path:
    """Return the folder of an older broker's jars, downloaded once by Maven beside the others."""
    libs = kafka_libs().parent / f"kafka-{OLDER_VERSION}"
    if not any(libs.glob("kafka_2.1*.jar")):
        command = ["mvn", "-q", "-B", "-f", str(DEPLOY / "pom.xml"), "dependency:copy-dependencies"]
        options = [f"-Dkafka.version={OLDER_VERSION}", f"-DoutputDirectory={libs}"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            skip_or_fail(f"Maven can't download Apache Kafka {OLDER_VERSION}")
    return libs


def upgrade(node: BrokerProcess, older: Path) -> None:
    """Stop a node of an older version, and start it again with the version that Penstock uses."""
    node.stop()
    node._command = [part.replace(str(older), str(kafka_libs())) for part in node._command]
    node.start()


@contextmanager
def kafka_cluster(libs: Path | None = None) -> Iterator[list[BrokerProcess]]:
    """Run three nodes, each broker and controller, for the length of a `with` block.

    Every topic has three replicas, and a record is acknowledged once two of them have it: one node
    may be down at a time. Clients may use the address of any node.

    Args:
        libs: the folder of the jars; None: those that `penstock broker kafka` uses.

    Raises:
        BrokerError: Java or Maven is absent, or a node did not start.
    """
    ports = {node: (free_port(0), free_port(0)) for node in range(1, _NUM_NODES + 1)}
    replicas, min_in_sync = str(_NUM_NODES), str(_NUM_NODES - 1)
    properties = {
        "controller.quorum.voters": ",".join(
            f"{node}@{HOST}:{controller}" for node, (_, controller) in ports.items()
        ),
        "default.replication.factor": replicas,
        "min.insync.replicas": min_in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": min_in_sync,
    }
    cluster_id = new_cluster_id()
    named = {"PENSTOCK_KAFKA_LIBS": str(libs)} if libs else {}
    with (
        tempfile.TemporaryDirectory(prefix="penstock-kafka-") as folder,
        patch.dict(os.environ, named),
    ):
        nodes = [
            prepare(
                Path(folder) / str(node),
                node_ports,
                {**properties, "node.id": str(node)},
                cluster_id,
            )
            for node, node_ports in ports.items()
        ]
        try:
            for node in nodes:
                node.launch()
            for node in nodes:  # none is ready before most of them run
                node.await_ready()
            yield nodes
        finally:
            for node in nodes:
                node.stop()
