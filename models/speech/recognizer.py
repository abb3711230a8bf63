"""The streaming recognizer: chunks of sound in, what is said out, while it is being said."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.base import Answer, ModelError, OnlineModel
from models.content_hash import folder_version
from models.keyed_state import merge_last_seen, most_recent, require_distinct
from models.options import check_option
from models.snapshots import Option, Snapshot, pack, unpack
from models.speech.hearing import HearingRules
from models.speech.listening import Listener, Outcome, Rules
from models.speech.recent_streams import RecentStreams
from models.speech.saved_streams import SavedStream, from_snapshot, to_arrays
from models.speech.stream_network import StreamNetwork
from models.speech.stream_state import StreamState
from models.speech.voice_activity import BLOCK_SECONDS, CutRules
from schemas import AudioChunk, Transcript

#: Where the weights of `penstock train recognizer` are looked for without `path`.
WEIGHTS = Path(__file__).parent / "weights" / "recognizer"
_LAYOUT_VERSION = 1
#: Outcomes that are kept until their chunks are learned; more are computed again.
_MAX_AHEAD = 4096


class _Ahead(NamedTuple):
    """The outcome of a chunk that has not been learned, and the state that it starts from."""

    chunk: AudioChunk
    before: StreamState | None
    outcome: Outcome


class SpeechRecognizer(OnlineModel[AudioChunk, Transcript]):
    """Writes down speech, letter by letter, in utterances that silence cuts.

    One stream of sound for each `source_id`. Its state moves with every chunk: that is what this
    model "learns". Chunks of many streams are heard together. An answer depends on the stream's
    chunks alone, not on how they are cut, nor on other streams.

    It remembers at most `max_streams` open streams in a partition: about 25 KB each, with
    `beam` 0.4 MB in an utterance of 30 seconds. A stream that ends is forgotten. Not thread-safe.

    Args:
        path: folder of `penstock train recognizer`; "": `models/speech/weights/recognizer`, which
            is empty in this version.
        beam: 1: the likeliest letter at each step. More: at its end an utterance is read again
            with so many hypotheses, for its final text.
        silence_seconds: an utterance ends after so much silence.
        max_utterance_seconds: it also ends at this length.
        max_chunk_seconds: of sound in one record; longer ones are refused before they are decoded.
        resample: whether other sample rates than 16 kHz are converted; else they are refused.
        mix: whether several channels are averaged; else they are refused.
        max_streams: open streams remembered in a partition; the one heard least recently is
            dropped first.

    Source: Graves, 2012, arXiv:1211.3711; He et al., 2019, arXiv:1811.06621.
    """

    name = "speech_recognizer"
    event_type = AudioChunk
    result_type = Transcript
    learn_every = 1
    # Not by `device: auto`: it is small, and that states stay equal to the last bit is known of
    # processors only.
    uses_gpu = False

    def __init__(
        self,
        path: str = "",
        beam: int = 1,
        silence_seconds: float = 0.64,
        max_utterance_seconds: float = 30.0,
        max_chunk_seconds: float = 30.0,
        resample: bool = True,
        mix: bool = True,
        max_streams: int = 1000,
    ) -> None:
        self._folder = Path(path) if path else WEIGHTS
        check_option("beam", beam, 1, 16)
        check_option("silence_seconds", silence_seconds, BLOCK_SECONDS, 10)
        check_option("max_utterance_seconds", max_utterance_seconds, 1, 600)
        check_option("max_chunk_seconds", max_chunk_seconds, 0.01, 600)
        cuts = CutRules(
            round(silence_seconds / BLOCK_SECONDS), round(max_utterance_seconds / BLOCK_SECONDS)
        )
        self._rules = Rules(HearingRules(max_chunk_seconds, resample, mix), cuts, beam)
        self._streams = RecentStreams(self.name, check_option("max_streams", max_streams, 1))
        self._ahead: dict[int, _Ahead] = {}
        self._options: dict[str, Option] = {
            "beam": beam, "silent_blocks": cuts.silent_blocks, "max_blocks": cuts.max_blocks,
            "max_chunk_seconds": max_chunk_seconds, "resample": resample, "mix": mix,
            "max_streams": max_streams,
        }  # fmt: skip
        self._network: StreamNetwork | None = None
        self.version = self._weights_version() if self._folder.is_dir() else "absent"

    @property
    def num_dropped_streams(self) -> int:
        """Streams that were forgotten because there were more than `max_streams`."""
        return self._streams.num_dropped

    def load(self, device: str = "cpu") -> None:
        """Load the weights; the instances of all partitions share them.

        Raises:
            ModelError: the folder is absent, or holds no recognizer.
        """
        if not self._folder.is_dir():
            raise ModelError(f"{self._folder}: no such folder: name the model/ folder of a run")
        self._network = self._open(device)
        self._listener = Listener(self._network, self._rules)

    def warm_up(self) -> None:
        """Hear a second of noise."""
        noise = np.random.default_rng(0).integers(-9000, 9000, 16_000).astype("<i2")
        chunk = AudioChunk(audio=noise.tobytes(), encoding="s16le", sample_rate_hz=16_000)
        self._listener.listen([(None, [chunk])])

    def foresee(
        self,
        models: Sequence[SpeechRecognizer],
        batches: Sequence[Sequence[AudioChunk]],
    ) -> None:
        """Hear the chunks that the engine is about to ask for, of several partitions, at once.

        The outcomes wait for `predict_batch` and `learn_batch`, which would come to the same.

        Args:
            models: one for each partition.
            batches: of each, its chunks that are not learned yet, in order.
        """
        streams: list[tuple[SpeechRecognizer, StreamState | None, list[AudioChunk]]] = []
        for model, batch in zip(models, batches, strict=True):
            by_source: dict[str, list[AudioChunk]] = {}
            for chunk in batch:
                by_source.setdefault(chunk.source_id, []).append(chunk)
            kept = {id(chunk) for chunk in batch}
            model._ahead = {key: one for key, one in model._ahead.items() if key in kept}
            for source_id, chunks in by_source.items():
                state = model._streams.get(source_id)
                while chunks and (known := model._known(chunks[0], state)) is not None:
                    state, chunks = known.state, chunks[1:]
                if chunks:
                    streams.append((model, state, chunks))
        outcomes = self._listener.listen([(state, chunks) for _, state, chunks in streams])
        for (model, state, chunks), made in zip(streams, outcomes, strict=True):
            for chunk, outcome in zip(chunks, made, strict=True):
                model._remember(chunk, state, outcome)
                state = outcome.state

    def predict_batch(self, batch: Sequence[AudioChunk]) -> Sequence[Answer[Transcript]]:
        """Return what is said in each stream, with the chunk: a list of at least one transcript.

        Final transcripts of utterances that end in the chunk come first, then a partial one of the
        utterance that is open. Every chunk is heard after those that were learned.
        """
        if len(self._ahead) > _MAX_AHEAD:
            self._ahead.clear()
        self._hear([chunk for chunk in batch if self._current(chunk) is None])
        answers: list[Answer[Transcript]] = []
        for chunk in batch:
            outcome = self._current(chunk)
            assert outcome is not None
            answers.append(outcome.answer)
        return answers

    def learn_batch(self, batch: Sequence[AudioChunk]) -> None:
        """Move the chunks' streams on, in order."""
        for chunk in batch:
            if self._current(chunk) is None:
                self._hear([chunk])
            outcome = self._ahead.pop(id(chunk)).outcome
            self._streams.put(chunk.source_id, outcome.state)

    def _hear(self, chunks: Sequence[AudioChunk]) -> None:
        """Hear chunks, each after the state that its stream has now."""
        states = [self._streams.get(chunk.source_id) for chunk in chunks]
        outcomes = self._listener.listen(
            [(state, [chunk]) for state, chunk in zip(states, chunks, strict=True)]
        )
        for chunk, state, (outcome,) in zip(chunks, states, outcomes, strict=True):
            self._remember(chunk, state, outcome)

    def _remember(self, chunk: AudioChunk, before: StreamState | None, outcome: Outcome) -> None:
        self._ahead[id(chunk)] = _Ahead(chunk, before, outcome)

    def _current(self, chunk: AudioChunk) -> Outcome | None:
        """Return the outcome of a chunk, if it was heard after the state that its stream has."""
        return self._known(chunk, self._streams.get(chunk.source_id))

    def _known(self, chunk: AudioChunk, state: StreamState | None) -> Outcome | None:
        known = self._ahead.get(id(chunk))
        if known is None or known.chunk is not chunk or known.before is not state:
            return None
        return known.outcome

    def take_incidents(self) -> dict[str, int]:
        """Return how many streams were forgotten since the last call."""
        return self._streams.take_incidents()

    def snapshot(self) -> bytes:
        """Return all open streams."""
        streams = self._streams
        return self._pack(list(streams.saved()), streams.step, streams.num_dropped)

    def restore(self, state: bytes) -> None:
        """Take the streams of a snapshot."""
        streams, step, num_dropped = self._unpack(state)
        self._streams.replace(streams, step, num_dropped)
        self._ahead.clear()

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return each stream of a snapshot with the number of its chunks."""
        return {s.source_id: s.state.ear.num_chunks for s in self._unpack(state)[0]}

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these streams."""
        streams, step, num_dropped = self._unpack(state)
        kept = [stream for stream in streams if stream.source_id in source_ids]
        return self._pack(kept, step, num_dropped)

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return the snapshot with the streams of several, which differ."""
        parts = [self._unpack(state) for state in states]
        streams = [stream for part, _, _ in parts for stream in part]
        require_distinct(self.name, [(stream.source_id,) for stream in streams])
        heard = [
            (np.array([s.last_heard for s in part], np.int64), step) for part, step, _ in parts
        ]
        last_heard, step = merge_last_seen(heard)
        kept = most_recent(last_heard, self._streams.max_streams)
        moved = [streams[row]._replace(last_heard=int(last_heard[row])) for row in kept]
        ordered = sorted(moved, key=lambda stream: stream.last_heard)
        dropped = sum(number for _, _, number in parts) + len(streams) - len(kept)
        return self._pack(ordered, step, dropped)

    def _open(self, device: str) -> StreamNetwork:
        """Return the network of the folder."""
        from models.speech.network import load_network

        return load_network(self._folder, device)

    def _weights_version(self) -> str:
        """Return a short hash of the folder's files that decide answers."""
        return folder_version(self._folder)

    def _loaded(self) -> StreamNetwork:
        if self._network is None:
            self.load("cpu")
        assert self._network is not None
        return self._network

    def _pack(self, streams: Sequence[SavedStream], step: int, num_dropped: int) -> bytes:
        network = self._loaded()
        arrays = to_arrays(streams, network)
        arrays["counts"] = np.array([step, num_dropped], np.int64)
        names = {"streams": [stream.source_id for stream in streams]}
        options = {**self._options, "weights": self.version}
        return pack(self.name, _LAYOUT_VERSION, options, names, arrays)

    def _unpack(self, state: bytes) -> tuple[list[SavedStream], int, int]:
        options = {**self._options, "weights": self.version}
        snapshot: Snapshot = unpack(state, self.name, _LAYOUT_VERSION, options)
        network = self._loaded()
        streams = from_snapshot(snapshot, network)
        step, num_dropped = snapshot.array("counts", np.zeros(0, np.int64), 2).tolist()
        if min(step, num_dropped) < 0 or len(streams) > self._streams.max_streams:
            raise ModelError(f"the snapshot of {self.name} is damaged: its counts")
        return streams, step, num_dropped
