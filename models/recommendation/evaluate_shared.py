"""Recommendations of several partitions that share items, against partitions that learn alone.

Users are spread over partitions by a hash. The partitions' logs grow in the order of the stream,
and a summary is in the logs of all before the next interaction: the delay of a real pipeline, about
a second, is not simulated.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from models.recommendation.recommender import Recommender
from models.registry import make_model, model_class
from schemas import Interaction, ItemSummary, ItemSummaryRecord, Recommendation

#: Partitions of the figures, and interactions of one between its summaries.
NUM_PARTITIONS, SHARE_EVERY = 8, 64


def partition_of(user: str, num_partitions: int) -> int:
    """Return the partition of a user's events."""
    return zlib.crc32(user.encode()) % num_partitions


def as_record(summary: ItemSummary, partition: int, sequence: int) -> ItemSummaryRecord:
    """Return a summary as the other partitions read it, after the way through two topics."""
    summary.agent, summary.partition, summary.sequence = "recommend_items", partition, sequence
    value = msgspec.json.encode(summary)
    return msgspec.json.decode(value, type=ItemSummaryRecord)


def lists_of_partitions(
    name: str, events: Sequence[Interaction], share_every: int, **options: Any
) -> list[list[str]]:
    """Return the items that each interaction is answered with, by the model of its partition."""
    models = []
    for number in range(NUM_PARTITIONS):
        made = make_model(model_class(name), {"share_every": share_every, **options})
        assert isinstance(made, Recommender)
        made.note_offsets(("shop.interactions", number), [])
        models.append(made)
    lists = []
    for sequence, event in enumerate(events):
        number = partition_of(event.source_id, NUM_PARTITIONS)
        (answer,) = models[number].predict_batch([event])
        assert isinstance(answer, Recommendation)
        lists.append([item.item for item in answer.items])
        models[number].learn_batch([event])
        summary = models[number].update()
        if summary is not None:
            record = as_record(summary, number, sequence)
            for model in models:
                model.learn_batch([record])
    return lists
