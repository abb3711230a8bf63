"""The streams that are remembered: a bounded number, the one heard least recently is dropped."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from models.speech.saved_streams import SavedStream
from models.speech.stream_state import StreamState

logger = logging.getLogger(__name__)


class RecentStreams:
    """Keeps the state of each stream that is open and was heard recently."""

    def __init__(self, model: str, max_streams: int) -> None:
        self._model, self.max_streams = model, max_streams
        self._streams: dict[str, tuple[int, StreamState]] = {}
        self.step = 0
        """Number of learning steps so far: the clock of `last_heard`."""
        self.num_dropped = 0
        """Streams that were dropped because there were too many."""
        self._num_reported = 0

    def get(self, source_id: str) -> StreamState | None:
        """Return a stream's state, None if it is not known."""
        found = self._streams.get(source_id)
        return None if found is None else found[1]

    def put(self, source_id: str, state: StreamState | None) -> None:
        """Remember a stream's state as the one heard last; None: the stream has ended."""
        self.step += 1
        self._streams.pop(source_id, None)
        if state is None:
            return
        self._streams[source_id] = (self.step, state)
        while len(self._streams) > self.max_streams:
            dropped = next(iter(self._streams))
            del self._streams[dropped]
            if not self.num_dropped:
                logger.warning(
                    "model %s: more than %d open streams (max_streams): those heard least recently "
                    "are forgotten, first %r", self._model, self.max_streams, dropped,
                )  # fmt: skip
            self.num_dropped += 1

    def take_incidents(self) -> dict[str, int]:
        """Return how many streams were dropped since the last call."""
        number, self._num_reported = self.num_dropped - self._num_reported, self.num_dropped
        return {"evicted_key": number}

    def saved(self) -> Iterator[SavedStream]:
        """Yield the streams, the one heard least recently first."""
        for source_id, (last_heard, state) in self._streams.items():
            yield SavedStream(source_id, last_heard, state)

    def replace(self, streams: Sequence[SavedStream], step: int, num_dropped: int) -> None:
        """Take other streams, in the order of `saved`."""
        self._streams = {s.source_id: (s.last_heard, s.state) for s in streams}
        self.step, self.num_dropped, self._num_reported = step, num_dropped, num_dropped
