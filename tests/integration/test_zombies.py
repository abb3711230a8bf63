"""A worker paused beyond its session, which resumes when another holds its partitions."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.integration.outcomes import assert_nothing_is_lost
from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_for_count

pytestmark = pytest.mark.kafka


def test_a_zombie_commits_nothing_and_repeats_little(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.05)
    count = pipeline.produce(number(100 + i) for i in range(12000))
    with pipeline.worker() as zombie:
        zombie.await_answered(500)
        zombie.process.send_signal(signal.SIGSTOP)  # longer than the session of 6 s
        committed_at_pause = sum(pipeline.committed().values())
        with pipeline.worker() as heir:
            wait_for_count(
                "committed records",
                lambda: sum(pipeline.committed().values()),
                committed_at_pause + 500,
            )
            zombie.process.send_signal(signal.SIGCONT)
            committed = pipeline.committed()
            deadline = time.monotonic() + 120
            while sum(committed.values()) < count:
                assert time.monotonic() < deadline, f"after 120 s only {committed} is committed"
                later = pipeline.committed()
                # Neither worker takes back what the other has committed.
                for partition, offset in later.items():
                    assert offset >= committed[partition], f"partition {partition} went back"
                committed = later
            heir.stop()
        zombie.stop()
    assert_nothing_is_lost(pipeline, count)
    # The other worker answers again what was answered and not yet committed: 0.2 s, or four batches
    # of 64, and those under way. What the zombie still held, over a thousand records, it drops.
    num_repeats = sum(map(len, pipeline.answered().values())) - count
    assert num_repeats < 600
