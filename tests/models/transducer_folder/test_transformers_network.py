from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.speech.network import BLOCK_VECTORS
from models.transducer_folder.nemo_features import nemo_fbank
from models.transducer_folder.transformers_network import (
    CLASSES,
    Floats,
    TransformersNetwork,
    load_transformers,
)
from tests.models.transducer_folder.tiny_transformers import BLANK, write_folder

KINDS = pytest.mark.parametrize("kind", sorted(CLASSES))


def loaded(folder: Path) -> TransformersNetwork:
    return load_transformers(folder, json.loads((folder / "config.json").read_text()), "cpu")


def sound(seed: int = 0, num_blocks: int = 20) -> Floats:
    chance = np.random.default_rng(seed)
    loudness = np.repeat(chance.random(num_blocks * 4 + 1), 640)[: num_blocks * 2560 + 240]
    return (loudness * chance.standard_normal(len(loudness)) * 0.3).astype(np.float32)


@KINDS
def test_it_says_what_transformers_generates(kind: str, tmp_path: Path) -> None:
    model = write_folder(tmp_path, kind)
    network = loaded(tmp_path)
    samples = sound()
    windows = [samples[at : at + 2800] for at in range(0, len(samples) - 240, 2560)]
    steps = network.step(network.spectrograms(windows), [network.start] * len(windows))
    assert not any(step.said.symbols for step in steps)
    vectors = [step.vectors for step in steps]
    assert all(part.shape == (BLOCK_VECTORS, network.joint_width) for part in vectors)
    said = network.reread(vectors, 1)

    whole = torch.from_numpy(samples[: len(windows) * 2560])
    frames = nemo_fbank(whole, 80, normalize=CLASSES[kind][1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of generation's own defaults
        # By itself it stops after max_symbols_per_step tokens a frame, blanks included.
        expected = model.generate(frames[None], max_new_tokens=1000).sequences[0].tolist()
    assert list(said.symbols) == [symbol for symbol in expected if symbol != BLANK]
    assert len(said.symbols) > 5
    assert list(said.frames) == sorted(said.frames)
    assert max(said.frames) < 20 * BLOCK_VECTORS
    assert len(said.log_probs) == len(said.symbols)


def test_pieces_are_those_of_the_tokenizer(tmp_path: Path) -> None:
    write_folder(tmp_path, "parakeet_rnnt")
    network = loaded(tmp_path)
    assert network.symbols == ("", " a", "", "b", " cd", "e", " f", "", "", "", "", "")


def test_a_folder_without_weights_or_tokenizer_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, "parakeet_rnnt")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json: expected the model's tokenizer"):
        loaded(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelError, match="safetensors"):
        loaded(tmp_path)
