"""What the synthesizers share: cut a text, and put its sound into a result."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas import InputError, SpokenAudio

#: About 22 seconds of speech: more would exceed Kafka's default limit of 1 MB for a record.
MAX_CHARACTERS = 300
_MOST_CHARACTERS = 4000
_BLANKS = re.compile(r"\s+")
#: Silence between sentences.
_PAUSE_SECONDS = 0.15

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cut:
    """A text without needless blanks, short enough to speak."""

    text: str
    notes: tuple[str, ...]
    """That it was cut, if it was."""


def check_max_characters(max_characters: int) -> None:
    """Raise `ValueError` if the limit is out of range."""
    if not 1 <= max_characters <= _MOST_CHARACTERS:
        raise ValueError(f"max_characters is {max_characters}: expected 1 to {_MOST_CHARACTERS}")


def cut_text(text: str, max_characters: int, form: str = "") -> Cut:
    """Return a text of at most `max_characters`, cut at a blank if there is one near.

    Args:
        text: of any length.
        max_characters: that are kept.
        form: of the text, for the note.
    """
    dense = _BLANKS.sub(" ", text).strip()
    if len(dense) <= max_characters:
        return Cut(dense, ())
    blank = dense.rfind(" ", max_characters // 2, max_characters + 1)
    kept = dense[: blank if blank > 0 else max_characters]
    return Cut(kept, (f"cut: {len(kept)} of {len(dense)} characters{form} are spoken",))


def invalid_text(text: str) -> InputError | None:
    """Return the error of a text that is not valid Unicode, None for all others."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return InputError(f"the text is not valid Unicode: {error.reason} at {error.start}")
    return None


def nothing_to_speak(text: str) -> InputError:
    """Return the error of a text without letters."""
    shown = "".join(c for c in text[:40] if unicodedata.category(c)[0] != "C")
    return InputError(
        f"the text has nothing that can be spoken: {shown!r}: expected letters a to z or digits"
    )


def spoken_audio(
    parts: Sequence[Samples], sample_rate: int, text: str, notes: Sequence[str]
) -> SpokenAudio:
    """Return the result of one text.

    Args:
        parts: the samples of its sentences, in [-1, 1].
        sample_rate: Hz.
        text: as it is spoken.
        notes: what the reader should know.
    """
    pause = np.zeros(round(_PAUSE_SECONDS * sample_rate), np.float32)
    pieces = [piece for part in parts for piece in (part, pause)][:-1]
    samples = np.concatenate(pieces) if pieces else pause[:0]
    pcm = np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2")
    return SpokenAudio(
        audio=pcm.tobytes(),
        encoding="s16le",
        sample_rate_hz=sample_rate,
        duration_ms=round(1000 * len(pcm) / sample_rate),
        text=text,
        notes=list(notes),
    )
