"""Text becomes speech and speech text again, through a broker, with the shipped weights."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
import yaml

from models.speech.judge import num_recognized
from models.synthesis.sentences import unseen_sentences, words_of
from schemas import TextMessage, Transcript
from schemas.audio_codec import read_result
from tests.integration.pipelines import Pipeline
from tests.integration.workers import running_worker
from tests.penstock_command import run_penstock

pytestmark = pytest.mark.slow

_NUM_SENTENCES, _SEED, _MAX_CHARACTERS = 12, 7, 60


#: Voice -> the least share of words that is heard. With today's weights, 80 and 44 of 82 are.
_LEAST_HEARD = {"hibari": 0.9, "tacotron2": 0.4}


def _config(pipeline: Pipeline, folder: Path, voice: str) -> Path:
    speech, transcripts = f"{pipeline.name}.speech", f"{pipeline.name}.transcripts"
    settings = {
        "kafka": {**pipeline.kafka, "group.id": pipeline.name},
        "agents": {
            "speak_text": {"input": pipeline.input, "output": speech, "model": voice},
            "transcribe_speech": {"input": speech, "output": transcripts},
        },
        "topics": {"default": {"partitions": 4}},
        "state": {"store": "./state"},
        "metrics": {"port": 0},
    }
    path = folder / "loop.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.mark.parametrize("voice", _LEAST_HEARD)
def test_what_is_spoken_is_heard(tmp_path: Path, bootstrap: str, voice: str) -> None:
    texts = unseen_sentences(_SEED, _NUM_SENTENCES, _MAX_CHARACTERS)
    pipeline = Pipeline(tmp_path, bootstrap)  # to produce and read
    config = _config(pipeline, tmp_path, voice)
    created = run_penstock("topics", "create", "-c", str(config))
    assert created.returncode == 0, created.stderr
    pipeline.produce(
        msgspec.json.encode(TextMessage(event_id=str(number), text=text))
        for number, text in enumerate(texts)
    )
    with running_worker(config) as worker:
        worker.await_finished(2 * len(texts), timeout=300)
        worker.stop()

    spoken = {}
    for message in pipeline.read(f"{pipeline.name}.speech"):
        result = read_result(message.value() or b"", dict(message.headers() or []))
        spoken[result.event_id] = result
    assert [words_of(spoken[str(number)].text) for number in range(len(texts))] == [
        words_of(text) for text in texts
    ]
    heard = _heard(pipeline)
    assert set(heard) == set(spoken)
    said = [words_of(text) for text in texts]
    right = sum(num_recognized(words, heard[str(number)]) for number, words in enumerate(said))
    assert right >= _LEAST_HEARD[voice] * sum(map(len, said)), f"{right} words: {heard}"


def _heard(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return the words of the final transcripts of each text."""
    words: dict[str, list[str]] = defaultdict(list)
    for message in pipeline.read(f"{pipeline.name}.transcripts"):
        transcript = msgspec.convert(json.loads(message.value() or b""), Transcript)
        if transcript.is_final:
            words[transcript.event_id] += transcript.text.split()
    return words
