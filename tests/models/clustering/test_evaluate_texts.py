"""Clusters of sentence vectors against domains."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.clustering.evaluate_texts import load_texts, rate_vectors


def test_vectors_of_separate_domains_agree_with_them() -> None:
    domains = [f"d{i % 30}" for i in range(3000)]
    places = np.random.default_rng(1).normal(0, 1, (30, 16))
    noise = np.random.default_rng(2).normal(0, 0.05, (3000, 16))
    rows = places[np.arange(3000) % 30] + noise
    assert rate_vectors(rows, domains, seed=1) > 0.9
    rng = np.random.default_rng(3)
    assert rate_vectors(rows, rng.permutation(domains).tolist(), seed=1) < 0.2


def test_reads_the_texts_of_a_part(data_dir: Path) -> None:
    texts, domains = load_texts(data_dir / "clinc150" / "clinc150.jsonl.gz", "val")
    assert len(texts) == len(domains) == 3000
    assert len(set(domains)) == 10
