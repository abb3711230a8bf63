"""Token ids of texts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu.tokenizer import Tokenizer, check_max_tokens
from schemas import InputError


def test_words_become_ids_between_cls_and_sep(tiny_bert: Path) -> None:
    assert Tokenizer(tiny_bert, 16)(["hello money", ""]) == [[2, 5, 6, 3], [2, 3]]


def test_a_long_text_is_cut_and_keeps_its_special_tokens(tiny_bert: Path) -> None:
    (ids,) = Tokenizer(tiny_bert, 16)(["hello " * 1000])
    assert ids == [2, *[5] * 14, 3]


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
