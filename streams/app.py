"""The Faust app of a pipeline: a `faust.App` with Penstock's transport."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from streams.assignment import AssignedPartitions
from streams.exactly_once.partition import TransactionLimits
from streams.exactly_once.stable_offsets import StableOffsets
from streams.exactly_once.transactions import Transactions
from streams.health.added_partitions import AddedPartitions
from streams.health.group_watch import GroupWatch
from streams.health.health import BROKER_SECONDS, Health, OnHang
from streams.health.lost_records import LostRecords
from streams.health.metrics import Metrics
from streams.kafka.group_members import Membership, group_members
from streams.kafka.login import token_source
from streams.kafka.position_reset import ResetPolicy
from streams.kafka.settings import aiokafka_arguments, bootstrap_servers
from streams.output_records import Packing
from streams.settings import EXACTLY_ONCE, PipelineSettings
from streams.transport.faust_app import FaustApp, Tables
from streams.transport.group_session import GroupSession

logger = logging.getLogger(__name__)

#: A slow model must never remove the worker from its group (invariant 5). Heartbeats show that the
#: process is alive, and `penstock_last_progress_timestamp_seconds` shows that it makes progress. So
#: Kafka's third check, the time between polls, is disabled by a limit that is never reached.
_MAX_POLL_INTERVAL_SECONDS = 24 * 3600.0

#: How long Faust waits for partitions to be taken over and for state to be restored. After that it
#: never resumes, so the time is long: the broker may be unreachable during a rebalance.
_RECOVERY_SECONDS = 24 * 3600.0

#: Maximum number of records that one fetch returns, over all partitions.
_MAX_POLL_RECORDS = 1_000

#: After this time the producer sends a request again on a new connection. Faust's default of 20
#: minutes is too long if the broker's machine has lost its network.
_REQUEST_TIMEOUT_MS = 30_000

#: aiokafka's default.
_SESSION_TIMEOUT_MS = 10_000

#: Maximum output of one partition that waits for its transaction. The same amount may arrive while
#: the transaction is committed.
_MAX_STAGED_BYTES = 8 * 1024 * 1024


class App(FaustApp):
    """The Faust app of a pipeline: its parts, the settings of its clients, and how it stops."""

    def __init__(
        self,
        settings: PipelineSettings,
        metrics: Metrics,
        *,
        on_hang: OnHang,
        on_stopping: Callable[[App], None] = lambda app: None,
    ) -> None:
        """Make an app without agents; nothing connects yet.

        Args:
            settings: settings of the pipeline.
            metrics: metrics of the worker.
            on_hang: called once with the reason when a model call hangs; must end the worker.
            on_stopping: called with the app when it begins to stop.

        Raises:
            ValueError: a `kafka:` setting is unknown, has a wrong value, or would lose records.
        """
        self.client_arguments = _client_arguments(settings)
        """Keyword arguments for aiokafka, by role: `consumer` and `producer`."""
        consumer = self.client_arguments["consumer"]
        servers = bootstrap_servers(settings.kafka).split(",")
        super().__init__(
            str(consumer.get("group_id", "penstock")),
            broker=[f"penstock://{server}" for server in servers],
            autodiscover=False,
            broker_client_id="penstock",
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
        self.drain_seconds = settings.shutdown_timeout_seconds
        """How long a stop or a rebalance waits for records in work."""
        self.failure: BaseException | None = None
        """The error that stopped the app, if any."""
        self._on_stopping = on_stopping
        self._stop_deadline: float | None = None
        limits = {t: agent.intake for agent in settings.agents.values() for t in agent.inputs}
        in_work = settings.input_buffer_max_bytes // 2
        self.max_waiting_bytes = settings.input_buffer_max_bytes - in_work
        """Limit of the bytes that are fetched and wait in the Kafka client."""
        self.assigned = AssignedPartitions(limits, metrics, in_work)
        self.stable_offsets = StableOffsets(settings.kafka, self.conf.id)
        heartbeat_seconds = int(consumer.get("heartbeat_interval_ms", 0)) / 1000
        self.health = Health(
            self.assigned,
            settings.liveness_timeout_seconds,
            max(BROKER_SECONDS, 3 * heartbeat_seconds),
            on_hang=on_hang,
            on_clock_step=metrics.clock_steps.inc,
            login_problem=_login_problem(settings),
            takeover_problem=self.stable_offsets.problem,
        )
        self.pipeline_topics = self.assigned.batch_topics | settings.written_topics().keys()
        """Every topic that the pipeline's agents read and write."""
        self.membership = Membership.of(settings)
        """What this worker says about itself to the other members of its group."""
        self.group_watch = GroupWatch(
            self.membership,
            self.assigned.batch_topics,
            lambda: group_members(settings.kafka, self.conf.id),
            metrics,
        )
        self.assigned.on_change(lambda: None, lambda held: self.group_watch.rebalanced())
        self.lost = LostRecords(metrics, settings.agents_by_input(), settings.written_topics())
        """Reports records that can't be read any more."""
        self.added = AddedPartitions(metrics, settings.agents_by_input(), self.assigned)
        """Reports partitions that are added to input topics."""
        self.reset_policy: ResetPolicy = consumer["auto_offset_reset"]
        self.group_session = GroupSession(
            int(consumer.get("session_timeout_ms", _SESSION_TIMEOUT_MS)) / 1000
        )
        self.exactly_once = (
            self._make_transactions(settings) if settings.guarantee == EXACTLY_ONCE else None
        )
        """The transactions of the batch topics; None if delivery is at least once."""

    def _make_transactions(self, settings: PipelineSettings) -> Transactions:
        intakes = {t: agent.intake for agent in settings.agents.values() for t in agent.inputs}
        return Transactions(
            lambda: self.producer.client_producer,
            lambda transactional_id: self.producer.new_transactional(transactional_id),
            group_id=self.conf.id,
            tracker=self.assigned.tracker,
            # Half of the records that may be in work: the other half is processed during a commit.
            limits=lambda topic: TransactionLimits(
                max(intakes[topic].max_records // 2, 1), _MAX_STAGED_BYTES
            ),
            interval_seconds=settings.commit_interval_seconds,
            committed_offsets=lambda partitions: self.consumer.stable_offsets(partitions),
            offset_metadata=lambda tp, offset: self.consumer.offset_metadata(tp, offset),
            on_lost=lambda tp: self.consumer.lose(tp),
            on_failure=self.stop_for,
        )

    async def stop_for(self, failure: BaseException) -> None:
        """Stop the worker gracefully because of an error, such as rejected output.

        Records whose output is not acknowledged stay uncommitted. They are read again after a
        restart.
        """
        if self.failure is None:
            self.failure = failure
            logger.error("the worker ends: %s", failure)
            self.drain_seconds = 0
            os.kill(os.getpid(), signal.SIGTERM)

    def on_init_dependencies(self) -> Iterable[Any]:
        """Start the health checks before everything else and stop them last."""
        return [self.health, *super().on_init_dependencies(), self.group_watch]

    async def on_stop(self) -> None:
        """Report the worker as not ready as soon as it begins to stop."""
        self.health.stopping()
        self._on_stopping(self)
        self._stop_deadline = time.monotonic() + self.drain_seconds
        await super().on_stop()

    def seconds_to_stop(self, beyond: float = 0.0) -> float | None:
        """Return how many seconds are left for records in work; None if the app is not stopping.

        Args:
            beyond: seconds to add to `drain_seconds`.
        """
        if self._stop_deadline is None:
            return None
        return max(self._stop_deadline + beyond - time.monotonic(), 0.0)


def _login_problem(settings: PipelineSettings) -> Callable[[], str]:
    source = token_source(settings.kafka)
    return lambda: "" if source is None else source.problem


def _client_arguments(settings: PipelineSettings) -> dict[str, dict[str, Any]]:
    consumer = aiokafka_arguments(settings.kafka, "consumer")
    producer = aiokafka_arguments(settings.kafka, "producer")
    if producer.get("acks", "all") != "all" or not producer.get("enable_idempotence", True):
        raise ValueError(
            "kafka: acks must be all and enable.idempotence must be true, "
            "otherwise results can be lost"
        )
    consumer.setdefault("auto_offset_reset", "earliest")
    if settings.guarantee == EXACTLY_ONCE:
        # Skip records of aborted transactions.
        consumer.setdefault("isolation_level", "read_committed")
    return {
        "consumer": consumer,
        "producer": {
            "linger_ms": 0,
            "max_batch_size": Packing().max_bytes,
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
            **producer,
        },
    }
