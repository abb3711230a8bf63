"""Keep spoken alerts with what was understood of them; draw one, and write it as a sound file."""

from __future__ import annotations

import wave
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from schemas import SpokenAudio, SpokenWord, Transcript

#: Alerts that are kept; one is drawn.
_MAX_ALERTS = 64
_LINE, _WORDS = "#0072b2", "#d55e00"
_SIZE_INCHES, _DOTS_PER_INCH = (9.0, 5.4), 110
#: Of the spectrogram: 32 ms windows, half of them new.
_WINDOW_SECONDS = 0.032


@dataclass(frozen=True)
class Alert:
    """One spoken alert."""

    spoken: SpokenAudio
    heard: list[Transcript] = field(default_factory=list)
    """The final transcripts of its utterances, in order."""

    @property
    def text(self) -> str:
        """What was understood."""
        return " ".join(one.text for one in self.heard if one.text)


class AlertLog:
    """Joins speech with its transcripts, of the first alerts."""

    def __init__(self) -> None:
        self._alerts: OrderedDict[str, Alert] = OrderedDict()

    @property
    def first(self) -> Alert | None:
        """The first alert that was transcribed."""
        return next((alert for alert in self._alerts.values() if alert.heard), None)

    def add_speech(self, spoken: SpokenAudio) -> None:
        """Keep speech until its transcripts arrive."""
        if len(self._alerts) < _MAX_ALERTS:
            self._alerts[spoken.event_id] = Alert(spoken)

    def add_transcript(self, heard: Transcript) -> None:
        """Join a final transcript with its speech; one of unknown speech is left out."""
        if heard.is_final and (alert := self._alerts.get(heard.event_id)) is not None:
            alert.heard.append(heard)


def write_alert(alert: Alert, path: Path) -> None:
    """Write the sound as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(alert.spoken.num_channels)
        file.setsampwidth(2)
        file.setframerate(alert.spoken.sample_rate_hz)
        file.writeframes(alert.spoken.audio)


def draw_alert(alert: Alert, path: Path) -> None:
    """Write a PNG: waveform with the words that were heard, and spectrogram."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rate = alert.spoken.sample_rate_hz
    samples = np.frombuffer(alert.spoken.audio, "<i2") / 32_768
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)  # without pyplot, whose figures are global
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 3])
    figure.suptitle(
        f"spoken ({alert.spoken.model}): {alert.spoken.text}\n"
        f"understood ({alert.heard[0].model}): {alert.text}",
        x=0.02, ha="left", fontsize=11,
    )  # fmt: skip
    above.plot(np.arange(len(samples)) / rate, samples, color=_LINE, linewidth=0.6)
    above.set_ylim(-1.05, 1.05)
    above.set_ylabel("sound")
    size = round(_WINDOW_SECONDS * rate)
    below.specgram(samples + 1e-6, NFFT=size, Fs=rate, noverlap=size // 2, cmap="magma")
    below.set(xlabel="seconds", ylabel="Hz")
    below.set_xlim(0, len(samples) / rate)
    _write_words(above, [word for one in alert.heard for word in one.words])
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def _write_words(axis: Any, words: Sequence[SpokenWord]) -> None:
    """Write each word where it was recognized, in turn at two heights so that none overlap."""
    for number, word in enumerate(words):
        start, end = word.start_ms / 1000, word.end_ms / 1000
        axis.axvspan(start, end, color=_WORDS, alpha=0.15, linewidth=0)
        axis.text((start + end) / 2, 0.82 if number % 2 else -0.92, word.word, ha="center",
                  fontsize=9)  # fmt: skip
