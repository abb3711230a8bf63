"""Measure the text models on real data: CLINC150 intents and SMS spam.

Sources: Larson et al., 2019, "An Evaluation Dataset for Intent Classification and Out-of-Scope
Prediction", EMNLP; Almeida et al., 2011, "Contributions to the Study of SMS Spam Filtering: New
Collection and Results", DocEng.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation import f1
from models.nlu.answers import rank_intents
from models.nlu.encoder import SentenceEncoder
from models.nlu.evaluate_entities import rate_wnut17
from models.nlu.head_training import fit_head, fit_head_with_threshold, rate_head
from models.nlu.intent_classifier import DEFAULT_HEAD
from models.nlu.intent_head import OUT_OF_SCOPE, load_head

#: CLINC150's name of an intent -> the shipped head's name of the same intent.
SHARED_INTENTS = {
    "balance": "balance",
    "transfer": "transfer",
    "order_status": "order_status",
    "greeting": "greeting",
    "thank_you": "thanks",
    "weather": "weather",
}

#: CLINC150 texts to train on; half as many are tested. Takes about 1.5 minutes on one core.
DEFAULT_LIMIT = 6000
_SEED = 0

Row = dict[str, Any]
Figures = list[tuple[str, float]]


def evaluate_on(data_dir: Path, limit: int = DEFAULT_LIMIT) -> Figures:
    """Measure on the folders `clinc150` and `sms_spam` of `data_dir`, and `wnut17` if it is there.

    Args:
        data_dir: contains `clinc150/clinc150.jsonl.gz` and `sms_spam/sms_spam.jsonl.gz`.
        limit: CLINC150 texts to train on, >= 302, the same number for each intent, drawn with a
            fixed seed; half as many are tested. Of the SMS (2,788) the first `limit` are used.

    Returns:
        The name and value of each figure. Names contain data, split and size; values are in [0, 1].

    Raises:
        FileNotFoundError: a file is absent.
        ModelError: the encoder is not installed.
    """
    encoder = SentenceEncoder()
    encoder.load()
    clinc = _read(data_dir / "clinc150" / "clinc150.jsonl.gz")
    train = _balanced([row for row in clinc if row["split"] == "train"], limit)
    test = _sample([row for row in clinc if row["split"] == "test"], limit // 2)
    sms = _read(data_dir / "sms_spam" / "sms_spam.jsonl.gz")[:limit]
    entities = rate_wnut17(data_dir, limit) if (data_dir / "wnut17").is_dir() else []
    return [*_rate_clinc(train, test, encoder), *_rate_spam(sms, encoder), *entities]


def _rate_clinc(train: list[Row], test: list[Row], encoder: SentenceEncoder) -> Figures:
    vectors = encoder.encode([row["text"] for row in test])
    intents = [row["intent"] for row in test]
    head = fit_head_with_threshold(
        encoder.encode([row["text"] for row in train]),
        [row["intent"] for row in train],
        encoder.settings,
    )
    trained_here = rate_head(head, vectors, intents)
    mapped = [SHARED_INTENTS.get(intent, OUT_OF_SCOPE) for intent in intents]
    shipped = rate_head(load_head(DEFAULT_HEAD), vectors, mapped)
    where = f"CLINC150 test, {len(test)} sampled texts"
    trained = f"head trained on {len(train)} of train, min_score {head.min_score}"
    return [
        (f"{where}, {trained}: in-scope accuracy", trained_here.in_scope_accuracy),
        (f"{where}, {trained}: out-of-scope recall", trained_here.oos_recall),
        (f"{where}, shipped head: accuracy on 6 shared intents", shipped.in_scope_accuracy),
        (f"{where}, shipped head: out-of-scope recall on the others", shipped.oos_recall),
    ]


def _rate_spam(rows: list[Row], encoder: SentenceEncoder) -> Figures:
    half = len(rows) // 2
    vectors = encoder.encode([row["text"] for row in rows])
    labels = [row["label"] for row in rows]
    head = fit_head(vectors[:half], labels[:half], encoder.settings)
    results = rank_intents(head.labels, head.probabilities(vectors[half:]), top_k=0)
    flagged = np.array([result.intent == "spam" for result in results])
    truth = np.array(labels[half:]) == "spam"
    name = f"SMS spam, {len(truth)} texts, trained on the {half} before them: F1"
    return [(name, f1(flagged, truth))]


def _read(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _sample(rows: list[Row], size: int) -> list[Row]:
    return random.Random(_SEED).sample(rows, min(size, len(rows)))


def _balanced(rows: list[Row], size: int) -> list[Row]:
    """Draw the same number of rows for each intent, as far as there are enough."""
    count: Counter[str] = Counter()
    ranked = []
    for row in _sample(rows, len(rows)):
        ranked.append((count[row["intent"]], row))
        count[row["intent"]] += 1
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])[:size]]
