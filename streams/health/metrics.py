"""The metrics that a worker exports, in base units, with few labels.

records in = answered + dead_lettered + filtered + in flight, per agent, at any moment
(invariant 2). Unfinished records of a partition that a rebalance moves are removed from `in flight`
and counted as `handed_back`: the new owner counts them in again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import REGISTRY

from streams.health.age_histogram import AgeHistogram

_SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
_STAGE_SECONDS = (0.0002, 0.0005, *_SECONDS[:-4])
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Outcome(StrEnum):
    """How an input record finished: exactly one outcome per record."""

    ANSWERED = "answered"
    DEAD_LETTERED = "dead_lettered"
    FILTERED = "filtered"


class Filtered(StrEnum):
    """Why a record was filtered."""

    TOMBSTONE = "tombstone"
    EXPIRED = "expired"
    WHERE = "where"
    """The agent's filter does not want it."""
    EMPTY = "empty"
    """It holds no readings."""
    SIDE_RECORD = "side_record"
    """It is for a model that learns from such records, such as a label; this one does not."""


class Metrics:
    """The metrics of one worker, in one registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        agent_topic = ("agent", "topic")
        self.records_in = Counter(
            "penstock_records_in", "Records taken in.", agent_topic, registry=registry
        )
        self.records = Counter(
            "penstock_records",
            "Records finished, by outcome: the broker has acknowledged their output.",
            (*agent_topic, "outcome"),
            registry=registry,
        )
        self.filtered = Counter(
            "penstock_records_filtered", "Records filtered, by reason.", (*agent_topic, "reason"),
            registry=registry,
        )  # fmt: skip
        self.implausible_times = Counter(
            "penstock_implausible_event_times",
            "Events whose time can't be right: before 2000, or over a day after their record's.",
            agent_topic, registry=registry,
        )  # fmt: skip
        self.handed_back = Counter(
            "penstock_records_handed_back",
            "Unfinished records whose partition a rebalance moved to another worker.",
            agent_topic,
            registry=registry,
        )
        self.replayed = Counter(
            "penstock_records_replayed",
            "Records read again only for an online model to learn from; answered before.",
            agent_topic,
            registry=registry,
        )
        self.records_lost = Counter(
            "penstock_records_lost",
            "Records that can't be read any more, by reason: removed, truncated, topic_deleted.",
            (*agent_topic, "reason"), registry=registry,
        )  # fmt: skip
        self.topic_missing = Gauge(
            "penstock_topic_missing", "1 while a topic of the pipeline does not exist, else 0.",
            ("topic",), registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "penstock_records_in_flight", "Records taken in and not finished.", ("agent",),
            registry=registry,
        )  # fmt: skip
        self.results = Counter(
            "penstock_results", "Results acknowledged by the broker.", agent_topic,
            registry=registry,
        )  # fmt: skip
        self.dead_letters = Counter(
            "penstock_dead_letters", "Dead letters acknowledged by the broker, by reason.",
            (*agent_topic, "reason"), registry=registry,
        )  # fmt: skip
        self.batch_size = Histogram(
            "penstock_batch_size", "Events per model call.", ("agent", "model"),
            buckets=_SIZES, registry=registry,
        )  # fmt: skip
        self.batch_size_limit = Gauge(
            "penstock_batch_size_limit",
            "Current largest batch: max_batch_size, or less after a model call ran out of memory.",
            ("agent",), registry=registry,
        )  # fmt: skip
        self.out_of_memory = Counter(
            "penstock_out_of_memory", "Model calls that ran out of memory.", ("agent",),
            registry=registry,
        )  # fmt: skip
        self.queue_wait = Histogram(
            "penstock_queue_wait_seconds", "Arrival of a batch's oldest event to its model call.",
            ("agent",), buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.stage_duration = Histogram(
            "penstock_stage_duration_seconds", "Time of a batch in a stage.",
            ("agent", "stage"), buckets=_STAGE_SECONDS, registry=registry,
        )  # fmt: skip
        self.event_age = AgeHistogram(
            "penstock_event_age_seconds",
            "Time from a record's Kafka timestamp to the acknowledgement of its result.",
            "agent",
            _SECONDS,
            registry,
        )
        self.snapshots = Counter(
            "penstock_snapshots", "Attempts to store an online model's state, by outcome.",
            ("agent", "outcome"), registry=registry,
        )  # fmt: skip
        self.snapshot_bytes = Gauge(
            "penstock_snapshot_bytes", "Size of the last stored snapshot.",
            ("agent",), registry=registry,
        )  # fmt: skip
        self.state_mismatch = Counter(
            "penstock_state_mismatch", "Partitions whose learned state does not apply, by reason.",
            (*agent_topic, "reason"), registry=registry,
        )  # fmt: skip
        self._model_incidents = Counter(
            "penstock_model_incidents",
            "What models that learn report, by kind (docs/operations.md).",
            ("agent", "kind"), registry=registry,
        )  # fmt: skip
        self._model_accuracy = Gauge(
            "penstock_model_accuracy_ratio",
            "Share of right answers among those that recent late labels were about.",
            ("agent",), registry=registry,
        )  # fmt: skip
        self.lag = Gauge(
            "penstock_consumer_lag_records", "Records behind the end of the partition.",
            ("topic", "partition"), registry=registry,
        )  # fmt: skip
        self.last_progress = Gauge(
            "penstock_last_progress_timestamp_seconds", "Unix time when a record last finished.",
            ("agent",), registry=registry,
        )  # fmt: skip
        self.ready = Gauge(
            "penstock_worker_ready", "1 while /ready answers 200, else 0.", registry=registry
        )
        self.foreign_members = Gauge(
            "penstock_group_foreign_members",
            "Members of the consumer group that run another pipeline, at the last rebalance.",
            registry=registry,
        )
        self.live = Gauge("penstock_live", "1 while /live answers 200, else 0.", registry=registry)
        self.clock_steps = Counter(
            "penstock_clock_steps", "Times that the system clock was set, by a second or more.",
            registry=registry,
        )  # fmt: skip
        self.model_timeouts = Counter(
            "penstock_model_timeouts", "Model calls that took longer than predict_timeout_seconds.",
            ("agent",), registry=registry,
        )  # fmt: skip
        self.model_restarts = Counter(
            "penstock_model_restarts", "Model processes restarted, by reason.", ("agent", "reason"),
            registry=registry,
        )  # fmt: skip

        self.model_unavailable = Counter(
            "penstock_model_unavailable_seconds",
            "Time in which batches waited because the model could not answer (Unavailable).",
            ("agent",), registry=registry,
        )  # fmt: skip

    def for_agent(self, agent: str, topics: Sequence[str], model: str) -> AgentMetrics:
        """Return the metrics of one agent; `topics` are its inputs."""
        return AgentMetrics(self, agent, topics, model)

    def forget_lag(self, topic: str, partition: int) -> None:
        """Remove the lag of a partition that this worker no longer holds."""
        with suppress(KeyError):
            self.lag.remove(topic, str(partition))

    def model_incidents(self, agent: str, kind: str, count: int) -> None:
        """Count what a model that learns reports, by kind."""
        self._model_incidents.labels(agent, kind).inc(count)

    def show_accuracy(self, agent: str, accuracy: Callable[[], float]) -> None:
        """Export the accuracy of a model that gets late labels; called when metrics are read."""
        self._model_accuracy.labels(agent).set_function(accuracy)

    def show(self, is_live: Callable[[], bool], is_ready: Callable[[], bool]) -> None:
        """Export the current results of both probes."""
        self.live.set_function(lambda: float(is_live()))
        self.ready.set_function(lambda: float(is_ready()))


class AgentMetrics:
    """The metrics of one agent, updated a batch at a time."""

    def __init__(self, metrics: Metrics, agent: str, topics: Sequence[str], model: str) -> None:
        self._metrics = metrics
        self._agent = agent
        self._records_in = {t: metrics.records_in.labels(agent, t) for t in topics}
        self._outcomes = {
            (t, o): metrics.records.labels(agent, t, o) for t in topics for o in Outcome
        }
        self._filtered = {
            (t, why): metrics.filtered.labels(agent, t, why) for t in topics for why in Filtered
        }
        self._implausible_times = {t: metrics.implausible_times.labels(agent, t) for t in topics}
        self._handed_back = {t: metrics.handed_back.labels(agent, t) for t in topics}
        self.num_in_flight = self.num_done = 0
        """Records taken in and not finished; records finished or handed back."""
        self._replayed = {t: metrics.replayed.labels(agent, t) for t in topics}
        self._in_flight = metrics.in_flight.labels(agent)
        self._batch_size = metrics.batch_size.labels(agent, model)
        self._batch_size_limit = metrics.batch_size_limit.labels(agent)
        self._out_of_memory = metrics.out_of_memory.labels(agent)
        self._queue_wait = metrics.queue_wait.labels(agent)
        self._progressed_at = time.monotonic()  # for an agent that is stuck from the start
        # Computed when it is read: an age does not change when the system clock is set.
        metrics.last_progress.labels(agent).set_function(self._last_progress_time)
        self._stages = {
            stage: metrics.stage_duration.labels(agent, stage)
            for stage in ("decode", "prepare", "predict", "encode", "deliver")
        }

    def took_in(self, topic: str, num_records: int) -> None:
        """Count records that the agent took in from an input topic."""
        self._records_in[topic].inc(num_records)
        self._in_flight.inc(num_records)
        self.num_in_flight += num_records

    def finished(self, topic: str, outcome: Outcome, num_records: int) -> None:
        """Count finished records, by outcome."""
        self._outcomes[topic, outcome].inc(num_records)
        self._done(num_records)
        self._progressed_at = time.monotonic()

    def _last_progress_time(self) -> float:
        return time.time() - (time.monotonic() - self._progressed_at)

    def filtered(self, topic: str, reason: Filtered, num_records: int) -> None:
        """Count filtered records, by reason."""
        self._filtered[topic, reason].inc(num_records)

    def implausible_times(self, topic: str, num_events: int) -> None:
        """Count events whose time can't be right."""
        self._implausible_times[topic].inc(num_events)

    def handed_back(self, topic: str, num_records: int) -> None:
        """Count unfinished records of a partition that moved to another worker."""
        self._handed_back[topic].inc(num_records)
        self._done(num_records)

    def _done(self, num_records: int) -> None:
        self._in_flight.dec(num_records)
        self.num_in_flight -= num_records
        self.num_done += num_records

    def replayed(self, topic: str, num_records: int) -> None:
        """Count records that were read again only to learn from."""
        self._replayed[topic].inc(num_records)
        self.num_done += num_records
        self._progressed_at = time.monotonic()

    def snapshot_stored(self, num_bytes: int) -> None:
        """Count a stored snapshot."""
        self._metrics.snapshots.labels(self._agent, "stored").inc()
        self._metrics.snapshot_bytes.labels(self._agent).set(num_bytes)

    def snapshot_failed(self) -> None:
        """Count a failed attempt to take or store a snapshot."""
        self._metrics.snapshots.labels(self._agent, "failed").inc()

    def state_mismatch(self, topic: str, reason: str) -> None:
        """Count a partition of an input topic whose learned state can't be used, by reason."""
        self._metrics.state_mismatch.labels(self._agent, topic, reason).inc()

    def emitted(self, topic: str, num_results: int) -> None:
        """Count acknowledged results on an output topic."""
        self._metrics.results.labels(self._agent, topic).inc(num_results)

    def dead_lettered(self, topic: str, reason: str, num_records: int = 1) -> None:
        """Count acknowledged dead letters of an input topic, by reason."""
        self._metrics.dead_letters.labels(self._agent, topic, reason).inc(num_records)

    def batch(self, size: int, queue_wait_seconds: float) -> None:
        """Observe the size and the queue wait of a batch."""
        self._batch_size.observe(size)
        self._queue_wait.observe(queue_wait_seconds)

    def out_of_memory(self) -> None:
        """Count a model call that ran out of memory."""
        self._out_of_memory.inc()

    def batch_size_limit(self, size: int) -> None:
        """Set the current limit of the batch size."""
        self._batch_size_limit.set(size)

    def stage(self, name: str, seconds: float) -> None:
        """Observe the time of a batch in a stage."""
        self._stages[name].observe(seconds)

    def ages_of(self, timestamps_ms: Sequence[int], rows: Sequence[int]) -> None:
        """Observe the ages of rows of a record batch whose results are acknowledged.

        Args:
            timestamps_ms: of the whole batch, milliseconds since 1970; <= 0 where there is none.
            rows: indices into it.
        """
        # Usually all rows are answered, and a slice is faster than an index array.
        part = slice(rows.start, rows.stop) if isinstance(rows, range) else np.asarray(rows)
        sent_ms = np.asarray(timestamps_ms, dtype=np.int64)[part]
        self._metrics.event_age.observe(self._agent, sent_ms, time.time() * 1000.0)
