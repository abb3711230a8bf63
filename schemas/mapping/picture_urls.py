"""Pictures by URL: which URLs a record may name, and how the object behind one is read.

A record decides what a worker requests, so only URLs below a declared prefix are read: the same
scheme, host and port (or bucket), and a path below the prefix's, without `..`. Redirects are not
followed, because they may lead elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from schemas.errors import SchemaError
from schemas.mapping.describe import found

WEB = ("http", "https")
_PORTS = {"http": 80, "https": 443}
_MAX_CHARS = 2_000


class Prefix(NamedTuple):
    """One prefix of `allow`."""

    scheme: str
    place: str
    """Host and port, or bucket."""
    path: str
    """Ends with a slash."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}{self.path}"


class Store(Protocol):
    """Reads the objects of one host or bucket."""

    def read(self, url: str) -> bytes:
        """Return an object's bytes.

        Args:
            url: below the store's prefix.

        Raises:
            MissingObjectError: there is none, or it can't be read.
            TooLargeError: it is over the limit.
            SourceAwayError: the store does not answer.
        """
        ...


def parse_prefix(text: str) -> Prefix:
    """Return a prefix of `allow`.

    Raises:
        ValueError: it is none; the message says what is expected.
    """
    expected = "expected a URL such as s3://bucket/folder/ or https://host/folder/"
    try:
        parts = urlsplit(text)
        place = _place(parts)
    except ValueError:
        raise ValueError(expected) from None
    if not place or parts.scheme in ("", "file", "local") or _is_chain(parts, text):
        raise ValueError(f"{expected}; files have `format: file` and `folder`")
    if "@" in parts.netloc or parts.query or parts.fragment or not _is_plain(parts):
        raise ValueError(f"{expected}, without a login, ?, # or ..")
    return Prefix(parts.scheme.lower(), place, parts.path.rstrip("/") + "/")


def url_reader(
    prefixes: Sequence[Prefix], make: Callable[[Prefix], Store]
) -> Callable[[Any], bytes]:
    """Return a function that reads the object that a URL names, if a prefix allows it.

    Args:
        prefixes: at least one. With one, a value without a scheme is a path below it.
        make: returns what reads below a prefix.
    """
    stores = [(prefix, make(prefix)) for prefix in prefixes]

    def read(value: Any) -> bytes:
        if not isinstance(value, str) or not value:
            raise SchemaError(f"expected the URL of a picture, found {found(value)}")
        url = value if "://" in value else _joined(stores[0][0], value, len(stores))
        for prefix, store in stores:
            if _is_below(url, prefix):
                return store.read(url)
        allowed = ", ".join(str(prefix) for prefix in prefixes)
        raise SchemaError(f"{found(value)} is not below an allowed prefix: expected {allowed}")

    return read


def _joined(prefix: Prefix, value: str, num_prefixes: int) -> str:
    if num_prefixes > 1:
        raise SchemaError(f"expected a whole URL (`allow` has several), found {found(value)}")
    return f"{prefix}{value.lstrip('/')}"


def _is_below(url: str, prefix: Prefix) -> bool:
    if len(url) > _MAX_CHARS:
        return False
    try:
        parts = urlsplit(url)
        place = _place(parts)
    except ValueError:
        return False
    if (parts.scheme.lower(), place) != (prefix.scheme, prefix.place):
        return False
    if "@" in parts.netloc or parts.fragment or not _is_plain(parts):
        return False
    if _is_chain(parts, url) or (prefix.scheme not in WEB and parts.query):
        return False
    is_file = not parts.path.endswith("/")
    return is_file and parts.path.startswith(prefix.path)


def _place(parts: SplitResult) -> str:
    """Return host and port as one text, or a bucket's name, which may have capitals.

    Raises:
        ValueError: the port is no number.
    """
    if parts.scheme.lower() not in WEB:
        return parts.netloc
    port = parts.port or _PORTS[parts.scheme.lower()]
    host = parts.hostname or ""
    if not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    return host if port == _PORTS[parts.scheme.lower()] else f"{host}:{port}"


def _is_chain(parts: SplitResult, url: str) -> bool:
    """Return whether fsspec would take a URL for one file system within another."""
    return parts.scheme.lower() not in WEB and "::" in url


def _is_plain(parts: SplitResult) -> bool:
    """Return whether a path leads nowhere but down; servers decode it once."""
    for path in (parts.path, unquote(parts.path)):
        if "\\" in path or not path.isprintable():
            return False
        if any(segment in (".", "..") for segment in path.split("/")):
            return False
    return True
