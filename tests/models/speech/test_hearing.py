import numpy as np
import pytest

from models.audio.wav import wav_bytes
from models.speech.blocks import BLOCK_WINDOW
from models.speech.hearing import Floats, HearingRules, hear
from models.speech.stream_state import Ear
from models.speech.voice_activity import BLOCK_SAMPLES
from schemas import AudioChunk, SchemaError, TooLargeError

RULES = HearingRules(max_chunk_seconds=10, resamples=True, mixes=True)
STRICT = HearingRules(max_chunk_seconds=10, resamples=False, mixes=False)
SOUND = np.random.default_rng(0).integers(-9000, 9000, 20_000).astype("<i2")


def chunk(samples: object = SOUND, sequence: int = -1, **fields: object) -> AudioChunk:
    given = {"encoding": "s16le", "sample_rate_hz": 16_000, **fields}
    audio = np.asarray(samples, "<i2").tobytes()
    return AudioChunk(audio=audio, sequence=sequence, **given)  # type: ignore[arg-type]


def heard_blocks(size: int) -> list[Floats]:
    ear, windows = Ear(), list[Floats]()
    for start in range(0, len(SOUND), size):
        part = SOUND[start : start + size]
        heard = hear(ear, chunk(part, is_end=start + size >= len(SOUND)), RULES)
        ear = heard.ear
        windows += heard.windows
    return windows


def test_blocks_do_not_depend_on_the_chunks() -> None:
    whole = heard_blocks(len(SOUND))
    assert len(whole) == len(SOUND) // BLOCK_SAMPLES + 1 + 3
    for size in (77, 2560, 5000):
        cut = heard_blocks(size)
        assert all(np.array_equal(a, b) for a, b in zip(cut, whole, strict=True))
    assert {len(window) for window in whole} == {BLOCK_WINDOW}
    assert np.array_equal(whole[1][:10], SOUND[BLOCK_SAMPLES:][:10] / np.float32(32768))


@pytest.mark.parametrize(
    ("sequences", "notes", "num_heard"),
    [
        ([0, 1, 2], [[], [], []], 3),
        ([-1, -1], [[], []], 2),
        ([5, 6], [[("joined_late", 5)], []], 2),
        ([0, 3, 4], [[], [("gap", 2)], []], 3),
        ([0, 1, 1, 0, 2], [[], [], [("repeat", 1)], [("repeat", 1)], []], 3),
        ([40, 0, 1], [[("joined_late", 40)], [("restart", 0)], []], 3),
    ],
)
def test_the_numbers_of_chunks_are_followed(
    sequences: list[int], notes: list[list[tuple[str, int]]], num_heard: int
) -> None:
    ear, found, num = Ear(), [], 0
    for sequence in sequences:
        heard = hear(ear, chunk(sequence=sequence), RULES)
        found.append([(note.kind, note.count) for note in heard.notes])
        num += bool(heard.windows)
        ear = heard.ear
    assert (found, num) == (notes, num_heard)


def test_loud_foreign_and_stereo_sound_is_noted() -> None:
    square = np.tile([32767, -32768], 4000)
    heard = hear(Ear(), chunk(square, sample_rate_hz=8000, num_channels=2), RULES)
    assert [(note.kind, note.count) for note in heard.notes] == [
        ("clipping", 8000), ("resampled", 8000), ("mixed", 2)
    ]  # fmt: skip


def test_a_file_that_was_cut_short_is_noted() -> None:
    file = wav_bytes(np.zeros(16_000, np.int16), 16_000)[:-2000]
    heard = hear(Ear(), AudioChunk(audio=file, encoding="wav"), RULES)
    assert [(note.kind, note.count) for note in heard.notes] == [("truncated", 1000)]


@pytest.mark.parametrize(
    ("fields", "rules", "error", "what"),
    [
        ({"sample_rate_hz": 8000}, STRICT, SchemaError, "takes 16000 only"),
        ({"num_channels": 2}, STRICT, SchemaError, "takes one only"),
        ({"sample_rate_hz": 3999}, RULES, SchemaError, "expected 4000 to 192000"),
        ({"samples": np.zeros(160_001)}, RULES, TooLargeError, "10.0 seconds"),
    ],
)
def test_what_the_rules_exclude_is_refused(
    fields: dict[str, object], rules: HearingRules, error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        hear(Ear(), chunk(**fields), rules)  # type: ignore[arg-type]


def test_a_stream_may_change_its_rate() -> None:
    first = hear(Ear(), chunk(sample_rate_hz=8000), RULES)
    second = hear(first.ear, chunk(is_end=True), RULES)
    total = len(first.windows) + len(second.windows)
    assert total == (2 * len(SOUND) + len(SOUND)) // BLOCK_SAMPLES + 1 + 3
