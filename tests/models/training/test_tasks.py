"""Each task, from a user's data to a folder that a pipeline file names as its model."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.pipeline.parts import load_agent
from models.base import Model, ModelError
from models.training.tasks import TASKS, describe_settings, read_settings, train_task
from schemas import (
    Classification,
    Detections,
    NluResult,
    Segmentation,
    TextEntities,
    TextMessage,
    Transliteration,
    VideoFrame,
)
from streams.settings import AgentSettings
from tests.models.training.small_data import write_class_folders, write_squares
from tests.models.transliteration.small_places import require_readers, write_places

SMALL: dict[str, Any] = {"batch_size": 4, "checkpoint_seconds": 0}


def run(task: str, out: Path, **values: Any) -> Path:
    """Train and return the model's folder."""
    train_task(task, read_settings(task, values, out.parent), out, f"penstock train {task}")
    return out / "model"


def served(folder: Path, event: str) -> Model[Any, Any]:
    """Load the folder as an agent with `model: FOLDER` does."""
    settings = AgentSettings(input="in", output="out", event=event, model=f"./{folder.name}")
    model = load_agent(settings, folder.parent).make_model()
    model.load("cpu")
    return model


def check_folder(folder: Path, *metrics: str) -> dict[str, float]:
    card = (folder / "card.md").read_text()
    assert "## Quality" in card
    quality = {
        row["metric"]: row["value"] for row in json.loads((folder / "quality.json").read_text())
    }
    assert set(metrics) <= quality.keys()
    assert all(f"| {name} | {value:.4f} |" in card for name, value in quality.items())
    assert str(folder.parent.parent) not in card
    return quality


def test_classifier(tmp_path: Path) -> None:
    data = write_class_folders(tmp_path / "pictures")
    folder = run("classifier", tmp_path / "run", data="pictures", side=16, epochs=25, **SMALL)
    assert check_folder(folder, "accuracy")["accuracy"] == 1.0
    model = served(folder, "VideoFrame")
    (answer,) = model.predict_batch([VideoFrame(image=(data / "dark" / "0.png").read_bytes())])
    assert isinstance(answer, Classification)
    assert answer.label == "dark"
    assert (tmp_path / "run" / "metrics.png").is_file()


def test_detector(tmp_path: Path) -> None:
    data = write_squares(tmp_path / "squares")
    folder = run(
        "detector", tmp_path / "run", annotations="squares/boxes.json", epochs=30, held_out=0.2,
        learning_rate=5e-3, **SMALL,
    )  # fmt: skip
    assert check_folder(folder, "mAP50", "recall50")["mAP50"] > 0.2
    model = served(folder, "VideoFrame")
    (answer,) = model.predict_batch([VideoFrame(image=(data / "images" / "0.png").read_bytes())])
    assert isinstance(answer, Detections)
    assert {found.label for found in answer.detections} <= {"circle", "square"}


def test_segmenter(tmp_path: Path) -> None:
    data = write_squares(tmp_path / "squares")
    folder = run(
        "segmenter", tmp_path / "run", data="squares", height=64, width=128, epochs=12,
        held_out=0.2, **SMALL,
    )  # fmt: skip
    assert check_folder(folder, "mIoU", "IoU square")["mIoU"] > 0.5
    model = served(folder, "VideoFrame")
    (answer,) = model.predict_batch([VideoFrame(image=(data / "images" / "0.png").read_bytes())])
    assert isinstance(answer, Segmentation)
    assert {region.label for region in answer.regions} == {"square"}


@pytest.mark.parametrize(
    ("task", "values"),
    [
        ("detector", {"num_scenes": 16}),
        ("classifier", {"num_rendered": 32}),
        ("segmenter", {"num_scenes": 8, "height": 64, "width": 128}),
    ],
)
def test_without_data_rendered_traffic_is_learned(
    tmp_path: Path, task: str, values: dict[str, Any]
) -> None:
    folder = run(task, tmp_path / "run", epochs=1, **values, **SMALL)
    assert check_folder(folder)
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert (settings["task"], settings["data"]) == (task, "rendered")


def test_intent(tmp_path: Path, tiny_bert: Path) -> None:
    rows = [f'"hello{" a" * n}",greet' for n in range(8)] + [
        f"money{' the' * n},pay" for n in range(8)
    ]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    folder = run(
        "intent", tmp_path / "run", data="texts.csv", encoder=str(tiny_bert), held_out=0.25
    )
    check_folder(folder, "in-scope accuracy")
    (answer,) = served(folder, "TextMessage").predict_batch([TextMessage(text="hello a")])
    assert isinstance(answer, NluResult)
    assert answer.intent in ("greet", "oos")


