"""Pictures in a value: base64, a data URL, or the path of a file in an allowed folder."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from schemas.errors import DecodeError, MissingObjectError, SchemaError, TooLargeError
from schemas.mapping.conversions import Convert
from schemas.mapping.describe import found

#: `base64` reads data URLs as well.
FORMATS = ("base64", "file", "url")


def from_base64(value: Any) -> bytes:
    """Return the bytes of base64 (standard or URL-safe) or of a data URL; bytes as they are.

    Raises:
        SchemaError: it is no text.
        DecodeError: the text is not base64.
    """
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise SchemaError(f"expected base64 text, found {found(value)}")
    text = value
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise DecodeError(f"expected a data URL with ;base64, found {found(value)}")
    try:
        text = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError(f"expected base64 or a data URL, found {found(value)}") from None


def file_reader(folder: Path, max_bytes: int) -> Convert:
    """Return a function that reads the file that a path or `file:` URL names.

    Args:
        folder: the only one that files are read from; a relative path starts there. Symbolic links
            are followed first, so a link to the outside is refused too.
        max_bytes: of a file.
    """
    allowed = folder.resolve()

    def read(value: Any) -> bytes:
        if not isinstance(value, str) or not value or "\0" in value:
            raise SchemaError(f"expected the path of a file, found {found(value)}")
        path = _local_path(value)
        try:
            resolved = (allowed / path).resolve()
            if not resolved.is_relative_to(allowed):
                raise SchemaError(f"{found(value)} is outside of the allowed folder")
            if not resolved.is_file():  # a pipe would block
                raise MissingObjectError(f"{found(value)} is no file in the allowed folder")
            with resolved.open("rb") as file:
                content = file.read(max_bytes + 1)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise MissingObjectError(f"{found(value)} can't be read: {reason}") from None
        if len(content) > max_bytes:
            raise TooLargeError(f"{found(value)} has more than {max_bytes:,} bytes")
        return content

    return read


def _local_path(value: str) -> str:
    if "://" not in value[:20] and not value.lower().startswith("file:"):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        raise SchemaError(f"expected the path of a file, found {found(value)}") from None
    if parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        raise SchemaError(f"expected a path or a file: URL, found {found(value)}")
    return unquote(parts.path)
