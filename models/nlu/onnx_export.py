"""Write a transformers folder's network as model.onnx, beside its config and tokenizer.

The layout is that of Optimum. Needs the packages onnx and onnxscript.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.base import ModelError
from models.nlu.model_files import ModelFiles
from models.nlu.pretrained import decisive_files, load_weights
from models.nlu.text_network import CLASSES, Task

if TYPE_CHECKING:
    import torch

_OPSET = 18
#: Three texts of up to five tokens: neither number may be taken for a constant of the network.
_EXAMPLE = (3, 5)
_NAMES = ("input_ids", "attention_mask")


def export_onnx(
    files: ModelFiles, out: Path, task: Task, more_inputs: Sequence[str] = ()
) -> ModelFiles:
    """Export the network in float32, with open batch and length.

    Args:
        files: with safetensors.
        out: the folder to write to; it is created if absent.
        task: what the network answers.
        more_inputs: beside ids and mask: `token_type_ids`, `position_ids`.

    Raises:
        ModelError: the folder is an ONNX model already, or has no weights for the task.
    """
    import torch
    import transformers

    if files.onnx is not None:
        raise ModelError(f"{files.onnx} is an ONNX file already")
    files.config()
    network = load_weights(getattr(transformers, CLASSES[task]), files.folder, "cpu")
    network.set_attn_implementation("eager")
    names = [*_NAMES, *more_inputs]
    output = "last_hidden_state" if task == "encoder" else "logits"
    out.mkdir(parents=True, exist_ok=True)
    is_open = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        _named(network, names, output),
        tuple(_example(name) for name in names),
        input_names=names,
        output_names=[output],
        dynamic_shapes=(tuple({0: is_open, 1: is_open} for _ in names),),
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    for node in program.model.graph:  # they would name the paths of the machine that exports
        node.metadata_props.clear()
    path = out / "model.onnx"
    program.save(path)
    for file in decisive_files(files.folder):
        if file.suffix != ".safetensors" and not (out / file.name).exists():
            shutil.copyfile(file, out / file.name)
    _copy_pooling(files.folder, out)
    return ModelFiles(out, path)


def _copy_pooling(folder: Path, out: Path) -> None:
    """Copy what sentence-transformers' folders say about pooling, if the folder is one."""
    for path in (*folder.glob("modules.json"), *folder.glob("*_Pooling/config.json")):
        target = out / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)


def _example(name: str) -> torch.Tensor:
    import torch

    values = torch.ones(_EXAMPLE, dtype=torch.int64)
    if name == "position_ids":
        return values.cumsum(1) - 1
    return torch.zeros_like(values) if name == "token_type_ids" else values


def _named(network: Any, names: Sequence[str], output: str) -> torch.nn.Module:
    """Return a module that takes inputs by position and returns one output."""
    import torch

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *values: torch.Tensor) -> Any:
            result = self.network(**dict(zip(names, values, strict=True)))
            return getattr(result, output)

    return Named().eval()
