import pytest

from agents.commands.produce.event_records import EventEncoder
from schemas import EVENT_TYPES, Event, InputError, SensorReading, VideoFrame, make_codec
from schemas.cloudevents import read_attributes


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("cls", EVENT_TYPES.values(), ids=lambda cls: cls.__name__)
def test_a_decoded_record_equals_the_event(cls: type[Event], codec: str) -> None:
    event = cls.example()
    record = EventEncoder(cls, codec).encode(event)
    headers = dict(record.headers)
    assert record.key == event.source_id.encode()
    assert make_codec(codec, cls).decode(record.value, headers) == event
    assert read_attributes(headers) == (event.event_id, event.source_id, event.event_time_ms)
    assert headers["content-type"] == f"application/{codec}".encode()


def test_the_image_codec_puts_all_but_the_image_into_headers() -> None:
    frame = VideoFrame.example()
    record = EventEncoder(VideoFrame, "image").encode(frame)
    headers = dict(record.headers)
    assert record.value == frame.image
    assert headers["content-type"] == b"image/png"
    decoded = make_codec("image", VideoFrame).decode(record.value, headers)
    assert isinstance(decoded, VideoFrame)
    assert (decoded.image, decoded.frame_index) == (frame.image, frame.frame_index)
    assert read_attributes(headers) == (frame.event_id, frame.source_id, frame.event_time_ms)


def test_events_without_an_id_get_unique_ids() -> None:
    reading = SensorReading(source_id="s", values={"a": 1.0})
    encoders = [EventEncoder(SensorReading, "json") for _ in range(2)]
    ids = [dict(e.encode(reading).headers)["ce_id"] for e in encoders for _ in range(3)]
    assert len(set(ids)) == 6


def test_the_codec_refuses_other_data() -> None:
    with pytest.raises(InputError, match="neither JPEG, PNG, WebP"):
        EventEncoder(VideoFrame, "image").encode(VideoFrame(source_id="c", image=b"GIX89a"))
    with pytest.raises(ValueError, match="image codec reads VideoFrame, not SensorReading"):
        EventEncoder(SensorReading, "image")
    with pytest.raises(ValueError, match="no codec 'avro'"):
        EventEncoder(SensorReading, "avro")
