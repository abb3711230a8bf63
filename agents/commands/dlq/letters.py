"""Read dead-letter topics: each letter together with its state, and select among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from confluent_kafka import Message

from schemas import DeadLetter, Replay, Settlement
from schemas.dead_letter import ERROR_PREFIX
from schemas.registry.letters import original_value, restore_schema_header
from streams.kafka.admin import probe
from streams.kafka.errors import BrokerError
from streams.kafka.message_headers import headers_of
from streams.kafka.reader import Bounds, TopicReader
from streams.settings import PipelineSettings

Headers = list[tuple[str, bytes]]

_IDENTITY = re.compile(r"(?:(?P<topic>[A-Za-z0-9._-]+):)?(?P<partition>\d+):(?P<offset>\d+)")


class State(StrEnum):
    """What has become of a dead letter."""

    OPEN = "open"
    REPLAYED = "replayed"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Letter:
    """One dead letter."""

    topic: str
    """The dead-letter topic; partition and offset are in it."""
    partition: int
    offset: int
    details: DeadLetter
    """Which record failed, and why."""
    state: State
    key: bytes | None
    value: bytes
    headers: Headers
    """The original record's."""

    @property
    def identity(self) -> str:
        """Its name on the command line."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def replay(self) -> Replay | None:
        """The replay that failed, if the record had been replayed before."""
        return Replay.from_headers(self.headers)

    @property
    def num_replays(self) -> int:
        """How often its record had been replayed before it failed again."""
        replay = self.replay
        return 0 if replay is None else replay.attempt

    @property
    def is_whole(self) -> bool:
        """Whether it holds all of the original record."""
        return self.details.full_bytes < 0 and not self.details.cut


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Conditions that a letter must fulfill; an empty field is no condition."""

    agents: Sequence[str] = ()
    reasons: Sequence[str] = ()
    since_ms: int = 0
    """The record failed at this moment or later, milliseconds since 1970."""
    until_ms: int = 0
    """The record failed before this moment."""
    identities: frozenset[str] = frozenset()
    """See `Letter.identity`."""

    def has(self, letter: Letter) -> bool:
        """Return whether a letter is selected."""
        details = letter.details
        return (
            (not self.agents or details.agent in self.agents)
            and (not self.reasons or details.reason in self.reasons)
            and details.failed_at_ms >= self.since_ms
            and (not self.until_ms or details.failed_at_ms < self.until_ms)
            and (not self.identities or letter.identity in self.identities)
        )


def identities(
    names: Iterable[str], settings: PipelineSettings, agents: Sequence[str]
) -> frozenset[str]:
    """Return the letters' identities, `TOPIC:PARTITION:OFFSET`, from names that a user wrote.

    The topic may be left out if all agents share one dead-letter topic.

    Raises:
        ValueError: a name has another form, lacks its topic, or names a topic without letters.
    """
    topics = dead_letter_topics(settings, agents)
    complete = set()
    for name in names:
        parts = _IDENTITY.fullmatch(name)
        if parts is None:
            raise ValueError(f"{name!r} does not name a dead letter: write TOPIC:PARTITION:OFFSET")
        if parts["topic"] is None and len(topics) > 1:
            raise ValueError(
                f"{name}: the topic is missing: write {topics[0]}:{name}, or give --agent"
            )
        topic = parts["topic"] or topics[0]
        if topic not in topics:
            raise ValueError(f"{name}: no agent sends its dead letters to {topic}")
        complete.add(f"{topic}:{int(parts['partition'])}:{int(parts['offset'])}")
    return frozenset(complete)


def read_letters(settings: PipelineSettings, agents: Sequence[str] = ()) -> Iterator[Letter]:
    """Yield every dead letter on the topics now, partition by partition, in order.

    Each partition is read twice, because the record that settles a letter comes after it.

    Args:
        settings: of the pipeline.
        agents: whose topics to read; none: all. Letters of other agents on them are yielded too.

    Raises:
        BrokerError: the broker can't be reached or read, or a topic does not exist.
        ValueError: there is no such agent.
    """
    partitions = dict(probe(settings.kafka).topics)
    topics = dead_letter_topics(settings, agents)
    if missing := [topic for topic in topics if topic not in partitions]:
        raise BrokerError(f"the broker has no topic {', '.join(missing)}")
    with letter_reader(settings) as reader:
        for topic in topics:
            for partition, bounds in enumerate(reader.bounds(topic, partitions[topic])):
                yield from _letters(reader, topic, partition, bounds)


def select_letters(settings: PipelineSettings, selection: Selection) -> Iterator[Letter]:
    """Yield the dead letters that are selected, in any state; see `read_letters`."""
    letters = read_letters(settings, selection.agents)
    return (letter for letter in letters if selection.has(letter))


def letter_reader(settings: PipelineSettings) -> TopicReader:
    """Return a reader of dead-letter topics; it skips letters of aborted transactions."""
    return TopicReader(settings.kafka, group="penstock-dlq", isolation="read_committed")


def dead_letter_topics(settings: PipelineSettings, agents: Sequence[str]) -> list[str]:
    """Return the dead-letter topics of some agents, or of all.

    Raises:
        ValueError: there is no such agent.
    """
    if unknown := set(agents) - settings.agents.keys():
        raise ValueError(
            f"no agent {min(unknown)!r}: the pipeline file has {', '.join(settings.agents)}"
        )
    names = agents or settings.agents
    topics = (topic for name in names for topic in settings.agents[name].dead_letter_topics)
    return list(dict.fromkeys(topics))


def _letters(reader: TopicReader, topic: str, partition: int, bounds: Bounds) -> Iterator[Letter]:
    states = read_states(reader, topic, partition, bounds)
    for messages in reader.read(topic, partition, bounds):
        for message in messages:
            if letter := as_letter(message, states.get(message.offset() or 0)):
                yield letter


def read_states(
    reader: TopicReader, topic: str, partition: int, bounds: Bounds
) -> dict[int, State]:
    """Return the states of a partition's letters that are no longer open, by offset.

    Raises:
        BrokerError: the partition can't be read.
    """
    states: dict[int, State] = {}
    for messages in reader.read(topic, partition, bounds):
        for message in messages:
            settlement = Settlement.from_record(message.value(), headers_of(message))
            if settlement is None or settlement.action == "deleted":
                continue
            if (settlement.letter.topic, settlement.letter.partition) == (topic, partition):
                states[settlement.letter.offset] = State(settlement.action)
    return states


def as_letter(message: Message, state: State | None) -> Letter | None:
    """Return a record as a letter; None if it is not one, or its headers can't be read.

    Args:
        message: of a dead-letter topic.
        state: of the letter; None: open.
    """
    headers = headers_of(message)
    try:
        details = DeadLetter.from_headers(headers)
        value = original_value(details, message.value() or b"")
    except (KeyError, ValueError, AttributeError):
        return None
    return Letter(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        details=details,
        state=state or State.OPEN,
        key=message.key(),
        value=value,
        headers=restore_schema_header(_original_headers(headers)),
    )


def _original_headers(headers: Headers) -> Headers:
    """Return the headers before Penstock's: if a name occurs twice, the last is Penstock's."""
    names = [name for name, _ in headers]
    start = len(names) - 1 - names[::-1].index(f"{ERROR_PREFIX}topic")
    return headers[:start]
