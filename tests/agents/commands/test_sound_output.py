import wave
from pathlib import Path

import numpy as np

from agents.commands.sound_output import SoundFolder, sound_of
from schemas import AudioChunk, AudioCodec
from streams.kafka.reader import KafkaRecord


def record(key: bytes, chunk: AudioChunk | None) -> KafkaRecord:
    if chunk is None:
        return KafkaRecord("audio.chunks", 0, 0, -1, key, b"no sound", [])
    codec = AudioCodec()
    headers = codec.headers_of(chunk)
    return KafkaRecord("audio.chunks", 0, 0, -1, key, codec.encode(chunk), headers)


def chunk(value: int, count: int, rate: int = 16_000, is_end: bool = False) -> AudioChunk:
    audio = np.full(count, value, "<i2").tobytes()
    return AudioChunk(audio=audio, encoding="s16le", sample_rate_hz=rate, is_end=is_end)


def read(path: Path) -> tuple[int, list[int]]:
    with wave.open(str(path)) as file:
        raw = file.readframes(file.getnframes())
        return file.getframerate(), np.frombuffer(raw, "<i2").tolist()


def test_each_stream_is_saved_to_its_own_file(tmp_path: Path) -> None:
    folder = SoundFolder(tmp_path / "sound")
    for key, one in [
        (b"a", chunk(1000, 3)),
        (b"../b c", chunk(2000, 2)),
        (b"a", chunk(-1000, 1, is_end=True)),
        (b"a", chunk(3000, 2)),
        (b"a", chunk(4000, 2, rate=8000)),
        (b"a", None),
    ]:
        folder.take(record(key, one))
    folder.close()
    found = {path.name: read(path) for path in (tmp_path / "sound").iterdir()}
    assert found == {
        "a-0.wav": (16_000, [1000, 1000, 1000, -1000]),
        "_b_c-0.wav": (16_000, [2000, 2000]),
        "a-1.wav": (16_000, [3000, 3000]),
        "a-2.wav": (8000, [4000, 4000]),
    }
    assert sorted(path.name for path in folder.paths) == sorted(found)


def test_files_that_exist_are_kept(tmp_path: Path) -> None:
    for _ in range(2):
        folder = SoundFolder(tmp_path)
        folder.take(record(b"a", chunk(5, 2, is_end=True)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-0.wav", "a-1.wav"]


def test_a_record_without_sound_has_none() -> None:
    assert sound_of(record(b"a", None)) is None
