import itertools

import pytest

from agents import AGENTS
from agents.commands.demo.bad_records import bad_records
from agents.commands.demo.inputs import packaged_inputs
from agents.commands.demo.pipeline import AGENT_OF
from agents.commands.produce.event_records import EventEncoder
from agents.commands.produce.sources.source import Kind
from models.images import ImageLimits, decode_image
from schemas import EVENT_TYPES, InputError, VideoFrame, make_codec
from schemas.codecs import Codec

KINDS: tuple[Kind, ...] = ("video", "text", "sensor", "behavior", "interaction")


def read(codec: Codec, value: bytes, headers: dict[str, bytes]) -> None:
    """Decode a record as an agent does before its model gets it."""
    event = codec.decode(value, headers)
    if isinstance(event, VideoFrame):
        decode_image(event.image, ImageLimits())


def refusals(kind: Kind) -> list[str]:
    """Return why an agent refuses each bad record that has a value."""
    agent = AGENTS[AGENT_OF[kind]]
    codec = make_codec(agent.codec, EVENT_TYPES[agent.event])
    event = next(iter(packaged_inputs().by_kind[kind]))
    good = EventEncoder(type(event), codec.name).encode(event)
    codec.decode(good.value, dict(good.headers))  # the good value is accepted
    reasons = []
    for record in bad_records(kind, good.value):
        if record.value is not None:
            with pytest.raises(InputError) as caught:
                read(codec, record.value, dict(record.headers))
            reasons.append(caught.value.reason)
    return reasons


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_refuses_each_bad_record(kind: Kind) -> None:
    reasons = refusals(kind)
    assert len(reasons) == 4
    assert "unknown_schema_version" in reasons


@pytest.mark.parametrize("kind", KINDS)
def test_each_topic_gets_one_tombstone(kind: Kind) -> None:
    records = bad_records(kind, b'{"a":1}')
    assert sum(record.value is None for record in records) == 1
    assert len({record.description for record in records}) == len(records)


def test_together_they_cover_every_reason_that_lies_in_a_record() -> None:
    reasons = set(itertools.chain.from_iterable(refusals(kind) for kind in KINDS))
    expected = {"decode_error", "empty_value", "schema_error", "too_large"}
    assert expected | {"unknown_schema_version"} == reasons
