"""From a pipeline file's `fields`, `where` and `envelope` to events, with each codec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest

from agents.pipeline.file import load_pipeline
from agents.pipeline.parts import load_agent, make_decoder
from models.base import ModelError
from schemas import SensorReading, VideoFrame
from streams.offsets import OffsetTracker
from tests.fakes import record_batch

EVENT_MODULE = """
from schemas import Event

class Tap(Event, frozen=True, kw_only=True):
    liters: float

class Model:
    event_type = Tap
    def predict_batch(self, batch): return [None for _ in batch]
"""


def decode(folder: Path, text: str, value: bytes, **record: Any) -> Any:
    path = folder / "penstock.yaml"
    path.write_text(text)
    ((_, settings),) = load_pipeline(path, {}).agents.items()
    decoder = make_decoder(settings, load_agent(settings, folder))
    batch = record_batch([value], tracker=OffsetTracker(), **record)
    decoded = decoder.decode(batch)
    return decoded.events or decoded.failed or decoded.filtered


def test_the_picture_itself_with_its_fields_in_headers(tmp_path: Path) -> None:
    text = """\
agents:
  detect_objects:
    input: gate
    output: out
    fields:
      source_id: $header.camera
      event_time: {path: $header.taken, format: unix_ms}
      frame_index: $header.seq
"""
    image = VideoFrame.example().image
    headers = [("camera", b"c1"), ("taken", b"1764307578454"), ("seq", b"7")]
    (frame,) = decode(tmp_path, text, image, headers=[headers])
    assert frame == VideoFrame(
        image=image, source_id="c1", event_time_ms=1_764_307_578_454, frame_index=7
    )
    ((_, error),) = decode(tmp_path, text, image, headers=[[*headers, ("seq", b"seven")]])
    assert str(error) == "$header.seq: expected a whole number, found the text 'seven'"
    ((_, error),) = decode(tmp_path, text, b"{}", headers=[headers])
    assert error.reason == "decode_error"


def test_messagepack(tmp_path: Path) -> None:
    text = (
        "agents: {score_anomalies: {codec: msgpack, fields: {values: {from: d}}, where: d.a > 1}}"
    )
    (event,) = decode(tmp_path, text, msgspec.msgpack.encode({"d": {"a": 2, "b": None}}))
    assert event.values == {"a": 2.0}
    assert decode(tmp_path, text, msgspec.msgpack.encode({"d": {"a": 1}})) == {"where": [0]}


def test_where_and_envelopes_without_fields(tmp_path: Path) -> None:
    text = "agents: {score_anomalies: {where: values.a > 1, envelope: connect}}"
    value = {"schema": None, "payload": {"source_id": "s", "event_time_ms": 5, "values": {"a": 2}}}
    assert decode(tmp_path, text, json.dumps(value).encode()) == [
        SensorReading(source_id="s", event_time_ms=5, values={"a": 2.0})
    ]


@pytest.mark.parametrize(
    ("key_format", "source"),
    [("text", "0x0000000000000007"), ("integer", "7"), ("hex", "00" * 7 + "07")],
)
def test_keys(tmp_path: Path, key_format: str, source: str) -> None:
    for fields in ("", ", fields: {source_id: $key, values: {from: values}}"):
        text = f"agents: {{score_anomalies: {{key_format: {key_format}{fields}}}}}"
        key = (7).to_bytes(8, "big")
        (event,) = decode(tmp_path, text, b'{"values": {"a": 1}}', keys=[key])
        assert event.source_id == source


def test_your_own_event_type(tmp_path: Path) -> None:
    (tmp_path / "tap.py").write_text(EVENT_MODULE)
    text = "agents: {a: {input: i, output: o, model: ./tap.py:Model, fields: {FIELD: data.l}}}"
    (tap,) = decode(tmp_path, text.replace("FIELD", "liters"), b'{"data": {"l": 2}}')
    assert tap.liters == 2.0
    with pytest.raises(ModelError, match=r"fields\.litres: Tap has no such field: did you mean"):
        decode(tmp_path, text.replace("FIELD", "litres"), b"{}")


def test_pictures_lie_in_a_folder_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "1.png").write_bytes(VideoFrame.example().image)
    text = """\
agents:
  detect_objects:
    codec: json
    fields: {image: {path: file, format: file, folder: ./frames}}
"""
    (frame,) = decode(tmp_path, text, b'{"file": "1.png"}')
    assert frame.image == VideoFrame.example().image
    ((_, error),) = decode(tmp_path, text, b'{"file": "../penstock.yaml"}')
    assert "is outside of the allowed folder" in str(error)


def test_pictures_lie_in_a_bucket(tmp_path: Path) -> None:
    with fsspec.open("memory://gate/in/1.png", "wb") as file:
        file.write(VideoFrame.example().image)
    text = """\
agents:
  detect_objects:
    codec: json
    fields: {image: {path: at, format: url, allow: [ALLOWED]}}
"""
    allowed = text.replace("ALLOWED", "memory://gate/in/")
    (frame,) = decode(tmp_path, allowed, b'{"at": "memory://gate/in/1.png"}')
    assert frame.image == VideoFrame.example().image
    (frame,) = decode(tmp_path, allowed, b'{"at": "1.png"}')
    assert frame.image == VideoFrame.example().image
    for at, reason in (("memory://other/1.png", "schema_error"), ("2.png", "missing_object")):
        ((_, error),) = decode(tmp_path, allowed, json.dumps({"at": at}).encode())
        assert error.reason == reason
    with pytest.raises(ModelError, match=r"fields\.image\.allow: nosuch://bucket/: .*nosuch"):
        decode(tmp_path, text.replace("ALLOWED", "nosuch://bucket/"), b"{}")
