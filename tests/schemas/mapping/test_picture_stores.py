"""Against a real web server, and against a store of fsspec's in memory whose faults are set."""

from __future__ import annotations

import importlib.util
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from schemas.errors import InputError, MissingObjectError, SourceAwayError, TooLargeError
from schemas.mapping.picture_stores import open_store
from schemas.mapping.picture_urls import Store, parse_prefix


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        if name.isdigit():
            self.send_response(int(name))
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        if name == "slow":
            for _ in range(50):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        if name == "silent":
            time.sleep(3)
        if name == "large":
            self.wfile.write(b"x" * 2_000)
        if name == "cut":
            self.wfile.write(b"x")
        self.wfile.write(b"picture" if name == "1.jpg" else b"")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/gate"
    server.shutdown()
    server.server_close()


def store(url: str, seconds: float = 0.5) -> Store:
    return open_store(parse_prefix(url), 1_000, seconds)


def test_a_page_is_read(pages: str) -> None:
    assert store(pages).read(f"{pages}/1.jpg?signature=x") == b"picture"
    assert store(pages).read(f"{pages}/empty") == b""


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("404", MissingObjectError, "HTTP status 404"),
        ("403", MissingObjectError, "HTTP status 403"),
        ("500", MissingObjectError, "HTTP status 500"),
        ("302", MissingObjectError, "HTTP status 302 .redirects are not followed"),
        ("503", SourceAwayError, "answers with HTTP status 503"),
        ("429", SourceAwayError, "answers with HTTP status 429"),
        ("large", TooLargeError, "more than 1,000 bytes"),
        ("slow", MissingObjectError, "took longer than 0.5 s"),
        ("silent", SourceAwayError, "does not answer"),
    ],
)
def test_pages_that_cannot_be_read(
    pages: str, name: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        store(pages).read(f"{pages}/{name}")


def test_a_server_that_is_not_there_is_away() -> None:
    with pytest.raises(SourceAwayError, match=r"http://127\.0\.0\.1:9 does not answer"):
        store("http://127.0.0.1:9/").read("http://127.0.0.1:9/1.jpg")


class _Bucket(MemoryFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """A store whose faults are set."""

    protocol = "bucket"
    store: dict[str, Any] = {}  # noqa: RUF012 - as the base class has it
    fault: str = ""

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.replace("bucket://", "memory://")))

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> Any:
        self._act(path)
        return super().cat_file(path, *args, **kwargs)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        self._act(path)
        return super().ls(path, detail, **kwargs)

    def _act(self, path: str) -> None:
        if self.fault == "gone" or (self.fault == "one" and path.endswith("1.jpg")):
            raise ConnectionError("no route")
        if self.fault == "refuses":
            raise PermissionError("Access Denied")
        if self.fault == "hangs" or (self.fault == "one hangs" and path.endswith("1.jpg")):
            time.sleep(1)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    fsspec.register_implementation("bucket", _Bucket, clobber=True)
    url = f"bucket://{uuid.uuid4().hex}/in"
    with fsspec.open(f"{url}/1.jpg", "wb") as file:
        file.write(b"picture")
    for name, size in (("empty", 0), ("large", 2_000)):
        with fsspec.open(f"{url}/{name}", "wb") as file:
            file.write(b"x" * size)
    monkeypatch.setattr(_Bucket, "fault", "")
    return url


def test_an_object_is_read(bucket: str) -> None:
    assert store(bucket).read(f"{bucket}/1.jpg") == b"picture"
    assert store(bucket).read(f"BUCKET{bucket[6:]}/1.jpg") == b"picture"
    assert store(bucket).read(f"{bucket}/empty") == b""


@pytest.mark.parametrize(
    ("name", "fault", "kind", "message"),
    [
        ("2.jpg", "", MissingObjectError, "there is no such object"),
        ("large", "", TooLargeError, "more than 1,000 bytes"),
        ("1.jpg", "refuses", MissingObjectError, "access is refused"),
        ("1.jpg", "one", MissingObjectError, r"ConnectionError: no route \(3 tries\)"),
        ("1.jpg", "one hangs", MissingObjectError, r"it takes too long \(3 tries\)"),
        ("1.jpg", "gone", SourceAwayError, "does not answer: ConnectionError: no route"),
        ("1.jpg", "hangs", SourceAwayError, "does not answer: it takes too long"),
    ],
)
def test_objects_that_cannot_be_read(
    bucket: str, monkeypatch: pytest.MonkeyPatch, name: str, fault: str,
    kind: type[Exception], message: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(_Bucket, "fault", fault)
    with pytest.raises(kind, match=message):
        store(bucket, 0.2).read(f"{bucket}/{name}")


def test_an_away_store_is_no_fault_of_the_record() -> None:
    assert not issubclass(SourceAwayError, InputError)


@pytest.mark.parametrize("url", ["nosuch://bucket/in", "s3://bucket/in"])
def test_an_unknown_scheme_or_a_missing_package_is_an_error(url: str) -> None:
    if url.startswith("s3") and importlib.util.find_spec("s3fs") is not None:
        pytest.skip("s3fs is installed")
    with pytest.raises(ValueError, match=url.partition(":")[0]):
        store(url)
