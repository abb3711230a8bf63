"""A text model's network in ONNX Runtime, as Optimum or `torch.onnx` export it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.base import ModelError
from models.nlu.token_limit import first_position
from models.onnx_session import open_session

if TYPE_CHECKING:
    import torch

    from models.nlu.text_network import Task

    MakeInput = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

#: ONNX element types of inputs and outputs -> the names of torch's.
_TYPES = {
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
}
#: The usual names of the output that answers a task; else the only one with as many axes is taken.
_NAMES = {
    "encoder": ("last_hidden_state", "token_embeddings"),
    "sequence": ("logits",),
    "tokens": ("logits",),
}
_AXES = {"encoder": 3, "sequence": 2, "tokens": 3}
_MEANING = {
    "encoder": "hidden states [batch, length, width]",
    "sequence": "logits [batch, classes]",
    "tokens": "logits [batch, length, classes]",
}


class OnnxTexts:
    """An ONNX file that reads token ids; its inputs and outputs stay on the device."""

    def __init__(self, folder: Path, path: Path, task: Task, device: str) -> None:
        """Open a file, and check it with two texts of three tokens.

        Args:
            folder: with config.json.
            path: the file; batch and length must be open (dynamic axes).
            task: what it answers.
            device: `cpu` or `cuda:N`.

        Raises:
            ModelError: it can't be run on the device, or its inputs or outputs don't fit the task.
        """
        import torch

        self.config = _read_config(folder)
        self._path = path
        self._session = open_session(path, device, 0)
        self._device = torch.device(device)
        makers = _makers(first_position(self.config.to_dict()))
        nodes = _checked_inputs(self._session, path, makers)
        self._inputs = [(node.name, node.type, makers[node.name]) for node in nodes]
        size = self.config.hidden_size if task == "encoder" else self.config.num_labels
        self._output, self._output_type = _choose_output(self._session, path, task)
        self._tail = (int(size),)
        self._is_per_token = _AXES[task] == 3
        self._check(task)

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return float32 hidden states or logits."""
        import torch

        feeds = {
            name: make(ids, mask).to(getattr(torch, _TYPES[kind])).contiguous()
            for name, kind, make in self._inputs
        }
        run = self._run_on_host if self._device.type == "cpu" else self._run_on_device
        return run(feeds).float()

    def hidden_states(self, ids: torch.Tensor, mask: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return a list whose last element is the output; the others are not in the file."""
        states = self(ids, mask)
        return [states] * (int(self.config.num_hidden_layers) + 1)

    def check_layers(self, layers: Sequence[int]) -> None:
        """Check that only the last layer is read."""
        last = int(self.config.num_hidden_layers)
        if set(layers) != {last}:
            raise ModelError(
                f"the head reads the layers {', '.join(map(str, layers))} of its encoder, and "
                f"{self._path} gives only the last, {last}: use the folder with safetensors"
            )

    def _run_on_host(self, feeds: dict[str, torch.Tensor]) -> torch.Tensor:
        import torch

        arrays = {name: tensor.numpy() for name, tensor in feeds.items()}
        (output,) = self._session.run([self._output], arrays)
        return torch.from_numpy(output)

    def _run_on_device(self, feeds: dict[str, torch.Tensor]) -> torch.Tensor:
        import torch

        rows, length = next(iter(feeds.values())).shape
        shape = (rows, *((length,) if self._is_per_token else ()), *self._tail)
        output = torch.empty(
            shape, dtype=getattr(torch, _TYPES[self._output_type]), device=self._device
        )
        # ONNX Runtime has a stream of its own: it can't wait for PyTorch's.
        torch.cuda.current_stream(self._device).synchronize()
        binding = self._session.io_binding()
        place = (self._device.type, self._device.index or 0)
        for (name, tensor), (_, kind, _) in zip(feeds.items(), self._inputs, strict=True):
            binding.bind_input(name, *place, _numpy_type(kind), tensor.shape, tensor.data_ptr())
        binding.bind_output(
            self._output, *place, _numpy_type(self._output_type), shape, output.data_ptr()
        )
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return output

    def _check(self, task: Task) -> None:
        import torch

        ids = torch.zeros((2, 3), dtype=torch.int64, device=self._device)
        try:
            output = self(ids, torch.ones_like(ids))
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(f"{self._path} can't answer two texts of 3 tokens: {reason}") from None
        expected = (2, *((3,) if self._is_per_token else ()), *self._tail)
        if tuple(output.shape) != expected:
            raise ModelError(
                f"{self._path}: its output {self._output} is {list(output.shape)} for 2 texts of "
                f"3 tokens; by config.json it should be {list(expected)}: {_MEANING[task]}"
            )


def _makers(first: int) -> dict[str, MakeInput]:
    """Return what makes each input from ids and mask; `first` is the first token's position."""
    return {
        "input_ids": lambda ids, mask: ids,
        "attention_mask": lambda ids, mask: mask,
        # A text is one segment: a tokenizer that marks several is refused when it loads.
        "token_type_ids": lambda ids, mask: ids * 0,
        "position_ids": lambda ids, mask: (mask.cumsum(1) - 1).clamp(min=0) + first,
    }


def _checked_inputs(session: Any, path: Path, known: Collection[str]) -> list[Any]:
    """Return the file's inputs.

    Raises:
        ModelError: one is unknown or missing, or has a fixed shape.
    """
    nodes: list[Any] = session.get_inputs()
    names = {node.name for node in nodes}
    unknown = sorted(n.name for n in nodes if n.name not in known or n.type not in _TYPES)
    missing = sorted({"input_ids", "attention_mask"} - names)
    if unknown or missing:
        what = f"lacks the input {missing[0]}" if missing else f"has the input {unknown[0]}"
        raise ModelError(
            f"{path} {what}: a text model reads input_ids and attention_mask, and may "
            "read token_type_ids and position_ids, numbers [batch, length]"
        )
    fixed = [node for node in nodes if any(isinstance(d, int) for d in node.shape)]
    if fixed:
        raise ModelError(
            f"{path}: its input {fixed[0].name} has the fixed shape {fixed[0].shape}: "
            "export it with dynamic axes for batch and length"
        )
    return nodes


def _choose_output(session: Any, path: Path, task: Task) -> tuple[str, str]:
    """Return name and element type of the output that answers the task."""
    nodes = [n for n in session.get_outputs() if len(n.shape or ()) == _AXES[task]]
    named = [node for name in _NAMES[task] for node in nodes if node.name == name]
    chosen = named[:1] or nodes
    if len(chosen) != 1 or chosen[0].type not in _TYPES:
        outputs = ", ".join(f"{n.name} {n.type} {n.shape}" for n in session.get_outputs())
        raise ModelError(f"{path}: its outputs are {outputs}: expected {_MEANING[task]}")
    return chosen[0].name, chosen[0].type


def _numpy_type(kind: str) -> Any:
    import numpy as np

    return np.dtype(_TYPES[kind])


def _read_config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # ValueError, OSError, KeyError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{folder / 'config.json'}: transformers can't read it: {reason}"
        ) from error
