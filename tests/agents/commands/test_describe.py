from typing import Any

import msgspec
import pytest

from agents.commands.describe import describe_record
from agents.errors import MAX_CHARACTERS, printable
from schemas import (
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
    FeedbackCopy,
    GlobalCluster,
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
    TextEmbedding,
    TextEntities,
    TextLabels,
    TextUnderstanding,
    Transcript,
    TranscriptNote,
    Transliteration,
    TransliterationCandidate,
    VideoFrame,
)
from schemas.cloudevents import event_headers, type_name

NOON = 1_700_049_601_250  # 2023-11-15T12:00:01.250Z


def headers_of(
    cls: type[object], content_type: str = "application/json"
) -> list[tuple[str, bytes]]:
    return event_headers(
        event_id="1", type_name=type_name(cls), source="s", time_ms=0, content_type=content_type
    )


def detection(label: str, score: float) -> Detection:
    return Detection(label, 0, score, (0.0, 0.0, 1.0, 1.0))


def detections(*found: Detection) -> Detections:
    return Detections(
        source_id="camera-1", event_time_ms=NOON, width=4, height=4, detections=list(found)
    )


def _scene(kind: Any, **more: Any) -> SceneEvent:
    return SceneEvent(
        source_id="c", kind=kind, place="gate", track_id=7, label="bus", counts={"bus": 2}, **more
    )


def _source(kind: Any, channel: str = "") -> SourceEvent:
    return SourceEvent(
        source_id="p-1", kind=kind, subject="p-7", last_event_time_ms=NOON, seconds=31.2,
        allowed_seconds=30.0, channel=channel,
    )  # fmt: skip


