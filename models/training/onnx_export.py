"""Write a torch network as an ONNX file of any batch size.

This module imports torch: import it only where a model is trained or exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from models.base import ModelError

_OPSET = 18


def write_onnx(
    net: Any, example: torch.Tensor, path: Path, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Write a network in eval mode; its first axis is free.

    Args:
        net: with one input.
        example: an input of at least two rows.
        path: of the file.
        inputs: name of the input.
        outputs: names of the outputs, in order.

    Raises:
        ModelError: the package onnxscript is not installed.
    """
    try:
        program = torch.onnx.export(
            net.eval().to(memory_format=torch.contiguous_format),
            (example,),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    except ModuleNotFoundError as error:
        raise ModelError(
            f"writing ONNX needs {error.name}: install the extra penstock[train]"
        ) from error
    assert program is not None
    # Without this, the file would contain source paths of the machine that exported it.
    for node in program.model.graph:
        node.metadata_props.clear()
    program.save(path)
