"""Reading dead-letter topics: every letter with what has become of it since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from confluent_kafka import Message

from agents.commands.topic_reader import Bounds, TopicReader
from schemas import DeadLetter, Replay, Settlement
from schemas.dead_letter import ERROR_PREFIX
from streams.kafka.admin import probe
from streams.kafka.errors import BrokerError
from streams.message_headers import headers_of
from streams.settings import PipelineSettings

Headers = list[tuple[str, bytes]]


class State(StrEnum):
    """What has become of a dead letter."""

    OPEN = "open"
    REPLAYED = "replayed"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Letter:
    """One dead letter."""

    topic: str
    """Of dead letters; so are partition and offset."""
    partition: int
    offset: int
    told: DeadLetter
    """Why, and which record."""
    state: State
    key: bytes | None
    value: bytes
    headers: Headers
    """The original record's."""

    @property
    def identity(self) -> str:
        """What names it on the command line."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def replay(self) -> Replay | None:
        """Which record it stood for, if it had been replayed before."""
        return Replay.from_headers(self.headers)

    @property
    def num_replays(self) -> int:
        """How often its record had been replayed before it failed again."""
        replay = self.replay
        return 0 if replay is None else replay.attempt

    @property
    def is_whole(self) -> bool:
        """Whether it holds all of the original record."""
        return self.told.full_bytes < 0 and not self.told.cut


def read_letters(settings: PipelineSettings, agents: Sequence[str] = ()) -> Iterator[Letter]:
    """Yield every dead letter that is there now, partition by partition, in order.

    A partition is read twice: what settles a letter stands after it.

    Args:
        settings: of the pipeline.
        agents: whose topics to read; none: all. Other agents' letters there are yielded too.

    Raises:
        BrokerError: the broker can't be reached or read, or a topic is absent.
        ValueError: an agent that is named does not exist.
    """
    partitions = dict(probe(settings.kafka).topics)
    topics = dead_letter_topics(settings, agents)
    if absent := [topic for topic in topics if topic not in partitions]:
        raise BrokerError(f"the broker has no topic {', '.join(absent)}")
    with letter_reader(settings) as reader:
        for topic in topics:
            for partition, bounds in enumerate(reader.bounds(topic, partitions[topic])):
                yield from _letters(reader, topic, partition, bounds)


def letter_reader(settings: PipelineSettings) -> TopicReader:
    """Return a reader of dead-letter topics; ones of aborted transactions are no letters."""
    return TopicReader(settings.kafka, group="penstock-dlq", isolation="read_committed")


def dead_letter_topics(settings: PipelineSettings, agents: Sequence[str]) -> list[str]:
    """Return the topics of some agents, or of all.

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
    """Return what became of each letter of a partition that is no longer open, by offset.

    Raises:
        BrokerError: it can't be read.
    """
    states: dict[int, State] = {}
    for messages in reader.read(topic, partition, bounds):
        for message in messages:
            found = Settlement.from_record(message.value(), headers_of(message))
            if found is None or found.action == "deleted":
                continue
            if (found.letter.topic, found.letter.partition) == (topic, partition):
                states[found.letter.offset] = State(found.action)
    return states


def as_letter(message: Message, state: State | None) -> Letter | None:
    """Return a record as a letter; None of one that is none, or can't be read.

    Args:
        message: of a dead-letter topic.
        state: of the letter; None: open.
    """
    headers = headers_of(message)
    try:
        told = DeadLetter.from_headers(headers)
    except (KeyError, ValueError, AttributeError):
        return None
    return Letter(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        told=told,
        state=state or State.OPEN,
        key=message.key(),
        value=message.value() or b"",
        headers=_originals(headers),
    )


def _originals(headers: Headers) -> Headers:
    """Return the headers before ours: of a name that stands twice, ours is the last."""
    names = [name for name, _ in headers]
    start = len(names) - 1 - names[::-1].index(f"{ERROR_PREFIX}topic")
    return headers[:start]
