"""Small image networks in files, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NORMALIZED = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_resize": True}


def write_preprocessor(folder: Path, side: int = 32, **more: Any) -> None:
    """Write a preprocessor_config.json as transformers does."""
    declared = {"size": {"height": side, "width": side}, **NORMALIZED, **more}
    (folder / "preprocessor_config.json").write_text(json.dumps(declared))


def write_onnx_classifier(
    path: Path,
    *,
    batch: int | str = "batch",
    side: int = 32,
    is_softmax: bool = False,
    is_channels_last: bool = False,
    element: int = TensorProto.FLOAT,
    classes: int = 4,
) -> None:
    """Write class scores that are a linear map of the mean color."""
    shape = [batch, side, side, 3] if is_channels_last else [batch, 3, side, side]
    axes = [1, 2] if is_channels_last else [2, 3]
    weights = np.random.default_rng(0).normal(0, 3, (3, classes)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["color"], keepdims=0),
        helper.make_node("MatMul", ["color", "weights"], ["logits"]),
    ]
    if is_softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"]))
    output = "probabilities" if is_softmax else "logits"
    save(
        path,
        nodes,
        helper.make_tensor_value_info("pixels", element, shape),
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, classes])],
        {"weights": weights, "axes": np.array(axes)},
    )


def write_onnx_segmenter(
    path: Path, *, batch: int | str = "batch", is_argmax: bool = False
) -> None:
    """Write class scores of pixels: R, G and B of the mean of each 2 x 2 pixels."""
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["means"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Mul", ["means", "gain"], ["scores"]),
    ]
    output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3, 16, 16])
    if is_argmax:
        nodes.append(helper.make_node("ArgMax", ["scores"], ["classes"], axis=1, keepdims=0))
        output = helper.make_tensor_value_info("classes", TensorProto.INT64, [batch, 16, 16])
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, 32, 32])
    save(path, nodes, pixels, [output], {"gain": np.ones((1, 3, 1, 1), np.float32)})


def save(
    path: Path, nodes: list[Any], source: Any, outputs: list[Any], values: dict[str, Any]
) -> None:
    """Write a graph to a file."""
    constants = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "test", [source], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def write_resnet_folder(folder: Path, **config: Any) -> Any:
    """Write a small ResNet of transformers, and return it."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    names = {0: "red", 1: "green", 2: "blue"}
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    net = ResNetForImageClassification(
        ResNetConfig(layer_type="basic", id2label=names, **sizes, **config)
    ).eval()
    net.save_pretrained(folder)
    write_preprocessor(folder)
    return net


def write_segformer_folder(folder: Path) -> Any:
    """Write a small SegFormer of transformers, and return it."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    net = SegformerForSemanticSegmentation(
        SegformerConfig(
            hidden_sizes=[8, 16, 16, 16],
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 2, 2, 2],
            decoder_hidden_size=16,
            id2label={0: "road", 1: "car", 2: "sky"},
        )
    ).eval()
    net.save_pretrained(folder)
    write_preprocessor(folder, 64)
    return net


def write_mask2former_folder(folder: Path) -> Any:
    """Write a small Mask2Former of transformers, and return it."""
    import torch
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    torch.manual_seed(0)
    backbone = SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2, image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    net = Mask2FormerForUniversalSegmentation(
        Mask2FormerConfig(
            backbone_config=backbone, hidden_dim=32, feature_size=32, mask_feature_size=32,
            encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=6,
            dim_feedforward=16, encoder_feedforward_dim=16,
            id2label={0: "road", 1: "car", 2: "sky"},
        )
    ).eval()  # fmt: skip
    net.save_pretrained(folder)
    write_preprocessor(folder, 64)
    return net
