"""The three ONNX files of a public transducer: encoder, decoder and joiner, and tokens.txt.

This is the layout of the models that icefall exports and sherpa-onnx reads: names such as
`encoder-epoch-99-avg-1-chunk-16-left-128.onnx`, with facts about the network in their metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.content_hash import content_version
from models.onnx_session import open_session
from models.weights import refuse_pickle

PARTS = ("encoder", "decoder", "joiner")
TOKENS = "tokens.txt"
_INT8 = ".int8.onnx"


@dataclass(frozen=True)
class TransducerFiles:
    """Where the parts of one transducer are."""

    encoder: Path
    decoder: Path
    joiner: Path
    tokens: Path

    def version(self) -> str:
        """Return a short hash of all files.

        Raises:
            ModelError: one can't be read.
        """
        return content_version(self.encoder, [self.decoder, self.joiner, self.tokens])


def find_files(folder: Path, *, int8: bool = False) -> TransducerFiles:
    """Return the files of a folder.

    Args:
        folder: with one file for each part, or two of which one ends in `.int8.onnx`.
        int8: take those that end so, where there are two.

    Raises:
        ModelError: a part is absent, or there are several.
    """
    found = {part: _only(folder, part, int8) for part in PARTS}
    tokens = folder / TOKENS
    if not tokens.is_file():
        raise ModelError(
            f"no {TOKENS} in {folder}: expected a line for each symbol beside the parts"
        )
    return TransducerFiles(**found, tokens=tokens)


def _only(folder: Path, part: str, int8: bool) -> Path:
    files = sorted(path for path in folder.glob("*.onnx") if part in path.name)
    quantized = [path for path in files if path.name.endswith(_INT8)]
    whole = [path for path in files if path not in quantized]
    kept = (quantized or whole) if int8 else (whole or quantized)
    if len(kept) == 1:
        return kept[0]
    names = ", ".join(path.name for path in kept) or "none"
    raise ModelError(
        f"{folder} has for the {part}: {names}: expected one ONNX file with {part!r} in its name"
    )


def open_part(path: Path, device: str, threads: int) -> tuple[Any, dict[str, str]]:
    """Return the ONNX Runtime session of a part, and its metadata.

    Raises:
        ModelError: the file can't be read, or the device can't be used.
    """
    refuse_pickle(path)
    session = open_session(path, device, threads)
    return session, dict(session.get_modelmeta().custom_metadata_map)


def number_of(metadata: dict[str, str], name: str, path: Path, most: int) -> int:
    """Return a number of the metadata.

    Raises:
        ModelError: it is absent or out of range.
    """
    text = metadata.get(name, "")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise ModelError(
            f"{path}: its metadata has {name} = {text!r}: expected a number from 1 to {most}, as "
            "icefall's export writes"
        )
    return int(text)
