"""The contenders: their names, the workloads that each can do, and how to prepare each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.environments import python_of, version_in
from benchmarks.harness.java import built, version_among
from benchmarks.harness.penstock import penstock
from benchmarks.harness.running import PreparedContender


@dataclass(frozen=True)
class Contender:
    """One peer, or Penstock itself."""

    name: str
    workloads: Sequence[str]
    """The names of the workloads that it can do."""
    prepare: Callable[[str], PreparedContender]
    """For a workload; builds its environment on first use. Raises `UnavailableError`."""
    share: int = 1
    """It gets one record in this many: all of them would take a slow one minutes a round."""


def _python_peer(
    folder_name: str, distribution: str, script: str
) -> Callable[[str], PreparedContender]:
    def prepare(workload: str) -> PreparedContender:
        folder = BENCHMARKS / folder_name
        python = python_of(folder / _lock_name(workload))
        command = [str(python), str(folder / script)]
        return PreparedContender(
            version_in(python, distribution),
            lambda job: [*command, json.dumps(asdict(job))],
            lambda job: {"PYTHONPATH": str(BENCHMARKS)},
        )

    return prepare


def _kafka_streams(workload: str) -> PreparedContender:
    jars = built(BENCHMARKS / "kafka-streams")
    command = ["java", "-Xmx1g", "-cp", f"{jars}/*", "penstock.bench.Main"]
    version = version_among(jars, "kafka-streams")
    return PreparedContender(
        version, lambda job: [*command, json.dumps(asdict(job))], lambda job: {}
    )


def _flink(workload: str) -> PreparedContender:
    folder = BENCHMARKS / "flink"
    jars = built(folder)
    python = python_of(folder / "requirements.lock")
    command = [str(python), str(folder / "run.py")]
    # The interpreter inside the JVM does not use the virtual environment by itself.
    packages = next(python.parents[1].glob("lib/python*/site-packages"))
    path = os.pathsep.join([str(BENCHMARKS), str(packages)])
    return PreparedContender(
        version_in(python, "apache-flink"),
        lambda job: [*command, json.dumps(asdict(job))],
        lambda job: {
            "PYTHONPATH": path,
            "FLINK_LOG_DIR": job.folder,
            "FLINK_CONNECTOR_JARS": str(jars),
        },
    )


def _lock_name(workload: str) -> str:
    """Return a lock file's name: the light workloads don't install 3 GB for the heavy models."""
    return f"requirements-{workload}.lock" if workload in ("b", "c") else "requirements.lock"


def _contenders() -> Iterator[Contender]:
    yield Contender(
        "penstock", ("a", "b", "c", "d", "s", "s-msgpack", "live"), penstock(processes=1)
    )
    yield Contender("penstock-2", ("a", "d", "s", "s-msgpack", "live"), penstock(processes=2))
    yield Contender("penstock-lz4", ("a",), penstock(1, "-lz4"))
    yield Contender("penstock-exactly-once", ("a", "live"), penstock(1, "-exactly-once"))
    aiokafka = _python_peer("aiokafka", "aiokafka", "run.py")
    yield Contender("aiokafka", ("a", "b", "c", "d", "live"), aiokafka)
    aiokafka_single = _python_peer("aiokafka", "aiokafka", "run_single.py")
    yield Contender("aiokafka-single", ("live",), aiokafka_single)
    confluent = _python_peer("confluent", "confluent-kafka", "run.py")
    yield Contender("confluent", ("a", "b", "c", "d", "live"), confluent)
    yield Contender("kafka-streams", ("a", "live"), _kafka_streams)
    yield Contender("flink", ("a",), _flink)
    bytewax = _python_peer("bytewax", "bytewax", "score_flow.py")
    yield Contender("bytewax", ("a", "d", "live"), bytewax)
    yield Contender("quix", ("a",), _python_peer("quix", "quixstreams", "run.py"), share=2)
    faust = _python_peer("faust", "faust-streaming", "run.py")
    yield Contender("faust", ("a", "live"), faust, share=20)
    faust_take = _python_peer("faust", "faust-streaming", "run_take.py")
    yield Contender("faust-take", ("a", "d", "live"), faust_take, share=20)


CONTENDERS = {contender.name: contender for contender in _contenders()}
