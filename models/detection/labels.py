"""Class names of a detector: a list, a text file with one name a line, or a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from models.base import ModelError

#: The file beside a model that is read if no labels are given.
DEFAULT_FILE = "classes.txt"


class _LabelFile(msgspec.Struct):
    labels: list[str]


def read_labels(labels: str | Sequence[str] | None, model_path: Path) -> list[str]:
    """Return class names by class id; an empty list if there are none.

    Args:
        labels: the names, the path of a file with them, or None for `classes.txt` beside the
            model, if there is one.
        model_path: the model's file.

    Raises:
        ModelError: the file is absent or contains no labels.
    """
    if labels is None:
        default = model_path.parent / DEFAULT_FILE
        return _read_file(default) if default.is_file() else []
    return _read_file(Path(labels)) if isinstance(labels, str) else list(labels)


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
