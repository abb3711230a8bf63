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

from models.evaluation import Measure, Row, f1, without_data
from models.nlu.answers import rank_intents
from models.nlu.encoder import SentenceEncoder
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

Text = dict[str, Any]
#: Name of the task and of the shipped head in measured rows.
TASK, SHIPPED = "nlu", "intent_classifier (shipped head)"


def evaluate_on(data_dir: Path, limit: int = DEFAULT_LIMIT) -> list[Row]:
    """Measure on the folders `clinc150` and `sms_spam` of `data_dir`.

    Args:
        data_dir: contains `clinc150/clinc150.jsonl.gz` and `sms_spam/sms_spam.jsonl.gz`;
            an absent one is skipped.
        limit: CLINC150 texts to train on, >= 302, the same number for each intent, drawn with a
            fixed seed; half as many are tested. Of the SMS (2,788) the first `limit` are used.

    Returns:
        Figures in [0, 1]; data sets are named with split and size.

    Raises:
        ModelError: the encoder is not installed.
    """
    clinc_file = data_dir / "clinc150" / "clinc150.jsonl.gz"
    sms_file = data_dir / "sms_spam" / "sms_spam.jsonl.gz"
    encoder = SentenceEncoder()
    encoder.load()
    rows: list[Row] = []
    if clinc_file.is_file():
        clinc = _read(clinc_file)
        train = _balanced([row for row in clinc if row["split"] == "train"], limit)
        test = _sample([row for row in clinc if row["split"] == "test"], limit // 2)
        rows += _rate_clinc(train, test, encoder)
    else:
        rows += without_data(TASK, "clinc150")
    if sms_file.is_file():
        rows += _rate_spam(_read(sms_file)[:limit], encoder)
    else:
        rows += without_data(TASK, "sms_spam")
    return rows


def _rate_clinc(train: list[Text], test: list[Text], encoder: SentenceEncoder) -> list[Row]:
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
    dataset = f"clinc150, {len(test)} sampled texts of test"
    trained = f"intent_classifier (head on {len(train)} clinc150 texts, min_score {head.min_score})"
    return [
        Measure(task=TASK, dataset=dataset, model=model, metric=metric, value=value, seed=_SEED)
        for model, metric, value in (
            (trained, "in-scope accuracy", trained_here.in_scope_accuracy),
            (trained, "out-of-scope recall", trained_here.oos_recall),
            (SHIPPED, "accuracy on 6 shared intents", shipped.in_scope_accuracy),
            (SHIPPED, "out-of-scope recall on the others", shipped.oos_recall),
        )
    ]


def _rate_spam(rows: list[Text], encoder: SentenceEncoder) -> list[Row]:
    half = len(rows) // 2
    vectors = encoder.encode([row["text"] for row in rows])
    labels = [row["label"] for row in rows]
    head = fit_head(vectors[:half], labels[:half], encoder.settings)
    results = rank_intents(head.labels, head.probabilities(vectors[half:]), top_k=0)
    flagged = np.array([result.intent == "spam" for result in results])
    truth = np.array(labels[half:]) == "spam"
    dataset = f"sms_spam, {len(truth)} texts"
    model = f"intent_classifier (head on the {half} texts before them)"
    value = f1(flagged, truth)
    return [Measure(task=TASK, dataset=dataset, model=model, metric="F1", value=value)]


def _read(path: Path) -> list[Text]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _sample(rows: list[Text], size: int) -> list[Text]:
    return random.Random(_SEED).sample(rows, min(size, len(rows)))


def _balanced(rows: list[Text], size: int) -> list[Text]:
    """Draw the same number of rows for each intent, as far as there are enough."""
    count: Counter[str] = Counter()
    ranked = []
    for row in _sample(rows, len(rows)):
        ranked.append((count[row["intent"]], row))
        count[row["intent"]] += 1
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])[:size]]
