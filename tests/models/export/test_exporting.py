"""Each kind of model, exported and served from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from agents.pipeline.parts import load_agent
from models.base import ModelError
from models.classification.image_classifier import ImageClassifier
from models.classification.small_resnet import ResNet20
from models.export.exporting import Exported, export_model, open_source
from models.training.result import serving, write_config
from schemas import Classification, Detections, Segmentation, VideoFrame
from streams.settings import AgentSettings
from tests.models.contract import events_for
from tests.models.nlu.tiny_bert import write_bert
from tests.models.training.small_data import write_class_folders, write_squares

SHIPPED_DETECTOR = Path(__file__).parents[3] / "models/detection/weights/model.onnx"


def export(source: Path | str, out: Path, kind: str, **options: Any) -> Exported:
    opened = open_source(str(source), options.pop("model", None), options.pop("data", None), None)
    return export_model(opened, out, kind, command="penstock export", **options)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ResNet-20 of random weights."""
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    save_file(ResNet20(3).eval().state_dict(), folder / "model.safetensors")
    image_input = {
        "height": 32,
        "width": 32,
        "resize": "stretch",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    described = {"architecture": "resnet20", "labels": ["a", "b", "c"], "image_input": image_input}
    write_config(folder, described | serving("image_classifier", {"path": "."}))
    return folder


def served(folder: Path) -> Any:
    settings = AgentSettings(input="i", output="o", event="VideoFrame", model=f"./{folder.name}")
    model = load_agent(settings, folder.parent).make_model()
    model.load("cpu")
    return model


def test_a_classifier_becomes_onnx_with_the_same_answers(classifier: Path, tmp_path: Path) -> None:
    done = export(classifier, tmp_path / "out", "onnx")
    assert done.parity is not None
    assert done.parity < 1e-4
    frames: list[Any] = events_for(VideoFrame, 5)
    before = ImageClassifier(str(classifier))
    before.load("cpu")
    for old, new in zip(
        before.predict_batch(frames), served(done.out).predict_batch(frames), strict=True
    ):
        assert isinstance(new, Classification)
        assert isinstance(old, Classification)
        assert new.label == old.label
        assert new.score == pytest.approx(old.score, abs=1e-4)
    card = (done.out / "card.md").read_text()
    assert "| precision |" not in card.partition("## Export")[0]
    assert "| precision | float32 |" in card


def test_int8_of_a_classifier_is_rated_on_labeled_pictures(
    classifier: Path, tmp_path: Path
) -> None:
    data = write_class_folders(tmp_path / "data", 8)
    done = export(classifier, tmp_path / "out", "int8", data=data)
    assert done.num_bytes < 0.5 * done.num_bytes_before
    assert done.quality.keys() == done.quality_before.keys() == {"accuracy"}
    assert done.times_as_fast is not None
    names = {node.op_type for node in onnx.load(done.out / "model.onnx").graph.node}
    assert "QuantizeLinear" in names
    (answer,) = served(done.out).predict_batch(events_for(VideoFrame, 1))
    assert isinstance(answer, Classification)


def test_the_shipped_classifier_of_traffic_is_rated_on_rendered_objects(tmp_path: Path) -> None:
    done = export("traffic", tmp_path / "out", "int8")
    assert set(done.quality) == {"accuracy"}
    assert done.quality_before["accuracy"] > 0.9
    assert done.quality["accuracy"] > done.quality_before["accuracy"] - 0.05


@pytest.mark.parametrize("name", ["traffic_detector", "traffic_segmenter"])
def test_shipped_networks_are_named_by_their_model(name: str, tmp_path: Path) -> None:
    opened = open_source(name, None, None, None)
    assert opened.write_float(tmp_path / "out").is_file()
    (answer,) = served(tmp_path / "out").predict_batch([VideoFrame.example()])
    assert isinstance(answer, Detections | Segmentation)


def test_the_boxes_of_a_detector_stay_in_int8_and_float16(tmp_path: Path) -> None:
    for kind in ("int8", "fp16"):
        done = export(SHIPPED_DETECTOR, tmp_path / kind, kind, model="onnx_detector")
        assert done.agreement["boxes found again"] > 0.9
        assert done.agreement["boxes that were there before"] > 0.9
        assert done.num_bytes < 0.6 * done.num_bytes_before
        (answer,) = served(done.out).predict_batch([VideoFrame.example()])
        assert isinstance(answer, Detections)


def test_a_detector_is_rated_on_coco_boxes(tmp_path: Path) -> None:
    data = write_squares(tmp_path / "squares", 16) / "boxes.json"
    done = export(SHIPPED_DETECTOR, tmp_path / "out", "fp16", model="onnx_detector", data=data)
    assert set(done.quality) == {"mAP50", "mAP50-95"}
    assert any(name == "mAP50" and "points lost" in value for name, value in done.lines())


@pytest.mark.parametrize(
    ("kind", "architecture", "figure"),
    [
        ("int8", "BertModel", "mean cosine of vectors"),
        ("fp16", "BertModel", "mean cosine of vectors"),
        ("int8", "BertForSequenceClassification", "texts with the same class"),
        ("int8", "BertForTokenClassification", "tokens with the same tag"),
    ],
)
def test_text_models(tmp_path: Path, kind: str, architecture: str, figure: str) -> None:
    source = tmp_path / "bert"
    source.mkdir()
    labels: Any = {} if architecture == "BertModel" else {"id2label": {0: "a", 1: "b", 2: "c"}}
    write_bert(source, architecture, **labels)
    done = export(source, tmp_path / "out", kind)
    assert done.parity is not None
    assert done.parity < 1e-4
    assert 0.9 < done.agreement[figure] <= 1 + 1e-6
    files = {path.name for path in done.out.iterdir()}
    assert {"model.onnx", "config.json", "tokenizer.json", "card.md"} <= files
    assert not any(name.endswith(".safetensors") for name in files)
    session = onnx.load(done.out / "model.onnx")
    assert [node.name for node in session.graph.input] == ["input_ids", "attention_mask"]


def test_what_can_not_be_exported_is_explained(classifier: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder or file"):
        open_source("absent", None, None, None)
    with pytest.raises(ModelError, match="say which model reads it with --as"):
        open_source(str(SHIPPED_DETECTOR), None, None, None)
    with pytest.raises(ModelError, match="expected one of onnx_detector"):
        open_source(str(SHIPPED_DETECTOR), "robust_zscore", None, None)
    head = tmp_path / "head"
    write_config(head, serving("intent_classifier", {"head": "."}, encoder="minilm"))
    with pytest.raises(ModelError, match="export its encoder, 'minilm'"):
        open_source(str(head), None, None, None)
    with pytest.raises(ModelError, match="--to int4"):
        export(classifier, tmp_path / "out", "int4")
    assert not (tmp_path / "out.float32").exists(), "what it had made is removed"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ModelError, match="is not empty"):
        export(classifier, tmp_path / "full", "onnx")


def test_the_declared_options_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(SHIPPED_DETECTOR.read_bytes())
    labels = ["a", "b", "c", "d", "e"]
    write_config(folder, serving("onnx_detector", {"path": "model.onnx"}, labels=labels))
    done = export(folder, tmp_path / "out", "onnx")
    config = json.loads((done.out / "config.json").read_text())
    assert config["penstock"]["options"]["labels"] == labels


def test_outputs_do_not_depend_on_padding(tmp_path: Path) -> None:
    """Otherwise vectors of a batch would be compared with those of other neighbors."""
    from models.export.speed import run_all
    from models.export.text_source import TextSource

    source = tmp_path / "bert"
    source.mkdir()
    write_bert(source, "BertModel")
    text = TextSource(str(source))
    path = text.write_float(tmp_path / "out")
    feed = text.feeds(path, "comparison")[-1]
    padded = {name: np.pad(array, ((0, 0), (0, 7))) for name, array in feed.items()}
    (alone,), (wide,) = run_all(path, [feed]), run_all(path, [padded])
    real = feed["attention_mask"] > 0
    np.testing.assert_allclose(alone[0][real], wide[0][:, : real.shape[1]][real], atol=1e-5)
