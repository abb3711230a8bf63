"""Who takes part: how each is made ready, what it is called, and what it can do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks.harness.environments import UnavailableError, python_of, version_in
from benchmarks.harness.java import built, version_among
from benchmarks.harness.penstock import penstock
from benchmarks.harness.places import benchmarks_folder
from benchmarks.harness.ready import Job, Ready

__all__ = ["CONTENDERS", "Contender", "Job", "Ready", "UnavailableError"]


@dataclass(frozen=True)
class Contender:
    """One peer, or Penstock itself."""

    name: str
    workloads: str
    """The letters of those that it can do."""
    make_ready: Callable[[str], Ready]
    """For a workload; builds its environment on first use. Raises `UnavailableError`."""
    share: int = 1
    """It gets one in so many of the records: a slow one would take minutes a round."""


def _python_peer(folder_name: str, distribution: str, script: str) -> Callable[[str], Ready]:
    def make_ready(workload: str) -> Ready:
        folder = benchmarks_folder()
        own = folder / folder_name
        python = python_of(own / _lock_name(workload))
        command = [str(python), str(own / script)]
        return Ready(
            version_in(python, distribution),
            lambda job: [*command, json.dumps(asdict(job))],
            lambda job: {"PYTHONPATH": str(folder)},
        )

    return make_ready


def _kafka_streams(workload: str) -> Ready:
    jars = built(benchmarks_folder() / "kafka-streams")
    command = ["java", "-Xmx1g", "-cp", f"{jars}/*", "penstock.bench.Main"]
    version_found = version_among(jars, "kafka-streams")
    return Ready(version_found, lambda job: [*command, json.dumps(asdict(job))], lambda job: {})


def _flink(workload: str) -> Ready:
    folder = benchmarks_folder()
    jars = built(folder / "flink")
    python = python_of(folder / "flink" / "requirements.lock")
    command = [str(python), str(folder / "flink" / "run.py")]
    # The interpreter inside the JVM knows of no virtual environment.
    packages = next(python.parents[1].glob("lib/python*/site-packages"))
    path = os.pathsep.join([str(folder), str(packages)])
    return Ready(
        version_in(python, "apache-flink"),
        lambda job: [*command, json.dumps(asdict(job))],
        lambda job: {
            "PYTHONPATH": path,
            "FLINK_LOG_DIR": job.folder,
            "FLINK_CONNECTOR_JARS": str(jars),
        },
    )


def _lock_name(workload: str) -> str:
    """Heavy models have an environment apart: the light workloads need no 3 GB of them."""
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
