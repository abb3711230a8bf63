from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents import AGENTS
from agents.pipeline.parts import choose_devices, load_agent, load_event_type, make_decoder
from models.anomaly.robust_zscore import RobustZScore
from models.base import Model, ModelError, OnlineModel
from models.detection.traffic_detector import TrafficDetector
from schemas import AudioChunk, SensorReading, TextMessage
from streams.decoding import Decoder
from streams.settings import AgentSettings, ModelSettings
from streams.side_records import SideRecordDecoder

USER_FILE = """\
from schemas import Event, SensorReading

class Tap(Event, frozen=True, kw_only=True):
    liters: float

class Twice:
    event_type = Tap

    def predict_batch(self, batch):
        return [{"liters": 2 * tap.liters} for tap in batch]

class Counting:
    version = "7"
    event_type = SensorReading

    def __init__(self, start=0):
        self.seen = start

    def predict_batch(self, batch):
        return [{"seen": self.seen} for _ in batch]

    def learn_batch(self, batch):
        self.seen += len(batch)

    def snapshot(self):
        return str(self.seen).encode()

    def restore(self, state):
        self.seen = int(state)

class Typeless:
    def predict_batch(self, batch):
        return batch

class Nothing:
    pass

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(USER_FILE)
    return tmp_path


def agent(model: str, event: str = "", codec: str = "json", **options: Any) -> AgentSettings:
    named = ModelSettings(name=model, options=options)
    return AgentSettings(input="a", output="b", model=named, event=event, codec=codec)


def message(folder: Path, settings: AgentSettings) -> str:
    with pytest.raises(ModelError) as caught:
        load_agent(settings, folder).make_model()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plain_class_becomes_a_model(folder: Path) -> None:
    parts = load_agent(agent("./mine.py:Twice", "./mine.py:Tap"), folder)
    model = parts.make_model()
    assert isinstance(model, Model)
    assert (model.name, model.version) == ("Twice", "1")
    model.load("cpu")
    model.warm_up()
    tap = parts.codec.decode(b'{"liters": 1.5}', {})
    assert model.predict_batch([tap]) == [{"liters": 3.0}]
    model.close()
    assert parts.event_type.__name__ == "Tap"
    assert parts.make_model() is not model


def test_a_class_that_learns_becomes_an_online_model(folder: Path) -> None:
    parts = load_agent(agent("./mine.py:Counting", start=5), folder)
    first, second = parts.make_model(), parts.make_model()
    assert isinstance(first, OnlineModel)
    assert isinstance(second, OnlineModel)
    assert (parts.event_type, first.version) == (SensorReading, "7")
    first.learn_batch([SensorReading.example()])
    second.restore(first.snapshot())
    assert second.predict_batch([SensorReading.example()]) == [{"seen": 6}]


def test_a_registered_model_with_its_own_event() -> None:
    parts = load_agent(agent("robust_zscore", window=64))
    assert parts.event_type is SensorReading
    assert parts.make_model().name == "robust_zscore"


def test_registered_and_users_event_types(folder: Path) -> None:
    assert load_event_type("TextMessage") is TextMessage
    assert load_event_type("schemas.text:TextMessage") is TextMessage
    users = load_event_type("./mine.py:Tap", folder)
    assert load_event_type(f"{folder}/mine.py:Tap", Path("/")) is users


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (agent("./no.py:Twice"), "{0}/no.py: no such file"),
        (
            agent("./mine.py:Twize"),
            "./mine.py:Twize: no class 'Twize' in it: it has Tap, Twice, Counting, Typeless, "
            "Nothing",
        ),
        (agent("./mine.py:number"), "./mine.py:number: number is a int: expected a class"),
        (
            agent("./mine.py:Nothing"),
            "./mine.py:Nothing: not a model: it has no method predict_batch(batch)",
        ),
        (
            agent("./mine.py:Typeless"),
            "model Typeless has no event_type: add `event:` to the agent",
        ),
        (
            agent("./mine.py:Twice", "./mine.py:Nothing"),
            "./mine.py:Nothing: not an event type: make it a subclass of schemas.Event",
        ),
        (
            agent("./mine.py:Twice", "TextMessage"),
            "model Twice reads Tap, but the agent's event is TextMessage",
        ),
        (
            agent("./mine.py:Twice", codec="image"),
            "the image codec reads VideoFrame, not Tap: use json or msgpack",
        ),
        (
            agent("./mine.py:Counting", strat=3),
            "model Counting: unknown option strat (its options: start)",
        ),
        (agent("./no.onnx", "VideoFrame"), "{0}/no.onnx: no such file"),
        (agent("./no", "TextMessage"), "{0}/no: no such folder"),
        (
            agent(".", "TextMessage"),
            "{0}: no config.json in it: expected a Hugging Face model folder",
        ),
        (
            agent("no_such_package:Twice"),
            "no_such_package: no module 'no_such_package': install it, or put it into the "
            "pipeline file's folder",
        ),
    ],
    ids=lambda value: value.model_name if isinstance(value, AgentSettings) else "",
)
def test_a_part_that_does_not_fit_is_a_one_line_error(
    folder: Path, settings: AgentSettings, expected: str
) -> None:
    assert message(folder, settings) == expected.format(folder)


@pytest.mark.parametrize(
    ("event", "name"),
    [("VideoFrame", "onnx_detector"), ("SensorReading", "onnx_tabular")],
)
def test_an_onnx_file_is_read_by_what_its_event_needs(
    tmp_path: Path, event: str, name: str
) -> None:
    (tmp_path / "some.onnx").write_bytes(b"not read before load")
    parts = load_agent(agent("./some.onnx", event, features=["a"]), tmp_path)
    assert parts.model_type.name == name


def test_an_onnx_file_needs_an_event_that_it_can_read(tmp_path: Path) -> None:
    (tmp_path / "some.onnx").write_bytes(b"not read before load")
    assert "needs `event:` beside it" in message(tmp_path, agent("./some.onnx"))
    assert "not TextMessage: wrap it" in message(tmp_path, agent("./some.onnx", "TextMessage"))


def test_an_onnx_file_beside_a_config_reads_texts(tmp_path: Path) -> None:
    (tmp_path / "some.onnx").write_bytes(b"not read before load")
    config = '{"architectures": ["BertForTokenClassification"]}'
    (tmp_path / "config.json").write_text(config)
    parts = load_agent(agent("./some.onnx", "TextMessage"), tmp_path)
    assert parts.model_type.name == "huggingface_entities"


def test_a_hugging_face_folder_reads_texts(tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text("{}")
    parts = load_agent(agent("./bert"), tmp_path)
    assert parts.event_type is TextMessage
    assert parts.model_type.__name__ == "HuggingFaceClassifier"


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("RobertaForSequenceClassification", "huggingface_classifier"),
        ("RobertaForTokenClassification", "huggingface_entities"),
        ("XLMRobertaForTokenClassification", "huggingface_entities"),
    ],
)
@pytest.mark.parametrize("event", ["", "TextMessage"])
def test_a_hugging_face_folder_for_texts_is_read_by_what_its_architecture_says(
    tmp_path: Path, architecture: str, name: str, event: str
) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "config.json").write_text(f'{{"architectures": ["{architecture}"]}}')
    assert load_agent(agent("./net", event), tmp_path).model_type.name == name


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("ResNetForImageClassification", "image_classifier"),
        ("SegformerForSemanticSegmentation", "image_segmenter"),
        ("Mask2FormerForUniversalSegmentation", "image_segmenter"),
    ],
)
def test_a_hugging_face_folder_for_frames_is_read_by_what_its_architecture_says(
    tmp_path: Path, architecture: str, name: str
) -> None:
    (tmp_path / "net").mkdir()
    config = tmp_path / "net" / "config.json"
    config.write_text(f'{{"architectures": ["{architecture}"]}}')
    assert load_agent(agent("./net", "VideoFrame"), tmp_path).model_type.name == name
    config.write_text('{"architectures": ["BertModel"]}')
    assert "has the architectures ['BertModel']" in message(tmp_path, agent("./net", "VideoFrame"))


def test_a_model_that_learns_can_not_have_a_deadline() -> None:
    live = AgentSettings(
        input="a", output="b", model="robust_zscore", overload="latest", deadline_seconds=1
    )
    with pytest.raises(ModelError, match="must see every event"):
        load_agent(live)


def test_a_device_that_is_named_is_the_only_one() -> None:
    assert choose_devices("cpu", TrafficDetector) == ["cpu"]
    assert choose_devices("cuda", TrafficDetector) == ["cuda:0"]
    assert choose_devices("cuda:1", RobustZScore) == ["cuda:1"]


@pytest.mark.parametrize(
    ("driver", "expected"), [("/dev/null", ["cuda:0", "cpu"]), ("/dev/absent", ["cpu"])]
)
def test_auto_takes_the_gpu_where_there_is_one_and_the_model_can_use_it(
    driver: str, expected: list[str]
) -> None:
    assert choose_devices("auto", TrafficDetector, Path(driver)) == expected
    assert choose_devices("auto", RobustZScore, Path(driver)) == ["cpu"]


@pytest.mark.parametrize(
    ("model", "output_codec", "problem"),
    [
        ("robust_zscore", "json", "route: answer is for side records"),
        ("label_relay", "msgpack", "needs output_codec: json"),
    ],
)
def test_only_side_records_leave_by_another_route(
    model: str, output_codec: Any, problem: str
) -> None:
    """Any other record could go round in a loop, and a model reads side records as JSON."""
    settings = AgentSettings(
        input="a", output="b", model=model, route="answer", output_codec=output_codec
    )
    with pytest.raises(ModelError, match=problem):
        load_agent(settings)


def test_labels_are_events_of_the_relay_and_side_records_of_others() -> None:
    relay = AgentSettings(input="a", output="b", model="label_relay", route="answer")
    assert isinstance(make_decoder(relay, load_agent(relay)), Decoder)
    for model in ("robust_zscore", "adaptive_random_forest"):
        settings = AgentSettings(input="b", output="c", event="SensorReading", model=model)
        assert isinstance(make_decoder(settings, load_agent(settings)), SideRecordDecoder)


def test_only_sound_is_written_as_sound() -> None:
    agent = AgentSettings(input="a", output="b", model="robust_zscore", output_codec="audio")
    with pytest.raises(ModelError, match="audio is for models whose results are sound"):
        load_agent(agent)


def test_sound_is_read_with_its_headers() -> None:
    parts = load_agent(AGENTS["transcribe_speech"])
    assert (parts.codec.name, parts.event_type) == ("audio", AudioChunk)
