"""The process of the embedded broker: `python -m agents.commands.broker.mock_cluster`."""

from __future__ import annotations

import signal

from confluent_kafka import Producer


def main() -> None:
    """Be the broker: announce the address on the first line, serve until SIGINT or SIGTERM."""
    ends = {signal.SIGINT, signal.SIGTERM}
    # Blocked before librdkafka starts its threads, which inherit the mask: only sigwait sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    # log_level 0: the mock would report every client that speaks another protocol, many a second.
    cluster = Producer(
        {"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1", "log_level": 0}
    )
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    print(f"bootstrap.servers={broker.host}:{broker.port}", flush=True)
    signal.sigwait(ends)


if __name__ == "__main__":
    main()
