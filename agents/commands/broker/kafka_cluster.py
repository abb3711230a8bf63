"""Three Apache Kafkas on the local JVM that replicate each other, to see leaders move."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.commands.broker.kafka import HOST, free_port, new_cluster_id, prepare
from agents.commands.broker.process import BrokerProcess

_NUM_NODES = 3


@contextmanager
def kafka_cluster() -> Iterator[list[BrokerProcess]]:
    """Run three nodes, each broker and controller, for the length of a `with` block.

    Every topic has three copies, and a record is taken once two of them have it: one node may be
    away at a time. The first node's address will do for all.

    Raises:
        BrokerError: Java or Maven is absent, or a node did not start.
    """
    ports = {node: (free_port(0), free_port(0)) for node in range(1, _NUM_NODES + 1)}
    copies, enough = str(_NUM_NODES), str(_NUM_NODES - 1)
    properties = {
        "controller.quorum.voters": ",".join(
            f"{node}@{HOST}:{port}" for node, (_, port) in ports.items()
        ),
        "default.replication.factor": copies,
        "min.insync.replicas": enough,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": enough,
    }
    cluster_id = new_cluster_id()
    with tempfile.TemporaryDirectory(prefix="penstock-kafka-") as temporary:
        nodes = [
            prepare(
                Path(temporary) / str(node), own, {**properties, "node.id": str(node)}, cluster_id
            )
            for node, own in ports.items()
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
