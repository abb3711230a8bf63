"""Clusters on arrival against classes, alone and spread over partitions and merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.clustering.denstream import DenStream
from models.clustering.evaluate_streams import (
    assigned_globally,
    assigned_on_arrival,
    evaluate_kdd99,
)
from models.clustering.merge_clusters import MergeClusters
from tests.models.clustering.streams import blobs, events_of


def make() -> DenStream:
    return DenStream(0.1, log=False, learn_every=16, publish_every=1)


def test_merged_partitions_assign_as_one_model_does() -> None:
    events = events_of(blobs(3000))
    alone = assigned_on_arrival(make(), events)
    merged = assigned_globally(make, MergeClusters(), events, 8)
    for ids in (alone, merged):
        kinds = [set(ids[1500 + kind :: 3].tolist()) for kind in range(3)]
        assert [len(kind - {-1}) for kind in kinds] == [1, 1, 1]
        assert len(set.union(*kinds) - {-1}) == 3
    assert np.mean(merged[1500:] < 0) < 0.02


@pytest.mark.slow
def test_connections_are_clustered_by_their_class(data_dir: Path) -> None:
    rows = evaluate_kdd99(data_dir / "kdd99" / "kdd99_10pct_half.csv.gz", start=5)
    rand = {row.model: row.value for row in rows if row.metric == "adjusted Rand"}
    assert rand["denstream"] > 0.9
    merged = rand["denstream (8 partitions, merged, learn_every=16)"]
    assert abs(merged - rand["denstream"]) < 0.02
