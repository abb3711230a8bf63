"""Segmentation models in a transformers folder: SegFormer, Mask2Former and their kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.content_hash import folder_version
from models.images import ImageLimits
from models.segmentation.queries import to_class_scores, to_objects
from models.segmentation.segmenter import RegionMap, Segmenter, semantic_map
from models.vision.folder_config import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    read_image_settings,
    read_json,
    read_labels,
)
from models.vision.frame_model import Loaded
from models.vision.image_input import FrameSize, ImageInput
from models.vision.networks import TorchImages, check_precision
from models.weights import refuse_pickle, require_safetensors
from schemas import InputError

#: Model types of transformers that classify masks; others give each pixel class scores.
_MASK_CLASSIFIERS = ("mask2former", "maskformer")
TASKS = ("objects", "classes")
_DEFAULT_SIDE = 512


class ImageSegmenter(Segmenter):
    """Finds the pixels of classes or objects in frames, with a transformers folder.

    Args:
        path: the folder: config.json and safetensors, of `AutoModelForSemanticSegmentation`
            (SegFormer, UperNet, BEiT, DPT ...), or of Mask2Former or MaskFormer.
        task: of Mask2Former and MaskFormer: `objects`, each with a score (panoptic), or `classes`,
            a region for each class (semantic). The others know only classes.
        score_threshold: objects with a lower score are dropped.
        labels: class names, or a file of them; None: those of config.json.
        input_size: side in pixels that frames are resized to; None: as declared in the folder.
        max_pixels: larger pictures are refused before they are decoded.
        precision: `fp32`, `bf16` or `fp16`: the type of convolutions and matrix products.
        cuda_graphs: on a GPU, replay each batch size's kernels as one launch.
    """

    name = "image_segmenter"

    def __init__(
        self,
        path: str,
        task: str = "objects",
        score_threshold: float = 0.5,
        labels: str | Sequence[str] | None = None,
        input_size: int | None = None,
        max_pixels: int = ImageLimits.max_pixels,
        precision: str = "fp32",
        cuda_graphs: bool = False,
    ) -> None:
        if task not in TASKS:
            raise ValueError(f"task is {task!r}: expected one of {', '.join(TASKS)}")
        if not 0 <= score_threshold <= 1:
            raise ValueError(f"score_threshold is {score_threshold}: expected 0 to 1")
        if max_pixels < 1 or (input_size is not None and not 32 <= input_size <= 4096):
            raise ValueError(
                f"input_size {input_size}, max_pixels {max_pixels}: expected 32 to 4096, 1 or more"
            )
        self._precision, self._cuda_graphs = check_precision(precision), cuda_graphs
        self._path, self._task, self._score_threshold = Path(path), task, score_threshold
        self._labels, self._input_size = labels, input_size
        self._limits = ImageLimits(max_pixels=max_pixels)

    def load(self, device: str = "cpu") -> None:
        """Load the folder to `cpu` or `cuda:N`; `version` becomes a short hash of it.

        Raises:
            ModelError: not a segmentation model in safetensors.
        """
        refuse_pickle(self._path)
        config = read_json(self._path / "config.json")
        if "model_type" not in config:
            raise ModelError(f"{self._path}: no transformers model: no model_type in config.json")
        classifies_masks = config["model_type"] in _MASK_CLASSIFIERS
        module = _load(self._path, config, classifies_masks)
        forward = _queries if classifies_masks else _logits
        network = TorchImages(module, device, forward, self._precision, self._cuda_graphs)
        labels = read_labels(self._labels, self._path)
        self._ready = Loaded(network, self._image_input(), labels)
        self.version = folder_version(self._path)

    def _image_input(self) -> ImageInput:
        declared = read_image_settings(self._path) or {
            "height": _DEFAULT_SIDE,
            "width": _DEFAULT_SIDE,
            "mean": IMAGENET_MEAN,
            "std": IMAGENET_STD,
        }
        if self._input_size:
            declared |= {"height": self._input_size, "width": self._input_size}
        # The whole frame has to be seen, and all frames of a batch have one size.
        return ImageInput(**(declared | {"resize": "stretch", "resized_to": 0}))

    def _region_map(self, outputs: list[Any], size: FrameSize) -> RegionMap:
        if len(outputs) == 1:
            return semantic_map(outputs[0], size)
        classes, masks = (output.float().cpu() for output in outputs)
        if not (classes.isfinite().all() and masks.isfinite().all()):
            raise InputError("the model's scores are not finite numbers for this frame")
        shares, likely = classes.softmax(dim=-1).numpy(), masks.sigmoid().numpy()
        if self._task == "classes":
            return semantic_map(to_class_scores(shares, likely), size)
        return to_objects(shares, likely, size.height, size.width, self._score_threshold)


def _load(folder: Path, config: dict[str, Any], classifies_masks: bool) -> Any:
    import transformers

    require_safetensors(folder, config)
    kind = "UniversalSegmentation" if classifies_masks else "SemanticSegmentation"
    auto = getattr(transformers, f"AutoModelFor{kind}")
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
    try:
        net, report = auto.from_pretrained(folder, output_loading_info=True, **options)
    except Exception as error:  # transformers raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{folder}: not a segmentation model that can be read: {reason}"
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"{folder}: not a trained segmentation model: its weights lack {', '.join(missing[:5])}"
        )
    return net


def _logits(net: Any, pixels: Any) -> list[Any]:
    return [net(pixel_values=pixels).logits]


def _queries(net: Any, pixels: Any) -> list[Any]:
    outputs = net(pixel_values=pixels)
    return [outputs.class_queries_logits, outputs.masks_queries_logits]
