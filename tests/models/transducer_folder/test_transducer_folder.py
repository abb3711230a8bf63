from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.transducer_folder.transducer_folder import TransducerFolder
from schemas import AudioChunk, Transcript
from tests.models.transducer_folder.tiny_onnx import write_transducer
from tests.models.transducer_folder.tiny_transformers import write_folder

Floats = Any
ONNX, PARAKEET, NEMOTRON = "onnx", "parakeet_rnnt", "nemotron_asr_streaming"


def write(folder: Path, kind: str) -> None:
    if kind == ONNX:
        write_transducer(folder)
    else:
        write_folder(folder, kind)


def loaded(folder: Path, **options: Any) -> TransducerFolder:
    model = TransducerFolder(str(folder), **options)
    model.load()
    model.warm_up()
    return model


def speech(seed: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return noise that comes and goes, two seconds loud, one and a half silent, two loud."""
    chance = np.random.default_rng(seed)
    loud = np.repeat(chance.random(100), 640) * 9000
    loud[32_000:56_000] = 0
    return (loud * chance.standard_normal(64_000) / 3).astype("<i2")


def chunks(source: str, samples: Any, size: int) -> list[AudioChunk]:
    starts = range(0, len(samples), size)
    return [
        AudioChunk(
            source_id=source,
            audio=samples[at : at + size].tobytes(),
            encoding="s16le",
            sample_rate_hz=16_000,
            sequence=number,
            is_end=at + size >= len(samples),
        )
        for number, at in enumerate(starts)
    ]


def hear(model: TransducerFolder, events: list[AudioChunk]) -> list[Transcript]:
    """Hear chunks one by one; return the final transcripts."""
    finals = []
    for event in events:
        (answer,) = model.predict_batch([event])
        assert isinstance(answer, list)
        model.learn_batch([event])
        finals += [one for one in answer if one.is_final]
    return finals


def said(finals: list[Transcript]) -> list[Any]:
    return [(one.utterance, one.text, one.words, one.score) for one in finals]


@pytest.mark.parametrize("kind", [ONNX, PARAKEET, NEMOTRON])
def test_utterances_do_not_depend_on_how_a_stream_is_cut(kind: str, tmp_path: Path) -> None:
    write(tmp_path, kind)
    model = loaded(tmp_path)
    samples = speech(0)
    whole = hear(model, chunks("a", samples, len(samples)))
    assert [one.utterance for one in whole] == [0, 1]
    assert sum(len(one.words) for one in whole) > 3
    for size in (1600, 5120):
        assert said(hear(model, chunks("a", samples, size))) == said(whole)
    for one in whole:
        assert one.text == " ".join(word.word for word in one.words)
        starts = [word.start_ms for word in one.words]
        assert starts == sorted(starts)
        assert all(0 <= word.start_ms < word.end_ms <= one.heard_ms + 400 for word in one.words)


@pytest.mark.parametrize("kind", [ONNX, PARAKEET, NEMOTRON])
def test_a_snapshot_goes_on_as_if_nothing_had_happened(kind: str, tmp_path: Path) -> None:
    write(tmp_path, kind)
    model, again = loaded(tmp_path), loaded(tmp_path)
    events = chunks("a", speech(1), 2400)
    first = hear(model, events[:9])
    state = model.snapshot()
    again.restore(state)
    assert again.snapshot() == state
    assert said(hear(again, events[9:])) == said(hear(model, events[9:]))
    assert model.version == again.version
    assert len(first) <= 1


@pytest.mark.parametrize("kind", [ONNX, NEMOTRON])
def test_a_text_comes_while_it_is_said(kind: str, tmp_path: Path) -> None:
    write(tmp_path, kind)
    model = loaded(tmp_path)
    texts = []
    for event in chunks("a", speech(0), 5120)[:6]:
        (answer,) = model.predict_batch([event])
        assert isinstance(answer, list)
        model.learn_batch([event])
        texts.append(answer[-1].text)
    assert len({text for text in texts if text}) > 1


def test_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ModelError, match="'whisper': expected encoder, decoder and joiner"):
        TransducerFolder(str(tmp_path)).load()


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected one ONNX file with 'encoder' in its name"):
        TransducerFolder(str(tmp_path)).load()


def test_parakeet_says_nothing_before_the_end(tmp_path: Path) -> None:
    write(tmp_path, PARAKEET)
    model = loaded(tmp_path)
    for event in chunks("a", speech(0), 5120)[:6]:
        (answer,) = model.predict_batch([event])
        assert isinstance(answer, list)
        model.learn_batch([event])
        assert [(one.is_final, one.text, one.score) for one in answer] == [(False, "", None)]


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        TransducerFolder(str(tmp_path / "absent")).load()


def test_options_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="streams_per_call"):
        TransducerFolder(str(tmp_path), streams_per_call=0)
