"""The Faust app of a pipeline: an ordinary `faust.App` whose transport is Penstock's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from streams.assignment import AssignedPartitions
from streams.exactly_once.partition import TransactionLimits
from streams.exactly_once.stable_offsets import StableOffsets
from streams.exactly_once.transactions import OnFailure, Transactions
from streams.health.health import BROKER_SECONDS, Health, OnHang
from streams.health.metrics import Metrics
from streams.kafka.settings import aiokafka_arguments, bootstrap_servers
from streams.records import Packing
from streams.settings import EXACTLY_ONCE, PipelineSettings
from streams.transport.faust_app import FaustApp, Tables

#: A slow model must never cost the worker its membership (invariant 5): heartbeats tell that the
#: process lives, `penstock_last_progress_timestamp_seconds` that it works. So Kafka's third
#: measure, the time between polls, is set out of reach.
_MAX_POLL_INTERVAL_SECONDS = 24 * 3600.0

#: How long Faust waits for partitions to be taken over and for state to be restored before it gives
#: up resuming for good. As long as the broker takes: an outage may fall into a rebalance.
_RECOVERY_SECONDS = 24 * 3600.0

#: Records that one fetch may hand out, over all partitions.
_MAX_POLL_RECORDS = 1_000

#: After this a request of the producer is sent again, on a new connection. (Faust's own default,
#: 20 minutes, would wait as long for a broker that was unplugged.)
_REQUEST_TIMEOUT_MS = 30_000

#: Output of a partition that waits for its transaction; as much again may come meanwhile.
_MAX_STAGED_BYTES = 8 * 1024 * 1024


class App(FaustApp):
    """A Faust app that knows how much of each topic to take in."""

    assigned: AssignedPartitions
    exactly_once: Transactions | None
    """Of the batch topics' partitions; None where delivery is at least once."""
    drain_seconds: float
    """How long a stop or a rebalance waits for what is under way."""
    health: Health
    _stop_deadline: float | None = None
    on_stopping: Callable[[], None] = staticmethod(lambda: None)
    """Called when the app begins to stop."""
    client_arguments: dict[str, dict[str, Any]]
    """Keyword arguments for aiokafka, by role: `consumer` and `producer`."""

    def on_init_dependencies(self) -> Iterable[Any]:
        """Start watching before anything else, and stop last."""
        return [self.health, *super().on_init_dependencies()]

    async def on_stop(self) -> None:
        """Be unready from the first moment of stopping."""
        self.health.stopping()
        self.on_stopping()
        self._stop_deadline = time.monotonic() + self.drain_seconds
        await super().on_stop()

    def seconds_to_stop(self, beyond: float = 0.0) -> float | None:
        """Return how long what is under way may still take; None: the app is not stopping.

        Args:
            beyond: seconds that are granted beyond `drain_seconds`.
        """
        if self._stop_deadline is None:
            return None
        return max(self._stop_deadline + beyond - time.monotonic(), 0.0)


def make_app(
    settings: PipelineSettings, metrics: Metrics, on_failure: OnFailure, on_hang: OnHang
) -> App:
    """Make the app of a pipeline; it has no agents yet and nothing is connected.

    Args:
        settings: the pipeline.
        metrics: where lag is exported.
        on_failure: called when the brokers reject transactions permanently: end the worker.
        on_hang: called once when a model call hangs: end the worker.

    Raises:
        ValueError: a `kafka:` setting is unknown, of a wrong value, or would lose records.
    """
    consumer = aiokafka_arguments(settings.kafka, "consumer")
    producer = aiokafka_arguments(settings.kafka, "producer")
    if producer.get("acks", "all") != "all" or not producer.get("enable_idempotence", True):
        raise ValueError(
            "kafka: acks must be all and enable.idempotence true: anything less loses results"
        )
    app = App(
        str(consumer.get("group_id", "penstock")),
        broker=[f"penstock://{server}" for server in bootstrap_servers(settings.kafka).split(",")],
        autodiscover=False,
        broker_commit_interval=settings.commit_interval_seconds,
        broker_max_poll_interval=_MAX_POLL_INTERVAL_SECONDS,
        broker_max_poll_records=_MAX_POLL_RECORDS,
        broker_request_timeout=_RECOVERY_SECONDS,
        stream_wait_empty=True,
        topic_disable_leader=True,
        store="memory://",
        TableManager=Tables,
        web_host="127.0.0.1",
        web_bind="127.0.0.1",
    )
    limits = {t: agent.intake for agent in settings.agents.values() for t in agent.inputs}
    app.assigned = AssignedPartitions(limits, metrics)
    heartbeat_ms = int(consumer.get("heartbeat_interval_ms", 0))
    app.health = Health(
        app.assigned,
        settings.liveness_timeout_seconds,
        max(BROKER_SECONDS, 3 * heartbeat_ms / 1000),
        on_hang=on_hang,
    )
    app.drain_seconds = settings.shutdown_timeout_seconds
    app.exactly_once = None
    app.client_arguments = {
        "consumer": {"auto_offset_reset": "earliest", **consumer},
        "producer": {
            "linger_ms": 0,
            "max_batch_size": Packing().max_bytes,
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
            **producer,
        },
    }
    if settings.guarantee == EXACTLY_ONCE:
        # What another pipeline's transaction took back was never there.
        app.client_arguments["consumer"].setdefault("isolation_level", "read_committed")
        app.exactly_once = _make_transactions(app, settings, on_failure)
    return app


def _make_transactions(app: App, settings: PipelineSettings, on_failure: OnFailure) -> Transactions:
    intakes = {t: agent.intake for agent in settings.agents.values() for t in agent.inputs}
    return Transactions(
        lambda: app.producer.client_producer,
        lambda transactional_id: app.producer.new_transactional(transactional_id),
        group_id=app.conf.id,
        tracker=app.assigned.tracker,
        # Half of what may be under way: the other half goes on while a transaction is committed.
        limits=lambda topic: TransactionLimits(
            max(intakes[topic].max_records // 2, 1), _MAX_STAGED_BYTES
        ),
        interval_seconds=settings.commit_interval_seconds,
        committed_offsets=StableOffsets(settings.kafka, app.conf.id).fetch,
        on_lost=lambda tp: app.consumer.lose(tp),
        on_failure=on_failure,
    )
