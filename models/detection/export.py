"""Write a trained `TinyYolo` as safetensors, ONNX and labels, and read it back.

This module imports torch: import it only where a model is trained or loaded.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.base import ModelError
from models.detection.networks import Signature
from models.detection.scenes import LABELS
from models.detection.tiny_yolo import INPUT_HEIGHT, INPUT_WIDTH, TinyYolo

STEM = "tiny_traffic"
_OPSET = 18


def save_all(net: TinyYolo, folder: Path) -> None:
    """Write `tiny_traffic.safetensors`, `.onnx` (any batch size) and `.json` (labels)."""
    folder.mkdir(parents=True, exist_ok=True)
    net = net.eval().to(memory_format=torch.contiguous_format)
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, folder / f"{STEM}.safetensors")
    (folder / f"{STEM}.json").write_text(json.dumps({"labels": list(LABELS)}, indent=2) + "\n")
    _export_onnx(net, folder / f"{STEM}.onnx")


def _export_onnx(net: TinyYolo, path: Path) -> None:
    program = torch.onnx.export(
        net,
        (torch.zeros(2, 3, INPUT_HEIGHT, INPUT_WIDTH),),
        input_names=["pixels"],
        output_names=["boxes", "scores"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    # Without this, the file would contain source paths of the machine that exported it.
    for node in program.model.graph:
        node.metadata_props.clear()
    program.save(path)


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
