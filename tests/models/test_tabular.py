from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from models.base import ModelError
from models.tabular import OnnxTabular
from schemas import BehaviorEvent, Event, InputError, SensorReading, TextMessage
from tests.models.linear_onnx import save_linear

FEATURES = ["flow_l_min", "pressure_bar"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return save_linear(tmp_path / "linear.onnx")


def loaded(path: str, **options: Any) -> OnnxTabular:
    model = OnnxTabular(path, **({"features": FEATURES} | options))
    model.load()
    model.warm_up()
    return model


def reading(flow: float, pressure: float) -> SensorReading:
    # the other way round than FEATURES, and one channel more than the model reads
    return SensorReading(values={"pressure_bar": pressure, "flow_l_min": flow, "other": 9.0})


def test_columns_follow_the_features_not_the_event(path: str) -> None:
    answers = loaded(path).predict_batch([reading(1, 2), reading(3, 0)])
    assert answers == [{"y": [21, 42], "total": 63}, {"y": [3, 6], "total": 9}]


def test_behavior_events_are_read(path: str) -> None:
    event = BehaviorEvent(action="buy", features={"pages": 1.0, "seconds": 2.0})
    (answer,) = loaded(path, features=["pages", "seconds"], output="total").predict_batch([event])
    assert answer == {"total": 63}


def test_only_the_named_outputs_are_returned(path: str) -> None:
    (answer,) = loaded(path, input="x", output=["total", "y"]).predict_batch([reading(1, 2)])
    assert isinstance(answer, dict)
    assert list(answer) == ["total", "y"]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (SensorReading(values={"flow_l_min": 1.0}), "'pressure_bar' is absent"),
        (SensorReading(values={"flow_l_min": 1e300, "pressure_bar": 1.0}), "not finite as float32"),
        (TextMessage(text="hello"), "neither `values` nor `features`"),
    ],
)
def test_an_event_that_does_not_fit_is_an_error_for_that_event_alone(
    path: str, event: Event, message: str
) -> None:
    first, bad, last = loaded(path).predict_batch([reading(1, 2), event, reading(3, 0)])
    assert isinstance(bad, InputError)
    assert message in str(bad)
    assert (first, last) == ({"y": [21, 42], "total": 63}, {"y": [3, 6], "total": 9})


def test_a_batch_with_only_errors_runs_nothing(path: str) -> None:
    (bad,) = loaded(path).predict_batch([TextMessage(text="hello")])
    assert isinstance(bad, InputError)


def test_model_of_batch_size_one_is_run_row_by_row(tmp_path: Path) -> None:
    model = loaded(save_linear(tmp_path / "one.onnx", batch=1), output="total")
    assert model.predict_batch([reading(1, 2), reading(3, 0)]) == [{"total": 63}, {"total": 9}]


def test_maps_and_labels_of_a_classifier_are_json(tmp_path: Path) -> None:
    """What scikit-learn's exporter writes: int64 labels, and a ZipMap of int to probability."""
    nodes = [
        helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
        helper.make_node("ZipMap", ["x"], ["p"], domain="ai.onnx.ml", classlabels_int64s=[4, 5]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_value_info(
                "p",
                helper.make_sequence_type_proto(
                    helper.make_map_type_proto(
                        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
                    )
                ),
            ),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "c.onnx")
    answers = loaded(str(tmp_path / "c.onnx")).predict_batch([reading(0.25, 0.75), reading(1, 0)])
    assert answers == [
        {"label": 1, "p": {"4": 0.25, "5": 0.75}},
        {"label": 0, "p": {"4": 1, "5": 0}},
    ]


def test_version_is_a_short_digest_of_the_file(path: str) -> None:
    assert len(loaded(path).version) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": ["a", "b", "c"]}, r"shape \['B', 2\]: expected .*\(B, 3\)"),
        ({"output": "absent"}, "has no output absent: it has y, total"),
        ({"output": []}, "has no output"),
        ({"input": "absent"}, "has the inputs x: expected 'absent' alone"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(
    path: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        loaded(path, **options)


@pytest.mark.parametrize("shape", [{"element": TensorProto.INT64}, {"batch": 4}])
def test_an_input_of_another_shape_is_refused(tmp_path: Path, shape: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=r"expected tensor\(float\) of shape \(B, 2\)"):
        loaded(save_linear(tmp_path / "other.onnx", **shape))


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: No such file"):
        loaded(str(tmp_path / "absent.onnx"))


def test_an_absent_device_is_refused(path: str) -> None:
    with pytest.raises(ModelError, match="cuda:99"):
        OnnxTabular(path, FEATURES).load("cuda:99")


def test_a_file_of_another_format_is_a_one_line_error(tmp_path: Path) -> None:
    file = tmp_path / "text.onnx"
    file.write_text("no protobuf", encoding="utf-8")
    with pytest.raises(ModelError, match="not an ONNX model") as caught:
        loaded(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("features", "message"),
    [([], "expected a list"), ("x", "expected a list"), (["x", "x"], "twice")],
)
def test_invalid_features_are_refused(features: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OnnxTabular("model.onnx", features)


def test_an_answer_that_is_not_finite_is_an_error_of_its_event(tmp_path: Path) -> None:
    columns = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Log", ["x"], ["y"])], "log", columns[:1], columns[1:]
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "log.onnx")
    model = OnnxTabular(str(tmp_path / "log.onnx"), features=["x"])
    model.load()
    events = [SensorReading(source_id="s", values={"x": x}) for x in (1.0, 0.0, -1.0, 1.0)]
    one, infinite, nan, again = model.predict_batch(events)
    assert one == again == {"y": 0.0}
    for answer, number in ((infinite, "-inf"), (nan, "nan")):
        assert isinstance(answer, InputError)
        assert answer.reason == "model_error"
        assert f"an output is NaN or infinite: {{'y': {number}}}" in str(answer)
