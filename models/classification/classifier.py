"""The base of all classifiers: from the network's class scores to the likeliest classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.base import Answer, ModelError
from models.vision.frame_model import FrameModel, Loaded
from models.vision.image_input import Floats, FrameSize
from schemas import Classification, ClassScore, InputError

#: From class scores (B, C) to probabilities.
ACTIVATIONS = ("softmax", "sigmoid", "none")


class Classifier(FrameModel[Classification]):
    """Classifies frames; a subclass's `load` sets `_ready` and `_activation`."""

    result_type = Classification
    _top_k = 5
    _activation = "softmax"

    def _answers(
        self, loaded: Loaded, outputs: list[Any], sizes: list[FrameSize]
    ) -> list[Answer[Classification]]:
        raw = outputs[0]
        raw = raw if isinstance(raw, np.ndarray) else raw.float().cpu().numpy()
        scores = activate(raw.reshape(len(raw), -1), self._activation)
        return [self._answer(row, loaded.labels) for row in scores]

    def _answer(self, scores: Floats, labels: list[str]) -> Answer[Classification]:
        if not np.isfinite(scores).all():
            return InputError("the model's class scores are not finite numbers for this frame")
        # Stable, so that equal scores have the lower class id first.
        order = np.argsort(-scores, kind="stable")[: self._top_k].tolist()
        top = [ClassScore(labels[i], i, min(1.0, max(0.0, float(scores[i])))) for i in order]
        best = top[0]
        return Classification(label=best.label, class_id=best.class_id, score=best.score, top=top)


def activate(raw: Floats, activation: str) -> Floats:
    """Return probabilities (B, C) of class scores (B, C)."""
    if activation == "none":
        return raw
    with np.errstate(over="ignore", invalid="ignore"):
        if activation == "sigmoid":
            likely: Floats = np.reciprocal(1 + np.exp(-raw), dtype=np.float32)
            return likely
        raised = np.exp(raw - raw.max(axis=1, keepdims=True))
        shares: Floats = raised / raised.sum(axis=1, keepdims=True)
        return shares


def complete_labels(labels: list[str], num_classes: int, path: Path) -> list[str]:
    """Return the labels; without any, "class 0", "class 1" ...

    Raises:
        ModelError: their number is not that of the classes.
    """
    if labels and len(labels) != num_classes:
        raise ModelError(
            f"{path}: the network has {num_classes} classes, but there are {len(labels)} labels: "
            "correct the option labels, or the file that lists them"
        )
    return labels or [f"class {index}" for index in range(num_classes)]


def check_top_k(top_k: int) -> int:
    """Return it.

    Raises:
        ValueError: less than 1 or more than 1,000.
    """
    if not 1 <= top_k <= 1000:
        raise ValueError(f"top_k is {top_k}: expected 1 to 1000")
    return top_k
