"""Sources that read a folder of public data sets.

The folder may hold these parts:

    video/*.mp4                       clips                                 -> frames
    coco_photos/images/*.jpg          photos                                -> frames
    clinc150/clinc150.jsonl.gz        assistant queries (split `test`)      -> texts
    sms_spam/sms_spam.jsonl.gz        text messages                         -> texts
    nab/data/*/*.csv                  Numenta Anomaly Benchmark             -> sensor readings
    skab/valve1/*.csv                 a water circuit, 8 channels           -> sensor readings
    smap_msl/*.npz                    spacecraft telemetry                  -> sensor readings
    walking/user_*.csv.gz             phone acceleration                    -> sensor readings
    shoppers/*.csv.gz                 web shop sessions                     -> behavior events
    kdd99/*.csv.gz                    network connections                   -> behavior events
    detector_fastestdet/*.onnx        a pretrained detector
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from agents.commands.produce.sources.real_behavior import connections, shop_sessions
from agents.commands.produce.sources.real_sensors import nab, skab, spacecraft, walking
from agents.commands.produce.sources.rows import read_rows
from agents.commands.produce.sources.source import Kind, Source, SourceError, spread
from agents.commands.produce.sources.video import video_frames
from schemas import Event, TextMessage

_Reader = Callable[[Path], Iterator[Event]]

#: Texts of the data sets belong to no conversation: they are distributed over this many.
NUM_CONVERSATIONS = 8


def assistant_queries(folder: Path, split: str = "test") -> Iterator[TextMessage]:
    """Yield CLINC150's queries of one split (train, val, test), in the file's order."""
    rows = read_rows(folder / "clinc150.jsonl.gz")
    texts = (
        TextMessage(text=row["text"], event_id=row["id"], language="en")
        for _, row in rows
        if row["split"] == split
    )
    yield from spread(texts, "conversation", NUM_CONVERSATIONS)


def short_messages(folder: Path) -> Iterator[TextMessage]:
    """Yield the SMS Spam Collection's messages; a heading among the rows is skipped."""
    rows = read_rows(folder / "sms_spam.jsonl.gz")
    texts = (
        TextMessage(text=row["text"], language="en")
        for _, row in rows
        if row["label"] in ("ham", "spam")
    )
    yield from spread(texts, "phone", NUM_CONVERSATIONS)


#: Kind, folder, files that must exist, description, reader of the folder.
_SETS: tuple[tuple[Kind, str, str, str, _Reader], ...] = (
    ("text", "clinc150", "clinc150.jsonl.gz", "assistant queries (CLINC150)", assistant_queries),
    ("text", "sms_spam", "sms_spam.jsonl.gz", "text messages (SMS Spam)", short_messages),
    ("sensor", "nab", "data/*/*.csv", "server metrics and tweets a minute (NAB)", nab),
    ("sensor", "skab", "valve1/*.csv", "a water circuit whose valve closes (SKAB)", skab),
    ("sensor", "smap_msl", "*.npz", "spacecraft telemetry (NASA SMAP and MSL)", spacecraft),
    ("sensor", "walking", "user_*.csv.gz", "acceleration of walkers' phones", walking),
    ("behavior", "shoppers", "*.csv.gz", "web shop sessions (UCI)", shop_sessions),
    ("behavior", "kdd99", "*.csv.gz", "network connections (KDD Cup 1999)", connections),
)


def real_sources(folder: Path, say: Callable[[str], None] = lambda _: None) -> list[Source]:
    """Return a source for each data set in the folder; each ends with its data.

    Args:
        folder: see the module.
        say: called with a line about each missing part.

    Raises:
        SourceError: there is no such folder, or it has none of the parts.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder of data")
    sources = [*_video_sources(folder, say)]
    for kind, name, pattern, description, read in _SETS:
        if any((folder / name).glob(pattern)):
            sources.append(Source(name, kind, description, True, partial(read, folder / name)))
        else:
            say(f"{folder}: no {name}/{pattern}, skipped")
    if not sources:
        raise SourceError(f"{folder}: no known data set in it")
    return sources


def _video_sources(folder: Path, say: Callable[[str], None]) -> Iterator[Source]:
    places = sorted((folder / "video").glob("*.mp4"))
    if any((folder / "coco_photos" / "images").glob("*.jpg")):
        places.append(folder / "coco_photos" / "images")
    if not places:
        say(f"{folder}: no video/*.mp4 and no coco_photos/images/*.jpg, skipped")
    for place in places:
        name = "coco_photos" if place.is_dir() else place.stem
        read = partial(video_frames, str(place), source_id=name)
        kind = "photos (COCO)" if place.is_dir() else "a video clip"
        yield Source(name, "video", kind, True, read)


def detector_file(folder: Path) -> Path | None:
    """Return the folder's pretrained ONNX detector; None if it has none."""
    return next(iter(sorted((folder / "detector_fastestdet").glob("*.onnx"))), None)
