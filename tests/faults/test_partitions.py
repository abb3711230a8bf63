"""Partitions are added to an input under load; the audit decides whether any record was passed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from agents.commands.broker import BrokerProcess
from agents.commands.soak import Setup, Testbed
from tests.faults.conftest import Report, open_testbed

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
BOTH = pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
#: Time for a group to commit where it begins.
_BEGIN_SECONDS = 5.0


def add_partitions(testbed: Testbed, count: int) -> None:
    """Give the input more partitions, and wait until its records are answered."""
    servers = str(testbed.setup.kafka["bootstrap.servers"])
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_partitions([NewPartitions(testbed.name, count)])[testbed.name].result(20)
    testbed.setup = replace(testbed.setup, partitions=count)
    testbed.await_progress(2_000)


@BOTH
def test_partitions_are_added_under_load(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    with open_testbed(own_broker, tmp_path, guarantee=guarantee) as under_load:
        for count in (8, 12):
            add_partitions(under_load, count)
        row = under_load.finish("partitions are added to the input", 2)
    report(row)


@BOTH
def test_partitions_are_added_to_a_group_that_began_at_the_end(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    kafka = {"bootstrap.servers": own_broker.bootstrap_servers, "auto.offset.reset": "latest"}
    testbed = Testbed(Setup(kafka, own_broker, guarantee=guarantee), tmp_path)
    try:
        for _ in range(2):
            testbed.add_worker().await_member()
        time.sleep(_BEGIN_SECONDS)
        testbed.load.start()
        testbed.watch.start()
        testbed.await_progress(100)
        add_partitions(testbed, 8)
        row = testbed.finish("partitions are added to the input (auto.offset.reset: latest)", 1)
    finally:
        testbed.close()
    report(row)