def test_entities(tmp_path: Path, tiny_bert: Path) -> None:
    posts = "hello O\nmoney B-thing\na I-thing\n\nwhere O\norder S-thing\n\n" * 20
    (tmp_path / "posts.conll").write_text(posts)
    folder = run(
        "entities", tmp_path / "run", data="posts.conll", encoder=str(tiny_bert), layers=[0, 2],
        width=16, epochs=30,
    )  # fmt: skip
    assert check_folder(folder, "entity F1")["entity F1"] > 0.5
    (answer,) = served(folder, "TextMessage").predict_batch([TextMessage(text="hello money a")])
    assert isinstance(answer, TextEntities)


def test_encoder(tmp_path: Path, tiny_bert: Path) -> None:
    texts = [f"{a} {b} my order {c}" for a in ("where", "hello") for b in "abc" for c in "defgh"]
    with gzip.open(tmp_path / "texts.txt.gz", "wt") as file:
        file.write("\n".join(texts) + "\n")
    folder = run(
        "encoder", tmp_path / "run", data="texts.txt.gz", teacher=str(tiny_bert), steps=20,
        batch_size=8, vocabulary=300, width=16, heads=2, layers=1, inner=32, max_tokens=24,
        held_out=0.2, checkpoint_seconds=0,
    )  # fmt: skip
    check_folder(folder, "correlation with the teacher's cosines")
    files = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "card.md"} <= files


def test_transliterator(tmp_path: Path) -> None:
    require_readers()
    write_places(tmp_path / "places.json")
    small = {"embedding": 16, "hidden": 16, "layers": 1, "joint": 24, "dropout": 0.0}
    folder = run(
        "transliterator", tmp_path / "run", data="places.json", epochs=12, batch_size=16,
        learning_rate=1e-2, held_out_places=40, checkpoint_seconds=0, **small,
    )  # fmt: skip
    quality = check_folder(folder, "exact match", "character F1")
    assert quality["exact match"] > 0.5
    assert quality["character F1"] > 0.8
    (answer,) = served(folder, "TextMessage").predict_batch([TextMessage(text="Bakilo")])
    assert isinstance(answer, Transliteration)
    assert answer.text


def test_a_transliterator_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    require_readers()
    write_places(tmp_path / "places.json")
    small: dict[str, Any] = {
        "data": "places.json", "epochs": 1, "batch_size": 16, "held_out_places": 40, "embedding": 8,
        "hidden": 8, "layers": 1, "joint": 8, "checkpoint_seconds": 0,
    }  # fmt: skip
    whole = run("transliterator", tmp_path / "whole", **small)
    settings = read_settings("transliterator", small, tmp_path)

    class EndedError(Exception):
        pass

    def end(what: str, done: int, total: int) -> None:
        if done == 12:
            raise EndedError

    with pytest.raises(EndedError):
        train_task("transliterator", settings, tmp_path / "ended", "", end)
    ended = run("transliterator", tmp_path / "ended", **small)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (whole, ended)]
    assert weights[0] == weights[1]


def test_too_few_places_say_so(tmp_path: Path) -> None:
    require_readers()
    write_places(tmp_path / "places.json", 30)
    with pytest.raises(ModelError, match="30 places with a Chinese name"):
        run("transliterator", tmp_path / "run", data="places.json", **SMALL)


@pytest.mark.parametrize("task", TASKS)
def test_the_printed_settings_are_a_configuration_of_their_defaults(task: str) -> None:
    text = describe_settings(task)
    again = read_settings(task, yaml.safe_load(text), Path())
    assert again == read_settings(task, {}, Path())
    names = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(names) == text.count("# "), "each setting has a description"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "unknown field `epoch`"),
        ({"epochs": "many"}, r"Expected `int`, got `str` - at `\$\.epochs`"),
        ({"held_out": 1.0}, "held_out"),
        ({"seed": 1_000_000}, "seed"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_settings("classifier", values, Path())


def test_an_unknown_task_lists_those_that_exist() -> None:
    with pytest.raises(ModelError, match="detector, classifier, segmenter"):
        read_settings("poems", {}, Path())


def test_the_same_seed_gives_the_same_weights_and_another_one_others(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "pictures", 8)
    settings = {"data": "pictures", "side": 16, "epochs": 2, **SMALL}
    weights = [
        (
            run("classifier", tmp_path / name, seed=seed, **settings) / "model.safetensors"
        ).read_bytes()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert weights[0] == weights[1] != weights[2]


def test_without_matplotlib_a_remark_says_why_there_is_no_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path / "pictures", 4)
    settings = read_settings(
        "classifier", {"data": "pictures", "side": 16, "epochs": 1, **SMALL}, tmp_path
    )
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    _, remark = train_task("classifier", settings, tmp_path / "run", "")
    assert "penstock[train]" in remark
