from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from models.base import ModelError
from models.training.texts import read_labeled, read_plain


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label,id\n"hello, you",greet,1\nmoney,pay,2\n'),
        ("a.csv", '\ufefftext,intent\r\n"hello, you",greet\r\nmoney,pay\r\n'),
        ("a.tsv", "label\ttext\ngreet\thello, you\npay\tmoney\n"),
        (
            "a.jsonl",
            '{"text": "hello, you", "label": "greet"}\n\n{"text": "money", "intent": "pay"}\n',
        ),
    ],
)
def test_labeled_texts(tmp_path: Path, name: str, content: str) -> None:
    expected = [("hello, you", "greet"), ("money", "pay")]
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert read_labeled(tmp_path / name) == expected
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    assert read_labeled(packed) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "words,label\nx,y\n", "its columns are words, label"),
        ("a.csv", "text,label\nx,\n", "line 2: expected `text` and `label`"),
        ("a.csv", "text,label\n", "no text in it"),
        ("a.jsonl", "{", "line 1: not JSON"),
        ("a.jsonl", "[1]", "line 1: expected an object"),
        ("a.jsonl", '{"text": "x", "label": 3}', "line 1: expected `text` and `label`"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        read_labeled(tmp_path / name)


def test_plain_texts_are_distinct(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\none\n")
    (tmp_path / "a.csv").write_text("text\none\ntwo\none\n")
    assert read_plain(tmp_path / "a.txt") == read_plain(tmp_path / "a.csv") == ["one", "two"]
    with pytest.raises(ModelError, match="can't read"):
        read_plain(tmp_path / "absent.txt")
