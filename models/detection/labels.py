"""Class names of a detector: from an option, a file beside the model, or the model's own file."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from models.base import ModelError

#: The file beside a model that is read if no labels are given.
DEFAULT_FILE = "classes.txt"


class _LabelFile(msgspec.Struct):
    labels: list[str]


#: Entries of an ONNX file's metadata that hold class names; Ultralytics writes `names`.
_METADATA_KEYS = ("names", "class_names", "classes", "labels", "id2label")
_MAX_CLASSES = 100_000


def read_labels(
    labels: str | Sequence[str] | None,
    model_path: Path,
    metadata: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return class names by class id; an empty list if there are none.

    The first of these that exists is taken: the option, `classes.txt` beside the model, the
    metadata in the model's file, `id2label` of the config.json beside it.

    Args:
        labels: the names, the path of a file with them, or None.
        model_path: the model's file.
        metadata: of the model's file.
        config: the content of config.json.

    Raises:
        ModelError: the file is absent or contains no labels.
    """
    if labels is None:
        default = model_path.parent / DEFAULT_FILE
        if default.is_file():
            return _read_file(default)
        return names_in_metadata(metadata or {}) or _as_names((config or {}).get("id2label"))
    return _read_file(Path(labels)) if isinstance(labels, str) else list(labels)


def names_in_metadata(metadata: Mapping[str, str]) -> list[str]:
    """Return the class names in an ONNX file's metadata; an empty list if there are none."""
    for key in _METADATA_KEYS:
        if names := _as_names(_literal(metadata.get(key, ""))):
            return names
    return []


def _literal(text: str) -> object:
    """Return the JSON or Python literal in a text: Ultralytics writes {0: 'person', ...}."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _as_names(value: object) -> list[str]:
    """Return the names in a list, or in a dict by class id; gaps become "class N"."""
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return list(value)
    if not isinstance(value, dict) or not value:
        return []
    if all(isinstance(v, int) for v in value.values()):  # name -> id
        value = {class_id: name for name, class_id in value.items()}
    try:
        by_id = {int(class_id): str(name) for class_id, name in value.items()}
    except (TypeError, ValueError):
        return []
    if min(by_id) < 0 or max(by_id) >= _MAX_CLASSES:
        return []
    return [by_id.get(i, f"class {i}") for i in range(max(by_id) + 1)]


def _read_file(path: Path) -> list[str]:
    try:
        if path.suffix == ".json":
            return msgspec.json.decode(path.read_bytes(), type=_LabelFile).labels
        names = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"label file {path}: {reason}: correct the option labels") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(
            f'label file {path}: {error}: expected one name a line, or JSON {{"labels": [...]}}'
        ) from error
    return [name for name in names if name]
