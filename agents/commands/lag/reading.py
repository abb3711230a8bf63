"""Read the lag of a pipeline from the broker: positions, ends, and the begin of what waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

from agents.commands.lag.report import LagReport, MemberReport, PartitionLag
from agents.commands.lag.starts import Start, choose_starts, places_beyond
from agents.commands.lag.unread import MAX_COUNTED_OFFSETS, Unread, UnreadReader
from streams.kafka.group_offsets import GroupOffsets, Place
from streams.kafka.position_reset import ResetPolicy
from streams.kafka.reader import Bounds
from streams.settings import EXACTLY_ONCE, PipelineSettings


class _Known(NamedTuple):
    """What an earlier reading found."""

    topic_id: str
    bounds: Bounds
    unread: Unread


class LagReader:
    """Reads the lag again and again with the same clients. One caller at a time."""

    def __init__(
        self,
        settings: PipelineSettings,
        agents: Sequence[str] = (),
        timeout: float = 10.0,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Connect in the background.

        Args:
            settings: of the pipeline.
            agents: names; none: all agents.
            timeout: seconds for each request, and for reading the begin of what waits; > 0.
            wall_clock: returns Unix time in seconds.

        Raises:
            BrokerSettingsError: a client setting is missing or has a wrong value.
            ValueError: there is no such agent.
        """
        if unknown := set(agents) - settings.agents.keys():
            raise ValueError(
                f"no agent {min(unknown)!r}: the pipeline file has {', '.join(settings.agents)}"
            )
        kafka = settings.kafka
        self.agents = tuple(agents) or tuple(settings.agents)
        self.group = str(kafka.get("group.id", "penstock"))
        default = "read_committed" if settings.guarantee == EXACTLY_ONCE else "read_uncommitted"
        self.isolation = str(kafka.get("isolation.level", default))
        self._agent_of = {t: name for name in self.agents for t in settings.agents[name].inputs}
        self._policy = cast(ResetPolicy, str(kafka.get("auto.offset.reset", "earliest")))
        self._offsets = GroupOffsets(kafka, self.group, self.isolation, timeout)
        self._unread = UnreadReader(kafka, self.isolation, timeout)
        self._known: dict[Place, _Known] = {}
        self._wall_clock = wall_clock

    def close(self) -> None:
        """Close the connections."""
        self._offsets.close()
        self._unread.close()

    def read(self) -> LagReport:
        """Return the lag of every partition now.

        Raises:
            BrokerError: the broker can't be reached or read.
        """
        cluster = self._offsets.cluster()
        existing = [topic for topic in self._agent_of if topic in cluster.topics]
        places = [(topic, p) for topic in existing for p in range(cluster.topics[topic])]
        ids = {} if cluster.is_embedded else self._offsets.topic_ids(existing)
        # Commits before ends: a worker that commits meanwhile can't make the lag negative.
        committed = self._offsets.committed(places) if places else {}
        bounds = self._offsets.bounds(places)
        real_ends = self._offsets.high_watermarks(places_beyond(committed, bounds))
        starts = choose_starts(bounds, real_ends, committed, ids, self._policy)
        unread = self._read_unread(starts, bounds, ids)
        members = None if cluster.is_embedded else self._offsets.members()
        return LagReport(
            group=self.group,
            isolation=self.isolation,
            num_members=None if members is None else len(members),
            members=[MemberReport(client_id=m.client_id, host=m.host, partitions=m.num_partitions)
                     for m in members or ()],
            partitions=[
                self._lag_of(place, starts[place], bounds[place].end, unread.get(place))
                for place in places
            ],
            missing_topics=[topic for topic in self._agent_of if topic not in cluster.topics],
        )  # fmt: skip

    def _read_unread(
        self,
        starts: Mapping[Place, Start],
        bounds: Mapping[Place, Bounds],
        ids: Mapping[str, str],
    ) -> dict[Place, Unread]:
        """Return what waits in each partition whose end is not reached."""
        ranges = {
            place: Bounds(start.offset, bounds[place].end)
            for place, start in starts.items()
            if start.offset < bounds[place].end
        }
        unread = {
            place: known.unread
            for place, known in self._known.items()
            if place in ranges and _still_holds(known, ranges[place], ids.get(place[0], ""))
        }
        if changed := {place: r for place, r in ranges.items() if place not in unread}:
            unread |= self._unread.read(changed)
        self._known = {
            place: _Known(ids.get(place[0], ""), ranges[place], found)
            for place, found in unread.items()
            if found.is_finished
        }
        return unread

    def _lag_of(self, place: Place, start: Start, end: int, unread: Unread | None) -> PartitionLag:
        topic, partition = place
        lag, is_exact = (0, True) if unread is None else unread.lag(end)
        return PartitionLag(
            agent=self._agent_of[topic],
            topic=topic,
            partition=partition,
            lag_records=lag,
            lag_seconds=self._age(lag, unread),
            is_exact=is_exact,
            committed=start.committed,
            end=end,
            removed=start.removed,
            is_other_topic=start.is_other_topic,
        )

    def _age(self, lag: int, unread: Unread | None) -> float | None:
        if unread is None or lag == 0:
            return 0.0
        if unread.first_offset is None or unread.first_timestamp_ms <= 0:
            return None
        # Never below 0: the clocks of producers and of this machine may differ, or be set back.
        return round(max(self._wall_clock() - unread.first_timestamp_ms / 1000, 0.0), 3)


def _still_holds(known: _Known, bounds: Bounds, topic_id: str) -> bool:
    """Whether an earlier reading is still right: nothing changed, or only far behind it."""
    if known.topic_id != topic_id or known.bounds.low != bounds.low:
        return False
    first = known.unread.first_offset
    is_far = first is not None and known.bounds.end - first > MAX_COUNTED_OFFSETS
    return known.bounds.end == bounds.end or (is_far and bounds.end >= known.bounds.end)
