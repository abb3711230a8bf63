"""`penstock bench latency`: ages with a slow model, under Poisson arrivals and bursts.

Workload `d`, at a share of its stub's highest rate. An event's age counts from the moment when it
was due until its result was appended to the output topic; `through` counts from the append of its
record to the input topic. Both appends are the broker's timestamps
(`message.timestamp.type=LogAppendTime`), on the same machine's clock.
"""

from __future__ import annotations

import tempfile
import time

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.harness.ages import AppendTimes, ages_ms
from benchmarks.harness.inputs import KEYS_PER_PARTITION
from benchmarks.harness.live_records import LiveRecords
from benchmarks.harness.load_run import run_under_load
from benchmarks.harness.running import Job, PreparedContender, RunError
from benchmarks.harness.sender import SendPlan, Stream
from benchmarks.harness.topics import create_bench_topics, num_partitions, read_all, remove_topics
from benchmarks.harness.verifying import TIMING_HEADER
from schemas import Result

#: Workload `d`'s stub, as in benchmarks/workloads/readings.py, and the batch limits of all.
BATCH_SECONDS, ITEM_SECONDS, MAX_BATCH_SIZE, MAX_WAIT_SECONDS = 0.005, 20e-6, 256, 0.02
STEP_SECONDS = BATCH_SECONDS + ITEM_SECONDS * MAX_BATCH_SIZE
MAX_RATE = MAX_BATCH_SIZE / STEP_SECONDS

ARRIVALS = ("poisson", "bursts")
_PARTITIONS, _WARM_UP_SECONDS = 4, 1.0
#: Counted in every age. With 0, twenty records a millisecond would be a request each, and a small
#: machine's broker would leave no time to the contender.
_LINGER_MS = 5


class Ages(msgspec.Struct, frozen=True):
    """The ages of one run."""

    contender: str
    version: str
    arrivals: str
    rate: float
    """Events a second."""
    records: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    through_p50_ms: float
    """From topic to topic."""
    through_p99_ms: float
    through_p999_ms: float
    bound_ms: float
    """max_wait_seconds and two full steps of the stub."""
    mean_batch_size: float
    """Over the batches, not over the records."""
    max_batch_size: int


def measure_ages(
    servers: str,
    name: str,
    prepared: PreparedContender,
    arrivals: str,
    share: float,
    seconds: float,
) -> Ages:
    """Send at a share of the stub's highest rate and return the ages.

    Args:
        servers: of the broker.
        name: of the contender.
        prepared: to run, for workload `d`.
        arrivals: one of `ARRIVALS`.
        share: of `MAX_RATE`, in (0, 1).
        seconds: how long to send.

    Raises:
        RunError: the contender ended, or did not keep up.
    """
    topic = f"bench-latency-{name}-{arrivals}-{time.time_ns()}"
    topics = [topic, f"{topic}-out", f"{topic}.dlq"]
    log_append_time = {"message.timestamp.type": "LogAppendTime"}
    create_bench_topics(servers, topics, _PARTITIONS, log_append_time)
    partitions = num_partitions(servers, topic)
    sources, rate = partitions * KEYS_PER_PARTITION, MAX_RATE * share
    stream = Stream(topic, partitions, "readings", sources, rate)
    plan = SendPlan(servers, [stream], arrivals, _WARM_UP_SECONDS, seconds, _LINGER_MS)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, topic, f"{topic}-out", topic, "d", partitions, folder)
        run = run_under_load(prepared, job, plan, [(job.output, partitions)])
    if not run.kept_up:
        raise RunError(f"{name} does not keep up with {rate:,.0f} events a second")
    records = LiveRecords(plan, 0, run.report)
    inputs = AppendTimes(records.num_records, partitions)
    inputs.add_all(read_all(servers, topic, partitions))
    outputs, sizes = _answers(job, records)
    remove_topics(servers, topics)
    first = records.first_measured
    due = np.array([records.event_time_ms(index) for index in range(first, records.num_records)])
    ages, through = outputs.times_ms[first:] - due, ages_ms(inputs, outputs, first)
    p50, p99, p999, highest = np.quantile(ages, [0.5, 0.99, 0.999, 1.0]).tolist()
    through_p50, through_p99, through_p999 = np.quantile(through, [0.5, 0.99, 0.999]).tolist()
    return Ages(
        contender=name,
        version=prepared.version,
        arrivals=arrivals,
        rate=records.num_measured / seconds,
        records=len(ages),
        p50_ms=p50,
        p99_ms=p99,
        p999_ms=p999,
        max_ms=highest,
        through_p50_ms=through_p50,
        through_p99_ms=through_p99,
        through_p999_ms=through_p999,
        bound_ms=1000 * (MAX_WAIT_SECONDS + 2 * STEP_SECONDS),
        # A batch of n results has n equal entries.
        mean_batch_size=float(1.0 / np.mean(1.0 / sizes[first:])),
        max_batch_size=int(sizes[first:].max()),
    )


def _answers(job: Job, records: LiveRecords) -> tuple[AppendTimes, npt.NDArray[np.int64]]:
    """Return when each record was answered, and the size of the batch that it was in.

    Raises:
        RunError: a record has no answer.
    """
    decode = msgspec.json.Decoder(Result).decode
    outputs = AppendTimes(records.num_records, job.partitions)
    sizes = np.zeros(records.num_records, np.int64)
    for message in read_all(job.bootstrap_servers, job.output, job.partitions):
        origin = decode(message.value() or b"").origin
        index = origin.offset * job.partitions + origin.partition
        outputs.add(index, message)
        timing = dict(message.headers() or [])[TIMING_HEADER]
        sizes[index] = int(timing.split(b"batch=")[1].split(b";")[0])
    if (sizes == 0).any():
        raise RunError(f"{(sizes == 0).sum()} records have no answer")
    return outputs, sizes
