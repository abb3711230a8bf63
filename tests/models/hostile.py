"""Events that nobody means well: of each kind, what a model must answer or refuse, one by one."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from models.base import Model
from schemas import (
    AnomalyReport,
    AudioChunk,
    BehaviorEvent,
    Cluster,
    ClusterReport,
    DetectedFrame,
    Detection,
    Event,
    Feedback,
    GlobalClusterRecord,
    InputError,
    Interaction,
    ItemSummaryRecord,
    Member,
    SensorReading,
    TextMessage,
    VideoFrame,
)


def hostile_events(event_type: type[Event]) -> list[Event]:
    """Return events of a type that try to break a model, as far as its schema lets them through."""
    makers: dict[type[Event], Callable[[], list[Event]]] = {
        VideoFrame: _frames,
        TextMessage: _messages,
        AnomalyReport: _reports,
        SensorReading: _readings,
        BehaviorEvent: _behavior,
        DetectedFrame: _detected_frames,
        AudioChunk: _audio_chunks,
        Interaction: _interactions,
        ItemSummaryRecord: _item_summaries,
        ClusterReport: _cluster_reports,
        GlobalClusterRecord: _global_clusters,
        Feedback: _labels,
        Event: _readings,
    }
    return [event for event in makers[event_type]() if _is_valid(event)]


def _is_valid(event: Event) -> bool:
    """Return whether an event can come from a topic: the codec refuses others before a model."""
    try:
        msgspec.convert(msgspec.to_builtins(event), type(event)).validate()
    except (msgspec.ValidationError, InputError):
        return False
    return True


def answer_each(model: Model[Any, Any], batch: list[Event]) -> list[Any]:
    """Answer a batch as the engine does: one that raises is halved until the culprit is alone."""
    try:
        return list(model.predict_batch(batch))
    except InputError as error:
        if len(batch) == 1:
            return [error]
        middle = len(batch) // 2
        return [*answer_each(model, batch[:middle]), *answer_each(model, batch[middle:])]


def _frames() -> list[Event]:
    from PIL import Image

    def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    small = Image.new("RGB", (40, 30), (200, 30, 30))
    jpeg = encoded(small, "jpeg")
    images = [
        b"",
        b"no picture",
        jpeg[: len(jpeg) // 2],
        jpeg[:20],
        jpeg + b"\0" * 100,
        encoded(Image.new("L", (1, 1), 7), "png"),
        encoded(Image.new("L", (5000, 1), 7), "png"),
        encoded(Image.new("CMYK", (40, 30)), "jpeg"),
        encoded(Image.new("I;16", (40, 30), 40_000), "png"),
        encoded(small.convert("P"), "png"),
        encoded(small, "png")[:-20],
        png_bomb(100_000, 100_000),
    ]
    return [VideoFrame(source_id="hostile", image=image) for image in images]


def png_bomb(width: int, height: int) -> bytes:
    """Return a small PNG file that says that it is a huge picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        size, check = struct.pack(">I", len(content)), struct.pack(">I", zlib.crc32(kind + content))
        return size + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(bytes(4096))),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _audio_chunks() -> list[Event]:
    loud = b"\xff\x7f" * 3200
    silence = bytes(6400)
    nan = struct.pack("<f", math.nan) * 1600
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0"
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    wav = header + form + b"data\xff\xff\xff\xff" + silence
    bare: list[dict[str, Any]] = [
        {"audio": loud},
        {"audio": silence, "sequence": 7},
        {"audio": silence, "sequence": 7},  # a repeat
        {"audio": silence, "sequence": 2**53 - 1},  # a gap
        {"audio": silence, "sequence": 0},  # a restart
        {"audio": silence, "sample_rate_hz": 3},
        {"audio": silence, "sample_rate_hz": 384_000},
        {"audio": silence, "sample_rate_hz": 15_991},
        {"audio": silence, "num_channels": 32},
        {"audio": silence[:-1]},
        {"audio": silence * 300},  # a minute in one record
        {"audio": nan, "encoding": "f32le"},
        {"audio": struct.pack("<f", 1e30) * 1600, "encoding": "f32le"},
        {"audio": b""},
        {"audio": b"", "is_end": True},
        {"audio": wav, "encoding": "wav"},
        {"audio": wav[:30], "encoding": "wav"},
        {"audio": b"RIFF", "encoding": "wav"},
        {"audio": wav.replace(form, bytes(16)), "encoding": "wav"},
        {"audio": b"fLaC" + b"\0" * 200, "encoding": "flac"},
        {"audio": b"OggS" + b"\xff" * 200, "encoding": "opus"},
    ]
    return [
        AudioChunk(source_id="hostile", **{"encoding": "s16le", "sample_rate_hz": 16_000, **fields})
        for fields in bare
    ]


def _reports() -> list[Event]:
    names = ["", "{source}", "\0", "\udfff", "a" * 4096, "\u202eevil", "\n\n"]
    reports: list[Event] = [
        AnomalyReport(source_id=name, channel=name, score=1.0, is_anomaly=True, expected=1e308)
        for name in names
    ]
    return [*reports, AnomalyReport(source_id="p", score=0.0, is_anomaly=True, expected=-0.0)]


