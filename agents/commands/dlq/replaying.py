"""Replay dead letters: send their original records back to the input topic."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from agents.commands.dlq.letters import Headers, Letter, Selection, State, select_letters
from agents.commands.dlq.settling import BATCH_SIZE, OnProgress, Outgoing, Sender, settlement
from schemas import Origin, Replay
from schemas.cloudevents import rfc3339
from schemas.replay import REPLAY_PREFIX
from streams.kafka.admin import probe
from streams.kafka.message_headers import UNREADABLE, headers_of
from streams.kafka.reader import Bounds, TopicReader
from streams.settings import PipelineSettings


@dataclass
class ReplayResult:
    """What became of the selected letters."""

    num_replayed: int = 0
    """Sent, acknowledged and marked; in a dry run: would be sent."""
    num_settled: int = 0
    """Skipped, because they were replayed or dropped before."""
    left: Counter[str] = field(default_factory=Counter)
    """How many stay open, by reason."""
    first_left: dict[str, str] = field(default_factory=dict)
    """The first letter of each reason."""

    def leave(self, letter: Letter, reason: str) -> None:
        """Count a letter that stays open."""
        self.left[reason] += 1
        self.first_left.setdefault(reason, letter.identity)


class Original(NamedTuple):
    """A record as its producer wrote it."""

    key: bytes | None
    value: bytes
    headers: Headers


class OriginalGoneError(Exception):
    """The original record can't be read; the message says why."""


def replay(
    settings: PipelineSettings,
    selection: Selection,
    *,
    limit: int | None = None,
    max_attempts: int = 3,
    is_dry: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnProgress = lambda _: None,
) -> ReplayResult:
    """Send the records of open letters back to their input topic and partition.

    Each letter is marked once the broker has its record. After a crash, the next run continues; it
    may repeat the last `BATCH_SIZE` records.

    Args:
        settings: of the pipeline.
        selection: which letters.
        limit: replay at most this many; None: all.
        max_attempts: leave letters open whose record was already replayed this often.
        is_dry: count them, but send and mark nothing.
        stop: checked before each batch; ends the run when true.
        on_progress: called with the number replayed so far.

    Raises:
        BrokerError: the broker can't be reached or read, or refuses the marks.
    """
    result = ReplayResult()
    with _input_reader(settings) as reader:
        replays = _Replays(settings, reader, max_attempts, result)
        records = replays.records(_open_letters(select_letters(settings, selection), result))
        records = itertools.islice(records, limit)
        sender = None if is_dry else Sender(settings.kafka)
        while not stop() and (batch := list(itertools.islice(records, BATCH_SIZE))):
            if sender is None:
                result.num_replayed += len(batch)
            else:
                _send(sender, batch, result)
            on_progress(result.num_replayed)
    return result


def _open_letters(letters: Iterable[Letter], result: ReplayResult) -> Iterator[Letter]:
    """Yield the open letters, and count the others."""
    for letter in letters:
        if letter.state is State.OPEN:
            yield letter
        else:
            result.num_settled += 1


class _Replays:
    """Builds the records to send."""

    def __init__(
        self,
        settings: PipelineSettings,
        reader: TopicReader,
        max_attempts: int,
        result: ReplayResult,
    ) -> None:
        self._inputs = {name: agent.inputs for name, agent in settings.agents.items()}
        self._partitions = probe(settings.kafka).topics
        self._reader = reader
        self._max_attempts = max_attempts
        self._result = result

    def records(self, letters: Iterable[Letter]) -> Iterator[tuple[Letter, Outgoing]]:
        """Yield each letter that can be replayed, with the record to send."""
        for letter in letters:
            details = letter.details
            if details.origin.topic not in self._inputs.get(details.agent, ()):
                self._result.leave(letter, "of another pipeline: no agent here has that input")
            elif letter.num_replays >= self._max_attempts:
                self._result.leave(letter, f"replayed {self._max_attempts} times already")
            else:
                try:
                    original = _original_of(letter, self._reader, self._partitions)
                except OriginalGoneError as error:
                    self._result.leave(letter, str(error))
                else:
                    yield letter, _outgoing(letter, original)


