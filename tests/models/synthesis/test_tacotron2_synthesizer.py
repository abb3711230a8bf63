from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.base import ModelError
from models.registry import make_model
from models.synthesis.tacotron2_synthesizer import Tacotron2Synthesizer
from schemas import InputError, SpokenAudio, TextMessage
from tests.models.synthesis.tiny_tacotron2 import write_tacotron2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tacotron2Synthesizer]:
    made = Tacotron2Synthesizer(str(write_tacotron2(tmp_path_factory.mktemp("voice"))))
    made.load("cpu")
    yield made
    made.close()


def answers(model: Tacotron2Synthesizer, *texts: str) -> list[Any]:
    return list(model.predict_batch([TextMessage(text=text) for text in texts]))


def spoken(model: Tacotron2Synthesizer, text: str) -> SpokenAudio:
    (answer,) = answers(model, text)
    assert isinstance(answer, SpokenAudio)
    return answer


def test_a_text_becomes_sound(model: Tacotron2Synthesizer) -> None:
    answer = spoken(model, "Pump 7 is hot!")
    assert answer.text == "pump seven is hot!"
    assert answer.sample_rate_hz == 1000
    assert len(answer.audio) == 2 * answer.duration_ms > 0
    # The network is not trained: what is wrong is said.
    assert answer.notes[0].startswith("sentence 1: did not stop: cut at ")


def test_a_bad_text_hurts_no_neighbor(model: Tacotron2Synthesizer) -> None:
    alone = spoken(model, "hello")
    first, bad, last = answers(model, "hello", "...", "hello")
    assert isinstance(bad, InputError)
    assert "nothing that can be spoken" in str(bad)
    assert first == alone == last


def test_a_long_text_is_cut_and_bounded(model: Tacotron2Synthesizer) -> None:
    answer = spoken(model, "my money is here. " * 5000)
    assert answer.notes[0].startswith("cut: ")
    assert len(answer.text) <= 300
    assert answer.duration_ms < 1000 * 300
    # A number is cut when it is in words.
    number = spoken(model, "1" * 299)
    assert len(number.text) <= 300
    assert number.notes[0].startswith("cut: ")


def test_its_version_is_that_of_its_files(tmp_path: Path, model: Tacotron2Synthesizer) -> None:
    other = Tacotron2Synthesizer(str(write_tacotron2(tmp_path, seed=5)))
    other.load("cpu")
    assert len(model.version) == len(other.version) == 12
    assert model.version != other.version
    assert spoken(other, "hello").audio != spoken(model, "hello").audio


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_characters": 0}, "max_characters is 0: expected 1 to 4000"),
        ({"max_sentence": 5}, "max_sentence is 5: expected 10 to 400"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_out_of_range(options: dict[str, int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make_model(Tacotron2Synthesizer, options)


def test_without_weights_the_error_says_how_to_get_them(tmp_path: Path) -> None:
    model = Tacotron2Synthesizer(str(tmp_path))
    with pytest.raises(ModelError, match="expected a folder with model"):
        model.load("cpu")
