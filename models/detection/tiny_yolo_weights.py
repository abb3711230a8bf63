"""Read the weights of a `TinyYolo`, as `penstock train detector` writes them.

This module imports torch: import it only where a model is loaded.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from models.base import ModelError
from models.detection.networks import Signature
from models.detection.scenes import LABELS
from models.detection.tiny_yolo import INPUT_HEIGHT, INPUT_WIDTH, TinyYolo


def load_torch(path: Path) -> TinyYolo:
    """Return the network with the weights of a safetensors file, ready to predict.

    Raises:
        ModelError: the file is absent, or does not fit this network.
    """
    net = TinyYolo(len(LABELS))
    try:
        net.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: not the weights of the traffic detector: {reason}") from error
    return net.eval()


def signature() -> Signature:
    """Return the shape of `TinyYolo`'s input and the names of its outputs."""
    return Signature(None, INPUT_HEIGHT, INPUT_WIDTH, ["boxes", "scores"])
