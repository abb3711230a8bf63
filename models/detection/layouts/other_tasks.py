"""Recognize networks of other tasks, so that they are refused by name and not read as boxes."""

from __future__ import annotations

import re

from models.detection.layouts.facts import (
    Facts,
    are_integers,
    are_ordered,
    are_pixels,
    are_probabilities,
)

_TASKS = {
    "pose": "a pose model",
    "segment": "a segmentation model",
    "classify": "a classification model",
    "cls": "a classification model",
    "obb": "a model for oriented boxes",
}
_ADVICE = "onnx_detector reads boxes of objects only: export a model that was trained for detection"
#: Key points have x, y and often a visibility.
_POINT_SIZES = (3, 2)
_PERSON_POINTS = 17


def refuse_other_tasks(facts: Facts) -> None:
    """Raise `ValueError` if the file says, or its outputs show, that it is no detector."""
    task = facts.metadata.get("task", "")
    found = _named(facts, task) if task in _TASKS else ""
    if task != "detect":
        found = found or _of_architecture(facts) or _of_shapes(facts) or _of_columns(facts)
    elif not found:
        found = _of_masks(facts)
    if found:
        raise ValueError(f"it is {found}: {_ADVICE}")


def _named(facts: Facts, task: str) -> str:
    named = f"{_TASKS[task]} (its metadata says task {task!r})"
    points = re.findall(r"\d+", facts.metadata.get("kpt_shape", ""))
    return f"{named}: {points[0]} keypoints for each object" if points else named


def _of_architecture(facts: Facts) -> str:
    """Read the task from the name of the class in config.json, such as SegformerForImage..."""
    names = facts.config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else ""
    if name.endswith("ForImageClassification"):
        return f"a classification model (config.json says {name})"
    if "Segmentation" in name:
        return f"a segmentation model (config.json says {name})"
    if "Pose" in name or "KeypointDetection" in name:
        return f"a pose model (config.json says {name})"
    return ""


def _of_shapes(facts: Facts) -> str:
    if facts.ranks == (2,) and facts.shapes[0][0] == 1 and facts.shapes[0][1] != 7:
        return f"a classification model: its output is {facts.shapes[0][1]} scores for a picture"
    if facts.ranks in ((4,), (3,)) and facts.shapes[0][-2:] == (facts.height, facts.width):
        return "a segmentation model: its output has a value for each pixel of the picture"
    return _of_masks(facts)


def _of_masks(facts: Facts) -> str:
    """Return what a detector is that also gives masks: boxes and a picture of coefficients."""
    if any("mask" in name.lower() for name in facts.names):
        return "a segmentation model: one of its outputs is masks"
    is_pair = sorted(facts.ranks) == [3, 4]
    shape = facts.shapes[facts.ranks.index(4)] if is_pair else ()
    if shape and shape[2] * 4 >= facts.height and shape[3] * 4 >= facts.width:
        return f"a segmentation model: beside boxes it has {shape[1]} prototype masks"
    return ""


def _of_columns(facts: Facts) -> str:
    """Return what a network of boxes is whose rows hold more than boxes and class scores."""
    if facts.ranks != (3,):
        return ""
    _, depth, count = facts.shapes[0]
    if depth < count:
        return _of_raw(facts, depth)
    return _of_chosen(facts, count)


def _of_raw(facts: Facts, depth: int) -> str:
    """Look at (1, 4 + C + more, N), of Ultralytics before suppression."""
    cells = facts.columns(0)
    classes = facts.num_labels or 1
    more = depth - 4 - classes
    if more < 1 or are_probabilities(cells[:, 4:]) or not are_pixels(cells[:, :4]):
        return ""
    if not are_probabilities(cells[:, 4 : 4 + classes]):
        return ""
    if facts.num_labels and more == 1:
        return _oriented()
    size = next((n for n in _POINT_SIZES if more % n == 0 and _is_point_count(facts, more, n)), 0)
    return _pose(more // size) if size else ""


def _is_point_count(facts: Facts, more: int, size: int) -> bool:
    """Without class names only the usual number of points is taken for key points."""
    return bool(facts.num_labels) or more == _PERSON_POINTS * size


def _of_chosen(facts: Facts, depth: int) -> str:
    """Look at (1, n, 6 + more), of Ultralytics after suppression: corners, score, class, more."""
    rows = facts.rows(0)
    rows = rows[rows[:, 4] > 0] if depth > 6 else rows[:0]
    if not len(rows) or not are_probabilities(rows[:, 4]) or not are_integers(rows[:, 5]):
        return ""
    if depth == 7:
        return _oriented()
    is_pose = depth - 6 in (3 * _PERSON_POINTS, 2 * _PERSON_POINTS)
    if is_pose and are_ordered(rows[:, :4]) and are_pixels(rows[:, :4]):
        return _pose(_PERSON_POINTS)
    return ""


def _pose(points: int) -> str:
    return f"a pose model: {points} keypoints for each object"


def _oriented() -> str:
    return "a model for oriented boxes: each has an angle"
