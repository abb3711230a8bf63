"""The broker that a bench talks to: started for it, or one that runs already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agents.commands.broker import embedded_broker, kafka_broker


@contextmanager
def broker_for(name: str) -> Iterator[str]:
    """Provide a broker for the length of a `with` block.

    Args:
        name: `embedded`, `kafka` (on the local JVM) or HOST:PORT.

    Raises:
        BrokerError: it does not start.
    """
    if name == "embedded":
        with embedded_broker() as broker:
            yield broker.bootstrap_servers
    elif name == "kafka":
        with kafka_broker() as broker:
            yield broker.bootstrap_servers
    else:
        yield name
