from __future__ import annotations

import numpy as np
import pytest

from models.synthesis.attention_check import step_limit
from models.synthesis.voice import Voice
from tests.models.synthesis.tiny_tacotron2 import AUDIO, tiny_network

SENTENCES = [[1, 2, 3], [9] * 20, [5], [4, 7] * 20, [30, 31, 32, 33]]


@pytest.fixture(scope="module")
def voice() -> Voice:
    network = tiny_network()
    network.decoder.gate_layer.bias.data.fill_(-9.0)
    return Voice(network, AUDIO)


def test_a_sentence_sounds_the_same_to_the_last_bit_beside_any_others(voice: Voice) -> None:
    together = voice.speak(SENTENCES)
    for symbols, spoken in zip(SENTENCES, together, strict=True):
        assert len(spoken.samples)
        for others in ([symbols], [SENTENCES[3], symbols], [symbols] * 9):
            again = voice.speak(others)[-1]
            assert np.array_equal(again.samples, spoken.samples)
            assert np.array_equal(again.alignment, spoken.alignment)
    assert not np.array_equal(together[0].samples[:64], together[4].samples[:64])


def test_a_voice_that_does_not_stop_is_cut(voice: Voice) -> None:
    (spoken,) = voice.speak([SENTENCES[1]])
    assert spoken.faults[0].startswith("did not stop: cut at ")
    assert spoken.alignment.shape == (step_limit(20, 0.128), 20)
    assert len(spoken.samples) <= step_limit(20, 0.128) * 2 * AUDIO.hop_size
    assert np.abs(spoken.samples).max() <= 1


def test_a_network_that_gives_no_numbers_is_silent_and_says_so() -> None:
    network = tiny_network()
    network.decoder.linear_projection.bias.data.fill_(float("nan"))
    (spoken,) = Voice(network, AUDIO).speak([SENTENCES[0]])
    assert "the network gave no numbers: silence instead" in spoken.faults
    assert len(spoken.samples)
    assert not spoken.samples.any()


def test_no_sentences(voice: Voice) -> None:
    assert voice.speak([]) == []
