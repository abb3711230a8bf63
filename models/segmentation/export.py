"""Write a trained `TinyUnet` as safetensors, ONNX and labels.

This module imports torch: import it only where a model is trained.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from models.detection.scenes import LABELS
from models.segmentation.tiny_unet import INPUT_HEIGHT, INPUT_WIDTH, TinyUnet

STEM = "traffic_segmenter"
BACKGROUND = "background"
_OPSET = 18


def save_all(net: TinyUnet, folder: Path) -> None:
    """Write `traffic_segmenter.safetensors`, `.onnx` (any batch size) and `.json` (labels)."""
    folder.mkdir(parents=True, exist_ok=True)
    net = net.eval().to(memory_format=torch.contiguous_format)
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, folder / f"{STEM}.safetensors")
    labels = {"labels": [BACKGROUND, *LABELS]}
    (folder / f"{STEM}.json").write_text(json.dumps(labels, indent=2) + "\n")
    program = torch.onnx.export(
        net,
        (torch.zeros(2, 3, INPUT_HEIGHT, INPUT_WIDTH),),
        input_names=["pixels"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    # Without this, the file would contain source paths of the machine that exported it.
    for node in program.model.graph:
        node.metadata_props.clear()
    program.save(folder / f"{STEM}.onnx")
