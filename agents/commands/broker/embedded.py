"""The embedded broker: librdkafka's mock cluster, which starts in a fifth of a second."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.commands.broker.process import BrokerProcess

#: Shown wherever this broker is offered.
EMBEDDED_LIMITS = (
    "about 5 MB or 100,000 records are kept per partition; older ones are silently dropped",
    "a topic is created on first use, with 4 partitions; there are no admin requests",
    "nothing is kept on disk: all records are lost when it stops",
    "no TLS and no passwords; it listens on this machine only, on a free port",
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
    """Return the bootstrap servers once the broker has printed them."""
    line = re.search(r"^bootstrap\.servers=(\S+)\n", output, re.MULTILINE)
    return line[1] if line else None
