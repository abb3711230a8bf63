import io
import itertools
import math

import numpy as np
import pytest
from PIL import Image

from agents.commands.produce.sources.demo import (
    DEMO_SOURCES,
    TRAFFIC_SEED,
    demo_source,
    phrases,
    traffic,
)
from agents.commands.produce.sources.packaged import image_segments, package_file, water_flow
from agents.commands.produce.sources.source import Source, SourceError
from schemas import EVENT_TYPES

TYPES = {
    "video": EVENT_TYPES["VideoFrame"],
    "text": EVENT_TYPES["TextMessage"],
    "sensor": EVENT_TYPES["SensorReading"],
    "behavior": EVENT_TYPES["BehaviorEvent"],
    "interaction": EVENT_TYPES["Interaction"],
}


@pytest.mark.parametrize("source", DEMO_SOURCES, ids=lambda source: source.name)
def test_every_source_yields_valid_keyed_events_of_its_kind(source: Source) -> None:
    for event in itertools.islice(source, 12):
        event.validate()
        assert isinstance(event, TYPES[source.kind])
        assert event.source_id


def test_there_is_a_source_of_each_kind() -> None:
    assert {source.kind for source in DEMO_SOURCES} == set(TYPES)
    assert demo_source("water-flow") in DEMO_SOURCES
    assert demo_source("nothing") is None


def test_water_flow_equals_rivers_data() -> None:
    readings = list(water_flow())
    assert len(readings) == 1268
    assert readings[0].values == {"flow_l_s": 100.59}
    assert readings[1].event_time_ms - readings[0].event_time_ms == 3_600_000


def test_image_segments_equal_rivers_data_without_the_class() -> None:
    events = list(image_segments(num_keys=4))
    assert len(events) == 2310
    assert {len(event.features) for event in events} == {18}
    assert {event.source_id for event in events} == {f"viewer-{n}" for n in range(1, 5)}
    assert all(math.isfinite(v) for event in events for v in event.features.values())


def test_traffic_equals_the_rendered_clip() -> None:
    from models.detection.scenes import render_clip

    (frame,) = traffic(1, camera=2)
    truth = next(render_clip(TRAFFIC_SEED + 2, 1))
    shown = np.asarray(Image.open(io.BytesIO(frame.image)), np.int16)
    assert shown.shape == truth.image.shape
    assert np.abs(shown - truth.image).mean() < 12  # JPEG's loss on a noisy picture


def test_phrases_never_end_and_have_known_intents() -> None:
    from models.nlu.phrases import generate

    truth = dict(generate(7, "test"))
    texts = [m.text for m in itertools.islice(phrases(seed=7), len(truth) + 1)]
    assert texts[-1] == texts[0]
    assert set(texts) == set(truth)


def test_a_missing_package_file_is_an_error_that_says_what_to_install() -> None:
    with pytest.raises(SourceError, match=r"river .*no\.csv.*pip install"):
        package_file("river", "datasets", "no.csv")
    with pytest.raises(SourceError, match="no_such_package"):
        package_file("no_such_package", "x")
