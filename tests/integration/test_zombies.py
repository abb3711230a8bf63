"""A worker that sleeps beyond its session, and wakes when another has its partitions."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.integration.running import Pipeline, number, until
from tests.integration.test_faults import assert_nothing_is_lost

pytestmark = pytest.mark.kafka


def test_a_zombie_commits_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.05)
    count = pipeline.produce(number(100 + i) for i in range(12000))
    with pipeline.worker() as zombie:
        until(lambda: zombie.log.read_text().count("metrics at") > 0)
        until(lambda: zombie.accounts()["answered"] > 500)
        zombie.process.send_signal(signal.SIGSTOP)  # longer than the session of 6 s
        asleep_at = pipeline.committed()
        with pipeline.worker() as heir:
            until(lambda: sum(pipeline.committed().values()) > sum(asleep_at.values()) + 500)
            zombie.process.send_signal(signal.SIGCONT)
            committed = pipeline.committed()
            while sum(committed.values()) < count:
                later = pipeline.committed()
                # Neither commits back what the other has done, nor beyond what was answered.
                assert all(later[p] >= committed[p] for p in later)
                committed = later
            assert heir.stop() == 0
        assert zombie.stop() == 0
    assert_nothing_is_lost(pipeline, count)
