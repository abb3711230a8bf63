"""Updates of clusters read as events, and the records of the picture."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from schemas import (
    Cluster,
    ClusterReport,
    ClusterUpdate,
    GlobalCluster,
    Member,
    SchemaError,
)

UPDATE = ClusterUpdate(
    agent="cluster_behavior",
    partition=2,
    sequence=9,
    clusters=[Cluster(3, {"x": 1.0}, 4.0, 0.5, 1)],
    low={"x": 0.0},
    high={"x": 9.0},
    is_log=True,
    reach=0.8,
)


@pytest.mark.parametrize("protocol", [msgspec.json, msgspec.msgpack])
def test_an_update_is_read_as_a_report(protocol: Any) -> None:
    report = protocol.decode(protocol.encode(UPDATE), type=ClusterReport)
    assert (report.agent, report.partition, report.sequence) == ("cluster_behavior", 2, 9)
    assert report.clusters == UPDATE.clusters
    assert (report.low, report.high, report.is_log, report.reach) == (
        UPDATE.low, UPDATE.high, True, 0.8,
    )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        Cluster(3, {"x": math.nan}, 1.0),
        Cluster(3, {"x": 1.0}, math.inf),
        Cluster(3, {"x": 1.0}, -1.0),
    ],
)
def test_numbers_that_are_none_are_refused(wrong: Cluster) -> None:
    with pytest.raises(SchemaError, match="cluster 3: expected finite numbers"):
        ClusterReport(clusters=[wrong]).validate()


def test_the_key_of_a_record_is_the_id_of_its_cluster() -> None:
    record = GlobalCluster(
        global_id=12,
        status="born",
        weight=1.0,
        center={},
        radius=0.0,
        members=[Member("a", 0, 1)],
    )
    assert record.record_key() == "12"
