"""Find the files of a text model: a transformers folder with safetensors, or with an ONNX file.

An ONNX file stands beside config.json and the tokenizer (as Optimum writes it), or in the folder
`onnx` beside them (as on the Hugging Face hub).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.content_hash import external_files
from models.nlu.pretrained import decisive_files, find_folder, read_config, read_plain_config
from models.weights import refuse_pickle

_ONNX_FOLDER, _ONNX_NAME = "onnx", "model.onnx"


@dataclass(frozen=True)
class ModelFiles:
    """The files of one text model."""

    folder: Path
    """Holds config.json and the tokenizer."""
    onnx: Path | None
    """The network; None: it is in safetensors in the folder."""

    def config(self) -> dict[str, Any]:
        """Return the content of config.json.

        Raises:
            ModelError: there is no readable config, no weights, or weights only as a pickle.
        """
        return read_config(self.folder) if self.onnx is None else read_plain_config(self.folder)

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of all files that decide an answer.

        For an ONNX file its external data is among them, and safetensors beside it are not.
        """
        digest = hashlib.sha256()
        for path in self._decisive():
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def _decisive(self) -> list[Path]:
        files = decisive_files(self.folder)
        if self.onnx is None:
            return files
        kept = [path for path in files if path.suffix != ".safetensors"]
        return [*kept, self.onnx, *external_files(self.onnx)]

    def __str__(self) -> str:
        """Return the path, for messages."""
        return str(self.onnx or self.folder)


def find_model(source: str) -> ModelFiles:
    """Return the files that `source` names.

    Args:
        source: see `find_folder`; or an ONNX file. In a folder, safetensors come before ONNX.

    Raises:
        ModelError: no such folder, file or package, or several ONNX files and none is model.onnx.
    """
    path = Path(source).expanduser()
    if path.suffix == ".onnx":
        return ModelFiles(_folder_of(path), path)
    folder = find_folder(source)
    if any(folder.glob("*.safetensors")):
        return ModelFiles(folder, None)
    return ModelFiles(folder, _only_onnx(folder))


def _folder_of(path: Path) -> Path:
    refuse_pickle(path)
    if not path.is_file():
        raise ModelError(f"no file {path}: expected an ONNX file, with config.json beside it")
    candidates = [path.parent, *([path.parent.parent] if path.parent.name == _ONNX_FOLDER else [])]
    for folder in candidates:
        if (folder / "config.json").is_file():
            return folder
    raise ModelError(f"no config.json beside {path}: it is needed, and so is the tokenizer")


def _only_onnx(folder: Path) -> Path | None:
    for place in (folder, folder / _ONNX_FOLDER):
        files = sorted(place.glob("*.onnx"))
        if place / _ONNX_NAME in files:
            return place / _ONNX_NAME
        if len(files) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in files)
            raise ModelError(f"{folder} has several ONNX files ({names}): name one of them")
        if files:
            return files[0]
    return None
