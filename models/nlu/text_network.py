"""The network of a text model, by PyTorch or by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from models.base import ModelError
from models.nlu.model_files import ModelFiles
from models.nlu.packed_bert import pack_bert
from models.nlu.pretrained import load_weights

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Task = Literal["encoder", "sequence", "tokens"]
"""`encoder`: hidden states (b, T, D). `sequence`: a class for each text, logits (b, K). `tokens`: a
class for each token, logits (b, T, K)."""

CLASSES: dict[Task, str] = {
    "encoder": "AutoModel",
    "sequence": "AutoModelForSequenceClassification",
    "tokens": "AutoModelForTokenClassification",
}


class TextNetwork(Protocol):
    """Answers padded texts on its device. One caller at a time."""

    config: Any
    """The transformers config of the model."""

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return float32 hidden states or logits, as the task says, for ids and mask (b, T)."""
        ...

    def hidden_states(self, ids: torch.Tensor, mask: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return (b, T, D) for the embeddings and each layer, in order; the last is the output."""
        ...

    def check_layers(self, layers: Sequence[int]) -> None:
        """Raise `ModelError` if `hidden_states` does not give one of these, 0 the embeddings."""
        ...


class TorchTexts:
    """A transformers model."""

    def __init__(self, files: ModelFiles, task: Task, device: str) -> None:
        """Load the weights of a folder.

        Raises:
            ModelError: they don't fit the config or the task, or the device is not there.
        """
        import transformers

        self._model = load_weights(getattr(transformers, CLASSES[task]), files.folder, device)
        self._output = "last_hidden_state" if task == "encoder" else "logits"
        self.config = self._model.config

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return hidden states or logits."""
        output = self._model(input_ids=ids, attention_mask=mask)
        values: torch.Tensor = getattr(output, self._output)
        return values

    def hidden_states(self, ids: torch.Tensor, mask: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return those of all layers."""
        output = self._model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        states: Sequence[torch.Tensor] = output.hidden_states
        return states

    def check_layers(self, layers: Sequence[int]) -> None:
        """Check that the model has these layers."""
        if max(layers) > self.config.num_hidden_layers:
            raise ModelError(
                f"the encoder has {self.config.num_hidden_layers} layers: the head reads layer "
                f"{max(layers)}"
            )

    def packed(self) -> TextNetwork | None:
        """Return an encoder with the same answers that computes no padding; None for most."""
        return pack_bert(self._model)


def load_projection(
    weights: NDArray[np.float32], num_layers: int, network: TextNetwork, source: str, device: str
) -> torch.Tensor:
    """Return on the device what the hidden states of some layers, side by side, are multiplied by.

    Args:
        weights: (L * D, H) for L layers of width D.
        num_layers: L.
        network: of the encoder.
        source: its name, for the message.
        device: `cpu` or `cuda:N`.

    Raises:
        ModelError: the weights are for another size of hidden states.
    """
    import torch

    size = num_layers * int(network.config.hidden_size)
    if weights.shape[0] != size:
        raise ModelError(
            f"the head is for hidden states of {weights.shape[0]} numbers, the encoder "
            f"{source!r} has {size}"
        )
    return torch.from_numpy(weights).to(device)


def open_network(files: ModelFiles, task: Task, device: str) -> TextNetwork:
    """Load a text model's network.

    Args:
        files: with a config that was read.
        task: what the network answers.
        device: `cpu` or `cuda:N`.

    Raises:
        ModelError: the files don't fit the task, or the device can't be used.
    """
    if files.onnx is None:
        network = TorchTexts(files, task, device)
        packed = network.packed() if task == "encoder" and device == "cpu" else None
        return packed or network
    from models.nlu.onnx_texts import OnnxTexts

    return OnnxTexts(files.folder, files.onnx, task, device)