CENTER = {"pages": 12.0, "seconds": 340.5, "amount": 1.0, "fourth": 9.0}
RESULTS: list[tuple[Result, str]] = [
    (
        detections(detection("car", 0.93), detection("person", 0.5), detection("car", 0.6)),
        "camera-1 12:00:01.250  2 cars, 1 person (best score 0.93)",
    ),
    (
        detections(*[detection("bus", 0.5)] * 2, *[detection("person", 0.4)] * 2),
        "camera-1 12:00:01.250  2 buses, 2 people (best score 0.50)",
    ),
    (detections(), "camera-1 12:00:01.250  no objects"),
    (
        NluResult(
            source_id="c-1", intent="balance", score=0.98, alternatives=[IntentScore("pay", 0.01)]
        ),
        "c-1  balance (0.98), or pay 0.01",
    ),
    (
        TextEntities(source_id="c-1", entities=[Entity("person", 0, 3, 0.9, "Ada")]),
        "c-1  person 'Ada' (0.90)",
    ),
    (TextEntities(source_id="c-1", entities=[]), "c-1  no entities"),
    (FeedbackCopy(source_id="c-1", label="pay", answer="t:0:7"), "c-1  label 'pay' of t:0:7"),
    (
        TextLabels(source_id="c-1", label="bill", labels=[LabelSimilarity("bill", 0.61)]),
        "c-1  bill (cosines: bill 0.61)",
    ),
    (
        TextLabels(source_id="c-1", label=None, labels=[LabelSimilarity("bill", 0.1)]),
        "c-1  no label (cosines: bill 0.10)",
    ),
    (TextEmbedding(source_id="c-1", dimension=384, packed="AAA="), "c-1  vector of 384 numbers"),
    (
        Transliteration(
            source_id="n-1",
            text="波恩",
            score=0.9,
            alternatives=[TransliterationCandidate("博恩", 0.05)],
        ),
        "n-1  波恩 (0.90), or 博恩 0.05",
    ),
    (
        TextUnderstanding(
            is_truncated=False,
            source_id="c-1",
            intent="pay",
            score=0.5,
            entities=[Entity("person", 0, 3, 0.9, "Ada")],
            labels=[],
            embedding=[1.0],
        ),
        "c-1  pay (0.50); label none; person 'Ada' (0.90); vector of 1 number",
    ),
    (
        AnomalyScore(
            source_id="pump",
            score=0.98,
            is_anomaly=True,
            threshold=0.9,
            channel="flow",
            expected=31.25,
        ),
        "pump  ANOMALY 0.98 (threshold 0.90) in flow, expected 31.25",
    ),
    (
        AnomalyScore(source_id="pump", score=0.1, is_anomaly=False, threshold=0.9),
        "pump  normal 0.10 (threshold 0.90)",
    ),
    (
        AnomalyScore(
            source_id="pump",
            score=0.98,
            is_anomaly=True,
            threshold=0.9,
            channel="flow",
            contributions={"flow": 0.752, "bar": 0.248},
        ),
        "pump  ANOMALY 0.98 (threshold 0.90) in flow (75%)",
    ),
    (
        AnomalyScore(
            source_id="pump",
            score=0.98,
            is_anomaly=True,
            threshold=0.9,
            contributions={"bar": 0.4, "flow": 0.6},
        ),
        "pump  ANOMALY 0.98 (threshold 0.90), 60% by flow",
    ),
    (
        Classification(
            source_id="c",
            label="cat",
            class_id=281,
            score=0.87,
            top=[ClassScore("cat", 281, 0.87), ClassScore("tiger cat", 282, 0.1)],
        ),
        "c  cat (0.87), or tiger cat 0.10",
    ),
    (
        Segmentation(
            source_id="c",
            width=10,
            height=10,
            regions=[
                Region("car", 0, RunLengthMask((10, 10), ""), 5, (0.0, 0.0, 1.0, 1.0)),
                Region("bus", 2, RunLengthMask((10, 10), ""), 20, (0.0, 0.0, 1.0, 1.0)),
                Region("car", 0, RunLengthMask((10, 10), ""), 3, (0.0, 0.0, 1.0, 1.0)),
            ],
        ),
        "c  bus 20.0%, car 8.0%",
    ),
    (Segmentation(source_id="c", width=10, height=10, regions=[]), "c  no regions"),
    (
        AnomalyScore(source_id="pump", score=0.0, is_anomaly=False, threshold=0.9, is_scored=False),
        "pump  not scored",
    ),
    (
        ClusterAssignment(source_id="u", cluster_id=3, distance=0.421),
        "u  cluster 3, 0.42 from its center",
    ),
    (ClusterAssignment(source_id="u", cluster_id=-1, distance=0.0), "u  no cluster"),
    (
        ItemSummary(
            source_id="", agent="r", partition=3, items=["a", "b"], weights=[1.0], removed=[1]
        ),
        "?  r partition 3: 1 interaction with 2 items, 1 removed or restored",
    ),
    (
        GlobalCluster(
            source_id="a:0",
            global_id=7,
            status="merged",
            weight=40.0,
            center={},
            radius=0.1,
            members=[Member("a", 0, 1), Member("a", 2, 0)],
            from_ids=[3, 4],
        ),
        "a:0  global cluster 7 merged from 3, 4: weight 40.0, 2 members",
    ),
    (
        GlobalCluster(
            source_id="a:0",
            global_id=3,
            status="died",
            weight=0.0,
            center={},
            radius=0.1,
            members=[],
            into_id=7,
        ),
        "a:0  global cluster 3 died, now part of 7",
    ),
    (
        Recommendation(
            source_id="u",
            items=[RecommendedItem(item, 0.5, "popular") for item in ("tea", "cup", "pot", "mug")],
            is_cold=True,
        ),
        "u  next: tea, cup, pot and 1 more (nothing known of the user)",
    ),
    (Recommendation(source_id="u", items=[], is_cold=False), "u  next: nothing"),
    (
        ClusterUpdate(
            agent="cluster_behavior",
            partition=2,
            sequence=12,
            clusters=[Cluster(0, {"pages": 1.0}, 3.0), Cluster(4, CENTER, 120.5)],
        ),
        "?  cluster_behavior[2] step 12: 2 clusters, heaviest 4 (weight 120.5) at pages 12, "
        "seconds 340.5, amount 1",
    ),
    (
        _scene("line_crossed", direction="left_to_right"),
        "c  bus 7 crossed gate from left to right (so far 2 buses)",
    ),
    (_scene("zone_entered"), "c  bus 7 entered gate (now 2 buses)"),
    (_scene("zone_left", dwell_ms=2500), "c  bus 7 left gate after 2.5 s (now 2 buses)"),
    (
        DriftEvent(
            source_id="p-1",
            channel="flow",
            method="adwin",
            noticed_ms=NOON,
            before=30.0,
            after=42.0,
            spread=1.25,
        ),
        "p-1  flow went from 30 to 42 (spread 1.2, noticed by adwin)",
    ),
    (AlertText(source_id="p-1", text="pump 7 is hot"), "p-1  to say: 'pump 7 is hot'"),
    (_source("silent"), "p-1  p-7 is silent for 31.2 s (allowed 30.0 s)"),
    (_source("silent", "bar"), "p-1  p-7/bar is silent for 31.2 s (allowed 30.0 s)"),
    (_source("back"), "p-1  p-7 is back after 31.2 s"),
    (_source("late"), "p-1  p-7 sent an event that is 31.2 s older than its last"),
    (
        Transcript(
            utterance=2,
            is_final=False,
            text="stop",
            words=[],
            heard_ms=1,
            source_id="m",
            notes=[TranscriptNote("gap", 3)],
        ),
        "m  utterance 2 so far: 'stop' (gap 3)",
    ),
    (
        SpokenAudio(
            audio=b"\0\1", sample_rate_hz=8000, duration_ms=1500, text="stop", source_id="p"
        ),
        "p  1.5 s of speech at 8000 Hz: 'stop'",
    ),
]


