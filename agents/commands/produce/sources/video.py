"""Read frames from an image, a folder of images, a video file, a camera or a network stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.commands.produce.sources.source import SourceError
from schemas import VideoFrame

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
#: On libjpeg's scale of 1 to 100. Above about 85, files grow fast and detectors gain nothing.
JPEG_QUALITY = 85
#: A stream that sends nothing for this long is an error.
STREAM_TIMEOUT_SECONDS = 10.0


def is_live(address: str) -> bool:
    """Return whether an address is a camera device or a stream, not a file or folder."""
    return "://" in address or address.startswith("/dev/video")


def video_frames(
    address: str, *, source_id: str = "", loop: bool = False, quality: int = JPEG_QUALITY
) -> Iterator[VideoFrame]:
    """Yield frames; with `loop`, `frame_index` continues to count.

    Args:
        address: an image, a folder of images (in the order of their names), a video file,
            `/dev/video0`, or a stream such as `rtsp://host/path`.
        source_id: the camera's name; "": the file's or folder's name, or the address itself.
        loop: start again at the end; ignored for a live address.
        quality: of JPEGs made from video, 1 to 100. Image files are not encoded again.

    The event time of live frames is the time of their decoding; other frames have none.

    Raises:
        SourceError: the address does not exist, or is not a video.
    """
    source_id = source_id or (address if is_live(address) else Path(address).stem)
    frame_index = 0
    while True:
        start = frame_index
        for image in _images(address, quality):
            yield VideoFrame(
                source_id=source_id,
                event_time_ms=time.time_ns() // 1_000_000 if is_live(address) else 0,
                image=image,
                frame_index=frame_index,
            )
            frame_index += 1
        if frame_index == start:
            raise SourceError(f"{address}: it has no frames")
        if not loop or is_live(address):
            return


def _images(address: str, quality: int) -> Iterator[bytes]:
    """Yield encoded images."""
    if is_live(address):
        return _decode_video(address, quality)
    path = Path(address)
    if path.is_dir():
        return _images_of_folder(path)
    if not path.is_file():
        raise SourceError(f"{address}: no such file or folder")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return iter([path.read_bytes()])
    return _decode_video(address, quality)


def _images_of_folder(folder: Path) -> Iterator[bytes]:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise SourceError(f"{folder}: it has no images (expected {', '.join(IMAGE_SUFFIXES)})")
    return (path.read_bytes() for path in paths)


def _decode_video(address: str, quality: int) -> Iterator[bytes]:
    import av
    import simplejpeg

    try:
        with av.open(address, **_open_options(address)) as container:
            if not container.streams.video:
                raise SourceError(f"{address}: it has no video stream")
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                pixels = frame.to_ndarray(format="rgb24")
                yield simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB")
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(f"{address}: can't be read as video: {error}") from error


def _open_options(address: str) -> dict[str, Any]:
    if address.startswith("/dev/video"):
        return {"format": "v4l2"}
    if address.startswith("rtsp"):
        # Over UDP, FFmpeg's default, lost packets leave gray areas in which detectors see objects.
        return {"timeout": STREAM_TIMEOUT_SECONDS, "options": {"rtsp_transport": "tcp"}}
    return {"timeout": STREAM_TIMEOUT_SECONDS} if is_live(address) else {}
