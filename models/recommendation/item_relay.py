"""Copies the summaries of items to every partition of the input of the agent that made them."""

from __future__ import annotations

from collections.abc import Sequence

from models.base import Model
from schemas import ItemSummary, ItemSummaryRecord


class ItemRelay(Model[ItemSummaryRecord, ItemSummary]):
    """Writes each summary again, unchanged. The agent's `route` is `every_partition`. Stateless.

    A copy that is written twice after a crash is learned once: the second has no later sequence.
    """

    name = "item_relay"
    event_type = ItemSummaryRecord
    result_type = ItemSummary

    def predict_batch(self, batch: Sequence[ItemSummaryRecord]) -> list[ItemSummary]:
        """Return a copy of each summary."""
        return [
            ItemSummary(
                agent=summary.agent,
                partition=summary.partition,
                sequence=summary.sequence,
                items=summary.items,
                windows=summary.windows,
                weights=summary.weights,
                factors=summary.factors,
                dimensions=summary.dimensions,
                removed=summary.removed,
                restored=summary.restored,
            )
            for summary in batch
        ]
