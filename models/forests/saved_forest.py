"""A trained random forest as arrays: saved from scikit-learn, applied with NumPy alone.

    from models.forests.saved_forest import save_forest
    save_forest(classifier, ["flow_l_min", "pressure_bar"], "forest/")

The folder holds `forest.safetensors` and `forest.json`: no pickle, which could run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.weights import refuse_pickle

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

_ARRAYS, _DESCRIPTION = "forest.safetensors", "forest.json"
_FORMAT = 1
#: Rows and trees in work at once: their probabilities take less than a core's cache.
_PART = 1 << 18
_ADVICE = "expected a folder made by models.forests.saved_forest.save_forest"


@dataclass(frozen=True)
class SavedForest:
    """T trees with N nodes in all, over F features and C classes. Immutable and thread-safe."""

    features: tuple[str, ...]
    classes: tuple[str, ...]
    roots: NDArray[np.int32]
    """(T,)"""
    feature: NDArray[np.int32]
    """(N,); -1 for a leaf."""
    threshold: NDArray[np.float64]
    """(N,); a row goes left where its feature is at most this."""
    left: NDArray[np.int32]
    """(N,) the left child; the right one is next to it in `right`."""
    right: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    """(N, C), rows of leaves sum to 1."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean of the trees' probabilities, (B, C) for rows (B, F)."""
        size = max(_PART // (len(self.roots) * len(self.classes)), 1)
        parts = [self._scores(rows[i : i + size]) for i in range(0, len(rows), size)]
        return np.concatenate([np.zeros((0, len(self.classes))), *parts])

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        nodes = np.broadcast_to(self.roots, (len(rows), len(self.roots))).ravel().copy()
        at = np.repeat(np.arange(len(rows)), len(self.roots))
        moving = np.flatnonzero(self.feature[nodes] >= 0)
        while len(moving):
            here = nodes[moving]
            number = rows[at[moving], self.feature[here]].astype(np.float64)
            is_left = number <= self.threshold[here]
            nodes[moving] = np.where(is_left, self.left[here], self.right[here])
            moving = moving[self.feature[nodes[moving]] >= 0]
        found = self.probabilities[nodes].reshape(len(rows), len(self.roots), -1)
        result: NDArray[np.float64] = found.mean(axis=1)
        return result

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return its arrays by name."""
        return {
            "roots": self.roots, "feature": self.feature, "threshold": self.threshold,
            "left": self.left, "right": self.right,
            "probabilities": self.probabilities,
        }  # fmt: skip

    def description(self) -> dict[str, object]:
        """Return everything else."""
        return {
            "format": _FORMAT, "features": list(self.features), "classes": list(self.classes),
        }  # fmt: skip

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of everything that the answers depend on."""
        digest = hashlib.sha256(json.dumps(self.description()).encode())
        for array in self.arrays().values():
            digest.update(array.tobytes())
        return digest.hexdigest()


def from_sklearn(
    classifier: RandomForestClassifier | ExtraTreesClassifier, features: Sequence[str]
) -> SavedForest:
    """Return a trained scikit-learn forest as arrays.

    Args:
        classifier: fitted; one output.
        features: the names of its columns, in their order. They are checked against
            `feature_names_in_`, if it was trained on named columns.

    Raises:
        ModelError: it has several outputs, or the names don't fit it.
    """
    named = [str(name) for name in getattr(classifier, "feature_names_in_", features)]
    if len(features) != classifier.n_features_in_ or named != list(features):
        raise ModelError(
            f"the forest has the {classifier.n_features_in_} columns {named}, but features is "
            f"{list(features)}: expected one name for each column, in their order"
        )
    if classifier.n_outputs_ != 1:
        raise ModelError(f"the forest has {classifier.n_outputs_} outputs: expected one")
    trees = [estimator.tree_ for estimator in classifier.estimators_]
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(tree, name) for tree in trees])

    start = np.repeat(starts, [tree.node_count for tree in trees])
    is_leaf = joined("children_left") < 0
    values = np.concatenate([tree.value[:, 0, :] for tree in trees]).astype(np.float64)
    return SavedForest(
        features=tuple(features),
        classes=tuple(str(label) for label in classifier.classes_),
        roots=starts.astype(np.int32),
        feature=np.where(is_leaf, -1, joined("feature")).astype(np.int32),
        threshold=joined("threshold").astype(np.float64),
        left=np.where(is_leaf, 0, joined("children_left") + start).astype(np.int32),
        right=np.where(is_leaf, 0, joined("children_right") + start).astype(np.int32),
        probabilities=values / values.sum(axis=1, keepdims=True),
    )


def save_forest(
    classifier: RandomForestClassifier | ExtraTreesClassifier,
    features: Sequence[str],
    folder: str | Path,
) -> None:
    """Write a trained scikit-learn forest to a folder, which is created if absent.

    Raises:
        ModelError: as `from_sklearn`.
    """
    from safetensors.numpy import save_file

    forest = from_sklearn(classifier, features)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(forest.arrays(), folder / _ARRAYS)
    text = json.dumps(forest.description(), indent=2)
    (folder / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def load_forest(folder: Path) -> SavedForest:
    """Read what `save_forest` wrote.

    Raises:
        ModelError: a file is absent, damaged or a pickle, or the trees lead nowhere.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    refuse_pickle(folder)
    try:
        description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        arrays = load_file(folder / _ARRAYS)
        if description["format"] != _FORMAT:
            raise ModelError(
                f"{folder}: forest format {description['format']}: this build reads {_FORMAT}"
            )
        forest = SavedForest(
            features=tuple(map(str, description["features"])),
            classes=tuple(map(str, description["classes"])),
            **arrays,
        )
    except OSError as error:
        raise ModelError(f"no forest in {folder} ({error.strerror}): {_ADVICE}") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder} contains no forest ({error!r}): {_ADVICE}") from error
    _check(forest, folder)
    return forest


def _check(forest: SavedForest, folder: Path) -> None:
    """Check that every way ends in a leaf, so that a damaged file can't hang a worker."""
    num_nodes = len(forest.feature)
    columns = (forest.threshold, forest.left, forest.right)
    is_whole = all(column.shape == (num_nodes,) for column in columns)
    is_whole &= forest.probabilities.shape == (num_nodes, len(forest.classes))
    is_whole &= len(forest.roots) > 0 and len(forest.classes) > 0
    if is_whole:
        nodes = np.arange(num_nodes)
        inner = forest.feature >= 0
        children = np.stack([forest.left, forest.right])[:, inner]
        # scikit-learn numbers a child behind its parent, so no way goes round in a circle.
        is_whole = bool((children > nodes[inner]).all() and (children < num_nodes).all())
        is_whole &= bool((forest.feature < len(forest.features)).all())
        is_whole &= bool((forest.roots >= 0).all() and (forest.roots < num_nodes).all())
    if not is_whole:
        raise ModelError(f"{folder}: the trees are damaged: {_ADVICE}")
