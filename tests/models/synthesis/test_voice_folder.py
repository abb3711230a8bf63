from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.base import ModelError
from models.synthesis.mel import AudioFormat
from models.synthesis.text import CHARACTERS
from models.synthesis.voice_folder import load_voice
from tests.models.synthesis.tiny_tacotron2 import AUDIO, tiny_network, write_tacotron2


def test_a_folder_is_read(tmp_path: Path) -> None:
    write_tacotron2(tmp_path, seed=3)
    network, audio, characters = load_voice(tmp_path)
    assert (audio, characters) == (AUDIO, CHARACTERS)
    assert not network.training
    expected = tiny_network(3)
    assert torch.equal(network.embedding.weight, expected.embedding.weight)


def test_float16_weights_of_the_other_publisher_are_read(tmp_path: Path) -> None:
    write_tacotron2(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = "decoder.prenet.layers.0.weight"
    tensors["module.decoder.prenet.layers.0.linear_layer.weight"] = tensors.pop(name).half()
    save_file(tensors, tmp_path / "model.safetensors")
    network, _, _ = load_voice(tmp_path)
    assert network.state_dict()[name].dtype == torch.float32


def test_what_config_leaves_out_is_as_published(tmp_path: Path) -> None:
    write_tacotron2(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["audio"], config["characters"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    config["network"].pop("num_symbols")
    _, audio, characters = load_voice(tmp_path)
    assert audio == AudioFormat()
    assert characters == CHARACTERS


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"characters": CHARACTERS * 2}, "has 76 characters, and model.safetensors embeddings of"),
        ({"characters": 7}, "expected a Tacotron 2"),
        ({"audio": {"hop": 3}}, r"config.json: audio: .*hop"),
        ({"audio": {"hop_size": 5000}}, "audio format does not fit together"),
        ({"network": {"symbol_size": "x"}}, "config.json: network: "),
        ({"network": {}}, "does not have the tensors of this Tacotron 2.*give its sizes"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    tmp_path: Path, changed: dict[str, object], message: str
) -> None:
    write_tacotron2(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **changed}))
    with pytest.raises(ModelError, match=message):
        load_voice(tmp_path)


def test_a_folder_without_weights_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected a folder with model\.safetensors"):
        load_voice(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"\x80\x02")
    with pytest.raises(ModelError, match="is a pickle"):
        load_voice(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="can't be read"):
        load_voice(tmp_path)
