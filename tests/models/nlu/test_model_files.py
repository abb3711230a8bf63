from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu.model_files import ModelFiles, find_model
from tests.models.nlu.conftest import SaveModel


def test_fingerprint_follows_the_weights(tiny_bert: Path, save_bert: SaveModel) -> None:
    assert ModelFiles(tiny_bert, None).fingerprint() == ModelFiles(save_bert(), None).fingerprint()
    other = ModelFiles(save_bert(seed=1), None)
    assert ModelFiles(tiny_bert, None).fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "merges.txt",
        "vocab.json",
        "spm.model",
    ],
)
def test_every_file_of_the_tokenizer_is_in_the_fingerprint(
    tiny_bert: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(tiny_bert, tmp_path, dirs_exist_ok=True)
    before = ModelFiles(tmp_path, None).fingerprint()
    path = tmp_path / name
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b" ")
    assert ModelFiles(tmp_path, None).fingerprint() != before


def test_files_that_decide_nothing_are_not_in_the_fingerprint(
    tiny_bert: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bert, tmp_path, dirs_exist_ok=True)
    (tmp_path / "README.md").write_text("a card", encoding="utf-8")
    assert ModelFiles(tmp_path, None).fingerprint() == ModelFiles(tiny_bert, None).fingerprint()


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def test_safetensors_come_before_onnx(tmp_path: Path) -> None:
    touch(tmp_path, "config.json", "model.onnx", "model.safetensors")
    assert find_model(str(tmp_path)) == ModelFiles(tmp_path, None)
    file = tmp_path / "model.onnx"
    assert find_model(str(file)) == ModelFiles(tmp_path, file)


@pytest.mark.parametrize("name", ["model.onnx", "onnx/model.onnx", "model_quantized.onnx"])
def test_an_onnx_file_is_found_in_a_folder_without_safetensors(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "config.json", name)
    expected = ModelFiles(tmp_path, tmp_path / name)
    assert find_model(str(tmp_path)) == expected
    assert find_model(str(tmp_path / name)) == expected


def test_model_onnx_comes_before_its_variants(tmp_path: Path) -> None:
    touch(tmp_path, "config.json", "model.onnx", "model_quantized.onnx")
    assert find_model(str(tmp_path)).onnx == tmp_path / "model.onnx"


def test_of_several_variants_none_is_guessed(tmp_path: Path) -> None:
    touch(tmp_path, "config.json", "onnx/model_fp16.onnx", "onnx/model_int8.onnx")
    with pytest.raises(ModelError, match=r"several .*onnx/model_fp16.onnx, onnx/model_int8.onnx"):
        find_model(str(tmp_path))


def test_an_absent_onnx_file_and_one_without_a_config_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file .*absent\.onnx"):
        find_model(str(tmp_path / "absent.onnx"))
    touch(tmp_path, "model.onnx")
    with pytest.raises(ModelError, match=r"no config\.json beside"):
        find_model(str(tmp_path / "model.onnx"))
