from pathlib import Path

import pytest

from agents.commands.produce.sources import SourceError
from agents.commands.produce.sources.text import text_messages
from schemas import TextMessage


def test_plain_text_is_one_message_per_line(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("hello\n\n  grüß dich \n", encoding="utf-8")
    assert list(text_messages(path, language="de")) == [
        TextMessage(source_id="chat", text="hello", language="de"),
        TextMessage(source_id="chat", text="grüß dich", language="de"),
    ]


def test_json_lines_have_columns(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text('{"who": "c1", "body": "hi", "at": 1700000000}\n')
    (message,) = text_messages(path, text_column="body", key_column="who", time_column="at")
    assert message == TextMessage(source_id="c1", event_time_ms=1_700_000_000_000, text="hi")


def test_an_error_names_the_place_and_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text('{"body": "hi", "at": "noon"}\n')
    with pytest.raises(SourceError, match="line 1: no column 'text'"):
        list(text_messages(path))
    with pytest.raises(SourceError, match="line 1, column 'at': 'noon' is not a time"):
        list(text_messages(path, text_column="body", time_column="at"))
    binary = tmp_path / "chat.txt"
    binary.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SourceError, match="not UTF-8"):
        list(text_messages(binary))
