"""Arithmetic that several layouts share."""

from __future__ import annotations

import numpy as np

from models.detection.boxes import Floats, Ints
from models.detection.layouts.base import InputSize


def corners(boxes: Floats) -> Floats:
    """Convert (..., 4) center x, center y, width, height to xyxy."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([center - half, center + half], axis=-1)


def to_pixels(boxes: Floats, size: InputSize) -> Floats:
    """Convert boxes (..., 4), x before y, from shares of the input's sides to pixels."""
    pixels: Floats = boxes * np.array([size.width, size.height] * 2, np.float32)
    return pixels


def class_ids(values: Floats) -> Ints:
    """Return class ids that a network wrote as numbers; -1 for one that is not finite."""
    return np.nan_to_num(np.rint(values), nan=-1, posinf=-1, neginf=-1).astype(np.int64)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)); tanh can't overflow, exp can."""
    result: Floats = (np.tanh(x * np.float32(0.5)) + 1) * np.float32(0.5)
    return result


def softmax(x: Floats) -> Floats:
    """Return exp(x) divided by its sum over the last axis."""
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result
