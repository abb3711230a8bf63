"""Fewer bits: float16, and int8 with or without calibration, by ONNX Runtime's own tools.

Sources: Jacob et al., 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", arXiv:1712.05877; onnxruntime.ai/docs (quantization, float16).
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.export.source import Feed

#: The layers with weights; what comes behind the last of them stays in float32.
_WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
#: ONNX operator set.
_SCALE_FOR_EACH_CHANNEL = 13


def to_float16(source: Path, target: Path) -> None:
    """Write a file with float16 weights and arithmetic; inputs and outputs stay float32."""
    onnx = _import_onnx()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _quiet():
        model = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    _drop_repeated(model.graph)
    onnx.save(model, target)


def _drop_repeated(graph: Any) -> None:
    """Keep one of several equal casts: the tool writes one for each reader of a value.

    All have the same names, which ONNX Runtime refuses.
    """
    made: set[str] = set()
    kept = []
    for number, node in enumerate(graph.node):
        if not made.issuperset(node.output):
            node.name = f"{number}_{node.op_type}"
            kept.append(node)
        made.update(node.output)
    del graph.node[:]
    graph.node.extend(kept)


def to_int8(source: Path, target: Path, feeds: Sequence[Feed]) -> None:
    """Write a file with int8 weights and activations, whose ranges are those of some inputs.

    The ranges are found beforehand: with those of each run, an answer would depend on its neighbors
    in the batch.

    What follows the last layer with weights stays in float32: there a detector makes pixels of
    boxes, for which 256 levels are too few.

    Args:
        source: the float32 file.
        target: the file to write.
        feeds: inputs like those that the model will see.

    Raises:
        ModelError: there are no inputs.
    """
    onnx = _import_onnx()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    if not feeds:
        raise ModelError("int8 needs inputs to calibrate with: name them with --calibrate")
    with _prepared(source) as prepared, _quiet():
        graph = onnx.load(prepared).graph
        kinds = {node.op_type for node in graph.node}
        quantize_static(
            prepared,
            target,
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=None if "Conv" in kinds else ["MatMul", "Gemm"],
            per_channel=True,
            # 7 bits of weight: without VNNI the 8-bit product of two 8-bit numbers overflows.
            reduce_range=not has_vnni(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=behind_last_weights(graph),
        )


def behind_last_weights(graph: Any) -> list[str]:
    """Return the names of the nodes from which no layer with weights is reached."""
    makers = {name: node for node in graph.node for name in node.output}
    before: set[str] = set()
    pending = [node for node in graph.node if node.op_type in _WEIGHTED]
    while pending:
        node = pending.pop()
        if node.name not in before:
            before.add(node.name)
            pending += [makers[name] for name in node.input if name in makers]
    return [node.name for node in graph.node if node.name not in before]


def has_vnni() -> bool:
    """Return whether the processor multiplies 8-bit numbers without overflow (AVX-VNNI)."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False


class _Reader:
    """Gives ONNX Runtime its inputs one by one."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._rest = iter(feeds)

    def get_next(self) -> Feed | None:
        """Return the next input, None behind the last."""
        return next(self._rest, None)


@contextlib.contextmanager
def _prepared(source: Path) -> Iterator[str]:
    """Yield the file with known shapes and joined layers, as the quantizer expects it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    onnx = _import_onnx()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "prepared.onnx")
        with _quiet():
            upgraded = Path(folder) / "upgraded.onnx"
            model = _upgraded(onnx.load(source))
            # The exporter notes the shapes of weights too; the quantizer turns some of them around.
            del model.graph.value_info[:]
            onnx.save(model, upgraded)
            quant_pre_process(str(upgraded), path, skip_symbolic_shape=True)
        yield path


def _upgraded(model: Any) -> Any:
    """Return a model in which a weight may have a scale for each channel.

    Raises:
        ModelError: it is of an older operator set, and can't be converted.
    """
    from onnx import version_converter

    version = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if version >= _SCALE_FOR_EACH_CHANNEL:
        return model
    try:
        return version_converter.convert_version(model, _SCALE_FOR_EACH_CHANNEL)
    except Exception as error:  # the converter raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"its operator set {version} can't be raised to {_SCALE_FOR_EACH_CHANNEL}, which int8 "
            f"needs ({reason}): export the model again with opset_version=17"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tools' advice and warnings to themselves."""
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ModelError("export needs onnx: install the extra penstock[train]") from error
    return onnx
