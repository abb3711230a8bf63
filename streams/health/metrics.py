"""The metrics that a worker exports, in base units, with few labels.

records in = answered + dead_lettered + filtered + in flight, per agent, at any moment
(invariant 2). Unfinished records of a partition that a rebalance moves are removed from `in flight`
and counted as `handed_back`: the new owner counts them in again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import REGISTRY

from streams.health.age_histogram import AgeHistogram
from streams.health.agent_metrics import AgentMetrics
from streams.health.lag_seconds import LagSeconds
from streams.health.process_metrics import ProcessMetrics
from streams.health.stopwatch import StopwatchCounter
from streams.health.tallies import TallyCounter, TallyGauge, TallyHistogram
from streams.records import TopicPartition

_SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
_STAGE_SECONDS = (0.0002, 0.0005, *_SECONDS[:-4])
_RESTORE_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

_AGENT_TOPIC = ("agent", "topic")


class _Families:
    """Makes metric families in one registry, a line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self._registry)

    def gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, registry=self._registry)

    def histogram(
        self, name: str, documentation: str, buckets: Sequence[float], *labels: str
    ) -> Histogram:
        return Histogram(name, documentation, labels, buckets=buckets, registry=self._registry)

    def hot_counter(self, name: str, documentation: str, *labels: str) -> TallyCounter:
        """Make one for the record path, which only the event loop's thread updates."""
        return TallyCounter(name, documentation, labels, self._registry)

    def hot_gauge(self, name: str, documentation: str, *labels: str) -> TallyGauge:
        """Make one for the record path, which only the event loop's thread updates."""
        return TallyGauge(name, documentation, labels, self._registry)

    def hot_histogram(
        self, name: str, documentation: str, buckets: Sequence[float], *labels: str
    ) -> TallyHistogram:
        """Make one for the record path, which only the event loop's thread updates."""
        return TallyHistogram(name, documentation, labels, buckets, self._registry)


