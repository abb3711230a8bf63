"""Pictures that cameras and attackers send, to every model that reads frames.

Each is answered as the plain picture that a viewer shows, or refused with a reason; the frames
beside it are answered as if it were not there.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.base import Model
from models.registry import model_class, model_names
from schemas import InputError, VideoFrame
from tests.models.contract import assert_alike, make_registered

#: JPEG changes gray levels a little, and with them scores.
_TOLERANCE = 0.1
VISION = [name for name in model_names() if model_class(name).event_type is VideoFrame]


@pytest.fixture(scope="module", params=VISION)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Model[Any, Any]]:
    made = make_registered(request.param, tmp_path_factory.mktemp(request.param))
    made.load("cpu")
    yield made
    made.close()


def _picture() -> Image.Image:
    """Return a smooth picture without right angles, so that turning it matters."""
    y, x = np.mgrid[:48, :80]
    return Image.fromarray(np.stack([x * 3, y * 5, (x + y) * 2], axis=2).astype(np.uint8))


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it clockwise
    return _saved(_picture().transpose(Image.Transpose.ROTATE_90), "png", exif=exif)


def _bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _gray(bits: int) -> bytes:
    levels = np.asarray(_picture().convert("L"))
    return _saved(Image.fromarray(levels if bits == 8 else levels.astype(np.uint16) * 257), "png")


def _palette() -> tuple[bytes, bytes]:
    reduced = _picture().quantize(64)
    return _saved(reduced, "png"), _saved(reduced.convert("RGB"), "png")


def _animated() -> bytes:
    return _saved(_picture(), "gif", save_all=True, append_images=[_picture().rotate(90)])


_PLAIN = _saved(_picture(), "png")
_JPEG = _saved(_picture(), "jpeg", quality=95, subsampling=0)
_PALETTE, _PALETTE_AS_RGB = _palette()
#: Name -> the picture, and the plain one that it equals.
ALIKE = {
    "turned by EXIF": (_turned(), _PLAIN),
    "gray of 16 bits": (_gray(16), _gray(8)),
    "palette": (_PALETTE, _PALETTE_AS_RGB),
    "progressive": (
        _saved(_picture(), "jpeg", quality=95, subsampling=0, progressive=True), _JPEG
    ),
    "alpha": (_saved(_picture().convert("RGBA"), "png"), _PLAIN),
}  # fmt: skip
#: Answered, whatever the answer is.
ODD = {
    "CMYK": _saved(_picture().convert("CMYK"), "jpeg"),
    "1 x 1": _saved(Image.new("RGB", (1, 1), "red"), "png"),
    "20,000 x 1": _saved(Image.new("RGB", (20_000, 1), "red"), "png"),
    "1 x 20,000": _saved(Image.new("RGB", (1, 20_000), "red"), "png"),
}
REFUSED = {
    "truncated JPEG": (_JPEG[: len(_JPEG) // 2], "decode_error"),
    "truncated PNG": (_PLAIN[: len(_PLAIN) // 2], "decode_error"),
    "text": (b"not a picture", "decode_error"),
    "nothing": (b"", "decode_error"),
    "animated": (_animated(), "too_large"),
    "20,001 x 1": (_saved(Image.new("RGB", (20_001, 1)), "png"), "too_large"),
    "zip bomb": (_bomb(30_000, 30_000), "too_large"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_it_is_answered_as_the_plain_picture(name: str, model: Model[Any, Any]) -> None:
    unusual, plain = model.predict_batch([VideoFrame(image=image) for image in ALIKE[name]])
    assert not isinstance(unusual, InputError), unusual
    assert_alike(unusual, plain, _TOLERANCE)


@pytest.mark.parametrize("name", ODD)
def test_it_is_answered(name: str, model: Model[Any, Any]) -> None:
    (answer,) = model.predict_batch([VideoFrame(image=ODD[name])])
    assert not isinstance(answer, InputError), answer


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_its_neighbors_are_answered(name: str, model: Model[Any, Any]) -> None:
    image, reason = REFUSED[name]
    frames = [VideoFrame(image=_PLAIN), VideoFrame(image=image), VideoFrame(image=_JPEG)]
    before, refused, after = model.predict_batch(frames)
    assert isinstance(refused, InputError)
    assert refused.reason == reason
    assert len(str(refused)) > 10
    assert_alike([before, after], [model.predict_batch([f])[0] for f in frames[::2]], 1e-4)
