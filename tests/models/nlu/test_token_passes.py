from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.nlu.token_passes import (
    first_and_last,
    join_windows,
    prepare_windows,
    run_token_passes,
)
from models.nlu.windows import WindowTokenizer
from models.transfer import HostTransfer
from schemas import InputError


def identity(ids: Any, mask: Any) -> Any:
    return ids.float().unsqueeze(2)


def test_each_token_gets_its_own_answer(tiny_bert: Path) -> None:
    tokenizer = WindowTokenizer(tiny_bert, 12, 4, max_windows=100)
    texts = ["hello money", "where is my order " * 20, " ", "money " * 7]
    prepared = prepare_windows(tokenizer(texts), 0, HostTransfer())
    assert len(prepared.passes) > 1
    rows = run_token_passes(prepared.passes, identity)
    answers = join_windows(prepared.slots, rows)
    expected = [[5, 6], [7, 8, 9, 10] * 20, [6] * 7]
    assert [answer[:, 0].tolist() for answer in answers] == expected
    assert first_and_last(rows).shape == (len(rows), 2)


def test_only_bad_texts_need_no_pass() -> None:
    bad = InputError("x")
    prepared = prepare_windows([bad, bad], 0, HostTransfer())
    assert run_token_passes(prepared.passes, identity) == []
    assert join_windows(prepared.slots, []) == []
    assert np.asarray(prepared.passes).size == 0
