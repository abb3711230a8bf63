"""Which files may hold a model's weights: data that runs no code when it is read.

That is safetensors and ONNX. A pickle (PyTorch's own checkpoints, scikit-learn's, joblib's) and a
TorchScript archive are programs: they are refused, by their names and by their content, with a hint
how whoever trusts them makes a safe file of them.
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
#: Suffix -> how to convert.
_SUFFIXES = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".torchscript"), _TORCH),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), _SKLEARN),
}
#: Every pickle since Python 2.3 starts with 0x80 and its protocol's number.
_PICKLE_STARTS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
#: ONNX Runtime's words for external data that it refuses.
_LEADS_OUTSIDE = (
    "escapes model directory",
    "outside the directory",
    "absolute path",
    "is a symbolic link",
)
_INDEX = ".safetensors.index.json"


def refuse_pickle(path: Path) -> None:
    """Raise `ModelError` if a file is a pickle or a TorchScript archive.

    Nothing in it is unpickled to find out. A folder may pass, and so may what is absent.
    """
    if path.is_dir():
        return
    how = _SUFFIXES.get(path.suffix.lower())
    if how is None and path.is_file() and _is_pickle(path):
        how = _TORCH
    if how:
        raise ModelError(
            f"{path} is a pickle, which can run code when it is read: weights are loaded from "
            f"safetensors and ONNX only; {how}"
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
        return False  # whoever reads it next says why it can't


def require_safetensors(folder: Path, config: dict[str, Any]) -> None:
    """Check that transformers finds the weights of a folder in safetensors, and nowhere else.

    Args:
        folder: of a transformers model.
        config: its config.json.

    Raises:
        ModelError: there are none, only pickles, or something names other files to read.
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
    """Yield what else transformers would read weights from, and which file says so."""
    if config.get("transformers_weights") is not None:
        yield "config.json", config["transformers_weights"]
    for index in sorted(folder.glob(f"*{_INDEX}")):
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{index} is no index of safetensors: {error!r}") from error
        for name in sorted(names):
            yield index.name, name


def onnx_reason(error: Exception) -> str:
    """Return why ONNX Runtime can't load a file, in one line.

    It refuses by itself, from 1.31 on in every part of a graph, external data that lies outside of
    the file's folder: by an absolute path, by `..`, or through a link.
    """
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    if any(phrase in reason.lower() for phrase in _LEADS_OUTSIDE):
        return f"its external data must lie in its own folder, so it is not read: {reason}"
    if "External data path does not exist" in reason:
        return f"a file of its external data is absent; copy it beside the model: {reason}"
    return f"not an ONNX model that ONNX Runtime can run: {reason}"
