import struct
from pathlib import Path

import numpy as np
import pytest

from agents.commands.produce.sources import SourceError
from agents.commands.produce.sources.audio import audio_chunks, is_microphone, read_sound
from models.audio.wav import wav_bytes
from tests.models.audio.sound_files import write_sound

RAMP = np.arange(-8000, 8000, dtype=np.int16)


def save(path: Path, samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]] = RAMP) -> Path:
    path.write_bytes(wav_bytes(samples, 16_000))
    return path


def test_a_file_is_cut_into_chunks_that_are_counted_and_end(tmp_path: Path) -> None:
    chunks = list(audio_chunks(str(save(tmp_path / "call.wav")), chunk_ms=320))
    assert [chunk.sequence for chunk in chunks] == [0, 1, 2, 3]
    assert [chunk.is_end for chunk in chunks] == [False, False, False, True]
    assert {chunk.source_id for chunk in chunks} == {"call"}
    joined = np.frombuffer(b"".join(chunk.audio for chunk in chunks), "<i2")
    assert np.abs(joined.astype(int) - RAMP).max() <= 1
    for chunk in chunks:
        chunk.validate()


def test_each_file_of_a_folder_is_a_stream(tmp_path: Path) -> None:
    save(tmp_path / "b.wav")
    save(tmp_path / "a.WAV", np.stack([RAMP, RAMP], axis=1))
    (tmp_path / "notes.txt").write_text("no sound")
    chunks = list(audio_chunks(str(tmp_path), chunk_ms=500))
    assert [(c.source_id, c.num_channels) for c in chunks] == [("a", 2)] * 2 + [("b", 1)] * 2
    assert [c.source_id for c in audio_chunks(str(tmp_path), source_id="x", chunk_ms=0)] == [
        "x-a", "x-b"
    ]  # fmt: skip


def test_a_file_can_be_one_record_as_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "call.wav")
    (chunk,) = audio_chunks(str(path), chunk_ms=0)
    assert (chunk.audio, chunk.encoding, chunk.is_end) == (path.read_bytes(), "wav", True)


def test_flac_is_decoded(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra `speech` is not installed: no FLAC")
    path = tmp_path / "call.flac"
    path.write_bytes(write_sound(RAMP, 16_000, "flac"))
    samples, rate = read_sound(path)
    assert rate == 16_000
    assert np.array_equal(samples[:, 0], RAMP)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("absent.wav", None, "no such file"),
        ("cut.wav", b"RIFF\0\0\0\0WAVE", "without a data chunk"),
        ("no.flac", b"fLaC" + bytes(50), "can't be read as sound"),
        ("text.wav", struct.pack("<I", 7), "can't be read as sound"),
    ],
)
def test_what_can_not_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, what: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=what) as raised:
        list(audio_chunks(str(tmp_path / name)))
    assert name in str(raised.value)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no sound files"):
        list(audio_chunks(str(tmp_path)))


def test_a_microphone_is_told_from_a_file() -> None:
    assert is_microphone("microphone")
    assert is_microphone("microphone:USB")
    assert not is_microphone("microphone.wav")
