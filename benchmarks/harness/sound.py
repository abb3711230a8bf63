"""Send streams of sound in real time, a chunk of each when it would have been recorded."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from confluent_kafka import KafkaError, Message, Producer

from agents.commands.produce.event_records import EventEncoder
from benchmarks.harness.running import RunError
from models.speech.corpus import JUDGE_SEED, to_judge
from models.speech.features import SAMPLE_RATE_HZ
from schemas import AudioChunk

#: Between two sentences.
_PAUSE_SECONDS = 0.8
_NUM_SENTENCES = 24
_FLUSH_SECONDS = 10.0

Samples = npt.NDArray[np.int16]


def spoken_recording() -> Samples:
    """Return some sentences of the grammar with pauses, 16 kHz, spoken by programs.

    Raises:
        ModelError: a program that speaks is absent.
    """
    pause = np.zeros(round(_PAUSE_SECONDS * SAMPLE_RATE_HZ), np.int16)
    spoken = to_judge(JUDGE_SEED, _NUM_SENTENCES, unseen=False)
    return np.concatenate([part for one in spoken for part in (one.samples(), pause)])


@dataclass(frozen=True)
class SoundPlan:
    """Streams that say the same sentences over and over, each from another place on."""

    recording: Samples
    """16 kHz."""
    streams: int
    chunk_ms: int
    warm_up_seconds: float
    seconds: float
    """Measured, after the warm-up."""

    @property
    def chunk_samples(self) -> int:
        """Samples in a chunk."""
        return SAMPLE_RATE_HZ * self.chunk_ms // 1000

    def samples(self, stream: int, number: int) -> Samples:
        """Return a chunk of a stream."""
        start = stream * len(self.recording) // self.streams + number * self.chunk_samples
        places = np.arange(start, start + self.chunk_samples) % len(self.recording)
        return self.recording[places]

    def due_seconds(self, stream: int, number: int) -> float:
        """Return when a chunk has ended, from the start of all; streams do not end together."""
        return (number + 1 + stream / self.streams) * self.chunk_ms / 1000


class SoundSender:
    """Sends the chunks of a plan to one topic; stream n is in partition n modulo P."""

    def __init__(self, servers: str, topic: str, partitions: int, plan: SoundPlan) -> None:
        self.due_ms: list[list[float]] = [[0.0] for _ in range(partitions)]
        """Of each partition the times at which its records were due, by offset; primers: 0."""
        self.plan = plan
        self._topic, self._failure = topic, ""
        self._encoder = EventEncoder(AudioChunk, "audio")
        self._number = self._stream = 0
        self._started = self._started_ms = 0.0
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "linger.ms": 0,
                "acks": "all",
                "enable.idempotence": True,  # offsets follow from the order of sending
                "socket.nagle.disable": True,
                "log_level": 0,
            }
        )

    def prime(self) -> None:
        """Send a short stream to each partition, so that the load begins with a ready worker."""
        for partition in range(len(self.due_ms)):
            self._produce(self._chunk(f"primer-{partition}", np.zeros(3200, np.int16), 0, True),
                          partition)  # fmt: skip
        self._flush()

    def send(self, until_seconds: float) -> None:
        """Send what is due until a time from the start, each chunk at its time.

        Raises:
            RunError: the broker did not take a chunk.
        """
        if not self._started:
            self._started, self._started_ms = time.monotonic(), time.time() * 1000
        plan = self.plan
        while (due := plan.due_seconds(self._stream, self._number)) < until_seconds:
            samples = plan.samples(self._stream, self._number)
            chunk = self._chunk(f"stream-{self._stream}", samples, self._number, False)
            time.sleep(max(0.0, self._started + due - time.monotonic()))
            partition = self._stream % len(self.due_ms)
            self.due_ms[partition].append(self._started_ms + 1000 * due)
            self._produce(chunk, partition)
            self._producer.poll(0)
            self._stream = (self._stream + 1) % plan.streams
            self._number += self._stream == 0
        time.sleep(max(0.0, self._started + until_seconds - time.monotonic()))
        self._flush()

    def first_measured_ms(self) -> float:
        """Return the time from which chunks count."""
        return self._started_ms + 1000 * self.plan.warm_up_seconds

    def _chunk(self, source: str, samples: Samples, number: int, is_end: bool) -> AudioChunk:
        return AudioChunk(
            source_id=source,
            audio=samples.astype("<i2").tobytes(),
            encoding="s16le",
            sample_rate_hz=SAMPLE_RATE_HZ,
            sequence=number,
            is_end=is_end,
        )

    def _produce(self, chunk: AudioChunk, partition: int) -> None:
        record = self._encoder.encode(chunk)
        self._producer.produce(
            self._topic,
            record.value,
            record.key,
            partition,
            headers=record.headers,
            on_delivery=self._delivered,
        )

    def _flush(self) -> None:
        left = self._producer.flush(_FLUSH_SECONDS)
        if left or self._failure:
            raise RunError(f"{left} chunks were not sent: {self._failure or 'no answer'}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failure = error.str()