def _messages() -> list[Event]:
    texts = [
        "",
        " \t\n",
        "\0",
        "​‍",
        "a" * 100_000,
        "word " * 20_000,
        "[SEP] [CLS] <s> </s> [MASK] <|endoftext|>",
        "‮evil ⁦text⁩",
        "e" + "́" * 500,
        "👨‍👩‍👧‍👦" * 50,
        "\U0010ffff￾",
        "'; DROP TABLE users; --",
    ]
    return [TextMessage(source_id="hostile", text=text) for text in texts]


def _numbers() -> list[dict[str, float]]:
    return [
        {},
        {"flow_l_min": math.nan, "pressure_bar": 1.0},
        {"flow_l_min": math.inf, "pressure_bar": -math.inf},
        {"flow_l_min": 1e308, "pressure_bar": -1e308},
        {"flow_l_min": 5e-324, "pressure_bar": -0.0},
        {"other": 1.0},
        {f"channel {index}": float(index) for index in range(1000)},
        {"x" * 200: 1.0, "é" * 200: 2.0, "flow_l_min": 1.0},
        {"": 1.0, "\0": 2.0, "flow_l_min": 30.0, "pressure_bar": 2.0},
    ]


def _readings() -> list[Event]:
    return [
        SensorReading(source_id=source, event_time_ms=time_ms, values=values)
        for source, time_ms in (("pump-0", 1_700_000_000_000), ("", 0), ("x" * 300, 2**53))
        for values in _numbers()
    ]


def _behavior() -> list[Event]:
    names = {"flow_l_min": "pages", "pressure_bar": "seconds"}
    return [
        BehaviorEvent(
            source_id="hostile",
            action="",
            features={names.get(name, name): value for name, value in numbers.items()},
        )
        for numbers in _numbers()
    ]


def _detected_frames() -> list[Event]:
    boxes = [
        (math.nan, 0.0, 1.0, 1.0),
        (0.0, 0.0, math.inf, 1.0),
        (50.0, 50.0, 10.0, 10.0),
        (5.0, 5.0, 5.0, 5.0),
        (-1e30, -1e30, 1e30, 1e30),
    ]
    frames: list[Event] = [
        DetectedFrame(
            source_id="hostile",
            width=640,
            height=384,
            detections=[Detection("car", 0, score, box, 1)],
        )
        for box in boxes
        for score in (0.9, math.nan)
    ]
    many = [Detection("car", 0, 0.9, (float(i), 0.0, i + 9.0, 9.0), i) for i in range(3000)]
    frames += [
        DetectedFrame(source_id="hostile", width=0, height=0, detections=[]),
        DetectedFrame(source_id="", width=-1, height=2**40, detections=[]),
        DetectedFrame(source_id="hostile", width=640, height=384, detections=many),
    ]
    return frames


def _interactions() -> list[Event]:
    names = ["", "\0", "x" * 4096, "‮tea", "👨‍👩‍👧‍👦" * 50, "'; DROP TABLE users; --"]
    return [
        Interaction(source_id=user, item=item, action="view", weight=weight)
        for user in names
        for item in names
        for weight in (0.0, 5e-324, 100.0, math.nan)
    ]


def _cluster_reports() -> list[Event]:
    clusters = [
        Cluster(0, center, weight, 0.1)
        for center in ({}, {"pages": 1e308, "": -1e308}, {"pages": math.nan}, {"x" * 200: 1.0})
        for weight in (0.0, -1.0, 1e308, math.inf)
    ]
    many = [Cluster(index, {"pages": float(index)}, 1.0) for index in range(4096)]
    return [
        ClusterReport(
            source_id="hostile", agent=agent, partition=partition, sequence=sequence,
            clusters=found, low=low, high=high,
        )
        for agent, partition, sequence in (("a", 0, 1), ("", -1, -5), ("x" * 300, 2**40, 2**60))
        for found in ([], many, *[[each] for each in clusters])
        for low, high in (({}, {}), ({"pages": 5.0}, {"pages": -5.0}))
    ]  # fmt: skip


def _global_clusters() -> list[Event]:
    return [
        GlobalClusterRecord(
            source_id="hostile", global_id=number, status="changed", weight=weight,
            center=center, radius=0.1, members=[Member("x" * 300, 2**40, number)],
        )
        for number in (0, 2**60)
        for weight in (0.0, -1.0, 1e308)
        for center in ({}, {"pages": 1e308}, {"": 1.0})
    ]  # fmt: skip


def _item_summaries() -> list[Event]:
    return [
        ItemSummaryRecord(
            source_id="hostile", partition=partition, sequence=2**52, items=items,
            windows=windows, weights=weights, factors=factors, dimensions=dimensions,
            removed=removed,
        )
        for partition, items in ((-1, []), (2**30, [""]), (0, ["x" * 4096, "\0"]))
        for windows, weights in (("", []), ("AAD//w==", [1.0]), ("?", [1.0]), ("AAD/", [1e308]))
        for factors, dimensions in (("", 0), ("/3//fw==", 2), ("AHwAfA==", 2), ("AAA=", 4096))
        for removed in ([], [1], [60_000])
    ]  # fmt: skip


def _labels() -> list[Event]:
    return [
        Feedback(source_id="hostile", label=label, answer=answer, about=about)
        for label in ("", "x" * 200, "‮evil", "\0")
        for answer, about in (("", ""), ("t:0:7", ""), ("no id", "m"), ("", "x" * 4096))
    ]
