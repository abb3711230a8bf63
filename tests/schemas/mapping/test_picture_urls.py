from __future__ import annotations

import pytest

from schemas.errors import SchemaError
from schemas.mapping.picture_urls import Prefix, parse_prefix, url_reader


class Echo:
    def read(self, url: str) -> bytes:
        return url.encode()


def reader(*allow: str):  # type: ignore[no-untyped-def]
    return url_reader([parse_prefix(text) for text in allow], lambda prefix: Echo())


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("s3://Bucket/a", Prefix("s3", "Bucket", "/a/")),
        ("S3://bucket", Prefix("s3", "bucket", "/")),
        ("https://Host:443/a/", Prefix("https", "host", "/a/")),
        ("http://host:8080", Prefix("http", "host:8080", "/")),
        ("http://[::1]:8080/a", Prefix("http", "[::1]:8080", "/a/")),
    ],
)
def test_prefixes(text: str, prefix: Prefix) -> None:
    assert parse_prefix(text) == prefix


@pytest.mark.parametrize(
    "text",
    [
        "", "/data", "data", "file:///data", "local://data", "s3://", "https:///a", "https://h:x/",
        "https://user:secret@host/", "https://host/?a=1", "https://host/#a", "https://host/a/../b",
        "https://host/%2e%2e/b", "simplecache::s3://bucket/", "s3://b/a\\b",
    ],
)  # fmt: skip
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a URL such as"):
        parse_prefix(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://host/gate/1.jpg",
        "https://HOST:443/gate/1.jpg",
        "HTTPS://host/gate/a/b.jpg?signature=x",
        "https://host/gate/a%20b.jpg",
        "s3://bucket/in/a b.jpg",
    ],
)
def test_urls_below_a_prefix_are_read(url: str) -> None:
    assert reader("https://host/gate", "s3://bucket/in/")(url) == url.encode()


@pytest.mark.parametrize(
    "url",
    [
        "https://host/other/1.jpg",
        "https://host/gateway/1.jpg",
        "https://host/gate",
        "https://host/gate/",
        "http://host/gate/1.jpg",
        "https://host:8443/gate/1.jpg",
        "https://host:x/gate/1.jpg",
        "https://host.evil.example/gate/1.jpg",
        "https://host@evil.example/gate/1.jpg",
        "https://user@host/gate/1.jpg",
        "https://host/gate/../secret.jpg",
        "https://host/gate/%2e%2E/secret.jpg",
        "https://host/gate/..%2fsecret.jpg",
        "https://host/gate/..\\secret.jpg",
        "https://host/gate/1.jpg#x",
        "https://host/gate/a\x00b",
        "https://host/gate/" + "a" * 3_000,
        "s3://other/in/1.jpg",
        "s3://BUCKET/in/1.jpg",
        "s3://bucket/in/1.jpg?versionId=7",
        "s3://bucket/in/1.jpg::file:///etc/passwd",
        "file:///etc/passwd",
        "https://[::1/gate/1.jpg",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SchemaError, match="not below an allowed prefix"):
        reader("https://host/gate", "s3://bucket/in/")(url)


def test_with_one_prefix_a_path_is_below_it() -> None:
    read = reader("s3://bucket/in")
    assert read("2026/1.jpg") == b"s3://bucket/in/2026/1.jpg"
    assert read("/1.jpg") == b"s3://bucket/in/1.jpg"
    for path in ("../1.jpg", "a/../../1.jpg", ".."):
        with pytest.raises(SchemaError, match="not below"):
            read(path)
    with pytest.raises(SchemaError, match="expected a whole URL"):
        reader("s3://bucket/a", "s3://bucket/b")("1.jpg")


@pytest.mark.parametrize("value", [None, 7, "", b"x", ["a"]])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(SchemaError, match="expected the URL of a picture"):
        reader("s3://bucket/in")(value)
