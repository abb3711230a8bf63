"""Three small ONNX files of random weights, laid out as icefall's export, and the same in torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

FEATURES, HIDDEN, EMBEDDED, CONTEXT = 80, 6, 5, 2
WINDOW, SHIFT, POOL = 45, 32, 4
SYMBOLS = ("<blk>", "<unk>", "\u2581a", "b", "\u2581cd", "e")
Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def make_weights(seed: int = 4) -> Weights:
    chance = np.random.default_rng(seed)
    shapes = {
        "W": (1, 4 * HIDDEN, POOL * FEATURES), "R": (1, 4 * HIDDEN, HIDDEN), "B": (1, 8 * HIDDEN),
        "embedding": (len(SYMBOLS), EMBEDDED), "project": (CONTEXT * EMBEDDED, HIDDEN),
        "joint": (HIDDEN, len(SYMBOLS)),
    }  # fmt: skip
    scales = {"W": 0.02, "joint": 6.0}
    return {
        name: (scales.get(name, 1.0) * chance.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def write_transducer(
    folder: Path, seed: int = 4, metadata: dict[str, str] | None = None
) -> Weights:
    """Write encoder, decoder, joiner and tokens.txt; return the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = make_weights(seed)
    facts = {"model_type": "lstm", "T": str(WINDOW), "decode_chunk_len": str(SHIFT)}
    _save(_encoder(weights), folder / "encoder-epoch-1.onnx", {**facts, **(metadata or {})})
    _save(_decoder(weights), folder / "decoder-epoch-1.onnx", {"context_size": str(CONTEXT)})
    _save(_joiner(weights), folder / "joiner-epoch-1.onnx", {"joiner_dim": str(HIDDEN)})
    lines = [f"{text} {number}\n" for number, text in enumerate(SYMBOLS)]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    return weights


def _encoder(weights: Weights) -> onnx.GraphProto:
    """Return a graph that pools four frames and reads them with an LSTM; it counts frames too."""
    node = helper.make_node
    nodes = [
        node("Slice", ["x", "zero", "shift", "one"], ["chunk"]),
        node("Reshape", ["chunk", "pooled_shape"], ["pooled"]),
        node("Transpose", ["pooled"], ["in_time"], perm=[1, 0, 2]),
        node(
            "LSTM", ["in_time", "W", "R", "B", "", "state0", "state1"],
            ["y", "new_state0", "new_state1"], hidden_size=HIDDEN,
        ),
        node("Squeeze", ["y", "one"], ["flat"]),
        node("Transpose", ["flat"], ["encoder_out"], perm=[1, 0, 2]),
        node("Add", ["processed_lens", "shift"], ["new_processed_lens"]),
    ]  # fmt: skip
    constants = {
        "zero": np.array([0]), "one": np.array([1]), "shift": np.array([SHIFT]),
        "pooled_shape": np.array([0, -1, POOL * FEATURES]),
        **{name: weights[name] for name in ("W", "R", "B")},
    }  # fmt: skip
    state = [1, "N", HIDDEN]
    return helper.make_graph(
        nodes,
        "encoder",
        [
            _value("x", ["N", WINDOW, FEATURES]),
            _value("state0", state),
            _value("processed_lens", ["N"], TensorProto.INT64),
            _value("state1", state),
        ],
        [
            _value("encoder_out", ["N", SHIFT // POOL, HIDDEN]),
            _value("new_state0", state),
            _value("new_processed_lens", ["N"], TensorProto.INT64),
            _value("new_state1", state),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def _decoder(weights: Weights) -> onnx.GraphProto:
    node = helper.make_node
    nodes = [
        node("Max", ["y", "none"], ["known"]),
        node("Gather", ["embedding", "known"], ["embedded"]),
        node("Reshape", ["embedded", "flat_shape"], ["flat"]),
        node("MatMul", ["flat", "project"], ["decoder_out"]),
    ]
    constants = {
        "none": np.array([0]), "flat_shape": np.array([0, CONTEXT * EMBEDDED]),
        "embedding": weights["embedding"], "project": weights["project"],
    }  # fmt: skip
    return helper.make_graph(
        nodes,
        "decoder",
        [_value("y", ["N", CONTEXT], TensorProto.INT64)],
        [_value("decoder_out", ["N", HIDDEN])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def _joiner(weights: Weights) -> onnx.GraphProto:
    nodes = [
        helper.make_node("Add", ["encoder_out", "decoder_out"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["bent"]),
        helper.make_node("MatMul", ["bent", "joint"], ["logit"]),
    ]
    return helper.make_graph(
        nodes,
        "joiner",
        [_value("encoder_out", ["N", HIDDEN]), _value("decoder_out", ["N", HIDDEN])],
        [_value("logit", ["N", len(SYMBOLS)])],
        [numpy_helper.from_array(weights["joint"], "joint")],
    )


def _value(name: str, shape: list[Any], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _save(graph: onnx.GraphProto, path: Path, metadata: dict[str, str]) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)


@torch.no_grad()
def offline(weights: Weights, frames: torch.Tensor, max_symbols: int = 5) -> list[tuple[int, int]]:
    """Return (symbol, encoder frame) of greedy decoding of whole frames (T, F), by torch's LSTM."""
    lstm = torch.nn.LSTM(POOL * FEATURES, HIDDEN, batch_first=True)
    order = [0, 2, 3, 1]  # ONNX has the gates in the order i, o, f, c and torch i, f, c, o

    def gates(name: str) -> torch.Tensor:
        parts = torch.from_numpy(weights[name][0]).chunk(4)
        return torch.cat([parts[i] for i in order])

    state: dict[str, torch.Tensor] = lstm.state_dict()
    first, second = torch.from_numpy(weights["B"][0]).chunk(2)
    state["weight_ih_l0"].copy_(gates("W"))
    state["weight_hh_l0"].copy_(gates("R"))
    for bias, values in ((state["bias_ih_l0"], first), (state["bias_hh_l0"], second)):
        bias.copy_(torch.cat([values.chunk(4)[i] for i in order]))
    pooled = frames[: len(frames) // POOL * POOL].reshape(1, -1, POOL * FEATURES)
    encoded = lstm(pooled)[0][0].numpy()
    said: list[tuple[int, int]] = []
    last = [0] * CONTEXT
    for time, frame in enumerate(encoded):
        for _ in range(max_symbols):
            predicted = weights["embedding"][last].reshape(-1) @ weights["project"]
            symbol = int((np.tanh(frame + predicted) @ weights["joint"]).argmax())
            if not symbol:
                break
            said.append((symbol, time))
            last = [*last[1:], symbol]
    return said
