"""Measure the recognizer on sentences that no training has heard, spoken by programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.evaluation import Row, Skipped, measures
from models.speech.corpus import JUDGE_SEED, Spoken, to_judge
from models.speech.features import SAMPLE_RATE_HZ
from models.speech.judge import Judge
from models.speech.recognizer import WEIGHTS, SpeechRecognizer
from models.speech.word_errors import word_error_rate
from schemas import AudioChunk, InputError, Transcript

TASK = "speech"
#: Chunks of 320 ms, as `penstock produce audio` sends them.
CHUNK_SAMPLES = 5120
#: Silence around each sentence, seconds.
_LEAD_SECONDS, _TRAIL_SECONDS = 0.3, 0.3
_NUM_TOGETHER = 16

Samples = npt.NDArray[np.int16]


def chunks_of(samples: Samples, source_id: str, size: int = CHUNK_SAMPLES) -> list[AudioChunk]:
    """Return one stream of 16 kHz in chunks of `size` samples; the last has `is_end`."""
    starts = range(0, len(samples), size)
    return [
        AudioChunk(
            source_id=source_id,
            audio=samples[start : start + size].astype("<i2").tobytes(),
            encoding="s16le",
            sample_rate_hz=SAMPLE_RATE_HZ,
            sequence=number,
            is_end=start + size >= len(samples),
        )
        for number, start in enumerate(starts)
    ]


def listen_to(model: SpeechRecognizer, streams: Sequence[Sequence[AudioChunk]]) -> list[str]:
    """Return the final text of each stream: a chunk of each at a time, as the engine would.

    Raises:
        InputError: a chunk was refused.
    """
    texts: list[list[str]] = [[] for _ in streams]
    for turn in range(max(map(len, streams))):
        rows = [row for row, chunks in enumerate(streams) if turn < len(chunks)]
        batch = [streams[row][turn] for row in rows]
        model.foresee([model], [batch])
        for row, answer in zip(rows, model.predict_batch(batch), strict=True):
            if isinstance(answer, InputError):
                raise answer
            results = answer if isinstance(answer, Sequence) else [answer]
            texts[row] += [r.text for r in results if isinstance(r, Transcript) and r.is_final]
        model.learn_batch(batch)
    return [" ".join(filter(None, parts)) for parts in texts]


def recognize(
    model: SpeechRecognizer, sounds: Sequence[Samples], size: int = CHUNK_SAMPLES
) -> list[str]:
    """Return what a loaded model hears in each sound, with silence around it."""
    texts: list[str] = []
    for first in range(0, len(sounds), _NUM_TOGETHER):
        part = sounds[first : first + _NUM_TOGETHER]
        padded = [_with_silence(sound) for sound in part]
        streams = [chunks_of(sound, f"s{first + i}", size) for i, sound in enumerate(padded)]
        texts += listen_to(model, streams)
    return texts


def _with_silence(sound: Samples) -> Samples:
    lead, trail = (int(s * SAMPLE_RATE_HZ) for s in (_LEAD_SECONDS, _TRAIL_SECONDS))
    return np.pad(sound, (lead, trail))


def word_error_rows(folder: str, number: int) -> list[Row]:
    """Return the word error rates of the recognizer in a folder.

    Args:
        folder: of a recognizer.
        number: sentences of each kind of voice.

    Raises:
        ModelError: a program that speaks is absent.
    """
    model = SpeechRecognizer(folder)
    model.load("cpu")
    rows: list[Row] = []
    for unseen in (False, True):
        spoken, sounds = _judged(number, unseen)
        texts = recognize(model, sounds)
        rows += _rate_row(model.name, spoken, texts, _dataset(number, unseen))
    return rows


def _judged(number: int, unseen: bool) -> tuple[list[Spoken], list[Samples]]:
    spoken = to_judge(JUDGE_SEED, number, unseen=unseen)
    return spoken, [one.samples() for one in spoken]


def _dataset(number: int, unseen: bool) -> str:
    who = "a voice never heard (flite rms)" if unseen else "voices heard in training"
    return f"spoken sentences, {number} unseen, {who}"


def _rate_row(name: str, spoken: Sequence[Spoken], texts: Sequence[str], dataset: str) -> list[Row]:
    pairs = [(one.text, text) for one, text in zip(spoken, texts, strict=True)]
    values = {"word error rate": word_error_rate(pairs)}
    return measures(
        TASK, dataset, name, values, lower_is_better=["word error rate"], seed=JUDGE_SEED
    )


def evaluate_on(data_dir: Path, number: int = 200) -> list[Row]:
    """Measure word errors, that streaming changes nothing, and how many streams a core hears.

    Args:
        data_dir: not read: programs speak the sentences.
        number: sentences of each kind of voice.

    Returns:
        Figures; those of pocketsphinx, with the same grammar, for comparison.
    """
    try:
        rows = word_error_rows(str(WEIGHTS), number)
    except ModelError as error:
        return [Skipped(task=TASK, dataset="spoken sentences", reason=str(error))]
    _, sounds = _judged(min(number, 64), True)
    return [*rows, *_streaming_rows(sounds), *_rate_rows(sounds), *_pocketsphinx_rows(number)]


def _streaming_rows(sounds: Sequence[Samples]) -> list[Row]:
    model = SpeechRecognizer()
    model.load("cpu")
    whole = recognize(model, sounds, size=30 * SAMPLE_RATE_HZ)
    same = {
        f"share of texts of chunks of {1000 * size // SAMPLE_RATE_HZ} ms that equal the whole's": (
            float(
                np.mean(
                    [a == b for a, b in zip(recognize(model, sounds, size), whole, strict=True)]
                )
            )
        )
        for size in (CHUNK_SAMPLES, 1117)
    }
    return measures(TASK, f"spoken sentences, {len(sounds)} unseen", model.name, same)


def _rate_rows(sounds: Sequence[Samples]) -> list[Row]:
    """Measure seconds of sound a second, with one stream and with 16 in each call."""
    model = SpeechRecognizer()
    model.load("cpu")
    model.warm_up()
    speech = np.concatenate([_with_silence(sound) for sound in sounds])[: 20 * SAMPLE_RATE_HZ]
    values = {}
    for count in (1, _NUM_TOGETHER):
        streams = [chunks_of(speech, f"r{count}-{row}") for row in range(count)]
        started = time.perf_counter()
        listen_to(model, streams)
        seconds = time.perf_counter() - started
        values[f"times real time, {count} streams in a call"] = (
            count * len(speech) / SAMPLE_RATE_HZ / seconds
        )
    return measures(TASK, "20 seconds of speech, chunks of 320 ms", model.name, values)


def _pocketsphinx_rows(number: int) -> list[Row]:
    try:
        judge = Judge()
    except ModelError as error:
        return [Skipped(task=TASK, dataset="pocketsphinx", reason=str(error))]
    rows: list[Row] = []
    for unseen in (False, True):
        spoken, sounds = _judged(number, unseen)
        heard = [judge.hear(_with_silence(sound).astype("<i2").tobytes()) for sound in sounds]
        texts = [" ".join(words) for words in heard]
        rows += _rate_row(
            "pocketsphinx (the same grammar)", spoken, texts, _dataset(number, unseen)
        )
    return rows
