"""Read how a sentence-transformers folder makes one vector of a text's tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from models.base import ModelError

Pooling = Literal["mean", "first"]

_MODULES = "modules.json"
#: What sentence-transformers calls the two kinds of pooling that are supported; `pooling_mode_...`
#: is the key of a true value in files of versions before 5.
_MODES: dict[str, Pooling] = {
    "mean": "mean",
    "cls": "first",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
}
_KNOWN = ("Transformer", "Pooling", "Normalize")


def read_pooling(folder: Path) -> Pooling:
    """Return the pooling of an encoder's folder; `mean` if it is no sentence-transformers folder.

    Raises:
        ModelError: the folder names another pooling, or a further layer that is not supported.
    """
    if not (folder / _MODULES).is_file():
        return "mean"
    pooling: Pooling = "mean"
    for module in _read(folder / _MODULES, list):
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in _KNOWN:
            raise ModelError(
                f"{folder / _MODULES} has a module {kind}: only {', '.join(_KNOWN)} are supported"
            )
        if kind == "Pooling":
            pooling = _mode(folder / str(module.get("path", "")) / "config.json")
    return pooling


def _mode(path: Path) -> Pooling:
    config = _read(path, dict)
    named = config.get("pooling_mode")
    if named is None:
        modes = [key for key, value in config.items() if key.startswith("pooling_mode") and value]
    else:
        modes = [named] if isinstance(named, str) else list(named)
    if len(modes) != 1 or modes[0] not in _MODES:
        raise ModelError(
            f"{path}: its pooling is {' and '.join(map(str, modes)) or 'none'}: supported are mean "
            "and cls; the option `pooling` overrides it, and the vectors are then others"
        )
    return _MODES[modes[0]]


def _read(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error
    if not isinstance(content, kind):
        raise ModelError(f"{path} is not a JSON {kind.__name__}")
    return content
