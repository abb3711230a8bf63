from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.speech.blocks import BLOCK_VECTORS
from models.transducer_folder.kaldi_features import kaldi_fbank
from models.transducer_folder.onnx_files import find_files
from models.transducer_folder.onnx_network import Floats, OnnxNetwork, load_onnx
from tests.models.transducer_folder.tiny_onnx import POOL, SHIFT, WINDOW, offline, write_transducer

NUM_BLOCKS, ROWS = 25, 3


def loaded(folder: Path, rows: int = ROWS) -> OnnxNetwork:
    return load_onnx(find_files(folder), "cpu", 1, rows)


def sound(seed: int, num_blocks: int = NUM_BLOCKS) -> Floats:
    chance = np.random.default_rng(seed)
    loudness = np.repeat(chance.random(num_blocks * 4 + 1), 640)[: num_blocks * 2560 + 240]
    return (loudness * chance.standard_normal(len(loudness)) * 0.3).astype(np.float32)


def windows(samples: Floats) -> list[Floats]:
    return [samples[start : start + 2800] for start in range(0, len(samples) - 240, 2560)]


def follow(
    network: OnnxNetwork, streams: list[list[Floats]]
) -> tuple[list[list[tuple[int, int]]], list[Floats]]:
    """Hear streams together, a block of each at a time; return symbols with absolute frames."""
    states, said = [network.start] * len(streams), [list[tuple[int, int]]() for _ in streams]
    for number, blocks in enumerate(zip(*streams, strict=True)):
        steps = network.step(network.spectrograms(blocks), states)
        states = [step.state for step in steps]
        for found, step in zip(said, steps, strict=True):
            frames = (number * BLOCK_VECTORS + frame for frame in step.said.frames)
            found += zip(step.said.symbols, frames, strict=True)
            assert all(log_prob <= 0 for log_prob in step.said.log_probs)
    return said, states


def test_streamed_is_offline(tmp_path: Path) -> None:
    weights = write_transducer(tmp_path)
    network = loaded(tmp_path)
    sounds = [sound(seed) for seed in range(4)]
    said, _ = follow(network, [windows(samples) for samples in sounds])
    for found, samples in zip(said, sounds, strict=True):
        frames = kaldi_fbank(torch.from_numpy(samples)[None])[0]
        encoded = ((len(frames) - WINDOW) // SHIFT + 1) * SHIFT  # what makes whole chunks
        assert found == offline(weights, frames[:encoded])
        assert len(found) > 10
        assert len({symbol for symbol, _ in found}) > 1
        assert len({frame for _, frame in found}) > 5
    assert POOL == 4, "a vector of the recognizer has the frames of one here"


def test_a_stream_is_heard_alone_as_among_others(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    network = loaded(tmp_path)
    streams = [windows(sound(seed)) for seed in range(5)]
    together, states = follow(network, streams)
    for number, stream in enumerate(streams):
        (alone,), (state,) = follow(network, [stream])
        assert alone == together[number]
        assert np.array_equal(state, states[number]), "to the last bit"


def test_states_are_not_changed_and_hold_everything(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    network = loaded(tmp_path)
    stream = windows(sound(1))
    (whole,), _ = follow(network, [stream])
    state, said = network.start, list[tuple[int, int]]()
    before = network.start.copy()
    for number, block in enumerate(stream):
        kept = state.copy()
        again = loaded(tmp_path) if number == 11 else network  # another process
        (step,) = again.step(again.spectrograms([block]), [state])
        assert np.array_equal(state, kept)
        frames = (number * BLOCK_VECTORS + frame for frame in step.said.frames)
        said += zip(step.said.symbols, frames, strict=True)
        state = np.frombuffer(step.state.tobytes(), np.float32)
    assert said == whole
    assert np.array_equal(before, network.start)


def test_silence_and_nothing(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    network = loaded(tmp_path)
    assert network.step([], []) == []
    (step,) = network.step(network.spectrograms([np.zeros(2800, np.float32)]), [network.start])
    assert not step.said.symbols  # no whole chunk yet
    assert len(step.state) == network.width


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    tokens = (tmp_path / "tokens.txt").read_text(encoding="utf-8")
    (tmp_path / "tokens.txt").write_text(f"{tokens}f 6\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"joiner has 6 symbols and tokens\.txt 7"):
        loaded(tmp_path)
