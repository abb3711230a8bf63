"""The options' share of a model's version: two files of equal content can answer differently.

A stateless model's `version` is a hash of its files. Options that were given and differ from the
default add a second hash behind a dash: `5f1c0a9be011-3d2e77`. Not in it are options that name the
files themselves, because their content is in the first hash, and those that only say how the work
is done.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.base import Model

#: Options whose content `load` hashes, and options that change no answer.
_COVERED = ("path", "head", "encoder", "weights")
_HOW = ("threads",)
_DIGITS = 6


def options_digest(cls: type[Model[Any, Any]], options: Mapping[str, Any]) -> str:
    """Return a hash of the options that change answers; "" if all have their defaults.

    A file that an option names counts with its content, wherever it is.
    """
    parameters = inspect.signature(cls).parameters
    decisive = {
        name: _content(value)
        for name, value in options.items()
        if name not in (*_COVERED, *_HOW) and not _is_default(parameters.get(name), value)
    }
    if not decisive:
        return ""
    text = json.dumps(decisive, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def name_options_in_version(model: Model[Any, Any], digest: str) -> None:
    """Add the options' hash to the version that `load` sets."""
    load = model.load

    def load_and_name(device: str = "cpu") -> None:
        load(device)
        if not model.version.endswith(f"-{digest}"):
            model.version = f"{model.version}-{digest}"

    model.load = load_and_name  # type: ignore[method-assign]


def _is_default(parameter: inspect.Parameter | None, value: Any) -> bool:
    return parameter is not None and bool(parameter.default == value)


def _content(value: Any) -> Any:
    if isinstance(value, str) and value and Path(value).is_file():
        return hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return value
