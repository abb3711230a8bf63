"""Train and save a small scikit-learn forest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.forests.saved_forest import save_forest

FEATURES = ["flow_l_min", "pressure_bar"]


def save_small_forest(folder: Path) -> Path:
    """Save a forest that tells two states of a pump."""
    from sklearn.ensemble import RandomForestClassifier

    chance = np.random.default_rng(0)
    rows = np.column_stack([chance.normal(30, 10, 300), chance.normal(2, 0.2, 300)])
    states = np.where(rows[:, 0] + 10 * rows[:, 1] > 50, "full", "idle")
    forest = RandomForestClassifier(10, max_depth=5, random_state=0).fit(rows, states)
    save_forest(forest, FEATURES, folder)
    return folder
