"""Real data from installed packages, found without importing them and without a network."""

from __future__ import annotations

import csv
import io
import itertools
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from agents.commands.produce.sources.source import SourceError, spread
from agents.commands.produce.sources.tables import Columns, sensor_readings
from agents.commands.produce.sources.video import JPEG_QUALITY
from schemas import BehaviorEvent, SensorReading, VideoFrame

#: The photographs among scikit-image's pictures; the others are textures, scans and charts.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
#: Consecutive frames of one photograph, like a camera that is turned now and then.
FRAMES_PER_PHOTOGRAPH = 10

_SEGMENT_LABEL = "category"


def package_file(package: str, *parts: str) -> Path:
    """Return the path of a file inside an installed package.

    Raises:
        SourceError: the package is not installed, or its version lacks the file.
    """
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(place, *parts)).is_file():
            return path
    raise SourceError(
        f"the package {package} with its file {'/'.join(parts)} is not installed: "
        "pip install 'penstock[demo]'"
    )


def water_flow() -> Iterator[SensorReading]:
    """Yield river's WaterFlow: 1,268 hourly readings of one pipe in litres a second, 2022.

    It has four known irregularities (three drops, one peak). Event times are the data's.
    """
    path = package_file("river", "datasets", "water-flow.csv")
    columns = Columns(time="Time", source_id="pipe-1")
    for reading in sensor_readings(path, columns):
        yield SensorReading(
            source_id=reading.source_id,
            event_time_ms=reading.event_time_ms,
            values={"flow_l_s": reading.values["Water flow [l/s]"]},
        )


def image_segments(num_keys: int = 4) -> Iterator[BehaviorEvent]:
    """Yield river's ImageSegments: 2,310 patches of outdoor photos, 18 numbers each, 7 classes.

    The class (sky, path, grass ...) is left out of the features. Patches have no source, so they
    are distributed over `num_keys` source ids.
    """
    path = package_file("river", "datasets", "segment.csv.zip")
    # The archive has one file.
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))
        events = (BehaviorEvent(action="see", features=_features(row)) for row in rows)
        yield from spread(events, "viewer", num_keys)


def _features(row: dict[str, str]) -> dict[str, float]:
    return {name: float(cell) for name, cell in row.items() if name != _SEGMENT_LABEL}


def photographs() -> Iterator[VideoFrame]:
    """Yield scikit-image's bundled photographs without end, as JPEG frames of one camera."""
    images = [_as_jpeg(package_file("skimage", "data", name)) for name in PHOTOGRAPHS]
    for index in itertools.count():
        image = images[index // FRAMES_PER_PHOTOGRAPH % len(images)]
        yield VideoFrame(source_id="photographs", image=image, frame_index=index)


def _as_jpeg(path: Path) -> bytes:
    """Return a picture as JPEG, which has a tenth of the bytes of a PNG photograph."""
    import numpy as np
    import simplejpeg
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    jpeg: bytes = simplejpeg.encode_jpeg(pixels, quality=JPEG_QUALITY, colorspace="RGB")
    return jpeg
