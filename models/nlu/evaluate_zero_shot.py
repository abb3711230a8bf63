"""Measure labels without training: CLINC150's intents by their names, and SMS spam.

Sources: Larson et al., 2019, "An Evaluation Dataset for Intent Classification and Out-of-Scope
Prediction", EMNLP; Almeida et al., 2011, DocEng.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.evaluation import Row, f1, measures, roc_auc
from models.nlu.encoder import SentenceEncoder
from models.nlu.intent_head import OUT_OF_SCOPE
from models.nlu.label_descriptions import LabelDescriptions
from models.nlu.zero_shot import MIN_SIMILARITY

#: Written once, before the texts were looked at; the model has seen none of them.
SMS_LABELS = {
    "spam": ["an advertisement", "you have won a prize, call now", "a subscription offer by text"],
    "ham": ["a private message to a friend", "where are you, see you later", "an everyday chat"],
}
Text = dict[str, Any]


def rate_zero_shot(
    clinc: Sequence[Text], sms: Sequence[Text], encoder: SentenceEncoder
) -> list[Row]:
    """Return the figures.

    Args:
        clinc: rows with `text` and `intent`, some of them `oos`.
        sms: rows with `text` and `label`.
        encoder: a loaded encoder.
    """
    return [*_rate_clinc(clinc, encoder), *_rate_sms(sms, encoder)]


def _rate_clinc(rows: Sequence[Text], encoder: SentenceEncoder) -> list[Row]:
    names = sorted({row["intent"] for row in rows} - {OUT_OF_SCOPE})
    labels = LabelDescriptions(names, 1, MIN_SIMILARITY)
    labels.encode(encoder.encode)
    cosines = labels.similarities(encoder.encode([row["text"] for row in rows]))
    truth = np.array([row["intent"] for row in rows])
    in_scope = truth != OUT_OF_SCOPE
    best = cosines.max(axis=1)
    is_right = np.array(names)[cosines.argmax(axis=1)] == truth
    is_answered = best >= MIN_SIMILARITY
    values = {
        f"in-scope accuracy of {len(names)} intents": is_right[in_scope].mean(),
        "out-of-scope AUROC": roc_auc(best.astype(np.float64), in_scope),
        "in-scope accuracy with the default threshold": (is_right & is_answered)[in_scope].mean(),
        "out-of-scope recall with the default threshold": (~is_answered)[~in_scope].mean(),
    }
    model = f"zero_shot ({encoder.source}, names as labels)"
    return measures("nlu", f"clinc150 test, {len(rows)} texts", model, values)


def _rate_sms(rows: Sequence[Text], encoder: SentenceEncoder) -> list[Row]:
    labels = LabelDescriptions(SMS_LABELS, 1, -1)
    labels.encode(encoder.encode)
    cosines = labels.similarities(encoder.encode([row["text"] for row in rows]))
    flagged = np.array(labels.names)[cosines.argmax(axis=1)] == "spam"
    truth = np.array([row["label"] for row in rows]) == "spam"
    model = f"zero_shot ({encoder.source}, 3 descriptions a label)"
    return measures("nlu", f"sms_spam, {len(rows)} texts", model, {"F1": f1(flagged, truth)})
