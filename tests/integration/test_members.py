"""Members of one consumer group that should not be together: another pipeline, the same id."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import yaml

from agents.commands import PENSTOCK
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.integration.pipelines import Pipeline, number
from tests.integration.workers import running_worker
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka
#: Both have described the group by then: up to four seconds after a rebalance.
_ASKED_SECONDS = 6.0


def second_file(pipeline: Pipeline) -> Path:
    """Write a second pipeline file, which differs in its output alone."""
    settings = pipeline.settings()
    settings["agents"]["double"]["output"] = f"{pipeline.name}.other"
    settings["kafka"]["client.id"] = "second"
    create_topics(pipeline.kafka, {f"{pipeline.name}.other": TopicSettings(partitions=4)})
    path = pipeline.folder / "second.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def check(config: Path) -> tuple[int, str]:
    """Return the exit code of `penstock check`, and what it wrote to stderr."""
    command = [*PENSTOCK, "check", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_two_pipelines_with_one_group_name_each_other(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    other = second_file(pipeline)
    with pipeline.worker() as first:
        first.await_ready()
        assert check(pipeline.config) == (0, "")
        code, warning = check(other)
        assert code == 0
        assert warning.startswith("penstock: warning: penstock at 127.0.0.1 is a member of the")
        with running_worker(other) as second:
            second.await_ready()
            for worker, name in ((first, "second"), (second, "penstock")):
                sentence = f"{name} at 127.0.0.1 is a member of the same group and runs another "
                wait_until("the other is named", lambda w=worker, s=sentence: s in w.log_text(), 20)  # type: ignore[misc]
                assert worker.metrics()["penstock_group_foreign_members", frozenset()] == 1
            second.stop()
        first.stop()
        assert first.log_text().count("runs another pipeline") == 1


def test_workers_of_one_pipeline_name_nobody(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with pipeline.worker() as first, pipeline.worker() as second:
        for worker in (first, second):
            worker.await_ready()
        pipeline.await_finished(pipeline.produce(number(100 + i) for i in range(300)))
        time.sleep(_ASKED_SECONDS)
        assert check(pipeline.config) == (0, "")
        for worker in (first, second):
            worker.stop()
            assert "member of the same group" not in worker.log_text()
