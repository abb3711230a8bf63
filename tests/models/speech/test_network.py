import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.speech.blocks import BLOCK_WINDOW
from models.speech.network import (
    TILE_ROWS,
    Floats,
    SpeechNetwork,
    load_network,
)
from tests.models.speech.small_recognizer import write_small_recognizer


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechNetwork]:
    folder = tmp_path_factory.mktemp("network")
    write_small_recognizer(folder)
    yield load_network(folder, "cpu")
    load_network.cache_clear()


def windows(count: int) -> list[Floats]:
    chance = np.random.default_rng(1)
    return [chance.normal(0, 0.1, BLOCK_WINDOW).astype(np.float32) for _ in range(count)]


def test_a_stream_hears_the_same_bits_among_any_neighbors(network: SpeechNetwork) -> None:
    count = 2 * TILE_ROWS + 5
    frames = network.spectrograms(windows(count))
    states = [network.start] * count
    for _ in range(5):  # the first vectors of a stream seldom become letters
        states = [step.state for step in network.step(frames, states)]
    together = network.step(frames, states)
    order = np.random.default_rng(2).permutation(count)
    mixed = network.step([frames[row] for row in order], [states[row] for row in order])
    for place, row in enumerate(order):
        (alone,) = network.step([frames[row]], [states[row]])
        for other in (alone, mixed[place]):
            assert np.array_equal(other.state, together[row].state)
            assert np.array_equal(other.vectors, together[row].vectors)
            assert other.said == together[row].said
    assert sum(len(step.said.symbols) for step in together) > 10
    assert any(not np.array_equal(a.state, b.state) for a, b in itertools.pairwise(together))


def test_states_are_not_changed(network: SpeechNetwork) -> None:
    state = network.start.copy()
    network.step(network.spectrograms(windows(1)), [state])
    assert np.array_equal(state, network.start)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_small_recognizer(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for wrong, what in (
        ({"architecture": "bert"}, "no architecture speech_transducer"),
        ({"symbols": ["a"]}, "other symbols"),
        ({"encoder": {"hidden": 17}}, "can't be loaded"),
        ({"encoder": {"hidden": "x"}}, "can't be loaded"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({**config, **wrong}))
        with pytest.raises(ModelError, match=what):
            load_network(tmp_path, "cpu")
