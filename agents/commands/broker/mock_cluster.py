"""The program of the embedded broker: `python -m agents.commands.broker.mock_cluster`."""

from __future__ import annotations

import signal

from confluent_kafka import Producer


def main() -> None:
    """Run the broker until SIGINT or SIGTERM; print its address on the first line."""
    end_signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked before librdkafka starts its threads, which inherit the mask: only sigwait gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, end_signals)
    # log_level 0: otherwise it logs every client of another protocol, many times a second.
    cluster = Producer(
        {"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1", "log_level": 0}
    )
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    print(f"bootstrap.servers={broker.host}:{broker.port}", flush=True)
    signal.sigwait(end_signals)


if __name__ == "__main__":
    main()
