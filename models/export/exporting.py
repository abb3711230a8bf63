"""Export a model and compare the result with what it was made of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.classification.architectures import CONVERTED_NAMES, SHIPPED_NAMES
from models.content_hash import folder_content_version
from models.export.precision import to_float16, to_int8
from models.export.source import ONNX_NAME, Source
from models.export.speed import times_as_fast
from models.model_folder import served_by
from models.training.run_folder import write_text
from models.vision.folder_config import read_json

KINDS = ("onnx", "fp16", "int8")
#: Models of pictures that read an ONNX file.
PICTURE_MODELS = ("onnx_detector", "onnx_classifier", "onnx_segmenter", "image_classifier")
#: Names for what is shipped.
_NAMED_CLASSIFIERS = (*SHIPPED_NAMES, *CONVERTED_NAMES)
_SHIPPED_NETWORKS = {"traffic_detector": "detection", "traffic_segmenter": "segmentation"}
_NAMED_TEXTS = ("minilm", "roberta")


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares."""

    out: Path
    what: str
    num_bytes_before: int
    """Of the float32 ONNX file."""
    num_bytes: int
    parity: float | None
    """Largest absolute difference of the float32 ONNX file's outputs from torch's."""
    agreement: Mapping[str, float] = field(default_factory=dict)
    """With the float32 ONNX file's answers, in [0, 1]."""
    quality_before: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, float] = field(default_factory=dict)
    times_as_fast: float | None = None
    threads: int = 1

    def lines(self) -> list[list[str]]:
        """Return the figures as rows of a table: name and value."""
        rows = [["written", str(self.out)], ["precision", self.what]]
        before, after = self.num_bytes_before / 1e6, self.num_bytes / 1e6
        if self.parity is not None:
            rows.append(["largest difference of ONNX from torch", f"{self.parity:.2g}"])
        rows.append(["size", f"{after:.2f} MB, {before:.2f} MB in float32"])
        rows += [[name, f"{value:.4f}"] for name, value in self.agreement.items()]
        for name, value in self.quality.items():
            old = self.quality_before[name]
            lost = 100 * (old - value)
            rows.append([name, f"{value:.4f}, float32 {old:.4f}: {lost:+.2f} points lost"])
        if self.times_as_fast is not None:
            where = f"{self.times_as_fast:.2f} times as fast as float32, threads: {self.threads}"
            rows.append(["speed in ONNX Runtime, here", where])
        return rows


def open_source(
    source: str, model: str | None, data: Path | None, calibration: Path | None
) -> Source:
    """Return what `source` names as something that can be exported.

    Args:
        source: a folder, an ONNX file, or the name of a shipped model: `minilm`, `roberta`,
            `digits`, `traffic`, `efficientnet_lite0`, `traffic_detector` or `traffic_segmenter`.
        model: the registered model that reads it; None: as the folder says.
        data: to compare with.
        calibration: to calibrate with.

    Raises:
        ModelError: the kind of model is not certain; the message says how to name it.
    """
    from models.export.picture_source import PictureSource
    from models.export.text_source import TextSource

    path = Path(source).expanduser()
    if source in _NAMED_TEXTS and not path.exists():
        return TextSource(source, data, calibration)
    if source in _NAMED_CLASSIFIERS and not path.exists():
        return PictureSource("image_classifier", {"path": source}, data, calibration)
    if source in _SHIPPED_NETWORKS and not path.exists():
        return PictureSource(*_shipped(source), data, calibration)
    if not path.exists():
        raise ModelError(f"{source}: no such folder or file")
    declared = served_by(path) if path.is_dir() else None
    if model is None and declared is not None:
        if declared[0] not in PICTURE_MODELS:
            raise ModelError(
                f"{source} is a head for {declared[0]}: it is small and stays as it is; export its "
                f"encoder, {declared[1].get('encoder', 'minilm')!r}"
            )
        return PictureSource(*declared, data, calibration)
    if model is not None:
        if model not in PICTURE_MODELS:
            raise ModelError(f"--as {model}: expected one of {', '.join(PICTURE_MODELS)}")
        return PictureSource(model, {"path": str(_file_of(path, model))}, data, calibration)
    if path.is_dir() and _is_text(read_json(path / "config.json")):
        return TextSource(source, data, calibration)
    raise ModelError(
        f"{source}: nothing says what it is: say which model reads it with --as, one of "
        f"{', '.join(PICTURE_MODELS)}; a text model is a transformers folder with safetensors"
    )


