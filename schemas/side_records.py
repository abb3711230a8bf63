"""Side records: records of an input that are no events of its agent, such as late labels.

A model may learn from more than its events. All of it is in the log of its partition, so that the
same log gives the same answers and state. The header `ce_type` tells side records from events.
Their values are JSON, whatever the codec of the input is.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.cloudevents import type_name
from schemas.cluster_picture import GlobalCluster, GlobalClusterRecord
from schemas.event import Event
from schemas.feedback import Feedback, FeedbackCopy
from schemas.item_summary import ItemSummary, ItemSummaryRecord

#: The `ce_type` of each kind of side record -> the event type that its value is read as.
SIDE_TYPES: dict[bytes, type[Event]] = {
    type_name(Feedback).encode(): Feedback,
    type_name(FeedbackCopy).encode(): Feedback,
    type_name(GlobalCluster).encode(): GlobalClusterRecord,
    type_name(ItemSummary).encode(): ItemSummaryRecord,
}


def side_type(headers: Sequence[tuple[str, bytes]]) -> type[Event] | None:
    """Return the event type of a side record by its headers; None for all other records."""
    for name, value in headers:
        if name == "ce_type":
            return SIDE_TYPES.get(value)
    return None
