"""Putting dead letters back into the input that they came from."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from agents.commands.dlq.letters import Headers, Letter, State, read_letters
from agents.commands.dlq.originals import Original, OriginalGoneError, input_reader, original_of
from agents.commands.dlq.selection import Selection
from agents.commands.dlq.sending import Outgoing, Sender
from agents.commands.topic_reader import TopicReader
from schemas import Origin, Replay, Settlement
from schemas.cloudevents import rfc3339
from schemas.replay import REPLAY_PREFIX
from streams.kafka.admin import probe
from streams.settings import PipelineSettings

#: A crash may repeat so many, at most: they were sent and not yet marked.
BATCH_SIZE = 200

OnProgress = Callable[[int], None]


@dataclass
class Replayed:
    """What became of the letters that were meant."""

    num_replayed: int = 0
    """Acknowledged by the broker, and marked. Of a dry run: that would be sent."""
    num_settled: int = 0
    """Left alone: replayed or dropped before."""
    left: Counter[str] = field(default_factory=Counter)
    """Why others stay open, to how many."""
    first_left: dict[str, str] = field(default_factory=dict)
    """The first letter of each of these reasons."""

    def leave(self, letter: Letter, why: str) -> None:
        """Count a letter that stays open."""
        self.left[why] += 1
        self.first_left.setdefault(why, letter.identity)


def replay(
    settings: PipelineSettings,
    selection: Selection,
    *,
    limit: int | None = None,
    max_attempts: int = 3,
    is_dry: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnProgress = lambda _: None,
) -> Replayed:
    """Send open letters back to their input topic, to the partition that they came from.

    Each is marked beside itself once the broker has it; after a crash another run goes on, and
    may repeat the last `BATCH_SIZE`.

    Args:
        settings: of the pipeline.
        selection: which letters.
        limit: how many at most; None: all.
        max_attempts: letters whose record was replayed so often already are left open.
        is_dry: send and mark nothing.
        stop: asked before each batch; true ends it.
        on_progress: told how many were replayed so far.

    Raises:
        BrokerError: the broker can't be reached or read, or refuses the marks.
    """
    found = Replayed()
    with input_reader(settings) as reader:
        replays = _Replays(settings, reader, max_attempts, found)
        sendable = itertools.islice(replays.of(read_selected(settings, selection, found)), limit)
        sender = None if is_dry else Sender(settings.kafka)
        while not stop() and (batch := list(itertools.islice(sendable, BATCH_SIZE))):
            if sender is None:
                found.num_replayed += len(batch)
            else:
                _send(sender, batch, found)
            on_progress(found.num_replayed)
    return found


def read_selected(
    settings: PipelineSettings, selection: Selection, found: Replayed
) -> Iterator[Letter]:
    """Yield the open letters that are meant; ones settled before are counted."""
    for letter in read_letters(settings, selection.agents):
        if not selection.has(letter):
            continue
        if letter.state is State.OPEN:
            yield letter
        else:
            found.num_settled += 1


class _Replays:
    """Makes records of letters."""

    def __init__(
        self,
        settings: PipelineSettings,
        reader: TopicReader,
        max_attempts: int,
        found: Replayed,
    ) -> None:
        self._inputs = {name: agent.inputs for name, agent in settings.agents.items()}
        self._partitions = probe(settings.kafka).topics
        self._reader = reader
        self._max_attempts = max_attempts
        self._found = found

    def of(self, letters: Iterable[Letter]) -> Iterator[tuple[Letter, Outgoing]]:
        """Yield each letter that can be replayed with the record to send."""
        for letter in letters:
            origin = letter.told.origin
            if origin.topic not in self._inputs.get(letter.told.agent, ()):
                self._found.leave(letter, "of another pipeline: no agent here has that input")
            elif letter.num_replays >= self._max_attempts:
                self._found.leave(letter, f"replayed {self._max_attempts} times already")
            else:
                try:
                    original = original_of(letter, self._reader, self._partitions)
                except OriginalGoneError as error:
                    self._found.leave(letter, str(error))
                else:
                    yield letter, _outgoing(letter, original)


def _outgoing(letter: Letter, original: Original) -> Outgoing:
    origin = letter.told.origin
    before = letter.replay
    replay = Replay(
        origin=origin if before is None else before.origin,
        attempt=letter.num_replays + 1,
        letter=Origin(letter.topic, letter.partition, letter.offset),
        replayed_at_ms=time.time_ns() // 1_000_000,
    )
    headers = [h for h in original.headers if not h[0].startswith(REPLAY_PREFIX)]
    headers += [*_event_time(headers, letter.told.timestamp_ms), *replay.to_headers()]
    return Outgoing(origin.topic, origin.partition, original.key, original.value, headers)


def _event_time(headers: Headers, timestamp_ms: int) -> Headers:
    """Keep the event time of a record whose only time was its timestamp: the replay's is new."""
    at = rfc3339(timestamp_ms)
    return [("ce_time", at)] if at and "ce_time" not in dict(headers) else []


def _send(sender: Sender, batch: list[tuple[Letter, Outgoing]], found: Replayed) -> None:
    settled = []
    for (letter, record), why in zip(batch, sender.send([r for _, r in batch]), strict=True):
        if why:
            found.leave(letter, f"{record.topic} refuses it: {why}")
        else:
            settled.append(settlement(letter, State.REPLAYED))
    sender.settle(settled)
    found.num_replayed += len(settled)


def settlement(letter: Letter, state: State) -> Settlement:
    """Return what to write beside a letter."""
    return Settlement(
        letter=Origin(letter.topic, letter.partition, letter.offset),
        action="replayed" if state is State.REPLAYED else "dropped",
        settled_at_ms=time.time_ns() // 1_000_000,
    )
