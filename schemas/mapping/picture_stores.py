"""Read pictures from web servers, and from buckets and other stores that fsspec knows.

A store that does not answer is away: the record waits for it. An object that is absent, refused,
too large or too slow, in a store that does answer, is its record's fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitTimeoutError
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx

from schemas.errors import MissingObjectError, SourceAwayError, TooLargeError
from schemas.mapping.describe import found
from schemas.mapping.picture_urls import WEB, Prefix, Store

#: Objects that one store reads at the same time.
NUM_READS = 16
#: Answers of a server that can't answer now.
_AWAY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_TRIES = 3


def open_store(prefix: Prefix, max_bytes: int, timeout_seconds: float) -> Store:
    """Return what reads below a prefix; connects to nothing yet.

    Args:
        prefix: of `allow`.
        max_bytes: of an object.
        timeout_seconds: of reading one.

    Raises:
        ValueError: fsspec does not know the scheme, or its package is missing.
    """
    kind = WebStore if prefix.scheme in WEB else BucketStore
    return kind(prefix, max_bytes, timeout_seconds)


class WebStore:
    """A web server, by HTTP."""

    def __init__(self, prefix: Prefix, max_bytes: int, timeout_seconds: float) -> None:
        """Connect to nothing yet."""
        self._name = f"{prefix.scheme}://{prefix.place}"
        self._max_bytes, self._seconds = max_bytes, timeout_seconds
        self._client = httpx.Client(
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=NUM_READS),
        )

    def read(self, url: str) -> bytes:
        """Return an object's bytes; see `Store`."""
        ends = time.monotonic() + self._seconds
        try:
            with self._client.stream("GET", url) as response:
                self._check(url, response)
                return self._body(url, response, ends)
        except httpx.InvalidURL as error:
            raise MissingObjectError(f"{found(url)} is no URL: {error}") from None
        except httpx.DecodingError as error:
            raise MissingObjectError(f"{found(url)} can't be read: {error}") from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise SourceAwayError(self._name, f"{self._name} does not answer: {reason}") from error

    def _check(self, url: str, response: httpx.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        if status in _AWAY:
            raise SourceAwayError(self._name, f"{self._name} answers with HTTP status {status}")
        why = " (redirects are not followed)" if response.has_redirect_location else ""
        raise MissingObjectError(f"{found(url)}: HTTP status {status}{why}")

    def _body(self, url: str, response: httpx.Response, ends: float) -> bytes:
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > self._max_bytes:
                raise TooLargeError(f"{found(url)} has more than {self._max_bytes:,} bytes")
            if time.monotonic() > ends:
                raise MissingObjectError(f"{found(url)} took longer than {self._seconds:g} s")
        return bytes(body)


class BucketStore:
    """A bucket or another store, by fsspec; logins come from where its package looks for them."""

    def __init__(self, prefix: Prefix, max_bytes: int, timeout_seconds: float) -> None:
        """Find the file system.

        Raises:
            ValueError: fsspec does not know the scheme, or its package is missing.
        """
        import fsspec

        try:
            files, root = fsspec.core.url_to_fs(str(prefix))
        except (ImportError, ValueError, OSError) as error:
            raise ValueError(f"{prefix}: {error}") from error
        self._files: Any = files
        self._scheme = prefix.scheme
        self._path_of: Callable[[str], str] = fsspec.core.strip_protocol
        self._root = root
        self._name = f"{prefix.scheme}://{prefix.place}"
        self._max_bytes, self._seconds = max_bytes, timeout_seconds
        # A store may hang without a limit: then its thread is left behind.
        self._executor = ThreadPoolExecutor(NUM_READS, thread_name_prefix="pictures")

    def read(self, url: str) -> bytes:
        """Return an object's bytes; see `Store`."""
        path = self._path_of(self._scheme + url[len(self._scheme) :])  # fsspec minds capitals
        for attempt in range(1, _TRIES + 1):
            try:
                return self._limited(url, path)
            except (MissingObjectError, TooLargeError):
                raise
            except FileNotFoundError:
                raise MissingObjectError(f"{found(url)}: there is no such object") from None
            except (IsADirectoryError, NotADirectoryError):
                raise MissingObjectError(f"{found(url)} is no object") from None
            except PermissionError as error:
                raise MissingObjectError(
                    f"{found(url)}: access is refused (some stores also answer so where there is "
                    f"no such object): {str(error)[:200]}"
                ) from None
            except Exception as error:  # each file system has its errors
                self._require_presence(error)
                if attempt == _TRIES:
                    raise MissingObjectError(
                        f"{found(url)} can't be read: {_words(error)} ({attempt} tries)"
                    ) from None
        raise AssertionError("unreachable")

    def _limited(self, url: str, path: str) -> bytes:
        read = partial(self._files.cat_file, path, start=0, end=self._max_bytes + 1)
        try:
            content = self._within_limit(self._executor.submit(read))
        except (FileNotFoundError, PermissionError, WaitTimeoutError):
            raise
        except Exception:
            # Stores refuse to give a part of an empty object.
            if self._within_limit(self._executor.submit(self._files.info, path)).get("size") == 0:
                return b""
            raise
        if len(content) > self._max_bytes:
            raise TooLargeError(f"{found(url)} has more than {self._max_bytes:,} bytes")
        return bytes(content)

    def _within_limit(self, future: Future[Any]) -> Any:
        try:
            return future.result(self._seconds)
        except WaitTimeoutError:
            future.cancel()
            raise

    def _require_presence(self, error: Exception) -> None:
        """Check that the store answers at all.

        Raises:
            SourceAwayError: it does not.
        """
        self._files.invalidate_cache()
        try:
            self._within_limit(self._executor.submit(self._files.ls, self._root, detail=False))
        except (FileNotFoundError, PermissionError):
            return  # an answer
        except Exception:
            reason = f"{self._name} does not answer: {_words(error)}"
            raise SourceAwayError(self._name, reason) from error


def _words(error: Exception) -> str:
    if isinstance(error, WaitTimeoutError):
        return "it takes too long"
    return f"{type(error).__name__}: {str(error)[:200]}"
