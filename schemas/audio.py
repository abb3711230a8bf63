"""Audio: pieces of a stream of sound, what is spoken in them, and speech that a model makes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from schemas.errors import SchemaError
from schemas.event import Event, Label, Result

#: How the bytes of audio are written: bare samples, or a file of its own in each record.
AudioEncoding = Literal["s16le", "f32le", "wav", "flac", "opus"]

#: Bytes of one bare sample of one channel.
SAMPLE_BYTES: dict[str, int] = {"s16le": 2, "f32le": 4}


class AudioChunk(Event, frozen=True, kw_only=True):
    """A piece of one stream of sound. With the `audio` codec the record's value is the sound."""

    audio: bytes
    """Bare samples, channels interleaved, or a whole WAV, FLAC or Ogg Opus file.

    May be empty only where `is_end` is set. (JSON carries bytes as base64: use the `audio` codec.)
    """
    encoding: AudioEncoding
    """`s16le` and `f32le` are bare samples, little-endian; f32 is in [-1, 1]."""
    sample_rate_hz: Annotated[int, Meta(ge=0, le=384_000)] = 0
    """Samples a second of each channel; needed for bare samples. A file states its own."""
    num_channels: Annotated[int, Meta(ge=1, le=32)] = 1
    """Of bare samples. A file states its own."""
    sequence: Annotated[int, Meta(ge=-1, lt=2**53)] = -1
    """Number of the chunk in its stream, rising by 1; -1: the producer does not count."""
    is_end: bool = False
    """Whether the stream ends with this chunk; the next chunk of the source starts another."""

    def validate(self) -> None:
        """Check that the bytes can be samples.

        Raises:
            SchemaError: no bytes and no end, part of a sample, or no sample rate.
        """
        if not self.audio:
            if self.is_end:
                return
            raise SchemaError("audio has no bytes: expected some, or is_end")
        size = SAMPLE_BYTES.get(self.encoding)
        if size is None:
            return
        if not self.sample_rate_hz:
            raise SchemaError(f"sample_rate_hz is 0: {self.encoding} samples need it")
        if len(self.audio) % (size * self.num_channels):
            raise SchemaError(
                f"audio has {len(self.audio):,} bytes: no whole number of {self.encoding} samples "
                f"of {self.num_channels} channels ({size * self.num_channels} bytes each)"
            )

    @classmethod
    def example(cls) -> Self:
        """Return two samples of two channels."""
        return cls(
            source_id="microphone-1",
            event_time_ms=1_700_000_000_000,
            event_id="a-1",
            audio=bytes.fromhex("0000000000010001"),
            encoding="s16le",
            sample_rate_hz=16_000,
            num_channels=2,
            sequence=7,
            is_end=True,
        )


class SpokenWord(msgspec.Struct, frozen=True):
    """One recognized word."""

    word: str
    start_ms: int
    """Where it starts: milliseconds of sound since the start of the stream."""
    end_ms: int


class TranscriptNote(msgspec.Struct, frozen=True):
    """Something about the sound that the reader of a transcript should know."""

    kind: str
    """`gap`: chunks are missing before this one; `repeat`: this chunk came before, or late, and
    was not heard again; `joined_late`: the stream's first chunk here is not its number 0, such as
    after an eviction; `restart`: the numbers start again without an end before; `clipping`:
    samples at full scale; `truncated`: a WAV file has fewer samples than it says; `resampled`
    and `mixed`: the sound was brought to the model's sample rate, or to one channel; `cut`: the
    utterance was ended at its longest duration."""
    count: int
    """How many chunks (`gap`, `repeat`), samples (`clipping`, `truncated`), samples a second
    (`resampled`), channels (`mixed`) or seconds (`cut`); or the chunk's number (`joined_late`,
    `restart`)."""


class Transcript(Result, kw_only=True):
    """What is said in one utterance of one stream, as far as it was heard."""

    utterance: int
    """Number of the utterance in its stream, from 0."""
    is_final: bool
    """Whether the utterance has ended: its text does not change any more."""
    text: str
    """The words so far, separated by spaces; "" while nothing is recognized."""
    words: list[SpokenWord]
    """The words of `text` with their times."""
    heard_ms: int
    """How much of the stream was heard, milliseconds since its start."""
    score: float | None = None
    """Mean probability of the recognized letters in (0, 1]; None without letters."""
    notes: list[TranscriptNote] = msgspec.field(default_factory=list)
    """About the chunk that this result answers."""


class SpokenAudio(Result, kw_only=True):
    """Speech that a model made of a text. With the `audio` codec the value is the sound.

    Its record is then also an `AudioChunk`: the whole of one stream, with `is_end`.
    """

    audio: bytes
    """As in `AudioChunk`."""
    encoding: AudioEncoding = "s16le"
    sample_rate_hz: int
    num_channels: int = 1
    sequence: int = 0
    """Number of the chunk in its stream, from 0."""
    is_end: bool = True
    duration_ms: int = 0
    """Length of the sound, milliseconds."""
    text: Label = ""
    """The text as it is spoken: numbers in words, abbreviations written out."""
    notes: list[str] = msgspec.field(default_factory=list)
    """What the reader should know, such as that a runaway alignment was cut; empty: nothing."""
