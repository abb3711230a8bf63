import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agents.commands.produce.sources import SourceError
from agents.commands.produce.sources.video import is_live, video_frames


def save_image(path: Path, level: int) -> bytes:
    Image.new("RGB", (16, 8), (level, level, level)).save(path)
    return path.read_bytes()


def save_clip(path: Path, levels: list[int]) -> Path:
    """Write a real video whose frames are gray, each with another level."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def mean_level(image: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(image))).mean())


def test_images_of_a_folder_are_sorted_by_name_and_unchanged(tmp_path: Path) -> None:
    second = save_image(tmp_path / "b.png", 20)
    first = save_image(tmp_path / "a.jpg", 10)
    (tmp_path / "notes.txt").write_text("not an image")
    frames = list(video_frames(str(tmp_path), source_id="cam"))
    assert [f.image for f in frames] == [first, second]
    assert [(f.source_id, f.frame_index, f.event_time_ms) for f in frames] == [
        ("cam", 0, 0),
        ("cam", 1, 0),
    ]


def test_a_loop_continues_the_frame_index(tmp_path: Path) -> None:
    save_image(tmp_path / "one.png", 10)
    frames = itertools.islice(video_frames(str(tmp_path / "one.png"), loop=True), 3)
    assert [(f.source_id, f.frame_index) for f in frames] == [("one", 0), ("one", 1), ("one", 2)]


def test_a_video_file_becomes_jpeg_frames_in_order(tmp_path: Path) -> None:
    levels = [0, 60, 120, 180, 240]
    frames = list(video_frames(str(save_clip(tmp_path / "clip.mp4", levels))))
    assert all(f.image.startswith(b"\xff\xd8\xff") for f in frames)
    assert [f.source_id for f in frames] == ["clip"] * len(levels)
    assert [mean_level(f.image) for f in frames] == pytest.approx(levels, abs=6)


def test_a_file_without_video_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "fake.mp4").write_bytes(b"not a video at all")
    (tmp_path / "empty").mkdir()
    for address, what in [
        ("fake.mp4", "can't be read as video"),
        ("none.mp4", "no such file"),
        ("empty", "it has no images"),
    ]:
        with pytest.raises(SourceError, match=f"{address}: {what}"):
            next(video_frames(str(tmp_path / address)))


def test_a_stream_without_a_server_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"rtsp://127\.0\.0\.1:1/live: can't be read"):
        next(video_frames("rtsp://127.0.0.1:1/live"))


def test_live_addresses() -> None:
    assert is_live("rtsp://host/live")
    assert is_live("/dev/video0")
    assert not is_live("clips/street.mp4")
