from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.encode import (
    Seconds,
    check_vectors,
    encode_table,
    read_texts,
    summarize_encoding,
)
from benchmarks.harness.running import RunError


def test_texts_are_mixed_in_a_fixed_order(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": f"text {i}", "intent": "a"}) + "\n" for i in range(50))
    (tmp_path / "a.jsonl").write_text(lines)
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write(lines)
    texts = read_texts(tmp_path / "a.jsonl", 20)
    assert len(set(texts)) == 20
    assert texts != sorted(texts)
    assert texts == read_texts(tmp_path / "a.jsonl.gz", 20) == read_texts(tmp_path / "a.jsonl", 20)
    assert len(read_texts(tmp_path / "a.jsonl", 500)) == 50


def test_ratios_are_to_the_best_of_the_peer() -> None:
    seconds: Seconds = {
        "penstock, safetensors": [(1.0, 3.0), (2.0, 3.5), (4.0, 4.0)],
        "peer 1, batch of 16": [(10.0, 9.0)] * 3,
        "peer 1, batch of 32": [(4.0, 9.0), (5.0, 9.0), (5.0, 9.0)],
    }
    first, *peers = summarize_encoding(seconds, 100, "peer 1")
    assert (first.texts_per_second, first.lowest, first.highest) == (50, 25, 100)
    assert first.ratio == pytest.approx(2.5)
    assert first.cpu_ms_per_text == pytest.approx(35)
    assert [row.ratio for row in peers] == [None, None]
    (alone,) = summarize_encoding({"penstock, safetensors": [(1.0, 1.0)]}, 100, "peer 1")
    assert alone.ratio is None
    columns, rows = encode_table([first, *peers])
    assert all(len(row) == len(columns) for row in rows)
    assert rows[0][-1] == "2.50"


def test_other_vectors_make_the_rates_worthless() -> None:
    vectors = np.eye(3, dtype=np.float32)
    check_vectors(vectors, vectors + 5e-5)
    with pytest.raises(RunError, match=r"differ by up to 0\.001"):
        check_vectors(vectors, vectors + 1e-3)
    with pytest.raises(RunError, match="differ by up to inf"):
        check_vectors(vectors, vectors[:2])
    with pytest.raises(RunError, match="differ by up to nan"):
        check_vectors(vectors, vectors * np.nan)
