"""A cluster of three Apache Kafka nodes on the local JVM, to test moving partition leaders."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.commands.broker import BrokerProcess
from agents.commands.broker.kafka import HOST, free_port, new_cluster_id, prepare

_NUM_NODES = 3


@contextmanager
def kafka_cluster() -> Iterator[list[BrokerProcess]]:
    """Run three nodes, each broker and controller, for the length of a `with` block.

    Every topic has three replicas, and a record is acknowledged once two of them have it: one node
    may be down at a time. Clients may use the address of any node.

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
    with tempfile.TemporaryDirectory(prefix="penstock-kafka-") as folder:
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
