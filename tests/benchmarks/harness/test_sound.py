from __future__ import annotations

import time

import numpy as np

from benchmarks.harness.sound import SoundPlan, SoundSender
from benchmarks.harness.topics import create_bench_topics, num_partitions, read_all
from schemas import AudioChunk, make_codec

RECORDING = np.arange(10_000, dtype=np.int16)
PLAN = SoundPlan(RECORDING, streams=2, chunk_ms=100, warm_up_seconds=0.2, seconds=0.2)


def test_a_stream_goes_round_in_the_recording_without_a_gap() -> None:
    chunks = [PLAN.samples(1, number) for number in range(8)]
    assert {len(chunk) for chunk in chunks} == {1600}
    heard = np.concatenate(chunks)
    np.testing.assert_array_equal(heard, (5000 + np.arange(len(heard))) % 10_000)


def test_streams_do_not_send_at_the_same_time() -> None:
    dues = [PLAN.due_seconds(stream, number) for number in range(3) for stream in range(2)]
    np.testing.assert_allclose(dues, [0.1, 0.15, 0.2, 0.25, 0.3, 0.35])


def test_chunks_are_sent_in_order_and_not_before_they_are_due(embedded_bootstrap: str) -> None:
    topic = f"sound-{time.time_ns()}"
    create_bench_topics(embedded_bootstrap, [topic], 4)
    partitions = num_partitions(embedded_bootstrap, topic)
    sender = SoundSender(embedded_bootstrap, topic, partitions, PLAN)
    sender.prime()
    started = time.monotonic()
    sender.send(0.22)
    sender.send(0.4)
    assert time.monotonic() - started >= 0.4
    codec = make_codec("audio", AudioChunk)
    sequences: dict[bytes, list[int]] = {}
    for message in read_all(embedded_bootstrap, topic, partitions):
        chunk = codec.decode(message.value() or b"", dict(message.headers() or []))
        assert isinstance(chunk, AudioChunk)
        sequences.setdefault(message.key() or b"", []).append(chunk.sequence)
        due_ms = sender.due_ms[message.partition() or 0][message.offset() or 0]
        assert due_ms <= message.timestamp()[1] + 1
    assert sequences.pop(b"stream-0") == [0, 1, 2]
    assert sequences.pop(b"stream-1") == [0, 1, 2]
    assert list(sequences.values()) == [[0]] * partitions
