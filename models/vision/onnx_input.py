"""Join an ONNX file's picture input with the declared preprocessing and the options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.vision.folder_config import read_image_settings
from models.vision.image_input import RESIZES, ImageInput
from models.vision.networks import PictureShape

#: The share of the shorter side that torchvision's classifiers see: 224 of 256.
_CROP_SHARE = 0.875
_DEFAULT_SIZE = 224


@dataclass(frozen=True)
class InputOptions:
    """What the pipeline file says about an input; None: as declared beside the model."""

    input_size: int | None = None
    resize: str | None = None
    resized_to: int | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    scale: float | None = None
    is_bgr: bool = False

    def __post_init__(self) -> None:
        for name in ("input_size", "resized_to"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 8192:
                raise ValueError(f"{name} is {value}: expected 1 to 8192")
        if self.resize is not None and self.resize not in RESIZES:
            raise ValueError(f"resize is {self.resize!r}: expected one of {', '.join(RESIZES)}")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together: set both")


def onnx_image_input(
    picture: PictureShape, options: InputOptions, path: Path, resize: str = "crop"
) -> ImageInput:
    """Return the input of an ONNX file.

    Args:
        picture: the shape of its input.
        options: what the pipeline file says.
        path: the file.
        resize: if neither the options nor a file beside the model say it.

    Raises:
        ModelError: nothing says how gray levels are normalized, or a declaration doesn't fit.
    """
    declared = read_image_settings(path.parent)
    fields = declared | _given(options)
    if "mean" not in fields:
        if not picture.is_uint8:
            raise ModelError(_unknown_normalization(path))
        fields |= {"mean": (0.0,) * picture.channels, "std": (1.0,) * picture.channels}
        fields.setdefault("scale", 1.0)
    fields["height"] = picture.height or options.input_size or fields.get("height", _DEFAULT_SIZE)
    fields["width"] = picture.width or options.input_size or fields.get("width", _DEFAULT_SIZE)
    fields.setdefault("resize", resize)
    if fields["resize"] == "crop" and not fields.get("resized_to"):
        fields["resized_to"] = round(min(fields["height"], fields["width"]) / _CROP_SHARE)
    for name in ("mean", "std"):
        fields[name] = _for_channels(fields[name], picture.channels)
    fields |= {"is_bgr": options.is_bgr, "is_channels_last": picture.is_channels_last}
    try:
        return ImageInput(**fields)
    except (TypeError, ValueError) as error:
        raise ModelError(f"model file {path}: its preprocessing: {error}") from error


def _given(options: InputOptions) -> dict[str, Any]:
    given = {
        "resize": options.resize,
        "resized_to": options.resized_to,
        "mean": None if options.mean is None else tuple(map(float, options.mean)),
        "std": None if options.std is None else tuple(map(float, options.std)),
        "scale": options.scale,
    }
    return {name: value for name, value in given.items() if value is not None}


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Return one value for each channel; one value stands for all."""
    if len(values) == channels:
        return values
    if len(set(values)) == 1:
        return (values[0],) * channels
    raise ModelError(f"{len(values)} means or deviations {values} for {channels} channels")


def _unknown_normalization(path: Path) -> str:
    return (
        f"model file {path}: nothing says how it expects gray levels: put the model's "
        "preprocessor_config.json beside it, or set the options mean and std. Usual are mean "
        "[0.485, 0.456, 0.406], std [0.229, 0.224, 0.225] (torchvision, timm); mean [0.5], std "
        "[0.5] (values of -1 to 1); mean [0], std [1] (values of 0 to 1; with scale: 1, of "
        "0 to 255)"
    )
