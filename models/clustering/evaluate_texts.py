"""Rate clusters of sentence vectors: CLINC150's texts against their domains.

The vectors are `minilm`'s (`models/nlu/encoder.py`). The in-scope texts of the test part come in
a random order, three times; an event counts as in the cluster that it was assigned to before it was
learned. The options were chosen on the train part.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.clustering.online_kmeans import OnlineKMeans
from models.evaluation import Measure, answer_stream, one_result
from schemas import BehaviorEvent, ClusterAssignment

Floats = NDArray[np.float64]

NUM_CLUSTERS = 30
SEEDS = (1, 2, 3)


def load_texts(path: Path, split: str) -> tuple[list[str], list[str]]:
    """Return the in-scope texts of a part of CLINC150, and their domains."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    kept = [row for row in rows if row["split"] == split and row["domain"] != "oos"]
    return [row["text"] for row in kept], [row["domain"] for row in kept]


def vectors_of(texts: Sequence[str]) -> Floats:
    """Return the sentence vectors (n, D) of texts.

    Raises:
        ModelError: the encoder is not installed.
    """
    from models.nlu.encoder import SentenceEncoder

    encoder = SentenceEncoder("minilm")
    encoder.load("cpu")
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # little padding
    vectors = np.zeros((len(texts), encoder.dimension))
    for start in range(0, len(order), 64):
        at = order[start : start + 64]
        vectors[at] = encoder.encode([texts[i] for i in at])
    return vectors


def rate_vectors(vectors: Floats, domains: Sequence[str], seed: int) -> float:
    """Return the NMI of the clusters of vectors (n, D), in a random order, with the domains."""
    from sklearn.metrics import normalized_mutual_info_score

    order = np.random.default_rng(seed).permutation(len(vectors))
    names = [f"v{i:03d}" for i in range(vectors.shape[1])]
    events = [
        BehaviorEvent(source_id="u", action="say", features=dict(zip(names, row, strict=True)))
        for row in vectors[order].tolist()
    ]
    model = OnlineKMeans(
        k=NUM_CLUSTERS, max_features=len(names), half_life_events=1e5, learn_every=256, seed=seed
    )
    results = [one_result(answer) for answer in answer_stream(model, events)]
    ids = np.array([r.cluster_id for r in results if isinstance(r, ClusterAssignment)], np.int64)
    rated = ids >= 0
    truth = np.array(domains)[order][rated]
    return float(normalized_mutual_info_score(truth, ids[rated]))


def evaluate_clinc(path: Path) -> list[Measure]:
    """Return the median over three orders."""
    texts, domains = load_texts(path, "test")
    vectors = vectors_of(texts)
    value = float(np.median([rate_vectors(vectors, domains, seed) for seed in SEEDS]))
    return [
        Measure(
            task="clustering",
            dataset=f"clinc150, {len(texts)} test texts, minilm vectors, domains",
            model=f"online_kmeans (k={NUM_CLUSTERS})",
            metric="NMI (median of 3 orders)",
            value=value,
            seed=SEEDS[0],
        )
    ]
