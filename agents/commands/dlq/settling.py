"""Settle dead letters: record that they were replayed or dropped, and delete settled ones."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.commands.dlq.letters import (
    Letter,
    Selection,
    State,
    as_letter,
    dead_letter_topics,
    letter_reader,
    read_states,
    select_letters,
)
from schemas import Origin, Settlement
from streams.kafka.admin import probe
from streams.kafka.clients import make_admin
from streams.kafka.errors import BrokerError
from streams.kafka.message_headers import headers_of
from streams.kafka.publisher import Publisher
from streams.kafka.reader import Bounds, TopicReader
from streams.kafka.settings import Kafka
from streams.settings import PipelineSettings

#: Letters are settled in batches. A crash may repeat one batch: sent, but not yet marked.
BATCH_SIZE = 200
#: The broker's limit decides, not the client's.
_MAX_BYTES = 100_000_000
_TIMEOUT_SECONDS = 15.0

OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class Outgoing:
    """A record and its destination."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Sender:
    """Sends records in batches and waits until each is acknowledged.

    Raises:
        BrokerSettingsError: a client setting is missing or has a wrong value.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._publisher = Publisher(kafka, {"message.max.bytes": _MAX_BYTES})

    def send(self, records: Sequence[Outgoing]) -> list[str]:
        """Send records in order; return for each why it failed, "" if it did not."""
        failures = ["no acknowledgement in time"] * len(records)
        for index, record in enumerate(records):

            def on_delivery(failure: str, index: int = index) -> None:
                failures[index] = failure

            self._publisher.send(
                record.topic,
                record.value,
                record.key,
                partition=record.partition,
                headers=record.headers,
                on_delivery=on_delivery,
            )
        self._publisher.flush()
        return failures

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write next to dead letters what was done with them.

        Raises:
            BrokerError: the broker refuses; the letters stay unmarked.
        """
        records = [
            Outgoing(s.letter.topic, s.letter.partition, *s.to_record()) for s in settlements
        ]
        if failure := next(filter(None, self.send(records)), ""):
            raise BrokerError(
                f"can't mark dead letters as {settlements[0].action} on {records[0].topic}: "
                f"{failure}: the last ones may still count as open"
            )


def settlement(letter: Letter, state: State) -> Settlement:
    """Return the record that marks a letter as replayed or dropped."""
    return Settlement(
        letter=Origin(letter.topic, letter.partition, letter.offset),
        action="replayed" if state is State.REPLAYED else "dropped",
        settled_at_ms=time.time_ns() // 1_000_000,
    )


def drop(
    settings: PipelineSettings,
    selection: Selection,
    *,
    limit: int | None = None,
    is_dry: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnProgress = lambda _: None,
) -> int:
    """Mark open letters as dropped, so that no replay takes them; return how many.

    Args:
        settings: of the pipeline.
        selection: which letters.
        limit: drop at most this many; None: all.
        is_dry: count them, but mark nothing.
        stop: checked before each batch; ends the run when true.
        on_progress: called with the number dropped so far.

    Raises:
        BrokerError: the broker can't be reached or read, or refuses the marks.
    """
    selected = select_letters(settings, selection)
    letters = itertools.islice((x for x in selected if x.state is State.OPEN), limit)
    sender = None if is_dry else Sender(settings.kafka)
    num_dropped = 0
    while not stop() and (batch := list(itertools.islice(letters, BATCH_SIZE))):
        if sender is not None:
            sender.settle([settlement(letter, State.DROPPED) for letter in batch])
        num_dropped += len(batch)
        on_progress(num_dropped)
    return num_dropped


def delete_settled(settings: PipelineSettings, agents: Sequence[str] = ()) -> int:
    """Delete everything before the first open letter of each partition.

    Kafka can only delete the beginning of a partition. A mark stays behind: an audit can no longer
    prove what became of those records, and does not judge them.

    Args:
        settings: of the pipeline.
        agents: whose topics; none: all.

    Returns:
        How many letters were deleted.

    Raises:
        BrokerError: the broker can't be reached or refuses.
        ValueError: there is no such agent.
    """
    cluster = probe(settings.kafka)
    if cluster.is_embedded:
        raise BrokerError("the embedded broker can't delete records")
    num_deleted = 0
    sender = Sender(settings.kafka)
    admin = make_admin(settings.kafka)
    with letter_reader(settings) as reader:
        for topic in dead_letter_topics(settings, agents):
            for partition, bounds in enumerate(reader.bounds(topic, cluster.topics.get(topic, 0))):
                end, below, num_letters = _settled_before(reader, topic, partition, bounds)
                if num_letters:
                    sender.settle([_deletion(topic, partition, end, below)])
                    _delete(admin, TopicPartition(topic, partition, end))
                    num_deleted += num_letters
    return num_deleted


def _settled_before(
    reader: TopicReader, topic: str, partition: int, bounds: Bounds
) -> tuple[int, dict[int, int], int]:
    """Find the first record that is neither a settled letter nor a settlement.

    Returns:
        Its offset; for each input partition an offset above the records of the letters before it;
        the number of those letters.
    """
    states = read_states(reader, topic, partition, bounds)
    below: dict[int, int] = {}
    num_letters = 0
    for messages in reader.read(topic, partition, bounds):
        for message in messages:
            offset = message.offset() or 0
            mark = Settlement.from_record(message.value(), headers_of(message))
            if mark is not None:
                if mark.action == "deleted":  # the new mark replaces it, so it must cover it
                    _raise_to(below, mark.below)
                continue
            letter = as_letter(message, states.get(offset))
            if letter is None or offset not in states:
                return offset, below, num_letters
            num_letters += 1
            origin = letter.details.origin
            _raise_to(below, {origin.partition: origin.offset + 1})
    return bounds.end, below, num_letters


def _raise_to(below: dict[int, int], other: dict[int, int]) -> None:
    for partition, offset in other.items():
        below[partition] = max(below.get(partition, 0), offset)


def _deletion(topic: str, partition: int, end: int, below: dict[int, int]) -> Settlement:
    return Settlement(
        letter=Origin(topic, partition, end - 1),
        action="deleted",
        settled_at_ms=time.time_ns() // 1_000_000,
        below=below,
    )


def _delete(admin: AdminClient, end: TopicPartition) -> None:
    for future in admin.delete_records([end], request_timeout=_TIMEOUT_SECONDS).values():
        try:
            future.result()
        except KafkaException as error:
            reason = error.args[0].str()
            raise BrokerError(
                f"can't delete records of {end.topic}[{end.partition}]: {reason}"
            ) from None
