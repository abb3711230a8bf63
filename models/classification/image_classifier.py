"""Image classifiers in torch: a transformers folder, or a state dict in safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.classification.architectures import build, resolve
from models.classification.classifier import Classifier, check_top_k, complete_labels
from models.content_hash import folder_version
from models.images import ImageLimits
from models.vision.folder_config import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    read_image_settings,
    read_json,
    read_labels,
)
from models.vision.frame_model import Loaded
from models.vision.image_input import ImageInput
from models.vision.networks import TorchImages, check_precision
from models.weights import refuse_pickle, require_safetensors

#: How torchvision's classifiers were trained and are measured, if a file declares nothing.
_TORCHVISION_INPUT: dict[str, Any] = {
    "height": 224,
    "width": 224,
    "resize": "crop",
    "resized_to": 256,
    "mean": IMAGENET_MEAN,
    "std": IMAGENET_STD,
}


class ImageClassifier(Classifier):
    """Names what a frame shows: ResNet, MobileNet, EfficientNet and others, never from a pickle.

    Args:
        path: `efficientnet_lite0` (1,000 ImageNet classes), `digits`, `traffic`, a transformers
            folder (`AutoModelForImageClassification`), or a safetensors file or its folder with a
            state dict of torchvision's names.
        architecture: of a state dict; None: as its config.json says, else by its tensors.
        labels: class names, or a file of them; None: `classes.txt` or config.json in the folder,
            else "class 0", "class 1" ...
        top_k: number of classes in a result, 1 to 1,000.
        max_pixels: larger pictures are refused before they are decoded.
        precision: `fp32`, `bf16` or `fp16`: the type of convolutions and matrix products.
        cuda_graphs: on a GPU, replay each batch size's kernels as one launch.
    """

    name = "image_classifier"

    def __init__(
        self,
        path: str,
        architecture: str | None = None,
        labels: str | Sequence[str] | None = None,
        top_k: int = 5,
        max_pixels: int = ImageLimits.max_pixels,
        precision: str = "fp32",
        cuda_graphs: bool = False,
    ) -> None:
        if max_pixels < 1:
            raise ValueError(f"max_pixels is {max_pixels}: expected 1 or more")
        self._precision, self._cuda_graphs = check_precision(precision), cuda_graphs
        self._given_path, self._architecture, self._labels = path, architecture, labels
        self._top_k, self._limits = check_top_k(top_k), ImageLimits(max_pixels=max_pixels)

    def load(self, device: str = "cpu") -> None:
        """Load the weights to `cpu` or `cuda:N`; `version` becomes a short hash of them.

        Raises:
            ModelError: not an image classifier in safetensors, or of an unknown kind.
        """
        path = resolve(self._given_path)
        refuse_pickle(path)
        folder = path if path.is_dir() else path.parent
        config = read_json(folder / "config.json")
        is_folder = path.is_dir() and "model_type" in config
        if is_folder:
            module, declared = _load_transformers(folder, config), read_image_settings(folder)
        else:
            module, declared = self._load_state_dict(path, config), read_image_settings(folder)
        image_input = ImageInput(**(declared or _TORCHVISION_INPUT))
        multi_label = config.get("problem_type") == "multi_label_classification"
        self._activation = "sigmoid" if multi_label else "softmax"
        network = TorchImages(
            module, device, _logits if is_folder else None, self._precision, self._cuda_graphs
        )
        num_classes = _num_outputs(network, image_input, path)
        labels = complete_labels(read_labels(self._labels, folder), num_classes, path)
        self._ready = Loaded(network, image_input, labels)
        self.version = folder_version(folder, path if path.is_file() else None)

    def _load_state_dict(self, path: Path, config: dict[str, Any]) -> Any:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            listed = ", ".join(file.name for file in files) or "none"
            raise ModelError(
                f"{path}: safetensors files in it: {listed}: expected one, or the config.json of a "
                "transformers model beside them"
            )
        try:
            state = load_file(files[0])
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{files[0]}: can't be read as safetensors: {error}") from error
        return build(self._architecture or config.get("architecture"), state, files[0])


def _load_transformers(folder: Path, config: dict[str, Any]) -> Any:
    from transformers import AutoModelForImageClassification

    require_safetensors(folder, config)
    try:
        net, report = AutoModelForImageClassification.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # transformers raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{folder}: not an image classifier of transformers: {reason}") from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"{folder}: not a trained image classifier: its weights lack {', '.join(missing[:5])}"
        )
    return net


def _logits(net: Any, pixels: Any) -> list[Any]:
    return [net(pixel_values=pixels).logits]


def _num_outputs(network: TorchImages, image_input: ImageInput, path: Path) -> int:
    import numpy as np

    row = np.zeros((1, *image_input.shape), np.float32)
    try:
        (output,) = network.run(network.upload(row))
    except RuntimeError as error:
        reason = (str(error).splitlines() or [""])[0]
        raise ModelError(f"{path}: it fails for a picture of {row.shape[1:]}: {reason}") from error
    return int(output[0].numel())
