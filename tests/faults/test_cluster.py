"""Three brokers; one at a time is stopped or killed, so that leaders and coordinators move."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from agents.commands.soak import Setup, Testbed
from tests.brokers import need_kafka
from tests.faults.conftest import Report
from tests.faults.kafka_cluster import kafka_cluster

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
SEED = 7
_REPETITIONS = 4


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_one_of_three_brokers_is_lost(tmp_path: Path, report: Report, guarantee: str) -> None:
    need_kafka()
    rng = random.Random(SEED)
    with kafka_cluster() as nodes:
        kafka = {"bootstrap.servers": ",".join(node.bootstrap_servers for node in nodes)}
        testbed = Testbed(Setup(kafka, guarantee=guarantee), tmp_path)
        try:
            testbed.begin()
            for _ in range(_REPETITIONS):
                testbed.await_progress(rng.randrange(100, 900))
                node = rng.choice(nodes)
                node.stop() if rng.random() < 0.5 else node.kill()
                testbed.await_progress(400)
                time.sleep(rng.uniform(0.0, 4.0))
                node.start()
            row = testbed.finish("one of three brokers is lost, and comes back", _REPETITIONS)
        finally:
            testbed.close()
    report(row)
