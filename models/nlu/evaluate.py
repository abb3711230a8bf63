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

from models.evaluation import Row, f1, measures
from models.nlu.answers import rank_intents
from models.nlu.encoder import SentenceEncoder
from models.nlu.evaluate_entities import rate_wnut17
from models.nlu.evaluate_zero_shot import rate_zero_shot
from models.nlu.head_rating import rate_head, rate_trained
from models.nlu.head_training import fit_head
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

_SEED = 0
Text = dict[str, Any]


def evaluate_on(data_dir: Path, limit: int | None = None) -> list[Row]:
    """Measure on the folders `clinc150` and `sms_spam` of `data_dir`, and `wnut17` if it is there.

    Heads are trained on CLINC150's train and validation parts and rated on its test part, with
    MiniLM and with the small RoBERTa that is trained here. It takes about 6 minutes on one core.

    Args:
        data_dir: contains `clinc150/clinc150.jsonl.gz` and `sms_spam/sms_spam.jsonl.gz`.
        limit: CLINC150 texts to train on, >= 302, the same number for each intent, drawn with a
            fixed seed; half as many are tested. Of the SMS (2,788) the first `limit` are used.
            None: all texts.

    Returns:
        Figures in [0, 1].

    Raises:
        FileNotFoundError: a file is absent.
        ModelError: the encoder is not installed.
    """
    clinc = _read(data_dir / "clinc150" / "clinc150.jsonl.gz")
    train = [row for row in clinc if row["split"] != "test"]
    test = [row for row in clinc if row["split"] == "test"]
    sms = _read(data_dir / "sms_spam" / "sms_spam.jsonl.gz")[:limit]
    if limit is not None:
        train, test = _balanced(train, limit), _sample(test, limit // 2)
    minilm, roberta = SentenceEncoder("minilm"), SentenceEncoder("roberta")
    minilm.load()
    roberta.load()
    has_entities = (data_dir / "wnut17" / "dev.conll.gz").is_file()
    entities = rate_wnut17(data_dir, limit) if has_entities else []
    return [
        *rate_trained(train, test, minilm),
        *rate_trained(train, test, roberta),
        *_rate_shipped(test, minilm),
        *_rate_spam(sms, minilm),
        *rate_zero_shot(test, sms, minilm),
        *entities,
    ]


def _rate_shipped(test: list[Text], encoder: SentenceEncoder) -> list[Row]:
    vectors = encoder.encode([row["text"] for row in test])
    mapped = [SHARED_INTENTS.get(row["intent"], OUT_OF_SCOPE) for row in test]
    shipped = rate_head(load_head(DEFAULT_HEAD), vectors, mapped)
    values = {
        "accuracy on 6 shared intents": shipped.in_scope_accuracy,
        "out-of-scope recall on the others": shipped.oos_recall,
    }
    dataset = f"clinc150 test, {len(test)} texts"
    return measures("nlu", dataset, "intent_classifier (shipped head)", values)


def _rate_spam(rows: list[Text], encoder: SentenceEncoder) -> list[Row]:
    half = len(rows) // 2
    vectors = encoder.encode([row["text"] for row in rows])
    labels = [row["label"] for row in rows]
    head = fit_head(vectors[:half], labels[:half], encoder.settings)
    results = rank_intents(head.labels, head.probabilities(vectors[half:]), top_k=0)
    flagged = np.array([result.intent == "spam" for result in results])
    truth = np.array(labels[half:]) == "spam"
    model = f"intent_classifier (head on the {half} before them)"
    return measures("nlu", f"sms_spam, {len(truth)} texts", model, {"F1": f1(flagged, truth)})


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
