"""A BERT or RoBERTa encoder on the CPU that computes no padding.

The tokens of all texts of a pass are laid end to end, (N, D), so that the matrix products, which
take nearly all of the time, have no row for padding. Attention is computed for texts of one length
at a time, so that it needs no mask. Queries, keys and values come from one product, not from three.

The arithmetic is that of transformers' classes (Devlin et al., 2019, arXiv:1810.04805; Liu et al.,
2019, arXiv:1907.11692), apart from the order of sums. It is compared with them when a model loads.
Packing as in Zeng et al., 2022, "Boosting Distributed Training Performance of the Unpadded BERT
Model", arXiv:2208.08124.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from models.base import ModelError
from models.nlu.token_limit import first_position

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

_FAMILIES = ("BertModel", "RobertaModel", "XLMRobertaModel", "CamembertModel")
#: The two sum float32 in another order, over all layers.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class _Norm:
    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.nn.functional.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class _Layer:
    """Weights of one layer; those to be multiplied from the right are transposed."""

    qkv: torch.Tensor
    qkv_bias: torch.Tensor
    out: torch.Tensor
    out_bias: torch.Tensor
    norm: _Norm
    up: torch.Tensor
    up_bias: torch.Tensor
    down: torch.Tensor
    down_bias: torch.Tensor
    last_norm: _Norm
    num_heads: int

    def __call__(self, x: torch.Tensor, runs: Sequence[tuple[int, int, int]]) -> torch.Tensor:
        """Return the layer's output (N, D) for tokens (N, D)."""
        import torch

        linear = torch.nn.functional.linear
        qkv = linear(x, self.qkv, self.qkv_bias)
        parts = [
            self._attend(qkv[start : start + n * length], n, length) for start, n, length in runs
        ]
        attended = torch.cat(parts) if len(parts) > 1 else parts[0]
        x = self.norm(torch.addmm(x, attended, self.out).add_(self.out_bias))
        inner = torch.ops.aten.gelu_(linear(x, self.up, self.up_bias))
        return self.last_norm(torch.addmm(x, inner, self.down).add_(self.down_bias))

    def _attend(self, qkv: torch.Tensor, count: int, length: int) -> torch.Tensor:
        """Return (count * length, D) for the texts of one length."""
        import torch

        shape = (count, length, 3, self.num_heads, qkv.shape[1] // 3 // self.num_heads)
        query, key, value = qkv.view(shape).permute(2, 0, 3, 1, 4).unbind(0)
        out = torch.nn.functional.scaled_dot_product_attention(query, key, value)
        return out.transpose(1, 2).reshape(count * length, -1)


class PackedBert:
    """The network of an encoder; see `TextNetwork`."""

    def __init__(self, model: Any) -> None:
        """Take the weights of a transformers model in float32 on the CPU.

        Raises:
            AttributeError: it is built in another way.
        """
        self.config = model.config
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        # All tokens have segment 0, so its vector is added to each position's once.
        self._positions = (
            embeddings.position_embeddings.weight.detach()
            + embeddings.token_type_embeddings.weight.detach()[0]
        )
        self._first = first_position(self.config.to_dict())
        self._norm = _norm(embeddings.LayerNorm)
        self._layers = [_layer(layer, self.config) for layer in model.encoder.layer]

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the hidden states (b, T, D) of the last layer; 0 on padding."""
        return self._run(ids, mask, is_every_layer=False)[-1]

    def hidden_states(self, ids: torch.Tensor, mask: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return those of the embeddings and each layer."""
        return self._run(ids, mask, is_every_layer=True)

    def check_layers(self, layers: Sequence[int]) -> None:
        """Check that the model has these layers."""
        if max(layers) > len(self._layers):
            raise ModelError(
                f"the encoder has {len(self._layers)} layers: the head reads layer {max(layers)}"
            )

    def _run(
        self, ids: torch.Tensor, mask: torch.Tensor, is_every_layer: bool
    ) -> list[torch.Tensor]:
        import torch

        lengths = mask.sum(dim=1).tolist()
        is_token = mask.bool()
        positions = torch.arange(self._first, self._first + ids.shape[1]).expand_as(ids)
        x = self._norm(self._words[ids[is_token]] + self._positions[positions[is_token]])
        runs = list(_runs(lengths))
        states = [x]
        for layer in self._layers:
            x = layer(x, runs)
            states = [*states, x] if is_every_layer else [x]
        if len(x) == ids.numel():
            return [state.view(*ids.shape, -1) for state in states]
        return [_unpacked(state, is_token) for state in states]


def pack_bert(model: Any) -> PackedBert | None:
    """Return a packed network with the answers of a transformers encoder, or None.

    None is for other families and variants. The answers to a short and a long text are compared.

    Args:
        model: in evaluation mode, float32, on the CPU.
    """
    import torch

    config = model.config
    if type(model).__name__ not in _FAMILIES or config.hidden_act != "gelu" or config.is_decoder:
        return None
    first = max(0, config.vocab_size // 2)
    ids = torch.tensor(
        [[first, first - 1, first - 2], [first, first - 3, config.pad_token_id or 0]]
    )
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    try:
        packed = PackedBert(model)
        with torch.inference_mode():
            packed_states = packed(ids, mask)[mask.bool()]
            plain_states = model(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
    except (AttributeError, RuntimeError, IndexError, TypeError) as error:
        logger.info("this %s computes padding as well: %s", type(model).__name__, error)
        return None
    limit = _TOLERANCE * max(1.0, float(plain_states.abs().max()))
    difference = float((packed_states - plain_states).abs().max())
    if difference > limit:
        logger.info(
            "this %s computes padding as well: without it answers differ by %g",
            type(model).__name__, difference,
        )  # fmt: skip
        return None
    return packed


def _layer(layer: Any, config: Any) -> _Layer:
    import torch

    attention, projection = layer.attention.self, layer.attention.output
    inputs = (attention.query, attention.key, attention.value)
    up, down = layer.intermediate.dense, layer.output.dense
    return _Layer(
        qkv=torch.cat([one.weight.detach() for one in inputs]),
        qkv_bias=torch.cat([one.bias.detach() for one in inputs]),
        out=projection.dense.weight.detach().t(),
        out_bias=projection.dense.bias.detach(),
        norm=_norm(projection.LayerNorm),
        up=up.weight.detach(),
        up_bias=up.bias.detach(),
        down=down.weight.detach().t(),
        down_bias=down.bias.detach(),
        last_norm=_norm(layer.output.LayerNorm),
        num_heads=int(config.num_attention_heads),
    )


def _norm(module: Any) -> _Norm:
    return _Norm(module.weight.detach(), module.bias.detach(), float(module.eps))


def _runs(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (first token, texts, length) of each run of texts of one length."""
    start = 0
    for length, group in groupby(lengths):
        count = len(list(group))
        yield start, count, length
        start += count * length


def _unpacked(state: torch.Tensor, is_token: torch.Tensor) -> torch.Tensor:
    """Return (b, T, D) with the tokens (N, D) in their places."""
    padded = state.new_zeros((*is_token.shape, state.shape[1]))
    padded[is_token] = state
    return padded
