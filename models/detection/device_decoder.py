"""JPEG frames decoded on the network's own device, by nvJPEG, and brought to its size there.

TorchCodec has nvJPEG inside. All of it runs on the device `cpu` as well, by libjpeg: for tests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import simplejpeg

from models.base import ModelError
from models.cores import Cores
from models.detection.boxes import Floats
from models.detection.fitting import PADDING_GREY, Fit
from models.detection.images import ImageLimits
from models.detection.input_format import InputFormat, Slots
from models.detection.jpeg_files import PlainJpeg, plain_jpeg
from models.detection.networks import Network
from models.transfer import SideStream
from schemas import InputError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

#: From 1-D uint8 tensors on the host to (3, H, W) uint8 tensors on `device`, all or nothing.
DecodeJpegs: TypeAlias = Callable[..., "list[torch.Tensor]"]

#: Decoded at once. While they are resized, a pixel takes three bytes, twice, and three floats:
#: 0.6 GB; a single picture at the default limit takes somewhat more.
_MAX_GROUP_PIXELS = 32_000_000


class DeviceDecoder:
    """Decodes what `plain_jpeg` lets through; everything else goes the CPU's way.

    So does what the device's decoder refuses: libjpeg and Pillow have the last word on each frame.
    """

    def __init__(
        self, device: str, wanted: InputFormat, decode_jpegs: DecodeJpegs | None = None
    ) -> None:
        """Decode one picture, to see that it can.

        Args:
            device: `cuda:N`; or `cpu`.
            wanted: by the network.
            decode_jpegs: None for TorchCodec's `decode_jpeg`, or what stands in for it.

        Raises:
            ModelError: TorchCodec is absent, or nvJPEG does not work there.
        """
        self._wanted = wanted
        self._decode_jpegs = decode_jpegs or _find_decoder()
        self._stream = SideStream(device)
        # Held while the stream is given work: see `_decode`.
        self._turn = Lock()
        self._has_told = False
        black = simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8))
        try:
            self._decode([PlainJpeg(bytearray(black), 16, 16)])
        except RuntimeError as error:
            raise ModelError(
                f"device {device}: JPEG can't be decoded there ({_first_line(error)}): "
                "set gpu_decoding to false"
            ) from error

    def bring_all(
        self, images: Sequence[bytes], limits: ImageLimits, cores: Cores, network: Network
    ) -> tuple[Slots, Any]:
        """Decode B pictures into a batch of the network; thread-safe.

        Returns:
            B slots in input order, and the good ones' pixels as `network` takes them; None
            without any.

        Raises:
            RuntimeError: the device is out of memory, or fails at more than decoding.
        """
        planes: dict[int, torch.Tensor] = {}
        slots: dict[int, Fit | InputError] = {}
        for group in _groups(images, limits):
            for row, on_device in self._try_group(group).items():
                planes[row] = on_device
                slots[row] = self._wanted.fit(group[row].height, group[row].width)
        rest = [row for row in range(len(images)) if row not in planes]
        pixels: Floats = np.empty(0, np.float32)
        if rest:
            others, pixels = self._wanted.bring_all(
                [images[row] for row in rest], limits, cores, network.transfer
            )
            slots.update(zip(rest, others, strict=True))
        good = [row for row in rest if isinstance(slots[row], Fit)]
        uploaded = self._send(planes, good, pixels, network)
        return [slots[row] for row in range(len(images))], uploaded

    def _try_group(self, group: Mapping[int, PlainJpeg]) -> dict[int, torch.Tensor]:
        """Return each row's planes (3, height, width), or none where the decoder refuses one."""
        import torch

        try:
            return dict(zip(group, self._decode(list(group.values())), strict=True))
        except RuntimeError as error:
            # With less of them it may go well: whoever formed the batch halves it.
            if isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower():
                raise
            self._tell(error, len(group))
            return {}

    def _tell(self, error: RuntimeError, num_jpegs: int) -> None:
        if not self._has_told:
            self._has_told = True
            logger.warning(
                "%s: %d JPEGs could not be decoded together there (%s): the CPU decodes each of "
                "them; of further ones this is not said",
                self._stream.device, num_jpegs, _first_line(error),
            )  # fmt: skip

    def _decode(self, jpegs: Sequence[PlainJpeg]) -> torch.Tensor:
        """Return n pictures as (n, 3, height, width) float32; their work is queued.

        Raises:
            RuntimeError: one can't be decoded, or not be resized.
        """
        import torch

        encoded = [torch.frombuffer(jpeg.encoded, dtype=torch.uint8) for jpeg in jpegs]
        with self._turn, self._stream.current():
            # nvJPEG's hardware engine writes without waiting for what the stream has still to do
            # (TorchCodec, pull request 1634), which may read the memory that it is given. So nobody
            # else may give the stream work between this line and the next.
            self._stream.drain()
            pictures = self._decode_jpegs(encoded, mode="RGB", device=self._stream.device)
            sizes = [(jpeg.height, jpeg.width) for jpeg in jpegs]
            if [tuple(picture.shape) for picture in pictures] != [(3, *size) for size in sizes]:
                raise RuntimeError("pictures of other sizes than their headers say")
            return self._fitted(pictures)

    def _fitted(self, pictures: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bring n pictures (3, H, W) uint8 to (n, 3, height, width), as `fitting` does."""
        import torch

        wanted = self._wanted
        shape = (len(pictures), 3, wanted.height, wanted.width)
        batch = torch.full(
            shape, float(PADDING_GREY), dtype=torch.float32, device=self._stream.device
        )
        for size, rows in _by_size(pictures).items():
            fit, inner = wanted.fit(*size), wanted.needed(*size)
            same = torch.stack([pictures[row] for row in rows]).float()
            if size != inner:
                same = torch.nn.functional.interpolate(same, inner, mode="bilinear", antialias=True)
                same.add_(0.5).floor_()  # to whole grey levels, as on the CPU
            bottom, right = fit.offset_y + inner[0], fit.offset_x + inner[1]
            for row, picture in zip(rows, same, strict=True):
                batch[row, :, fit.offset_y : bottom, fit.offset_x : right] = picture
        return (batch.flip(1) if wanted.is_bgr else batch).mul_(wanted.scale)

    def _send(
        self, planes: dict[int, torch.Tensor], good: Sequence[int], pixels: Floats, network: Network
    ) -> Any:
        """Put the pixels of the rows `good`, which are on the host, among those on the device."""
        if not planes:
            return network.upload(pixels) if len(pixels) else None
        import torch

        with self._turn, self._stream.current():
            if len(pixels):
                sent = network.transfer.upload(pixels)
                planes |= zip(good, sent.tensor(), strict=True)
            uploaded = network.accept(torch.stack([planes[row] for row in sorted(planes)]))
            if len(pixels):
                self._stream.drain()  # `sent` must outlive its copy
            return uploaded


def _groups(images: Sequence[bytes], limits: ImageLimits) -> Iterator[dict[int, PlainJpeg]]:
    """Yield the plain JPEGs by their rows, so many at a time as are decoded at once."""
    group: dict[int, PlainJpeg] = {}
    num_pixels = 0
    for row, image in enumerate(images):
        jpeg = plain_jpeg(image, limits)
        if jpeg is None:
            continue
        if group and num_pixels + jpeg.num_pixels > _MAX_GROUP_PIXELS:
            yield group
            group, num_pixels = {}, 0
        group[row] = jpeg
        num_pixels += jpeg.num_pixels
    if group:
        yield group


def _by_size(pictures: Sequence[torch.Tensor]) -> dict[tuple[int, int], list[int]]:
    """Return which of the pictures (3, H, W) have each height and width."""
    rows: dict[tuple[int, int], list[int]] = {}
    for row, picture in enumerate(pictures):
        height, width = picture.shape[1:]
        rows.setdefault((height, width), []).append(row)
    return rows


def _find_decoder() -> DecodeJpegs:
    try:
        from torchcodec.decoders import decode_jpeg
    except (ImportError, OSError, RuntimeError) as error:  # one of its own libraries, maybe
        raise ModelError(
            f"gpu_decoding: TorchCodec can't be imported ({_first_line(error)}): "
            "install the extra penstock[gpu]"
        ) from error
    found: DecodeJpegs = decode_jpeg
    return found


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
