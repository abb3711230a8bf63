"""Frames with many boxes that overlap, as candidates for suppression."""

from __future__ import annotations

import numpy as np

from models.detection.boxes import Selected, choose


def crowded_frames(count: int, most: int, seed: int = 0) -> list[Selected]:
    """Return frames with up to `most` boxes of three classes around some places; some have none."""
    chance = np.random.default_rng(seed)
    frames = []
    for number in range(count):
        size = 0 if number % 4 == 3 else int(chance.integers(1, most + 1))
        centers = chance.uniform(50, 600, (max(1, size // 12), 2))[
            chance.integers(0, max(1, size // 12), size)
        ]
        half = chance.uniform(10, 40, (size, 2))
        middle = centers + chance.normal(0, 8, (size, 2))
        boxes = np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
        # A few scores are equal: then the earlier box is the better one.
        scores = (chance.integers(1, 40, size) / 40).astype(np.float32)
        frames.append(choose(boxes, scores, chance.integers(0, 3, size), score_threshold=0.0))
    return frames
