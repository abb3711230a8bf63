"""The metrics of one agent, updated a batch at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from streams.health.outcomes import Filtered, Outcome
from streams.health.tallies import Tally

if TYPE_CHECKING:
    from streams.health.metrics import Metrics


#: So few rows are handled faster one by one than as an array.
_FEW = 16


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
        self.busy = metrics.busy.of(agent)
        """Runs while a stage of the agent works."""
        self._results: dict[str, Tally] = {}
        self._anomalies = metrics.anomalies.labels(agent)
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

    def state_restored(self, num_bytes: int, seconds: float) -> None:
        """Observe that the state of all partitions was restored after a rebalance."""
        self._metrics.state_restore.labels(self._agent).observe(seconds)
        self._metrics.state_restored_bytes.labels(self._agent).inc(num_bytes)

    def state_mismatch(self, topic: str, reason: str) -> None:
        """Count a partition of an input topic whose learned state can't be used, by reason."""
        self._metrics.state_mismatch.labels(self._agent, topic, reason).inc()

    def emitted(self, topic: str, num_results: int) -> None:
        """Count acknowledged results on an output topic."""
        tally = self._results.get(topic)
        if tally is None:
            tally = self._results[topic] = self._metrics.results.labels(self._agent, topic)
        tally.inc(num_results)

    def anomalies(self, num_answers: int) -> None:
        """Count answers that the model calls anomalies."""
        self._anomalies.inc(num_answers)

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
        now_ms = time.time() * 1000.0
        if len(rows) <= _FEW:  # as at live rates
            few = [timestamps_ms[row] for row in rows]
            self._metrics.event_age.observe(self._agent, few, now_ms)
            return
        # Usually all rows are answered, and a slice is faster than an index array.
        part = slice(rows.start, rows.stop) if isinstance(rows, range) else np.asarray(rows)
        sent_ms = np.asarray(timestamps_ms, dtype=np.int64)[part]
        self._metrics.event_age.observe(self._agent, sent_ms, now_ms)
