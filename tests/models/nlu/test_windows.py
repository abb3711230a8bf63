from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.nlu.windows import WindowedText, WindowTokenizer
from schemas import InputError
from tests.models.nlu.tiny_bert import write_bert
from tests.models.nlu.tiny_byte_level import END, write_byte_level


@pytest.fixture(scope="module", params=["word piece", "byte level"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    if request.param == "word piece":
        return write_bert(folder)
    special = {"pad_token": "<pad>", "eos_token": END}
    config = {"n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    return write_byte_level(folder, "GPT2ForSequenceClassification", special, **config)


def windowed(folder: Path, text: str, size: int = 16, overlap: int = 6) -> WindowedText:
    (result,) = WindowTokenizer(folder, size, overlap, max_windows=1000)([text])
    assert isinstance(result, WindowedText)
    return result


def joined_ids(text: WindowedText) -> list[int]:
    return [token for window in text.windows for token in window.ids[slice(*window.kept)]]


Texts = st.text(
    st.sampled_from("abc XY.é\u00adß\u0301💶👩\u200d🚀[]#@\n"), min_size=1, max_size=120
)


@given(text=Texts, size=st.integers(8, 20), overlap=st.integers(0, 20))
def test_windows_together_have_each_token_once(
    folder: Path, text: str, size: int, overlap: int
) -> None:
    tokenizer = WindowTokenizer(folder, size, overlap, max_windows=1000)
    whole = WindowTokenizer(folder, 4096, 0, max_windows=1)
    (parts,), (all_at_once,) = tokenizer([text]), whole([text])
    if isinstance(all_at_once, InputError):
        assert isinstance(parts, InputError)
        return
    assert isinstance(parts, WindowedText)
    assert joined_ids(parts) == joined_ids(all_at_once)
    assert parts.spans == all_at_once.spans
    assert parts.words.tolist() == all_at_once.words.tolist()
    assert all(len(window.ids) <= size for window in parts.windows)
    assert not parts.is_truncated


@given(text=Texts)
def test_spans_lie_in_the_text_and_ascend(folder: Path, text: str) -> None:
    (result,) = WindowTokenizer(folder, 16, 4, max_windows=1000)([text])
    if isinstance(result, InputError):
        return
    assert all(0 <= start <= end <= len(text) for start, end in result.spans)
    starts = [start for start, _ in result.word_spans()]
    assert starts == sorted(starts)


def test_offsets_count_code_points_of_the_original_text(folder: Path) -> None:
    text = "💶💶 [SEP] Ünïcödé\u0301  my\u00adorder"
    spans = {text[start:end].strip() for start, end in windowed(folder, text).word_spans()}
    assert any("order" in span for span in spans)
    assert any("Ünïcödé" in span for span in spans)


def test_tokens_next_to_an_edge_are_answered_by_the_other_window(tmp_path: Path) -> None:
    write_bert(tmp_path)
    text = windowed(tmp_path, "hello " * 30, size=12, overlap=4)  # 10 tokens and [CLS], [SEP]
    assert [window.kept for window in text.windows] == [(1, 9), (3, 9), (3, 9), (3, 9), (3, 7)]


def test_a_text_that_needs_more_windows_says_so(folder: Path) -> None:
    tokenizer = WindowTokenizer(folder, 16, 4, max_windows=2)
    short, long = tokenizer(["hello", "hello order " * 200])
    assert isinstance(short, WindowedText)
    assert isinstance(long, WindowedText)
    assert (short.is_truncated, long.is_truncated) == (False, True)
    assert len(long.windows) == 2


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "\ud800"])
def test_a_text_with_nothing_to_read_is_an_error_for_that_text_alone(
    folder: Path, text: str
) -> None:
    first, bad, last = WindowTokenizer(folder, 16, 4, max_windows=2)(["hello", text, "hello"])
    assert isinstance(bad, InputError)
    assert isinstance(first, WindowedText)
    assert isinstance(last, WindowedText)
    assert first.spans == last.spans
