"""Tokens for AWS MSK: the URL and its signature, from botocore's credentials. No AWS is here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
import time
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest
from botocore.session import Session

from streams.kafka.errors import BrokerLoginError, BrokerSettingsError
from streams.kafka.msk_iam import MskIam

SERVERS = "b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session with credentials from the environment, and nothing from files or the network."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session/token==")
    return Session()


def decoded(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def test_the_parts_of_a_token(session: Session) -> None:
    token = MskIam(SERVERS, session).fetch()
    assert not set(token.text) & set("+/=")
    parts = urlsplit(decoded(token.text))
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https", "kafka.eu-west-1.amazonaws.com", "/",
    )  # fmt: skip
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    day = query["X-Amz-Date"][:8]
    assert query["Action"] == "kafka-cluster:Connect"
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Credential"] == f"AKIDEXAMPLE/{day}/eu-west-1/kafka-cluster/aws4_request"
    assert query["X-Amz-Security-Token"] == "session/token=="
    assert query["X-Amz-Expires"] == "900"
    assert query["X-Amz-SignedHeaders"] == "host"
    assert query["User-Agent"]
    assert token.expires_at == pytest.approx(time.time() + 900, abs=60)
    assert token.principal == "AKIDEXAMPLE"


def test_the_signature_is_that_of_the_specification(session: Session) -> None:
    """Signature version 4, written out from AWS's documentation, without botocore."""
    parts = urlsplit(decoded(MskIam(SERVERS, session).fetch().text))
    pairs = parse_qsl(parts.query)
    given = dict(pairs)
    signed = sorted((n, v) for n, v in pairs if n not in ("X-Amz-Signature", "User-Agent"))
    date, scope = given["X-Amz-Date"], given["X-Amz-Credential"].partition("/")[2]
    payload = hashlib.sha256(b"").hexdigest()
    query = urlencode(signed, quote_via=quote, safe="-_.~")
    request = f"GET\n/\n{query}\nhost:{parts.netloc}\n\nhost\n{payload}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    assert given["X-Amz-Signature"] == expected


@pytest.mark.parametrize(
    ("servers", "region"),
    [
        (SERVERS, "eu-west-1"),
        ("boot-x.c1.kafka-serverless.us-east-1.amazonaws.com:9098", "us-east-1"),
        ("b-1.demo.abc.c2.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"),
        ("kafka.example.com:9098", "ap-south-1"),
    ],
)
def test_the_region_is_in_the_brokers_names_or_the_environment(
    session: Session, monkeypatch: pytest.MonkeyPatch, servers: str, region: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    url = decoded(MskIam(servers, session).fetch().text)
    assert url.startswith(f"https://kafka.{region}.amazonaws.com/?")


def test_no_region_and_no_credentials_are_errors_that_say_what_to_set(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BrokerSettingsError, match="set AWS_REGION"):
        MskIam("kafka.example.com:9098", session)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(BrokerLoginError, match="no AWS credentials: set AWS_ACCESS_KEY_ID"):
        MskIam(SERVERS, Session()).fetch()


def test_an_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(BrokerSettingsError, match=r"pip install 'penstock\[msk\]'"):
        MskIam(SERVERS)
