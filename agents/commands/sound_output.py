"""Save or play the sound of a topic: chunks, and speech that a model made."""

from __future__ import annotations

import re
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.errors import UserError
from models.audio.decode import Sound, decode_audio
from schemas import AudioChunk, AudioCodec, InputError
from streams.kafka.reader import KafkaRecord

#: Of one record; more is neither saved nor played.
_MAX_SECONDS = 3600.0
#: Longer names of files are cut.
_MAX_NAME = 80


def sound_of(record: KafkaRecord) -> tuple[AudioChunk, Sound] | None:
    """Return a record's chunk and its samples; None if it holds no sound that can be read."""
    if record.value is None:
        return None
    try:
        chunk = AudioCodec().decode(record.value, dict(record.headers))
        assert isinstance(chunk, AudioChunk)
        return chunk, decode_audio(chunk, _MAX_SECONDS)
    except InputError:
        return None


@dataclass
class _OpenFile:
    file: wave.Wave_write
    sample_rate_hz: int


@dataclass
class SoundFolder:
    """Writes each stream of a topic to a WAV file of its own: KEY-0.wav, KEY-1.wav ..."""

    folder: Path
    paths: list[Path] = field(default_factory=list)
    """The files written so far."""
    _open: dict[bytes, _OpenFile] = field(default_factory=dict)

    def take(self, record: KafkaRecord) -> None:
        """Append a record's sound to its stream's file.

        Raises:
            UserError: the folder can't be written to.
        """
        found = sound_of(record)
        if found is None:
            return
        chunk, sound = found
        key = record.key or b""
        current = self._open.get(key)
        if current is not None and len(sound.samples):
            if current.sample_rate_hz != sound.sample_rate_hz:
                self._end(key)
                current = None
        try:
            if current is None and len(sound.samples):
                current = self._begin(key, sound.sample_rate_hz)
            if current is not None:
                current.file.writeframes(to_int16(sound.samples).tobytes())
        except OSError as error:
            raise UserError(f"{self.folder}: can't be written to: {error}") from error
        if chunk.is_end:
            self._end(key)

    def _begin(self, key: bytes, rate: int) -> _OpenFile:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._free_path(key)
        file = wave.open(str(path), "wb")  # open until the stream ends
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        self.paths.append(path)
        self._open[key] = _OpenFile(file, rate)
        return self._open[key]

    def _free_path(self, key: bytes) -> Path:
        """Return a path that does not exist; a key can't lead out of the folder."""
        text = key.decode("utf-8", "replace")[:_MAX_NAME]
        name = re.sub(r"[^\w.-]+", "_", text).strip(".") or "sound"
        number = 0
        while (path := self.folder / f"{name}-{number}.wav").exists():
            number += 1
        return path

    def _end(self, key: bytes) -> None:
        current = self._open.pop(key, None)
        if current is not None:
            current.file.close()

    def close(self) -> None:
        """Finish all files."""
        for key in list(self._open):
            self._end(key)


class Speaker:
    """Plays the sound of a topic on this machine, one record after the other."""

    def __init__(self) -> None:
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            raise UserError(
                "--play needs sounddevice and PortAudio: pip install sounddevice, apt-get install "
                f"libportaudio2 ({error})"
            ) from error
        self._device: Any = sounddevice

    def take(self, record: KafkaRecord) -> None:
        """Play a record's sound to its end.

        Raises:
            UserError: there is no device to play on.
        """
        found = sound_of(record)
        if found is None or not len(found[1].samples):
            return
        try:
            self._device.play(found[1].samples, found[1].sample_rate_hz, blocking=True)
        except self._device.PortAudioError as error:
            raise UserError(f"--play: no device to play on: {error}") from error


def to_int16(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Return samples in [-1, 1] with 16 bits."""
    whole: npt.NDArray[np.int16] = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return whole
