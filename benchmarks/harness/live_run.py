"""One run of `penstock bench live`: a contender on new topics, read back and checked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import yaml

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.ages import (
    OFFERED_SHARE,
    AgeSummary,
    AppendTimes,
    ages_ms,
    rate_of,
    summarize_ages,
)
from benchmarks.harness.live_records import LearningRecords, LiveRecords
from benchmarks.harness.load_run import LoadRun, run_under_load
from benchmarks.harness.running import Job, PreparedContender
from benchmarks.harness.sender import SendPlan, SendReport, Stream
from benchmarks.harness.topics import create_bench_topics, num_partitions, read_all, remove_topics
from benchmarks.harness.verifying import Verifier, WrongOutputError
from benchmarks.harness.workloads import WORKLOADS

#: The models of Penstock's agent, with the records that they get.
MODELS = {"mean": "readings", "robust_zscore": "wide_sensors", "online_kmeans": "behavior"}
NUM_SOURCES = 10_000
_LOG_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True)
class LivePlan:
    """What a live bench runs: every contender at every combination."""

    servers: str
    contenders: Sequence[str]
    model: str
    rates: Sequence[int]
    partitions: Sequence[int]
    lingers_ms: Sequence[int]
    seconds: float
    warm_up_seconds: float
    rounds: int
    arrivals: str


class LiveResult(msgspec.Struct, frozen=True):
    """One contender's run at one rate; `--json` prints these."""

    contender: str
    version: str
    model: str
    partitions: int
    linger_ms: int
    rate: int
    """Records a second that were to be sent."""
    round: int
    offered_per_second: float
    """Records a second that were sent, by the broker's timestamps."""
    sender: SendReport
    append_late_p99_ms: float
    """From a record's due time until the broker had appended it to the input topic."""
    records: int
    """Sent after the warm-up."""
    answered: int
    kept_up: bool
    """Whether all was answered within some seconds of the last record."""
    fault: str
    """What is wrong with the output; "" if all of it was verified."""
    p50_ms: float
    """Ages of the answered records, from topic to topic."""
    p99_ms: float
    max_ms: float
    cpu_us_per_record: float
    """Of the contender's processes, user and system, over the measured time."""
    is_log_append_time: bool
    """False: the embedded broker; ages are then by the clients' timestamps."""

    @property
    def is_sustained(self) -> bool:
        """Whether the load was really offered, and all of it answered rightly."""
        return (
            self.kept_up and not self.fault and self.offered_per_second >= OFFERED_SHARE * self.rate
        )


@dataclass(frozen=True)
class LiveRun:
    """One contender at one rate, in one round."""

    plan: LivePlan
    name: str
    prepared: PreparedContender
    partitions: int
    linger_ms: int
    rate: int
    round: int

    def __str__(self) -> str:
        where = f"{self.rate:,}/s, {self.partitions} partitions, linger {self.linger_ms} ms"
        return f"{where}, round {self.round}, {self.name}"

    def measure(self) -> LiveResult:
        """Run the contender, read everything back, and remove the topics."""
        servers = self.plan.servers
        topic = f"bench-live-{self.name}-{time.time_ns()}"
        topics = [topic, f"{topic}-out", f"{topic}.dlq"]
        try:
            return self._measure_on(topics)
        finally:
            remove_topics(servers, topics)

    def _measure_on(self, topics: list[str]) -> LiveResult:
        servers, topic, output = self.plan.servers, *topics[:2]
        create_bench_topics(servers, topics, self.partitions, _LOG_APPEND_TIME)
        partitions = num_partitions(servers, topic)
        if self.plan.model != "mean":
            topics.append(f"{topic}.score.state")
            create_bench_topics(servers, topics[-1:], partitions, {"cleanup.policy": "compact"})
        plan = self._send_plan(topic, partitions)
        with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
            job = Job(servers, topic, output, topic, "live", partitions, folder)
            run = run_under_load(self.prepared, job, plan, [(output, partitions)])
        return self._read_back(job, plan, run)

    def _send_plan(self, topic: str, partitions: int) -> SendPlan:
        plan, kind = self.plan, MODELS[self.plan.model]
        return SendPlan(
            plan.servers,
            [Stream(topic, partitions, kind, NUM_SOURCES, self.rate)],
            plan.arrivals,
            plan.warm_up_seconds,
            plan.seconds,
            self.linger_ms,
        )

    def _records(self, plan: SendPlan, report: SendReport) -> LiveRecords:
        if self.plan.model == "mean":
            return LiveRecords(plan, 0, report)
        return LearningRecords(plan, 0, report, self.plan.model, model_options(self.plan.model))

    def _read_back(self, job: Job, plan: SendPlan, run: LoadRun) -> LiveResult:
        records = self._records(plan, run.report)
        inputs = AppendTimes(records.num_records, job.partitions)
        inputs.add_all(read_all(job.bootstrap_servers, job.input, job.partitions))
        outputs = AppendTimes(records.num_records, job.partitions)
        fault = self._verify(job, records, outputs, run.kept_up)
        first = records.first_measured
        ages = ages_ms(inputs, outputs, first)
        summary = summarize_ages(ages)
        return LiveResult(
            contender=self.name,
            version=self.prepared.version,
            model=self.plan.model,
            partitions=job.partitions,
            linger_ms=self.linger_ms,
            rate=self.rate,
            round=self.round,
            offered_per_second=rate_of(inputs.times_ms[first:]),
            sender=run.report,
            append_late_p99_ms=lateness_ms(inputs, records).p99_ms,
            records=records.num_measured,
            answered=len(ages),
            kept_up=run.kept_up and len(ages) == records.num_measured,
            fault=fault,
            p50_ms=summary.p50_ms,
            p99_ms=summary.p99_ms,
            max_ms=summary.max_ms,
            cpu_us_per_record=1e6 * run.cpu_seconds / max(run.num_answered, 1),
            is_log_append_time=inputs.is_log_append_time and outputs.is_log_append_time,
        )

    def _verify(self, job: Job, records: LiveRecords, outputs: AppendTimes, kept_up: bool) -> str:
        """Check each result and note its timestamp; return what is wrong, "" if nothing."""
        model = WORKLOADS["a"].model if self.plan.model == "mean" else self.plan.model
        verifier = Verifier(
            records, job.input, job.partitions, "score", model, records.model_version
        )
        try:
            for message in read_all(job.bootstrap_servers, job.output, job.partitions):
                partition, value = message.partition() or 0, message.value() or b""
                index = verifier.add(partition, message.key(), value, message.headers() or [])
                outputs.add(index, message)
            if kept_up:
                verifier.finish()
        except WrongOutputError as error:
            return str(error)
        return ""


def lateness_ms(inputs: AppendTimes, records: LiveRecords) -> AgeSummary:
    """Return how long after their due times the measured records were on the input topic."""
    measured = range(records.first_measured, records.num_records)
    due = np.array([records.event_time_ms(index) for index in measured], np.int64)
    return summarize_ages(inputs.times_ms[records.first_measured :] - due)


def model_options(model: str) -> dict[str, Any]:
    """Return the options of a model in the live bench's pipeline file."""
    file = BENCHMARKS / "penstock" / f"live-{model}.yaml"
    settings = yaml.safe_load(file.read_text())["agents"]["score"]["model"]
    return dict(settings.get("options", {}))
