from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.base import ModelError
from models.transducer_folder.onnx_files import find_files, number_of
from tests.models.transducer_folder.tiny_onnx import write_transducer


def test_whole_files_come_before_quantized_ones(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    assert find_files(tmp_path, int8=True).encoder.name == "encoder-epoch-1.onnx"
    shutil.copy(tmp_path / "encoder-epoch-1.onnx", tmp_path / "encoder-epoch-1.int8.onnx")
    assert find_files(tmp_path).encoder.name == "encoder-epoch-1.onnx"
    files = find_files(tmp_path, int8=True)
    assert files.encoder.name == "encoder-epoch-1.int8.onnx"
    assert files.joiner.name == "joiner-epoch-1.onnx"


def test_the_version_follows_each_file(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    before = find_files(tmp_path).version()
    (tmp_path / "tokens.txt").write_text("a 0\n")
    assert find_files(tmp_path).version() != before


@pytest.mark.parametrize("absent", ["encoder", "decoder", "joiner", "tokens"])
def test_an_absent_part_is_named(tmp_path: Path, absent: str) -> None:
    write_transducer(tmp_path)
    for path in tmp_path.glob(f"{absent}*"):
        path.unlink()
    with pytest.raises(ModelError, match=absent):
        find_files(tmp_path)


def test_two_files_for_a_part_are_named(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    shutil.copy(tmp_path / "encoder-epoch-1.onnx", tmp_path / "encoder-epoch-2.onnx")
    with pytest.raises(ModelError, match=r"encoder-epoch-1\.onnx, encoder-epoch-2\.onnx"):
        find_files(tmp_path)


@pytest.mark.parametrize("text", ["", "0", "-3", "many", "101"])
def test_a_number_that_can_not_be_is_named(text: str) -> None:
    with pytest.raises(ModelError, match=r"T = .* from 1 to 100"):
        number_of({"T": text}, "T", Path("encoder.onnx"), 100)
