"""`penstock bench latency`: how old an event is when its result lies on the broker, under a load.

Workload `d`. The event time is the moment of sending; that of lying in the input topic and that of
the result are the broker's own time stamps (`message.timestamp.type=LogAppendTime`), on the same
machine's clock. The age of an event counts from its sending; what of it the contender can do
something about counts from its lying in the input topic.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Message

from benchmarks.harness.arrivals import Counts, bursts, poisson
from benchmarks.harness.contenders import Contender
from benchmarks.harness.loads import Load
from benchmarks.harness.ready import Job, Ready
from benchmarks.harness.running import RunError, Running, running
from benchmarks.harness.topics import EndOffsets, make_topics, num_partitions, remove_topics
from benchmarks.harness.verifying import TIMING_HEADER
from schemas import Result
from streams.kafka.reader import TopicReader

#: Workload `d`'s stub, as benchmarks/workloads/readings.py has it, and the batch limits of all.
BATCH_SECONDS, ITEM_SECONDS, MAX_BATCH_SIZE, MAX_WAIT_SECONDS = 0.005, 20e-6, 256, 0.02
STEP_SECONDS = BATCH_SECONDS + ITEM_SECONDS * MAX_BATCH_SIZE
MAX_RATE = MAX_BATCH_SIZE / STEP_SECONDS

ARRIVALS: dict[str, Callable[[float, float], Counts]] = {"poisson": poisson, "bursts": bursts}
_PARTITIONS = 4
_WARM_UP, _START_SECONDS, _DRAIN_SECONDS = 1_000, 60.0, 30.0


class Ages(msgspec.Struct, frozen=True):
    """What a run under load came to."""

    contender: str
    version: str
    arrivals: str
    rate: float
    """Events a second that were sent."""
    records: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    through_p50_ms: float
    """From the record's lying in the input topic to its result's lying in the output topic."""
    through_p99_ms: float
    through_p999_ms: float
    bound_ms: float
    """max_wait_seconds and two full steps of the stub."""
    mean_batch_size: float
    """Over the batches, not over the records."""
    max_batch_size: int


def measure_ages(
    servers: str, contender: Contender, ready: Ready, arrivals: str, share: float, seconds: float
) -> Ages:
    """Send at a share of the stub's highest rate and return the ages.

    Args:
        servers: of the broker.
        contender: to run.
        ready: the same, made ready for workload `d`.
        arrivals: one of `ARRIVALS`.
        share: of `MAX_RATE`, in (0, 1).
        seconds: how long to send.

    Raises:
        RunError: the contender ended, or did not keep up.
    """
    name = f"bench-latency-{contender.name}-{arrivals}-{time.time_ns()}"
    topics = [name, f"{name}-out", f"{name}.dlq"]
    make_topics(servers, topics, _PARTITIONS, {"message.timestamp.type": "LogAppendTime"})
    partitions = num_partitions(servers, name)
    counts = ARRIVALS[arrivals](MAX_RATE * share, seconds)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, name, f"{name}-out", name, "d", partitions, folder)
        load = Load(job)
        took = _drive(ready, job, load, counts)
    with TopicReader({"bootstrap.servers": servers}, isolation="read_committed") as reader:
        appended = _append_times(reader.read_all(job.input, partitions), partitions)
        ages, through, sizes = _ages_and_sizes(
            reader.read_all(job.output, partitions), appended, load.started_ms
        )
    remove_topics(servers, topics)
    p50, p99, p999, highest = (float(q) for q in np.quantile(ages, [0.5, 0.99, 0.999, 1.0]))
    through_p50, through_p99, through_p999 = np.quantile(through, [0.5, 0.99, 0.999]).tolist()
    return Ages(
        contender=contender.name,
        version=ready.version,
        arrivals=arrivals,
        rate=float(counts.sum() / took),
        records=len(ages),
        p50_ms=p50,
        p99_ms=p99,
        p999_ms=p999,
        max_ms=highest,
        through_p50_ms=through_p50,
        through_p99_ms=through_p99,
        through_p999_ms=through_p999,
        bound_ms=1000 * (MAX_WAIT_SECONDS + 2 * STEP_SECONDS),
        # A batch of n stands n times among the results.
        mean_batch_size=float(1.0 / np.mean(1.0 / sizes)),
        max_batch_size=int(sizes.max()),
    )


def _drive(ready: Ready, job: Job, load: Load, counts: Counts) -> float:
    """Run the contender under the load; return how many seconds the sending took."""
    with (
        running(ready, job) as run,
        closing(EndOffsets(job.bootstrap_servers, job.output, job.partitions)) as ends,
    ):
        load.send(_WARM_UP)
        _await(run, ends, load.num_sent, _START_SECONDS)
        took = load.send_paced(counts)
        _await(run, ends, load.num_sent, _DRAIN_SECONDS)
    return took


def _await(run: Running, ends: EndOffsets, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while ends.total() < count:
        if not run.is_alive or time.monotonic() > deadline:
            raise RunError(f"it does not keep up, or ended: {run.last_lines()}")
        time.sleep(0.05)


def _append_times(messages: Iterator[Message], partitions: int) -> list[list[int]]:
    """Return when each record was appended, by partition and offset, in ms since 1970."""
    times: list[list[int]] = [[] for _ in range(partitions)]
    for message in messages:
        times[message.partition() or 0].append(message.timestamp()[1])
    return times


def _ages_and_sizes(
    messages: Iterator[Message], appended: Sequence[Sequence[int]], started_ms: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return each result's age and way through in ms, and its batch's size, warm-up left out."""
    decode = msgspec.json.Decoder(Result).decode
    ages, through, sizes = [], [], []
    for message in messages:
        result = decode(message.value() or b"")
        if result.event_time_ms < started_ms:
            continue
        at = message.timestamp()[1]
        ages.append(float(at - result.event_time_ms))
        through.append(float(at - appended[result.origin.partition][result.origin.offset]))
        timing = dict(message.headers() or [])[TIMING_HEADER]
        sizes.append(int(timing.split(b"batch=")[1].split(b";")[0]))
    return np.asarray(ages), np.asarray(through), np.asarray(sizes)
