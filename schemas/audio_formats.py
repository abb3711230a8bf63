"""Formats of sound files, told by their first bytes; no sample is looked at."""

from __future__ import annotations

from schemas.audio import AudioEncoding

#: Media type of each encoding.
CONTENT_TYPES: dict[AudioEncoding, str] = {
    "s16le": "audio/pcm",
    "f32le": "audio/pcm",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "opus": "audio/ogg",
}
#: For messages.
DECODED_TEXT = "WAV, FLAC, Ogg Opus, or bare samples with the header audio_encoding"

_OTHERS = {
    b"ID3": "MP3",
    b"\xff\xfb": "MP3",
    b"\xff\xf3": "MP3",
    b"FORM": "AIFF",
    b".snd": "AU",
    b"RF64": "RF64",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"#!AMR": "AMR",
}


def file_encoding(audio: bytes) -> AudioEncoding | None:
    """Return the encoding of a file that models decode, None for anything else."""
    if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE":
        return "wav"
    if audio[:4] == b"fLaC":
        return "flac"
    if audio[:4] == b"OggS" and b"OpusHead" in audio[:64]:
        return "opus"
    return None


def why_not_read(audio: bytes) -> str:
    """Return why bytes without the header `audio_encoding` are no sound that models decode."""
    names = [name for start, name in _OTHERS.items() if audio.startswith(start)]
    if audio[:4] == b"OggS":
        names = ["Ogg file without Opus"]
    if audio[4:8] == b"ftyp":
        names = ["MP4 or M4A"]
    if names:
        return f"the value is {names[0]}: expected {DECODED_TEXT}: convert it first"
    start = audio[:8].hex(" ") or "nothing"
    return f"expected {DECODED_TEXT}: the value starts with {start}"
