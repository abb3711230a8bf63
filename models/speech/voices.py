"""Voices that programs make: hibari-tts, espeak-ng and flite, as samples at 16 kHz.

`hibari-tts` is a Python package (extra `train`); `espeak-ng` and `flite` are programs that the
system's package manager has (`apt-get install espeak-ng flite`).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.speech.features import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]
_TIMEOUT_SECONDS = 60.0
_PEAK = 0.5


@dataclass(frozen=True)
class Voice:
    """One voice of one program at one speed."""

    program: str
    """`hibari`, `espeak-ng` or `flite`."""
    name: str
    speed: float
    """1 is the program's usual speed; more is faster."""

    @property
    def label(self) -> str:
        """A short name."""
        return f"{self.program} {self.name} x{self.speed:g}"


_ESPEAK = (
    "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us+f2", "en-us+m3", "en-gb+f4",
    "en-us+m7", "en-us+f5", "en-us+klatt2", "en-gb+m1",
)  # fmt: skip
#: Voices to train on: `hibari` counts more than once because it sounds least like a machine.
SEEN = (
    *(Voice("hibari", "heart", speed) for speed in (0.85, 1.0, 1.0, 1.2)),
    *(Voice("espeak-ng", name, speed) for name in _ESPEAK for speed in (0.85, 1.05)),
    *(Voice("flite", name, speed) for name in ("slt", "awb", "kal16") for speed in (0.9, 1.0, 1.2)),
)
#: One speaker that no training run hears, at three speeds.
UNSEEN = tuple(Voice("flite", "rms", speed) for speed in (0.9, 1.0, 1.2))


def require_programs() -> None:
    """Check that every program can be called.

    Raises:
        ModelError: one is absent; the message says how to get it.
    """
    for program in ("espeak-ng", "flite"):
        if shutil.which(program) is None:
            raise ModelError(f"{program} is not installed: apt-get install espeak-ng flite")
    _hibari()


def speak(text: str, voice: Voice) -> Samples:
    """Return a sentence as a voice says it.

    Args:
        text: words of lower-case letters.
        voice: of a program that is installed.

    Returns:
        (n,) int16 at 16 kHz, with its peak at half of full scale.

    Raises:
        ModelError: the program failed, or said nothing.
    """
    samples, rate = _PROGRAMS[voice.program](text, voice)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 1e-4:
        raise ModelError(f"{voice.label} said nothing for {text!r}")
    at_rate = _resample(samples, rate) * (_PEAK / peak)
    rounded: Samples = np.clip(at_rate * 32767, -32768, 32767).astype(np.int16)
    return rounded


def _resample(samples: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    from scipy.signal import resample_poly

    if rate == SAMPLE_RATE_HZ:
        return samples
    common = np.gcd(rate, SAMPLE_RATE_HZ)
    found: npt.NDArray[np.float64] = resample_poly(
        samples, SAMPLE_RATE_HZ // common, rate // common
    )
    return found


@lru_cache(maxsize=1)
def _hibari() -> Any:
    try:
        from hibari import Hibari
    except ImportError as error:
        raise ModelError(f"hibari-tts is not installed: {error}: pip install hibari-tts") from error
    return Hibari()


def _speak_hibari(text: str, voice: Voice) -> tuple[npt.NDArray[np.float64], int]:
    sound = _hibari()(text, speed=voice.speed, seed=0)
    return np.asarray(sound, np.float64), 24_000


def _speak_espeak(text: str, voice: Voice) -> tuple[npt.NDArray[np.float64], int]:
    words_a_minute = str(round(165 * voice.speed))
    return _run(["espeak-ng", "-v", voice.name, "-s", words_a_minute, "--stdout", text])


def _speak_flite(text: str, voice: Voice) -> tuple[npt.NDArray[np.float64], int]:
    stretch = f"duration_stretch={1 / voice.speed:.3f}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sound.wav"
        command = ["flite", "-voice", voice.name, "--setf", stretch, "-t", text, "-o", str(file)]
        return _run(command, file)


def _run(command: list[str], file: Path | None = None) -> tuple[npt.NDArray[np.float64], int]:
    """Run a program that writes a WAV file, by default to its standard output."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=True)
        content = done.stdout if file is None else file.read_bytes()
    except (OSError, subprocess.SubprocessError) as error:
        raise ModelError(f"{command[0]} failed: {error}") from error
    return _read_wave(content)


def _read_wave(content: bytes) -> tuple[npt.NDArray[np.float64], int]:
    # espeak-ng can't go back in a pipe, so its header does not state the length: read to the end.
    with wave.open(io.BytesIO(content)) as sound:
        rate = sound.getframerate()
        raw = content[44:]
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(np.float64) / 32768, rate


_PROGRAMS: dict[str, Callable[[str, Voice], tuple[npt.NDArray[np.float64], int]]] = {
    "hibari": _speak_hibari,
    "espeak-ng": _speak_espeak,
    "flite": _speak_flite,
}
