"""Read sound from files, folders of files and microphones, in chunks."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.commands.produce.sources.source import SourceError
from models.audio.wav import open_wav, wav_samples
from schemas import AudioChunk, InputError
from schemas.audio_formats import file_encoding

#: Files of a folder that are read; the formats behind WAV need the package av.
SOUND_SUFFIXES = (".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a")
_MICROPHONE, _MICROPHONE_HZ = "microphone", 16_000
#: Blocks of a microphone that wait for the broker; older ones are lost, as `sequence` shows.
_MAX_WAITING = 100

Samples = npt.NDArray[np.int16]


def is_microphone(address: str) -> bool:
    """Return whether an address is a recording device: `microphone` or `microphone:NAME`."""
    return address == _MICROPHONE or address.startswith(_MICROPHONE + ":")


def audio_chunks(address: str, *, source_id: str = "", chunk_ms: int = 320) -> Iterator[AudioChunk]:
    """Yield the chunks of one stream after the other; the last of each has `is_end`.

    Args:
        address: a sound file, a folder (each file is one stream, in the order of their names), or
            `microphone`, `microphone:NAME`.
        source_id: of the stream; "": the file's name, or the address.
        chunk_ms: length of a chunk, as 16-bit samples; 0: each file as it is, in one record.

    The event time of a microphone's chunks is the time of their recording; others have none.

    Raises:
        SourceError: the address does not exist, or holds no sound.
    """
    if is_microphone(address):
        yield from _recorded(address, source_id or address, chunk_ms or 320)
        return
    path = Path(address)
    if not path.exists():
        raise SourceError(f"{address}: no such file or folder")
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SOUND_SUFFIXES)
        if not files:
            raise SourceError(f"{path}: no sound files (expected {', '.join(SOUND_SUFFIXES)})")
    for file in files:
        # The streams of a folder must differ: with a name, each has the file's behind it.
        name = source_id or file.stem
        if source_id and len(files) > 1:
            name = f"{source_id}-{file.stem}"
        yield from _whole(file, name) if not chunk_ms else _cut(file, name, chunk_ms)


def _whole(file: Path, source_id: str) -> Iterator[AudioChunk]:
    content = file.read_bytes()
    encoding = file_encoding(content)
    if encoding is None:
        raise SourceError(f"{file}: neither WAV, FLAC nor Ogg Opus: give --chunk-ms to convert it")
    yield AudioChunk(source_id=source_id, audio=content, encoding=encoding, sequence=0, is_end=True)


def _cut(file: Path, source_id: str, chunk_ms: int) -> Iterator[AudioChunk]:
    samples, rate = read_sound(file)
    size = max(1, rate * chunk_ms // 1000)
    count = -(-len(samples) // size)
    for number in range(count):
        part = samples[number * size : (number + 1) * size]
        yield AudioChunk(
            source_id=source_id,
            audio=np.ascontiguousarray(part, "<i2").tobytes(),
            encoding="s16le",
            sample_rate_hz=rate,
            num_channels=samples.shape[1],
            sequence=number,
            is_end=number == count - 1,
        )


def read_sound(file: Path) -> tuple[Samples, int]:
    """Return a file's samples (n, channels) int16 and its sample rate.

    Raises:
        SourceError: it can't be read as sound.
    """
    try:
        content = file.read_bytes()
        if file_encoding(content) == "wav":
            wav = open_wav(content)
            scaled = np.clip(wav_samples(wav), -1, 1) * 32767
            return np.rint(scaled).astype(np.int16), wav.sample_rate_hz
        return _decoded(file)
    except (OSError, InputError) as error:
        raise SourceError(f"{file}: can't be read as sound: {error}") from error


def _decoded(file: Path) -> tuple[Samples, int]:
    try:
        import av
        from av.audio.resampler import AudioResampler
    except ImportError as error:
        raise SourceError(
            f"{file}: needs the package av: pip install 'penstock[speech]'"
        ) from error
    to_samples = AudioResampler(format="s16")
    parts: list[Samples] = []
    try:
        with av.open(str(file)) as container:
            if not container.streams.audio:
                raise SourceError(f"{file}: it has no sound")
            rate = int(container.streams.audio[0].codec_context.sample_rate)
            for frame in container.decode(audio=0):
                for each in to_samples.resample(frame):
                    interleaved = each.to_ndarray().astype(np.int16)
                    parts.append(interleaved.reshape(-1, each.layout.nb_channels))
    except av.error.FFmpegError as error:
        raise SourceError(f"{file}: can't be read as sound: {error}") from error
    if not parts:
        raise SourceError(f"{file}: it has no sound")
    return np.concatenate(parts), rate


def _recorded(address: str, source_id: str, chunk_ms: int) -> Iterator[AudioChunk]:
    """Yield what a microphone hears, without end."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is absent
        raise SourceError(
            f"{address}: needs sounddevice and PortAudio: pip install sounddevice, apt-get install "
            f"libportaudio2 ({error})"
        ) from error
    waiting: queue.Queue[tuple[int, bytes, int]] = queue.Queue(_MAX_WAITING)
    count = 0

    def take(block: Any, frames: int, when: Any, status: Any) -> None:
        nonlocal count
        if waiting.full():
            waiting.get_nowait()  # the number of the chunk that is lost will be missing
        waiting.put_nowait((count, bytes(block), time.time_ns() // 1_000_000))
        count += 1

    device = address.removeprefix(_MICROPHONE).removeprefix(":") or None
    try:
        with sounddevice.RawInputStream(
            samplerate=_MICROPHONE_HZ,
            blocksize=_MICROPHONE_HZ * chunk_ms // 1000,
            device=device,
            channels=1,
            dtype="int16",
            callback=take,
        ):
            while True:
                number, block, time_ms = waiting.get()
                yield AudioChunk(
                    source_id=source_id,
                    event_time_ms=time_ms,
                    audio=block,
                    encoding="s16le",
                    sample_rate_hz=_MICROPHONE_HZ,
                    sequence=number,
                )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise SourceError(f"{address}: can't be recorded from: {error}") from error
