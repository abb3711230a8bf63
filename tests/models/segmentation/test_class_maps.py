from __future__ import annotations

import numpy as np
import pytest
import torch

from models.segmentation import class_maps
from models.segmentation.class_maps import class_map, resize_map


@pytest.mark.parametrize("size", [(40, 60), (16, 20), (7, 9), (1, 1), (333, 5)])
@pytest.mark.parametrize("max_values", [300, 4_000_000])
def test_the_best_class_is_that_of_torchs_interpolation(
    size: tuple[int, int], max_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_maps, "_MAX_VALUES", max_values)
    scores = np.random.default_rng(1).normal(size=(5, 16, 20)).astype(np.float32)
    wide = torch.nn.functional.interpolate(
        torch.from_numpy(scores)[None], size, mode="bilinear", align_corners=False
    )[0]
    # Where the two best are equal but for rounding, either is right.
    best, second = wide.topk(2, dim=0).values
    is_clear = (best - second > 1e-4).numpy()
    assert is_clear.mean() > 0.98
    found = class_map(scores, *size)
    assert (found == wide.argmax(dim=0).numpy())[is_clear].all()


def test_a_map_of_classes_is_resized_to_the_nearest_cell() -> None:
    classes = np.array([[0, 1], [2, 3]])
    assert resize_map(classes, 4, 4).tolist() == np.kron(classes, np.ones((2, 2), int)).tolist()
    assert resize_map(classes, 1, 1).tolist() == [[3]]
