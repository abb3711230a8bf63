"""The exported contract agrees with the messages that Penstock writes and reads."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from typer.testing import CliRunner

from agents import AGENTS
from agents.commands.produce.event_records import EventEncoder
from agents.commands.schemas.command import app
from agents.commands.schemas.export import export_files
from agents.commands.schemas.flows import Flow, flows_of
from agents.pipeline.file import load_pipeline
from schemas import (
    EVENT_TYPES,
    RESULT_TYPES,
    AlertText,
    AnomalyScore,
    AudioChunk,
    AudioCodec,
    Classification,
    ClassScore,
    Cluster,
    ClusterAssignment,
    ClusterUpdate,
    DeadLetter,
    Detection,
    Detections,
    DriftEvent,
    Entity,
    Event,
    FeedbackCopy,
    GlobalCluster,
    InputError,
    IntentScore,
    ItemSummary,
    LabelSimilarity,
    Member,
    NluResult,
    Origin,
    Recommendation,
    RecommendedItem,
    Region,
    Result,
    RunLengthMask,
    SceneEvent,
    Segmentation,
    SensorReading,
    SourceEvent,
    SpokenAudio,
    SpokenWord,
    TextEmbedding,
    TextEntities,
    TextLabels,
    TextMessage,
    TextUnderstanding,
    Transcript,
    TranscriptNote,
    Transliteration,
    TransliterationCandidate,
    VideoFrame,
    make_codec,
)
from schemas.cloudevents import event_headers, type_name
from schemas.header_schemas import HEADER_SCHEMAS
from schemas.json_schema import field_docs, json_schema, schema_file_name
from streams.encoding import Timings
from streams.settings import AgentSettings, PipelineSettings

STAMP: dict[str, Any] = {
    "source_id": "s",
    "event_time_ms": 1_700_000_000_000,
    "origin": Origin("t", 0, 7),
    "model": "m",
}
RESULTS: list[Result] = [
    Detections(
        width=4, height=3, detections=[Detection("car", 2, 0.5, (0.0, 1.0, 2.0, 3.0))], **STAMP
    ),
    Detections(width=4, height=3, detections=[], **STAMP),
    Classification(
        label="car", class_id=2, score=0.5, top=[ClassScore("car", 2, 0.5)], **STAMP
    ),
    Segmentation(
        width=4, height=3, regions=[
            Region("car", 2, RunLengthMask((3, 4), "03W1"), 3, (0.0, 0.0, 1.0, 3.0)),
            Region("bus", 1, RunLengthMask((3, 4), "03W1"), 3, (0.0, 0.0, 1.0, 3.0), 0.5),
        ], **STAMP
    ),
    NluResult(intent="a", score=0.9, alternatives=[IntentScore("b", 0.1)], **STAMP),
    NluResult(intent="a", score=0.9, embedding=[0.6, 0.8], **STAMP),
    TextEntities(entities=[Entity("person", 0, 3, 0.9, "Ada")], **STAMP),
    TextEntities(entities=[], is_truncated=True, **STAMP),
    TextEmbedding(dimension=2, embedding=[0.6, 0.8], **STAMP),
    TextEmbedding(dimension=2, packed="zThmOg==", is_truncated=True, **STAMP),
    TextLabels(label="a", labels=[LabelSimilarity("a", 0.5)], **STAMP),
    TextLabels(label=None, labels=[LabelSimilarity("a", -0.5)], **STAMP),
    TextUnderstanding(is_truncated=True, **STAMP),
    TextUnderstanding(
        is_truncated=False, intent="a", score=0.9, alternatives=[],
        entities=[Entity("person", 0, 3, 0.9, "Ada")],
        label="b", labels=[LabelSimilarity("b", 0.5)], embedding=[0.6, 0.8], **STAMP
    ),
    AnomalyScore(score=0.1, is_anomaly=False, threshold=0.9, **STAMP),
    AnomalyScore(
        score=1.0, is_anomaly=True, threshold=0.9, channel="flow", expected=2.0, **STAMP
    ),
    AnomalyScore(
        score=1.0, is_anomaly=True, threshold=0.9, contributions={"flow": 0.75}, **STAMP
    ),
    ClusterAssignment(cluster_id=-1, distance=0.0, **STAMP),
    ClusterUpdate(
        agent="a", partition=0, sequence=1, clusters=[Cluster(0, {"x": 1.0}, 2.0)], **STAMP
    ),
    GlobalCluster(
        global_id=1, status="split", weight=2.0, center={"x": 1.0}, radius=0.5,
        members=[Member("a", 0, 3)], from_ids=[0], **STAMP
    ),
    ItemSummary(
        agent="a", partition=0, sequence=1, items=["x"], windows="AAA=", weights=[1.0],
        factors="AAA=", dimensions=1, removed=[0], **STAMP
    ),
    SourceEvent(
        kind="silent", subject="p-2", last_event_time_ms=1, seconds=30.5, allowed_seconds=30.0,
        **STAMP,
    ),
    FeedbackCopy(label="a", answer="t:0:7:agent:kind:0", **STAMP),
    DriftEvent(
        channel="flow", method="adwin", noticed_ms=1, before=1.0, after=2.0, spread=0.1, **STAMP
    ),
    Transcript(
        utterance=0, is_final=True, text="stop", words=[SpokenWord("stop", 40, 320)], heard_ms=640,
        score=0.9, notes=[TranscriptNote("gap", 2)], **STAMP
    ),
    Transliteration(
        text="波恩", score=0.9, alternatives=[TransliterationCandidate("博恩", 0.05)], country="DE",
        **STAMP,
    ),
    Transcript(utterance=1, is_final=False, text="", words=[], heard_ms=640, **STAMP),
    SpokenAudio(
        audio=b"\0\1", sample_rate_hz=16_000, duration_ms=1, text="stop", notes=["cut"], **STAMP
    ),
    AlertText(text="pump 7 is hot", **STAMP),
    SceneEvent(kind="zone_left", place="yard", track_id=7, label="car", counts={}, **STAMP),
    Recommendation(items=[], is_cold=True, **STAMP),
    Recommendation(
        items=[RecommendedItem("tea", 0.5, "co_occurrence")], is_cold=False, **STAMP
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("contract") / "made"
    done = CliRunner().invoke(app, ["export", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert sorted(done.output.split()) == sorted(str(path) for path in out.iterdir())
    return out


def exported(folder: Path, cls: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / schema_file_name(cls)).read_text(encoding="utf-8"))
    return found


def validator(folder: Path, cls: type[Any]) -> Draft202012Validator:
    schema = exported(folder, cls)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("cls", EVENT_TYPES.values(), ids=lambda cls: cls.__name__)
def test_events_that_penstock_writes_are_valid(folder: Path, cls: type[Event]) -> None:
    record = EventEncoder(cls, "json").encode(cls.example())
    validator(folder, cls).validate(json.loads(record.value))


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_results_that_penstock_writes_are_valid(folder: Path, result: Result) -> None:
    value = json.loads(make_codec("json", Event).encode(result))
    check = validator(folder, type(result))
    check.validate(value)
    # Read as draft-07, as AsyncAPI's tools do, it says the same.
    schema = exported(folder, type(result))
    Draft7Validator(schema).validate(value)
    required = schema["required"]
    assert required
    for name in required:
        assert not check.is_valid({k: v for k, v in value.items() if k != name})


def test_every_result_type_is_covered() -> None:
    assert {type(result) for result in RESULTS} == set(RESULT_TYPES.values())


WRONG: list[tuple[type[Event], dict[str, Any]]] = [
    (SensorReading, {}),
    (SensorReading, {"values": {}}),
    (SensorReading, {"values": {"a": "1"}}),
    (SensorReading, {"values": {"a": None}}),
    (SensorReading, {"values": [1.0]}),
    (SensorReading, {"values": {"a": 1.0}, "source_id": 7}),
    (SensorReading, {"values": {"a": 1.0}, "event_time_ms": -1}),
    (SensorReading, {"values": {"a": 1.0}, "event_time_ms": 2**53}),
    (SensorReading, {"values": {"a": 1.0}, "event_time_ms": 1.5}),
    (SensorReading, {"values": {"a": 1.0}, "schema_version": 2}),
    (SensorReading, {"values": {str(n): 1.0 for n in range(1025)}}),
    (TextMessage, {"text": ""}),
    (TextMessage, {"text": "x" * 100_001}),
    (VideoFrame, {"image": ""}),
    (VideoFrame, {"frame_index": 1}),
]


@pytest.mark.parametrize(("cls", "value"), WRONG)
def test_the_schema_refuses_values_that_the_codec_refuses(
    folder: Path, cls: type[Event], value: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        make_codec("json", cls).decode(json.dumps(value).encode(), {})
    assert not validator(folder, cls).is_valid(value)


def test_schema_and_codec_accept_unknown_fields(folder: Path) -> None:
    value = {"values": {"a": 1}, "added_later": True}
    make_codec("json", SensorReading).decode(json.dumps(value).encode(), {})
    assert validator(folder, SensorReading).is_valid(value)


def test_fields_have_descriptions(folder: Path) -> None:
    properties = exported(folder, SensorReading)["properties"]
    assert properties["values"]["description"].startswith("Channel name to finite value")
    assert properties["event_time_ms"]["description"].startswith("Event time, milliseconds")
    assert field_docs(Detection)["score"] == "Confidence in [0, 1]."


def texts(headers: list[tuple[str, bytes]]) -> dict[str, str]:
    return {name: value.decode() for name, value in headers}


def test_the_headers_that_penstock_writes_are_valid() -> None:
    frame = texts(EventEncoder(VideoFrame, "image").encode(VideoFrame.example()).headers)
    Draft202012Validator(HEADER_SCHEMAS["ImageHeaders"]).validate(frame)
    assert set(frame) <= set(HEADER_SCHEMAS["ImageHeaders"]["properties"])

    codec = AudioCodec()
    chunk = texts(EventEncoder(AudioChunk, "audio").encode(AudioChunk.example()).headers)
    Draft202012Validator(HEADER_SCHEMAS["AudioHeaders"]).validate(chunk)
    assert set(chunk) == set(HEADER_SCHEMAS["AudioHeaders"]["properties"])

    envelope = event_headers(
        event_id="i", type_name=type_name(Detections), source="s", time_ms=1, content_type="x"
    )
    result = texts(envelope + Timings(32, 0.001, 0.25).headers())
    check = Draft202012Validator(HEADER_SCHEMAS["ResultHeaders"])
    check.validate(result)
    assert set(result) == set(HEADER_SCHEMAS["ResultHeaders"]["properties"])
    assert not check.is_valid({**result, "penstock_timing": "slow"})
    assert not check.is_valid({name: v for name, v in result.items() if name != "ce_id"})

    spoken = next(r for r in RESULTS if isinstance(r, SpokenAudio))
    as_sound = {**result, **texts(codec.headers_of(spoken))}
    Draft202012Validator(HEADER_SCHEMAS["AudioResultHeaders"]).validate(as_sound)
    assert set(as_sound) == set(HEADER_SCHEMAS["AudioResultHeaders"]["properties"])

    letter = DeadLetter(
        origin=Origin("t", 0, 1),
        agent="a",
        reason="r",
        message="m",
        exception="E",
        full_bytes=9,
        cut="value",
        timestamp_ms=1,
        value_codec="avro",
    )
    check = Draft202012Validator(HEADER_SCHEMAS["DeadLetterHeaders"])
    check.validate(texts(letter.to_headers()))
    assert set(texts(letter.to_headers())) == set(HEADER_SCHEMAS["DeadLetterHeaders"]["properties"])


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [ref for value in node.values() for ref in references(value)]
    return [ref for value in node for ref in references(value)] if isinstance(node, list) else []


def test_asyncapi_lists_every_topic_with_its_users_and_messages(folder: Path) -> None:
    document = yaml.safe_load((folder / "asyncapi.yaml").read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    assert set(document) <= {
        "asyncapi", "info", "defaultContentType", "channels", "operations", "components"
    }  # fmt: skip
    assert {c["address"]: set(c["messages"]) for c in document["channels"].values()} == {
        "video.frames": {"VideoFrame_image"},
        "video.detections": {"Detections", "DetectedFrame"},
        "video.frames.dlq": {"DeadLetter"},
        "video.detections.dlq": {"DeadLetter"},
        "video.tracks": {"Detections", "DetectedFrame"},
        "video.tracks.dlq": {"DeadLetter"},
        "video.scene_events": {"SceneEvent"},
        "sensor.source_events": {"SourceEvent"},
        "images": {"VideoFrame_image"},
        "images.classes": {"Classification"},
        "images.dlq": {"DeadLetter"},
        "images.to_segment": {"VideoFrame_image"},
        "images.segments": {"Segmentation"},
        "images.to_segment.dlq": {"DeadLetter"},
        "text.messages": {"TextMessage"},
        "text.understanding": {"NluResult"},
        "text.messages.dlq": {"DeadLetter"},
        "sensor.readings": {"SensorReading"},
        "sensor.anomalies": {"AnomalyScore", "Heartbeat"},
        "text.to_speak": {"TextMessage"},
        "text.to_speak.dlq": {"DeadLetter"},
        "audio.speech": {"SpokenAudio_audio"},
        "sensor.anomalies.dlq": {"DeadLetter"},
        "sensor.readings.dlq": {"DeadLetter"},
        "behavior.events": {"BehaviorEvent"},
        "behavior.clusters": {"ClusterAssignment"},
        "behavior.cluster_updates": {"ClusterUpdate", "ClusterReport"},
        "behavior.cluster_updates.dlq": {"DeadLetter"},
        "behavior.global_clusters": {"GlobalCluster"},
        "behavior.events.dlq": {"DeadLetter"},
        "shop.interactions": {"Interaction"},
        "shop.recommendations": {"Recommendation"},
        "shop.interactions.dlq": {"DeadLetter"},
        "audio.chunks": {"AudioChunk_audio"},
        "audio.transcripts": {"Transcript"},
        "audio.chunks.dlq": {"DeadLetter"},
    }
    assert len(document["operations"]) == 40
    for operation in document["operations"].values():
        assert set(operation) == {"action", "summary", "channel", "messages"}
        assert operation["action"] in ("send", "receive")
        channel = resolve(document, operation["channel"]["$ref"])
        for message in operation["messages"]:
            # A message must be one of its channel's, not one of the components'.
            assert message["$ref"].startswith(operation["channel"]["$ref"])
            assert resolve(document, message["$ref"]) in channel["messages"].values()


def test_every_reference_of_the_asyncapi_document_resolves(folder: Path) -> None:
    text = (folder / "asyncapi.yaml").read_text(encoding="utf-8")
    assert "&id" not in text
    found = references(document := yaml.safe_load(text))
    assert len(found) > 50
    for reference in found:
        if reference.startswith("#/"):
            assert resolve(document, reference)
        else:
            assert (folder / reference).is_file()


def test_the_same_pipeline_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    from importlib.metadata import version

    flows = flows_of(PipelineSettings(agents=AGENTS))
    for path in export_files(flows, version("penstock"), tmp_path):
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_without_a_file_the_declared_agents_are_exported(folder: Path) -> None:
    document = yaml.safe_load((folder / "asyncapi.yaml").read_text())
    topics = {c["address"] for c in document["channels"].values()}
    assert topics == {t for a in AGENTS.values() for t in (*a.inputs, *a.output_topics)}
    for name, agent in AGENTS.items():
        summary = document["operations"][f"{name}_receive"]["summary"]
        assert summary.endswith(f" with {agent.model_name}.")


class Ride(Event, frozen=True, kw_only=True):
    """One ride of one bicycle."""

    meters: float
    """Way gone, >= 0."""


def test_user_types_and_codecs_are_exported(tmp_path: Path) -> None:
    settings = AgentSettings(
        input="rides", output="speeds", model="x:Speed", codec="msgpack", dead_letters="bad"
    )
    export_files([Flow("time-rides", settings, Ride, Result)], "2", tmp_path)
    schema = json.loads((tmp_path / "penstock.ride.v1.schema.json").read_text())
    assert schema["properties"]["meters"] == {"type": "number", "description": "Way gone, >= 0."}
    document = yaml.safe_load((tmp_path / "asyncapi.yaml").read_text())
    assert [c["address"] for c in document["channels"].values()] == ["rides", "speeds", "bad"]
    message = document["components"]["messages"]["Ride_msgpack"]
    assert message["contentType"] == "application/msgpack"
    assert next(iter(document["operations"])) == "time_rides_receive"


def test_a_pipeline_file_is_exported(tmp_path: Path) -> None:
    (tmp_path / "penstock.yaml").write_text(
        "agents:\n  watch:\n    input: in.put\n    output: out.put\n    model: robust_zscore\n"
    )
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["export", "-c", str(tmp_path / "penstock.yaml"), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    document = yaml.safe_load((out / "asyncapi.yaml").read_text())
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert addresses == ["in.put", "out.put", "in.put.dlq"]
    assert set(document["components"]["messages"]) == {
        "SensorReading", "AnomalyScore", "DeadLetter"
    }  # fmt: skip


def test_nested_types_are_described() -> None:
    class Point(msgspec.Struct):
        """A point in a plane."""

        x: float
        """Meters."""

    class Track(Event, frozen=True, kw_only=True):
        points: list[Point]
        by_name: dict[str, Point | None]

    schema = json_schema(Track)
    assert schema["$defs"]["Point"]["properties"]["x"]["type"] == "number"
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate({"points": [{"x": 1.0}], "by_name": {"a": None}})


def test_a_mapped_input_is_not_called_the_event_types_own_form(tmp_path: Path) -> None:
    config = tmp_path / "penstock.yaml"
    config.write_text("agents: {score_anomalies: {fields: {values: {from: data}}, where: data.on}}")
    flows = flows_of(load_pipeline(config, {}))
    (document,) = [p for p in export_files(flows, "1", tmp_path / "out") if p.suffix == ".yaml"]
    messages = yaml.safe_load(document.read_text())["components"]["messages"]
    payload = messages["SensorReading_of_score_anomalies"]["payload"]
    assert payload == {
        "description": "Read as SensorReading by the agent's settings: "
        '{"fields":{"values":{"from":"data"}},"where":"data.on"}'
    }
