"""librdkafka's mock cluster: the Kafka protocol on a loopback port, in a fifth of a second."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.commands.broker.process import BrokerProcess

#: To be said wherever this broker is offered.
EMBEDDED_LIMITS = (
    "about 5 MB or 100,000 records are kept per partition, older ones are silently dropped",
    "a topic is made on first use, with 4 partitions; there are no admin requests",
    "nothing is on disk: what it holds ends with it",
    "no TLS and no passwords; it listens on this machine alone, on a port that it picks",
    "a consumer group waits about 3 seconds for its first assignment",
)


@contextmanager
def embedded_broker() -> Iterator[BrokerProcess]:
    """Run the embedded broker for the length of a `with` block.

    Raises:
        BrokerError: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-embedded-") as folder:
        broker = BrokerProcess(
            "the embedded broker",
            [sys.executable, "-P", "-m", "agents.commands.broker.mock_cluster"],
            Path(folder) / "broker.log",
            _announced,
        )
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


def _announced(output: str) -> str | None:
    found = re.search(r"^bootstrap\.servers=(\S+)\n", output, re.MULTILINE)
    return found[1] if found else None
