"""Classifies events by a random forest that was trained with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.base import Model
from models.forests.feature_table import feature_row
from models.forests.ranking import rank_classes
from models.forests.saved_forest import load_forest
from models.options import check_option
from schemas import Classification, Event, InputError


class RandomForest(Model[Event, Classification]):
    """Reads the numbers of `SensorReading`, `BehaviorEvent` or an event type of your own.

    An event that lacks a feature of the forest is an `InputError`. Stateless.
    Source: Breiman, 2001, "Random Forests", Machine Learning 45.
    """

    name = "random_forest"
    event_type = Event
    result_type = Classification

    def __init__(self, path: str, top_k: int = 3) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            path: a folder made by `models.forests.saved_forest.save_forest`.
            top_k: number of classes in a result, 1 to 1000.
        """
        self._path = Path(path).expanduser()
        self._top_k = check_option("top_k", top_k, 1, 1000)

    def load(self, device: str = "cpu") -> None:
        """Read the forest; `version` becomes a short hash of it.

        Raises:
            ModelError: the folder is absent, or contains no forest.
        """
        self._forest = load_forest(self._path)
        self.version = self._forest.fingerprint()[:12]

    def predict_batch(self, batch: Sequence[Event]) -> list[Classification | InputError]:
        """Return the likeliest classes of each event."""
        found = [feature_row(event, self._forest.features) for event in batch]
        rows = [row for row in found if not isinstance(row, InputError)]
        # scikit-learn compares in float32 as well. A larger number is infinite, and goes right.
        with np.errstate(over="ignore"):
            shape = (len(rows), len(self._forest.features))
            table = np.array(rows, np.float64).reshape(shape).astype(np.float32)
        scores = self._forest.scores(table)
        results = iter(rank_classes(self._forest.classes, scores, self._top_k))
        return [row if isinstance(row, InputError) else next(results) for row in found]