@pytest.mark.parametrize(("result", "words"), RESULTS, ids=lambda x: type(x).__name__)
def test_results_are_described(result: Result, words: str) -> None:
    as_json = msgspec.json.encode(result)
    assert describe_record("t", as_json, headers_of(type(result))) == words
    as_msgpack = msgspec.msgpack.encode(result)
    assert (
        describe_record("t", as_msgpack, headers_of(type(result), "application/msgpack")) == words
    )


def test_every_result_type_has_a_description() -> None:
    assert {type(result) for result, _ in RESULTS} == set(RESULT_TYPES.values())


def test_a_dead_letter_shows_origin_and_reason() -> None:
    letter = DeadLetter(
        origin=Origin("sensor.readings", 2, 1045),
        agent="score_anomalies",
        reason="schema_error",
        message="not a SensorReading: \x1b[2Jboo",
        exception="SchemaError",
    )
    # The original's own headers stand beside it, and must not be taken for the letter's.
    headers = [*headers_of(SensorReading), *letter.to_headers()]
    assert describe_record("sensor.readings.dlq", b"{}", headers) == (
        "sensor.readings[2] offset 1045  schema_error: not a SensorReading: \\x1b[2Jboo "
        "(SchemaError in score_anomalies, 2 bytes)"
    )
    broken = [h for h in headers if not h[0].endswith("offset")]
    assert "can't be read" in describe_record("sensor.readings.dlq", b"{}", broken)


@pytest.mark.parametrize(
    ("value", "headers", "words"),
    [
        (None, [], "null (a tombstone)"),
        (b"", [], ""),
        (b'{"a": 1}', [], '{"a": 1}'),
        (b"\x00\x01", [], "\\x00\\x01"),
        (b"\xff\xfe", [], "[2 bytes: ff fe]"),
        (b"\xff" * 20, [], f"[20 bytes: {' '.join(['ff'] * 16)} ...]"),
        (VideoFrame.example().image, [], "[image/png, 69 bytes]"),
        (
            msgspec.msgpack.encode({"image": b"\xff\xd8\xff", "n": 1}),
            [("content-type", b"application/msgpack")],
            '{"image":"[image/jpeg, 3 bytes]","n":1}',
        ),
        (b'{"values": {}}', [("ce_source", b"pump"), ("ce_time", b"1970-01-01T00:00:01Z")],
         'pump 00:00:01.000  {"values": {}}'),
        (b"{}", [("ce_source", b"pump"), ("ce_time", b"\xff")], "{}"),
    ],
)  # fmt: skip
def test_other_values_are_described(
    value: bytes | None, headers: list[tuple[str, bytes]], words: str
) -> None:
    assert describe_record("t", value, headers) == words


def test_a_value_with_a_wrong_type_header_is_described() -> None:
    assert describe_record("t", b'{"a": 1}', headers_of(Detections)) == 's  {"a": 1}'
    deep = b"[" * 100_000
    assert describe_record("t", deep, headers_of(Detections)).startswith("s  [[[")


def test_terminal_control_sequences_are_escaped() -> None:
    evil = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x202E, 0x2066, 0xFEFF]))
    shown = printable(evil)
    assert shown.isprintable()
    assert shown.isascii()
    result = ClusterAssignment(source_id="\x1b]0;owned\x07", cluster_id=0, distance=0.0)
    words = describe_record("t", msgspec.json.encode(result), headers_of(ClusterAssignment))
    assert words.startswith("\\x1b]0;owned\\x07  cluster 0")


def test_long_values_are_cut() -> None:
    assert len(describe_record("t", b"x" * 1_000_000, [])) == MAX_CHARACTERS + 3


def test_sound_is_described_by_its_kind_and_place() -> None:
    chunk = AudioChunk.example()
    codec = AudioCodec()
    line = describe_record("audio.chunks", codec.encode(chunk), codec.headers_of(chunk))
    assert line == "[s16le, 16000 Hz, 8 bytes, number 7, end of the stream]"
    broken = describe_record("audio.chunks", b"abc", codec.headers_of(chunk))
    assert "sound that can't be read" in broken


def test_speech_is_described_by_its_header() -> None:
    codec = AudioCodec()
    spoken = SpokenAudio(
        audio=b"\0\1", sample_rate_hz=8000, duration_ms=1500, text="stop", source_id="p"
    )
    headers = [("ce_type", b"penstock.spoken_audio.v1"), *codec.headers_of(spoken)]
    assert describe_record("out", spoken.audio, headers) == (
        "p  1.5 s of speech at 8000 Hz: 'stop'"
    )
