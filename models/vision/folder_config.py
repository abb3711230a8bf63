"""Class names and preprocessing that the files beside a model's weights declare.

Read are `config.json` (transformers, timm, or Penstock's own), `preprocessor_config.json`
(transformers) and `classes.txt`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.base import ModelError

#: ImageNet's mean and deviation of the channels R, G, B, as torchvision, timm and transformers use.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Pillow's numbers, as `resample` of a preprocessor_config.json has them.
_RESAMPLINGS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
#: From this size on, ConvNeXt's preprocessing doesn't crop (arXiv:2201.03545, transformers).
_CONVNEXT_WHOLE_FROM = 384


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one if there is no such file.

    Raises:
        ModelError: not a JSON object.
    """
    try:
        value = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return value


def read_labels(labels: str | Sequence[str] | None, folder: Path) -> list[str]:
    """Return class names by class id; an empty list if there are none.

    Args:
        labels: the names, a file with one a line, or None: `classes.txt` or config.json.
        folder: of the model.

    Raises:
        ModelError: a file is absent or holds no names.
    """
    if labels is not None and not isinstance(labels, str):
        return list(labels)
    path = Path(labels) if labels else folder / "classes.txt"
    if labels or path.is_file():
        try:
            if path.suffix == ".json":
                return _declared_labels(read_json(path))
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"label file {path}: {error}: correct the option labels") from error
        return [line for line in lines if line]
    return _declared_labels(read_json(folder / "config.json"))


def _declared_labels(config: dict[str, Any]) -> list[str]:
    names = config.get("labels") or config.get("label_names")
    if isinstance(names, list):
        return [str(name) for name in names]
    by_id = config.get("id2label")
    if not isinstance(by_id, dict):
        return []
    try:
        ids = {int(key): str(name) for key, name in by_id.items()}
    except ValueError as error:
        raise ModelError(f"config.json: id2label has a key that is no number: {error}") from error
    return [ids.get(index, f"class {index}") for index in range(max(ids, default=-1) + 1)]


def read_image_settings(folder: Path) -> dict[str, Any]:
    """Return the declared fields of `ImageInput`; an empty dict if nothing is declared.

    Raises:
        ModelError: a declared value can't be used.
    """
    config = read_json(folder / "config.json")
    declared = read_json(folder / "preprocessor_config.json")
    try:
        if isinstance(config.get("image_input"), dict):
            return _tuples(config["image_input"])
        if declared:
            return _of_transformers(declared)
        timm = config.get("pretrained_cfg", config)
        return _of_timm(timm) if "input_size" in timm else {}
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder}: its preprocessing can't be read: {error!r}") from error


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}


def _of_transformers(declared: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"resampling": _RESAMPLINGS[int(declared.get("resample", 2))]}
    fields["scale"] = (
        float(declared.get("rescale_factor", 1 / 255)) if declared.get("do_rescale", True) else 1.0
    )
    if declared.get("do_normalize", True):
        fields["mean"] = _channels(declared.get("image_mean", IMAGENET_MEAN))
        fields["std"] = _channels(declared.get("image_std", IMAGENET_STD))
    else:
        fields["mean"], fields["std"] = (0.0,) * 3, (1.0,) * 3
    return fields | _sizes(declared)


def _channels(values: Any) -> tuple[float, ...]:
    values = values if isinstance(values, Sequence) else [values] * 3
    return tuple(float(value) for value in values)


def _sizes(declared: dict[str, Any]) -> dict[str, Any]:
    size, crop = declared.get("size", 224), declared.get("crop_size")
    size = {"height": size, "width": size} if isinstance(size, int) else dict(size)
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    share, shortest = declared.get("crop_pct"), size.get("shortest_edge")
    if share is not None and (shortest or size.get("height")):
        side = int(shortest or size["height"])
        if side >= _CONVNEXT_WHOLE_FROM:
            return {"height": side, "width": side, "resize": "stretch"}
        return {"height": side, "width": side, "resize": "crop", "resized_to": int(side / share)}
    if declared.get("do_center_crop") and crop:
        height, width = int(crop["height"]), int(crop["width"])
        target = int(shortest or min(size.get("height", height), size.get("width", width)))
        return {"height": height, "width": width, "resize": "crop", "resized_to": target}
    if shortest:
        return {"height": int(shortest), "width": int(shortest), "resize": "crop"}
    return {"height": int(size["height"]), "width": int(size["width"]), "resize": "stretch"}


def _of_timm(config: dict[str, Any]) -> dict[str, Any]:
    _, height, width = config["input_size"]
    share = float(config.get("crop_pct", 0.875))
    return {
        "height": int(height),
        "width": int(width),
        "resize": "crop",
        "resized_to": int(min(height, width) / share),
        "resampling": config.get("interpolation", "bicubic"),
        "mean": _channels(config["mean"]),
        "std": _channels(config["std"]),
    }