class Metrics:
    """The metrics of one worker, in one registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        families = _Families(registry)
        self._declare_records(families)
        self._declare_answering(families)
        self._declare_state(families)
        self._declare_worker(families)

    def _declare_records(self, make: _Families) -> None:
        """What became of the records."""
        self.records_in = make.hot_counter(
            "penstock_records_in", "Records taken in.", *_AGENT_TOPIC
        )
        self.records = make.hot_counter(
            "penstock_records",
            "Records finished, by outcome: the broker has acknowledged their output.",
            *_AGENT_TOPIC, "outcome",
        )  # fmt: skip
        self.filtered = make.hot_counter(
            "penstock_records_filtered", "Records filtered, by reason.", *_AGENT_TOPIC, "reason"
        )
        self.implausible_times = make.counter(
            "penstock_implausible_event_times",
            "Events whose time can't be right: before 2000, or over a day after their record's.",
            *_AGENT_TOPIC,
        )
        self.handed_back = make.counter(
            "penstock_records_handed_back",
            "Unfinished records whose partition a rebalance moved to another worker.",
            *_AGENT_TOPIC,
        )
        self.replayed = make.counter(
            "penstock_records_replayed",
            "Records read again only for an online model to learn from; answered before.",
            *_AGENT_TOPIC,
        )
        self.records_lost = make.counter(
            "penstock_records_lost",
            "Records that can't be read any more, by reason: removed, truncated, topic_deleted.",
            *_AGENT_TOPIC, "reason",
        )  # fmt: skip
        self.topic_missing = make.gauge(
            "penstock_topic_missing", "1 while a topic of the pipeline does not exist, else 0.",
            "topic",
        )  # fmt: skip
        self.in_flight = make.hot_gauge(
            "penstock_records_in_flight", "Records taken in and not finished.", "agent"
        )
        self.results = make.hot_counter(
            "penstock_results", "Results acknowledged by the broker.", *_AGENT_TOPIC
        )
        self.anomalies = make.hot_counter(
            "penstock_anomalies", "Answers that the model calls anomalies.", "agent"
        )
        self.dead_letters = make.counter(
            "penstock_dead_letters", "Dead letters acknowledged by the broker, by reason.",
            *_AGENT_TOPIC, "reason",
        )  # fmt: skip
        self.event_age = AgeHistogram(
            "penstock_event_age_seconds",
            "Time from a record's Kafka timestamp to the acknowledgement of its result.",
            "agent",
            _SECONDS,
            self.registry,
            within_budget="penstock_records_within_budget",
        )
        self.event_age_budget = make.gauge(
            "penstock_event_age_budget_seconds", "The agent's event_age_budget_seconds.", "agent"
        )
        self.lag = make.gauge(
            "penstock_consumer_lag_records", "Records behind the end of the partition.",
            "topic", "partition",
        )  # fmt: skip
        self.lag_seconds = LagSeconds(self.registry)
        self.last_progress = make.gauge(
            "penstock_last_progress_timestamp_seconds", "Unix time when a record last finished.",
            "agent",
        )  # fmt: skip

    def _declare_answering(self, make: _Families) -> None:
        """How the models do."""
        self.busy = StopwatchCounter(
            "penstock_busy_seconds",
            "Seconds in which the agent decoded, prepared, predicted or encoded.",
            "agent", self.registry,
        )  # fmt: skip
        self.batch_size = make.hot_histogram(
            "penstock_batch_size", "Events per model call.", _SIZES, "agent", "model"
        )
        self.batch_size_limit = make.gauge(
            "penstock_batch_size_limit",
            "Current largest batch: max_batch_size, or less after a model call ran out of memory.",
            "agent",
        )
        self.out_of_memory = make.counter(
            "penstock_out_of_memory", "Model calls that ran out of memory.", "agent"
        )
        self.model_unavailable = make.counter(
            "penstock_model_unavailable_seconds",
            "Time in which batches waited because the model could not answer (Unavailable).",
            "agent",
        )
        self.queue_wait = make.hot_histogram(
            "penstock_queue_wait_seconds", "Arrival of a batch's oldest event to its model call.",
            _SECONDS, "agent",
        )  # fmt: skip
        self.stage_duration = make.hot_histogram(
            "penstock_stage_duration_seconds", "Time of a batch in a stage.",
            _STAGE_SECONDS, "agent", "stage",
        )  # fmt: skip
        self._model_info = make.gauge(
            "penstock_model_info", "1; the labels say which model answers, and where it runs.",
            "agent", "model", "version", "device",
        )  # fmt: skip
        self._model_incidents = make.counter(
            "penstock_model_incidents",
            "What models that learn report, by kind (docs/operations.md).",
            "agent", "kind",
        )  # fmt: skip
        self._model_accuracy = make.gauge(
            "penstock_model_accuracy_ratio",
            "Share of right answers among those that recent late labels were about.",
            "agent",
        )
        self.model_timeouts = make.counter(
            "penstock_model_timeouts", "Model calls that took longer than predict_timeout_seconds.",
            "agent",
        )  # fmt: skip
        self.model_restarts = make.counter(
            "penstock_model_restarts", "Model processes restarted, by reason.", "agent", "reason"
        )

    def _declare_state(self, make: _Families) -> None:
        """The state of online models."""
        self.snapshots = make.counter(
            "penstock_snapshots", "Attempts to store an online model's state, by outcome.",
            "agent", "outcome",
        )  # fmt: skip
        self.snapshot_bytes = make.gauge(
            "penstock_snapshot_bytes", "Size of the last stored snapshot.", "agent"
        )
        self.state_restore = make.histogram(
            "penstock_state_restore_seconds",
            "Time to restore the state of all partitions of an agent, per rebalance.",
            _RESTORE_SECONDS, "agent",
        )  # fmt: skip
        self.state_restored_bytes = make.counter(
            "penstock_state_restored_bytes", "Size of the state that was restored.", "agent"
        )
        self.state_mismatch = make.counter(
            "penstock_state_mismatch", "Partitions whose learned state does not apply, by reason.",
            *_AGENT_TOPIC, "reason",
        )  # fmt: skip

    def _declare_worker(self, make: _Families) -> None:
        """The worker and its group."""
        self.ready = make.gauge("penstock_worker_ready", "1 while /ready answers 200, else 0.")
        self.live = make.gauge("penstock_live", "1 while /live answers 200, else 0.")
        self._input_buffer = make.gauge(
            "penstock_input_buffer_bytes",
            "Bytes read and not finished: place=in_work, or fetched (waiting in the Kafka client).",
            "place",
        )
        self.rebalances = make.counter(
            "penstock_rebalances", "Times that the group assigned partitions to this worker."
        )
        self.rebalance_seconds = StopwatchCounter(
            "penstock_rebalance_seconds",
            "Seconds in which a rebalance kept this worker, which held partitions, from reading.",
            None, self.registry,
        )  # fmt: skip
        self.foreign_members = make.gauge(
            "penstock_group_foreign_members",
            "Members of the consumer group that run another pipeline, at the last rebalance.",
        )
        self.clock_steps = make.counter(
            "penstock_clock_steps", "Times that the system clock was set, by a second or more."
        )
        self._build_info = make.gauge(
            "penstock_build_info", "1; the labels are the versions that run.",
            "version", "python",
        )  # fmt: skip

        self.process = ProcessMetrics(self.registry)

    def for_agent(
        self, agent: str, topics: Sequence[str], model: str, budget_seconds: float | None = None
    ) -> AgentMetrics:
        """Return the metrics of one agent.

        Args:
            agent: its name.
            topics: its inputs.
            model: its model's name.
            budget_seconds: the age within which its records are to be answered, if it has one.
        """
        if budget_seconds is not None:
            self.event_age.set_budget(agent, budget_seconds)
            self.event_age_budget.labels(agent).set(budget_seconds)
        return AgentMetrics(self, agent, topics, model)

    def forget_lag(self, topic: str, partition: int) -> None:
        """Remove the lag of a partition that this worker no longer holds."""
        self.lag_seconds.forget(TopicPartition(topic, partition))
        with suppress(KeyError):
            self.lag.remove(topic, str(partition))

    def model_incidents(self, agent: str, kind: str, count: int) -> None:
        """Count what a model that learns reports, by kind."""
        self._model_incidents.labels(agent, kind).inc(count)

    def show_accuracy(self, agent: str, accuracy: Callable[[], float]) -> None:
        """Export the accuracy of a model that gets late labels; called when metrics are read."""
        self._model_accuracy.labels(agent).set_function(accuracy)

    def show_input_buffer(self, place: str, num_bytes: Callable[[], int]) -> None:
        """Export the bytes that were read and not finished; called when metrics are read."""
        self._input_buffer.labels(place).set_function(num_bytes)

    def show_build(self, version: str, python: str) -> None:
        """Export the versions of Penstock and of Python."""
        self._build_info.labels(version, python).set(1)

    def show_model(self, agent: str, model: str, version: str, device: str) -> None:
        """Export which model an agent has loaded, and on which device."""
        self._model_info.labels(agent, model, version, device).set(1)

    def show(self, is_live: Callable[[], bool], is_ready: Callable[[], bool]) -> None:
        """Export the current results of both probes."""
        self.live.set_function(lambda: float(is_live()))
        self.ready.set_function(lambda: float(is_ready()))
