from __future__ import annotations

from pathlib import Path

import pytest

from models.base import ModelError
from models.transducer_folder.pieces import read_pieces


def write(folder: Path, text: str) -> Path:
    path = folder / "tokens.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_pieces_are_texts_with_blanks_before_words(tmp_path: Path) -> None:
    pieces = read_pieces(write(tmp_path, "<blk> 0\n<unk> 1\n\u2581HE 2\nL 3\n\u2581 4\n\u4f60 5\n"))
    assert pieces.texts == ("", "", " HE", "L", " ", "\u4f60")
    assert pieces.blank == 0


def test_the_blank_may_be_the_last(tmp_path: Path) -> None:
    assert read_pieces(write(tmp_path, "a 0\n<blk> 1\n")).blank == 1
    assert read_pieces(write(tmp_path, "a 0\nb 1\n")).blank == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "numbered from 0"),
        ("a 0\nb 2\n", "numbered from 0"),
        ("a 0\nb\n", "line 2: expected a symbol"),
        ("a 0\nb -1\n", "line 2: expected a symbol"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_pieces(write(tmp_path, text))
    with pytest.raises(ModelError, match="can't read"):
        read_pieces(tmp_path / "absent.txt")
