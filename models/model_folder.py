"""What a model's folder says about how it is served: the key `penstock` of its config.json.

    {"penstock": {"model": "onnx_segmenter", "files": {"path": "model.onnx"},
                  "options": {"background": "background"}}, "labels": [...]}

`files` are options whose value is a file of the folder, "." for the folder itself. `penstock train`
and `penstock export` write it, so that a pipeline file can name the folder as `model:`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.base import ModelError
from models.vision.folder_config import read_json

KEY = "penstock"


def served_by(folder: Path) -> tuple[str, dict[str, Any]] | None:
    """Return the registered model and the options that a folder declares; None if it doesn't.

    Raises:
        ModelError: the declaration can't be used, or names a file outside of the folder, or one
            among the options.
    """
    declared = read_json(folder / "config.json").get(KEY)
    if declared is None:
        return None
    try:
        name, files = str(declared["model"]), dict(declared.get("files", {}))
        options = dict(declared.get("options", {}))
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{folder}: its config.json: {KEY!r} can't be read: {error!r}") from error
    for option, value in options.items():
        # A folder from somewhere else must not make a worker read, and publish, any local file.
        if isinstance(value, str) and (folder / value).is_file():
            raise ModelError(f"{folder}: its config.json: {option} is a file: name it in `files`")
    for option, file in files.items():
        path = folder / str(file)
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ModelError(f"{folder}: its config.json names {file!r}, outside of the folder")
        options[option] = str(path)
    return name, options