def _outgoing(letter: Letter, original: Original) -> Outgoing:
    origin = letter.details.origin
    before = letter.replay
    replay = Replay(
        origin=origin if before is None else before.origin,
        attempt=letter.num_replays + 1,
        letter=Origin(letter.topic, letter.partition, letter.offset),
        replayed_at_ms=time.time_ns() // 1_000_000,
    )
    headers = [h for h in original.headers if not h[0].startswith(REPLAY_PREFIX)]
    headers += [*_event_time(headers, letter.details.timestamp_ms), *replay.to_headers()]
    return Outgoing(origin.topic, origin.partition, original.key, original.value, headers)


def _event_time(headers: Headers, timestamp_ms: int) -> Headers:
    """Keep the event time of a record that has only a Kafka timestamp: a replay gets a new one."""
    time = rfc3339(timestamp_ms)
    return [("ce_time", time)] if time and "ce_time" not in dict(headers) else []


def _send(sender: Sender, batch: list[tuple[Letter, Outgoing]], result: ReplayResult) -> None:
    settled = []
    failures = sender.send([record for _, record in batch])
    for (letter, record), failure in zip(batch, failures, strict=True):
        if failure:
            result.leave(letter, f"{record.topic} refuses it: {failure}")
        else:
            settled.append(settlement(letter, State.REPLAYED))
    sender.settle(settled)
    result.num_replayed += len(settled)


def fetch_original(letter: Letter, settings: PipelineSettings) -> Original:
    """Return the original record of a letter, from the letter or else from its input topic.

    Raises:
        OriginalGoneError: the letter is cut, and the input topic no longer has the record.
        BrokerError: the topic can't be read.
    """
    with _input_reader(settings) as reader:
        return _original_of(letter, reader, probe(settings.kafka).topics)


def _input_reader(settings: PipelineSettings) -> TopicReader:
    """Return a reader that sees the same records of input topics as a worker."""
    isolation = str(settings.kafka.get("isolation.level", "read_uncommitted"))
    return TopicReader(settings.kafka, "penstock-dlq", isolation)


def _original_of(letter: Letter, reader: TopicReader, partitions: Mapping[str, int]) -> Original:
    if letter.is_whole:
        return Original(letter.key, letter.value, letter.headers)
    origin = letter.details.origin
    if origin.partition >= partitions.get(origin.topic, 0):
        raise OriginalGoneError(f"{origin.topic} has no partition {origin.partition}")
    low, end = reader.bounds_of(origin.topic, origin.partition)
    if not low <= origin.offset < end:
        raise OriginalGoneError("the input topic no longer has the record (retention)")
    bounds = Bounds(origin.offset, origin.offset + 1)
    for messages in reader.read(origin.topic, origin.partition, bounds):
        for message in messages:
            if difference := _difference(message, letter):
                raise OriginalGoneError(f"the input topic has another record there: {difference}")
            headers = headers_of(message)
            if headers is UNREADABLE:
                raise OriginalGoneError("a header's name is not UTF-8: publish it again by hand")
            return Original(message.key(), message.value() or b"", headers)
    raise OriginalGoneError("the input topic no longer has the record")


def _difference(message: Message, letter: Letter) -> str:
    """Return how a record differs from a letter's original; "" if it may be the original."""
    details, value = letter.details, message.value()
    kind, timestamp_ms = message.timestamp()
    if value is None:
        return "it is a tombstone"
    if details.timestamp_ms >= 0 and kind != TIMESTAMP_NOT_AVAILABLE:
        if timestamp_ms != details.timestamp_ms:
            return "its timestamp differs"
    if "key" not in details.cut and message.key() != letter.key:
        return "its key differs"
    if details.full_bytes >= 0 and len(value) != details.full_bytes:
        return "its size differs"
    return "" if value.startswith(letter.value) else "its value differs"
