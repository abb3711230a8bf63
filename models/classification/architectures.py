"""Networks for a state dict: built by name, or found by the names and shapes of its tensors."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.base import ModelError

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]

SHIPPED = Path(__file__).parent / "weights"
#: Names that stand for a folder: shipped here, or converted from a package.
SHIPPED_NAMES, CONVERTED_NAMES = ("digits", "traffic"), ("efficientnet_lite0",)
#: Own networks; any other name is one of torchvision's.
_OWN = ("resnet20", "efficientnet_lite0")
#: torchvision's networks that a state dict without a name is compared with.
_COMPARED = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "alexnet", "vgg11", "vgg16", "squeezenet1_0", "squeezenet1_1", "densenet121",
    "shufflenet_v2_x1_0", "convnext_tiny", "wide_resnet50_2",
    "resnext50_32x4d",
)  # fmt: skip


#: Names of the part with the last layer: ResNet, EfficientNet-lite, most others, transformers.
_LAST_LAYERS = ("fc", "_fc", "classifier", "head", "heads")


def converted_folder(name: str) -> Path:
    """Return where `models.classification.convert` writes a model."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "penstock" / name


def resolve(path: str) -> Path:
    """Return the folder or file that an option `path` means.

    Raises:
        ModelError: the model has to be converted first.
    """
    if path in SHIPPED_NAMES and not Path(path).exists():
        return SHIPPED / path
    if path in CONVERTED_NAMES and not Path(path).exists():
        folder = converted_folder(path)
        if not (folder / "model.safetensors").is_file():
            raise ModelError(
                f"{path} is not in {folder}: install the extra penstock[vision] and run once: "
                "python -m models.classification.convert"
            )
        return folder
    return Path(path)


def build(name: str | None, state: State, path: Path) -> torch.nn.Module:
    """Return the network with the weights of a state dict, in eval mode.

    Args:
        name: of the architecture; None: the one whose parameters have these names and shapes.
        state: parameters by name.
        path: where it is from, for messages.

    Raises:
        ModelError: no network fits, or several do.
    """
    name = name or _found(state, path)
    net = _make(name, state, path)
    try:
        net.load_state_dict(dict(state))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{path}: not the weights of {name}: {reason}") from error
    return net.eval()


def _found(state: State, path: Path) -> str:
    if "_conv_stem.weight" in state:
        return "efficientnet_lite0"
    fits = [name for name in ("resnet20", *_COMPARED) if _fits(name, state, path)]
    if len(fits) == 1:
        return fits[0]
    what = f"several networks fit: {', '.join(fits)}" if fits else "no known network fits"
    raise ModelError(
        f"{path}: {what}: name it with the option architecture: one of torchvision.models "
        f"(compared were {', '.join(_COMPARED)}), or {', '.join(_OWN)}"
    )


def _fits(name: str, state: State, path: Path) -> bool:
    import torch

    if not _num_classes(state):
        return False
    with torch.device("meta"):
        net = _make(name, state, path)
    expected = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    return expected == {key: tuple(value.shape) for key, value in state.items()}


def _make(name: str, state: State, path: Path) -> torch.nn.Module:
    num_classes = max(1, _num_classes(state))
    if name == "resnet20":
        from models.classification.small_resnet import ResNet20

        first = state.get("conv1.weight")
        return ResNet20(num_classes, 3 if first is None else first.shape[1])
    if name == "efficientnet_lite0":
        from models.classification.efficientnet_lite import EfficientNetLite0

        return EfficientNetLite0(num_classes)
    net: torch.nn.Module = _torchvision(name, path)(num_classes=num_classes)
    return net


def _num_classes(state: State) -> int:
    """Return the number of rows of the last layer's weight; 0 if no layer is called like one.

    The order of a safetensors file says nothing, so the layer is found by its name.
    """
    weights = {
        tuple(int(part) if part.isdigit() else 0 for part in key.split(".")): value.shape[0]
        for key, value in state.items()
        if key.endswith(".weight") and value.ndim > 1 and key.split(".")[0] in _LAST_LAYERS
    }
    return int(weights[max(weights)]) if weights else 0


def _torchvision(name: str, path: Path) -> Callable[..., Any]:
    try:
        from torchvision import models
    except ImportError as error:
        raise ModelError(
            f"{path}: networks by torchvision's names need the extra penstock[vision]"
        ) from error
    if name not in models.list_models(module=models):
        raise ModelError(f"{path}: no architecture {name!r}: expected one of torchvision.models")

    def make(num_classes: int) -> Any:
        # `weights=None`: nothing is ever downloaded. GoogLeNet and Inception want to be asked.
        takes_init = name in ("googlenet", "inception_v3")
        options = {"init_weights": False} if takes_init else {}
        return models.get_model(name, weights=None, num_classes=num_classes, **options)

    return make
