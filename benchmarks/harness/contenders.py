"""The contenders: their names, the workloads that each can do, and how to prepare each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
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
    workloads: str
    """The letters of the workloads that it can do."""
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
    return f"requirements-{workload}.lock" if workload in "bc" else "requirements.lock"


CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("penstock", "abcd", penstock(processes=1)),
        Contender("penstock-2", "ad", penstock(processes=2)),
        Contender("penstock-lz4", "a", penstock(1, "-lz4")),
        Contender("penstock-exactly-once", "a", penstock(1, "-exactly-once")),
        Contender("aiokafka", "abcd", _python_peer("aiokafka", "aiokafka", "run.py")),
        Contender("confluent", "abcd", _python_peer("confluent", "confluent-kafka", "run.py")),
        Contender("kafka-streams", "a", _kafka_streams),
        Contender("flink", "a", _flink),
        Contender("bytewax", "ad", _python_peer("bytewax", "bytewax", "score_flow.py")),
        Contender("quix", "a", _python_peer("quix", "quixstreams", "run.py"), 2),
        Contender("faust", "a", _python_peer("faust", "faust-streaming", "run.py"), 20),
        Contender("faust-take", "ad", _python_peer("faust", "faust-streaming", "run_take.py"), 20),
    )
}
