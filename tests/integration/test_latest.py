"""`auto.offset.reset: latest`: what comes after the first start is read, by the next worker too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.kafka.admin import ends
from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_until


@dataclass
class LatestPipeline(Pipeline):
    """A pipeline that begins at the end of its input."""

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        return {**settings, "kafka": {**settings["kafka"], "auto.offset.reset": "latest"}}


def test_records_that_come_while_no_worker_runs_are_read(tmp_path: Path, bootstrap: str) -> None:
    """The first worker reads none. Its position is committed all the same."""
    pipeline = LatestPipeline(tmp_path, bootstrap)
    pipeline.produce(number(x) for x in range(20, 60))
    before = {p: end for (_, p), end in ends(pipeline.kafka, {pipeline.input: 4}).items()}
    with pipeline.worker() as worker:
        worker.await_ready()
        wait_until(
            "the position is committed",
            lambda: {p: max(at, 0) for p, at in pipeline.committed().items()} == before,
        )
        worker.stop()
    pipeline.produce(number(x) for x in range(100, 140))
    with pipeline.worker() as worker:
        worker.await_answered(40)
        assert all(offset >= before[partition] for partition, offset in pipeline.answered())
        worker.stop()
    assert len(pipeline.answered()) == 40
