"""Check that files with a model's weights run no code when they are read.

Safetensors and ONNX are allowed. A pickle (checkpoints of PyTorch, scikit-learn or joblib) and a
TorchScript archive are programs: they are refused, by name and by content, with a hint how to
convert a trusted one to a safe file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.base import ModelError

_TORCH = (
    "if you trust where it came from, convert it once: torch.onnx.export(model, example, "
    "'model.onnx') for an ONNX file; for a transformers model, AutoModel.from_pretrained(folder)"
    ".save_pretrained(new_folder) writes model.safetensors"
)
_SKLEARN = (
    "if you trust where it came from, convert it once: skl2onnx.to_onnx(model, X[:1]) gives an "
    "ONNX model to write to a file"
)
#: File suffix -> how to convert such a file.
_SUFFIXES = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".torchscript"), _TORCH),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), _SKLEARN),
}
#: Every pickle since Python 2.3 starts with 0x80 and its protocol's number.
_PICKLE_STARTS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
#: Parts of ONNX Runtime's messages when it refuses external data.
_LEADS_OUTSIDE = (
    "escapes model directory",
    "outside the directory",
    "absolute path",
    "is a symbolic link",
)
_INDEX = ".safetensors.index.json"


def refuse_pickle(path: Path) -> None:
    """Raise `ModelError` if a file is a pickle or a TorchScript archive.

    The check unpickles nothing. A folder passes, and so does a path that does not exist.
    """
    if path.is_dir():
        return
    advice = _SUFFIXES.get(path.suffix.lower())
    if advice is None and path.is_file() and _is_pickle(path):
        advice = _TORCH
    if advice:
        raise ModelError(
            f"{path} is a pickle, which can run code when it is read: weights are loaded from "
            f"safetensors and ONNX only; {advice}"
        )


def _is_pickle(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if file.read(2) in _PICKLE_STARTS:
                return True
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith((".pkl", ".pt")) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False  # the code that reads the file reports the error


def require_safetensors(folder: Path, config: dict[str, Any]) -> None:
    """Check that transformers will read the weights of a folder from safetensors only.

    Args:
        folder: the folder of a transformers model.
        config: the content of its config.json.

    Raises:
        ModelError: there are no weights, only pickles, or the folder refers to other files.
    """
    if not any(folder.glob("*.safetensors")):
        for path in sorted(folder.iterdir()):
            refuse_pickle(path)
        raise ModelError(f"no *.safetensors in {folder}: expected a transformers model's weights")
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{folder} holds an adapter, which names another model to load: merge the two once "
            "with peft's merge_and_unload() and save_pretrained(), and name the new folder"
        )
    for where, name in _named_files(folder, config):
        if not isinstance(name, str) or "/" in name or "\\" in name or not _is_safe_name(name):
            raise ModelError(
                f"{folder / where} names the weights file {name!r}: expected *.safetensors in the "
                "folder itself; convert and save the model anew with save_pretrained()"
            )


def _is_safe_name(name: str) -> bool:
    return name.endswith((".safetensors", _INDEX))


def _named_files(folder: Path, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each other file that transformers would read, after the file that names it."""
    if config.get("transformers_weights") is not None:
        yield "config.json", config["transformers_weights"]
    for index in sorted(folder.glob(f"*{_INDEX}")):
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{index} is not a safetensors index: {error!r}") from error
        for name in sorted(names):
            yield index.name, name


def onnx_reason(error: Exception) -> str:
    """Return in one line why ONNX Runtime can't load a file.

    ONNX Runtime refuses external data outside of the file's folder (an absolute path, `..`, or a
    link); since 1.31 it does so in every part of a graph.
    """
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    if any(phrase in reason.lower() for phrase in _LEADS_OUTSIDE):
        return f"its external data must lie in its own folder, so it is not read: {reason}"
    if "External data path does not exist" in reason:
        return f"a file of its external data is absent; copy it beside the model: {reason}"
    return f"not an ONNX model that ONNX Runtime can run: {reason}"
