"""Where reading would begin in each partition, if a worker started now.

At the group's committed offset, unless that belongs to an earlier topic of this name (then at the
start of the new one) or is not in the topic any more (then where `auto.offset.reset` says). Without
a committed offset `auto.offset.reset` decides; but a partition that was added to a topic is read
from its start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streams.kafka.group_offsets import Place
from streams.kafka.position_reset import LostReason, ResetPolicy, reset_position
from streams.kafka.positions import CommittedPosition, is_same_topic
from streams.kafka.reader import Bounds


class Start(NamedTuple):
    """Where reading would begin in a partition."""

    offset: int
    committed: int | None = None
    """The group's offset; None: there is none that belongs to this topic."""
    removed: int = 0
    """Offsets that the topic no longer has although the group had not committed them."""
    is_other_topic: bool = False
    """Whether the committed offset belongs to an earlier topic of this name."""


def choose_starts(
    bounds: Mapping[Place, Bounds],
    real_ends: Mapping[Place, int],
    committed: Mapping[Place, CommittedPosition],
    topic_ids: Mapping[str, str],
    policy: ResetPolicy,
) -> dict[Place, Start]:
    """Choose where reading would begin.

    Args:
        bounds: of every partition.
        real_ends: with open transactions included, where a committed offset is beyond `bounds`.
        committed: what the group has committed.
        topic_ids: the present id of each topic; "" or absent if it has none.
        policy: of the pipeline.
    """
    started = {
        place[0]
        for place, at in committed.items()
        if is_same_topic(at.topic_id, topic_ids.get(place[0], ""))
    }
    starts = {}
    for place, (low, end) in bounds.items():
        at = committed.get(place)
        if at is None:
            is_skipped = policy == "latest" and place[0] not in started
            starts[place] = Start(end if is_skipped else low)
        elif is_same_topic(at.topic_id, topic_ids.get(place[0], "")):
            real_end = max(end, real_ends.get(place, 0))
            starts[place] = _at_committed(at.offset, Bounds(low, real_end), policy)
        else:
            starts[place] = Start(low, is_other_topic=True)
    return starts


def places_beyond(
    committed: Mapping[Place, CommittedPosition], bounds: Mapping[Place, Bounds]
) -> Sequence[Place]:
    """Return the partitions whose committed offset is above the end.

    With read_committed it may be right all the same: between the last stable offset and the real
    end, as after a run with read_uncommitted.
    """
    return [place for place, at in committed.items() if at.offset > bounds[place].end]


def _at_committed(offset: int, bounds: Bounds, policy: ResetPolicy) -> Start:
    reset = reset_position(offset, bounds.low, bounds.end, policy)
    if reset is None:
        return Start(offset, offset)
    removed = reset.num_lost if reset.reason is LostReason.REMOVED else 0
    return Start(reset.start, offset, removed)
