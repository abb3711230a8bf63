"""A saved forest answers as scikit-learn's, and a damaged one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from models.base import ModelError
from models.forests.saved_forest import from_sklearn, load_forest, save_forest
from tests.models.forests.small_forest import save_small_forest


@pytest.mark.parametrize("load", [load_iris, load_digits])
@pytest.mark.parametrize(
    "forest",
    [
        RandomForestClassifier(30, random_state=0),
        ExtraTreesClassifier(20, random_state=1),
        RandomForestClassifier(5, class_weight="balanced", max_depth=3, random_state=2),
        RandomForestClassifier(3, max_leaf_nodes=7, random_state=2),
        RandomForestClassifier(3, max_depth=1, random_state=2),
    ],
)
def test_probabilities_are_those_of_scikit_learn(load: Any, forest: Any, tmp_path: Path) -> None:
    rows, classes = load(return_X_y=True)
    forest.fit(rows[::2], classes[::2])
    names = [f"f{i}" for i in range(rows.shape[1])]
    save_forest(forest, names, tmp_path)
    scores = load_forest(tmp_path).scores(rows[1::2].astype(np.float32))
    np.testing.assert_allclose(scores, forest.predict_proba(rows[1::2]), atol=1e-12)


def test_names_of_columns_are_checked() -> None:
    rows, classes = load_iris(return_X_y=True)
    forest = RandomForestClassifier(2).fit(rows, classes)
    with pytest.raises(ModelError, match="4 columns"):
        from_sklearn(forest, ["a", "b"])
    forest.feature_names_in_ = np.array(["a", "b", "c", "d"])
    with pytest.raises(ModelError, match="in their order"):
        from_sklearn(forest, ["b", "a", "c", "d"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("left", 0), ("right", 10_000), ("feature", 2), ("roots", -1), ("roots", 10_000)],
)
def test_trees_that_lead_nowhere_are_refused(name: str, value: int, tmp_path: Path) -> None:
    save_small_forest(tmp_path)
    arrays = load_file(tmp_path / "forest.safetensors")
    arrays[name] = arrays[name].copy()
    arrays[name][0] = value
    save_file(arrays, tmp_path / "forest.safetensors")
    with pytest.raises(ModelError, match="damaged"):
        load_forest(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 7}'])
def test_other_descriptions_are_refused(text: str, tmp_path: Path) -> None:
    save_small_forest(tmp_path)
    (tmp_path / "forest.json").write_text(text)
    with pytest.raises(ModelError, match=r"forest"):
        load_forest(tmp_path)


def test_an_absent_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="save_forest"):
        load_forest(tmp_path / "none")
    assert json.loads((save_small_forest(tmp_path / "a") / "forest.json").read_text())["format"]