def _shipped(name: str) -> tuple[str, dict[str, Any]]:
    """Return the model that reads a shipped ONNX file, and its options."""
    declared = served_by(Path(__file__).parent.parent / _SHIPPED_NETWORKS[name] / "weights")
    assert declared is not None
    return declared


def _file_of(path: Path, model: str) -> Path:
    if not path.is_dir() or model == "image_classifier":
        return path
    files = sorted(path.glob("*.onnx"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise ModelError(f"{path}: its ONNX files are {names}: name one")
    return files[0]


def _is_text(config: Mapping[str, Any]) -> bool:
    return "vocab_size" in config


def check_target(out: Path, kind: str) -> None:
    """Check what can be checked before anything is loaded.

    Raises:
        ModelError: the folder is not empty, or there is no such kind.
    """
    if kind not in KINDS:
        raise ModelError(f"--to {kind}: expected one of {', '.join(KINDS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out} is not empty: name another --out")


def export_model(
    source: Source,
    out: Path,
    kind: str,
    *,
    threads: int = 1,
    command: str = "",
) -> Exported:
    """Write a model folder and compare it.

    Args:
        source: of `open_source`.
        out: the folder to write; it must be absent or empty.
        kind: one of `KINDS`.
        threads: of ONNX Runtime when the speed is measured.
        command: for the card.

    Raises:
        ModelError: the folder is not empty, or the model can't be exported so.
    """
    check_target(out, kind)
    before = out.with_name(out.name + ".float32")
    try:
        whole = source.write_float(before)
        parity = source.parity(whole)
        if kind == "onnx":
            shutil.copytree(before, out, dirs_exist_ok=True)
            size = _size(whole)
            done = Exported(out, "float32", size, size, parity)
        else:
            done = _fewer_bits(source, whole, out, kind, threads, parity)
        _write_card(done, command)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)  # half a model must not be served
        raise
    finally:
        shutil.rmtree(before, ignore_errors=True)
    return done


def _fewer_bits(
    source: Source,
    whole: Path,
    out: Path,
    kind: str,
    threads: int,
    parity: float | None,
) -> Exported:
    shutil.copytree(whole.parent, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.onnx*"))
    part = out / "part.onnx"
    if kind == "fp16":
        to_float16(whole, part)
    else:
        to_int8(whole, part, source.feeds(whole, "calibration"))
    os.replace(part, out / ONNX_NAME)
    less = out / ONNX_NAME
    names = {"fp16": "float16", "int8": "int8"}
    return Exported(
        out=out,
        what=names[kind],
        num_bytes_before=_size(whole),
        num_bytes=_size(less),
        parity=parity,
        agreement=source.agreement(whole, less),
        quality_before=source.quality(whole),
        quality=source.quality(less),
        times_as_fast=times_as_fast(whole, less, source.feeds(whole, "comparison"), threads),
        threads=threads,
    )


def _size(onnx: Path) -> int:
    """Return the size of a file and of the data beside it."""
    return sum(path.stat().st_size for path in onnx.parent.glob(f"{onnx.name}*"))


def _write_card(done: Exported, command: str) -> None:
    """Add how it was exported to the card, and keep what the card said before."""
    path = done.out / "card.md"
    old = path.read_text("utf-8") if path.is_file() else "# Model card\n"
    version = folder_content_version(done.out)
    table = "\n".join(f"| {name} | {value} |" for name, value in done.lines()[1:])
    text = f"""{old.rstrip()}

## Export

    {command}

| | |
| --- | --- |
| version | `{version}` |
{table}
"""
    write_text(path, text)
