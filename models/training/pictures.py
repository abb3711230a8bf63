"""Read a user's pictures with classes, boxes or masks. Pictures are decoded as in a worker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.images import ImageLimits, Pixels, decode_image
from schemas import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
#: Pixels of a mask with this value belong to no class and are not trained on.
IGNORED_PIXEL = 255


@dataclass(frozen=True)
class BoxedPicture:
    """A picture and its objects."""

    path: Path
    boxes: npt.NDArray[np.float32]
    """(n, 4) xyxy, pixels."""
    class_ids: npt.NDArray[np.int64]
    is_crowd: list[bool]


class _Image(msgspec.Struct):
    id: int | str
    file_name: str


class _Category(msgspec.Struct):
    id: int
    name: str


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int
    bbox: tuple[float, float, float, float]
    """x, y, width, height, pixels."""
    iscrowd: int | bool = 0


class _Coco(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_class_folders(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures in the subfolders of a folder, and the class of each: its subfolder.

    Raises:
        ModelError: fewer than two classes, or a class without a picture.
    """
    _require_folder(folder)
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    paths, names = [], list[str]()
    for path in classes:
        found = pictures_in(path)
        if not found:
            raise ModelError(f"{path}: no picture in it: expected {', '.join(SUFFIXES)}")
        paths += found
        names += [path.name] * len(found)
    if len(classes) < 2:
        raise ModelError(
            f"{folder}: expected a folder of pictures for each class, at least two: "
            f"{folder.name}/cat/1.jpg, {folder.name}/dog/1.jpg ..."
        )
    return paths, names


def read_coco(annotations: Path, images: Path) -> tuple[list[BoxedPicture], list[str]]:
    """Return the pictures of a COCO file of object boxes, and the class names by class id.

    Args:
        annotations: JSON with `images`, `annotations` and `categories`.
        images: folder that the `file_name`s are in.

    Raises:
        ModelError: the file has another format, names what isn't there, or has no box.
    """
    try:
        coco = msgspec.json.decode(annotations.read_bytes(), type=_Coco)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{annotations}: not a COCO file of boxes: {error}") from error
    categories = sorted(coco.categories, key=lambda category: category.id)
    index = {category.id: place for place, category in enumerate(categories)}
    boxes: dict[int | str, list[_Annotation]] = {image.id: [] for image in coco.images}
    for number, annotation in enumerate(coco.annotations):
        if annotation.image_id not in boxes or annotation.category_id not in index:
            raise ModelError(
                f"{annotations}: annotation {number} has the image_id {annotation.image_id!r} and "
                f"the category_id {annotation.category_id}: one of them is not listed"
            )
        if annotation.bbox[2] > 0 and annotation.bbox[3] > 0:
            boxes[annotation.image_id].append(annotation)
    if not any(boxes.values()):
        raise ModelError(f"{annotations}: no box in it")
    pictures = [_boxed(images / image.file_name, boxes[image.id], index) for image in coco.images]
    for picture in pictures:
        if not picture.path.is_file():
            raise ModelError(f"{annotations} names {picture.path}, which is not there")
    return pictures, [category.name for category in categories]


def _boxed(path: Path, found: Sequence[_Annotation], index: dict[int, int]) -> BoxedPicture:
    rows = np.array([a.bbox for a in found], np.float32).reshape(-1, 4)
    rows[:, 2:] += rows[:, :2]
    class_ids = np.array([index[a.category_id] for a in found], np.int64)
    return BoxedPicture(path, rows, class_ids, [bool(a.iscrowd) for a in found])


def read_masked(folder: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Return pictures with their masks, and the class names by the masks' pixel values.

    Args:
        folder: holds `images/`, `masks/` (PNG of the same names, a pixel's value is its class, 255
            for none), and `classes.txt`, a name a line; the first is the background.

    Raises:
        ModelError: a part is absent.
    """
    for part in ("images", "masks"):
        _require_folder(folder / part)
    labels = read_names(folder / "classes.txt")
    pairs = []
    for path in pictures_in(folder / "images"):
        mask = folder / "masks" / f"{path.stem}.png"
        if not mask.is_file():
            raise ModelError(f"{path} has no mask: expected {mask}")
        pairs.append((path, mask))
    if not pairs:
        raise ModelError(f"{folder / 'images'}: no picture in it: expected {', '.join(SUFFIXES)}")
    return pairs, labels


def read_mask(path: Path, num_classes: int) -> npt.NDArray[np.uint8]:
    """Return the classes (H, W) of a mask's pixels.

    Raises:
        ModelError: not a picture with one number a pixel, or with more classes than there are.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1"):
                raise ModelError(
                    f"{path}: its mode is {image.mode}: expected gray or palette: a pixel's value "
                    "is its class"
                )
            classes = np.asarray(image if image.mode != "1" else image.convert("L")).copy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ModelError(f"{path}: not a mask: {error}") from error
    too_high = classes[(classes >= num_classes) & (classes != IGNORED_PIXEL)]
    if len(too_high):
        raise ModelError(
            f"{path}: a pixel of class {int(too_high[0])}, but classes.txt has {num_classes} names"
        )
    return classes.astype(np.uint8)


def read_picture(path: Path) -> Pixels:
    """Return the pixels (H, W, 3) of a file, upright.

    Raises:
        ModelError: it can't be decoded.
    """
    try:
        return decode_image(path.read_bytes(), ImageLimits()).pixels
    except (OSError, InputError) as error:
        raise ModelError(f"{path}: {error}: correct or remove it") from error


def read_names(path: Path) -> list[str]:
    """Return the lines of a file of class names.

    Raises:
        ModelError: absent, or fewer than two names.
    """
    try:
        names = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}: expected a class name a line") from error
    if len(names) < 2:
        raise ModelError(f"{path}: {len(names)} names: expected at least two")
    return names


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def digest_of(files: Iterable[Path]) -> str:
    """Return a hash of the names and contents of files."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
