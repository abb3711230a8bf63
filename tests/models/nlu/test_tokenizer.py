"""Token ids of texts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu.tokenizer import CutTokens, Tokenizer, check_max_tokens
from schemas import InputError


def test_words_become_ids_between_cls_and_sep(tiny_bert: Path) -> None:
    assert Tokenizer(tiny_bert, 16)(["hello money"]) == [[2, 5, 6, 3]]


def test_a_long_text_is_cut_and_keeps_its_special_tokens(tiny_bert: Path) -> None:
    (ids,) = Tokenizer(tiny_bert, 16)(["hello " * 1000])
    assert ids == [2, *[5] * 14, 3]


def test_a_text_that_was_cut_says_so(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, max_tokens=8)
    limit = 8 * 32
    texts = ["good", "good " * 20, "x" * (limit + 1), " " * limit + "good", "good" + " " * limit]
    is_cut = [isinstance(ids, CutTokens) for ids in tokenizer(texts)]
    assert is_cut == [False, True, True, False, False]


def test_blanks_do_not_use_up_what_is_read(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, max_tokens=8)
    hidden = [" " * 5000 + "good bad", "\n\t" * 2000 + "good" + " " * 5000 + "bad"]
    plain = tokenizer(["good bad"])
    assert tokenizer(hidden) == plain * 2


@pytest.mark.parametrize(
    "text", ["", " ", "\r\n", "\0", "\u200b\u200b", "\u200f", "\ufffd", "\u2028", " " * 9000]
)
def test_a_text_of_which_nothing_is_left_is_an_error_for_that_text_alone(
    tiny_bert: Path, text: str
) -> None:
    good, blank, other = Tokenizer(tiny_bert, max_tokens=8)(["good", text, "bad"])
    assert isinstance(blank, InputError)
    assert "only blanks" in str(blank)
    assert [good, other] == Tokenizer(tiny_bert, max_tokens=8)(["good", "bad"])


def test_typed_control_tokens_are_text(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, max_tokens=32)
    (plain,) = tokenizer(["good"])
    assert isinstance(plain, list)
    start, end = plain[0], plain[-1]
    (typed,) = tokenizer(["good [SEP] bad [CLS] [PAD]"])
    assert isinstance(typed, list)
    assert start not in typed[1:-1]
    assert end not in typed[1:-1]


def test_invalid_unicode_is_an_error_for_that_text_alone(tiny_bert: Path) -> None:
    first, bad, last = Tokenizer(tiny_bert, 16)(["hello", "\ud800", "money"])
    assert (first, last) == ([2, 5, 3], [2, 6, 3])
    assert isinstance(bad, InputError)
    assert "Unicode" in str(bad)


def test_many_threads_can_tokenize_at_once(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, 32)
    batches = [["hello money"] * n + ["where is my order"] for n in range(1, 60)]
    alone = [tokenizer(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(tokenizer, batches)) == alone


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tokenizer"):
        Tokenizer(tmp_path, 16)


@pytest.mark.parametrize("limit", [0, 7, 4097])
def test_limits_out_of_range_are_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"max_tokens is {limit}"):
        check_max_tokens(limit)
