from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models.base import ModelError
from models.transliteration.saved import load, save_weights
from tests.models.transliteration.small_places import write_transliterator


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    alphabet, network = load(write_transliterator(tmp_path))
    assert alphabet.characters[:2] == "巴德"
    save_weights(tmp_path / "again", network)
    (tmp_path / "again" / "config.json").write_bytes((tmp_path / "config.json").read_bytes())
    _, again = load(tmp_path / "again")
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", b"{}", "KeyError"),
        ("config.json", b"\xff", "config.json"),
        ("model.safetensors", b"no tensors", "not weights of this network"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, content: bytes, words: str) -> None:
    write_transliterator(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelError, match=words):
        load(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_transliterator(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["shape"]["hidden"] = 16
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="size mismatch"):
        load(tmp_path)


def test_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json.*penstock train transliterator"):
        load(tmp_path)
