"""Copies the records of the picture to the input of the agent whose clusters it is about."""

from __future__ import annotations

from collections.abc import Sequence

from models.base import Model
from schemas import GlobalCluster, GlobalClusterRecord


class PictureRelay(Model[GlobalClusterRecord, GlobalCluster]):
    """Writes each record again, unchanged. The agent's `route` is `every_partition`. Stateless.

    A copy that is written twice after a crash says the same twice.
    """

    name = "picture_relay"
    event_type = GlobalClusterRecord
    result_type = GlobalCluster

    def predict_batch(self, batch: Sequence[GlobalClusterRecord]) -> list[GlobalCluster]:
        """Return a copy of each record."""
        return [
            GlobalCluster(
                global_id=record.global_id,
                status=record.status,
                weight=record.weight,
                center=record.center,
                radius=record.radius,
                drift=record.drift,
                members=record.members,
                from_ids=record.from_ids,
                into_id=record.into_id,
            )
            for record in batch
        ]
