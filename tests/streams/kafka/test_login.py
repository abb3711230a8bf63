"""Which login the settings describe: for both client libraries, and with errors for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.kafka.clients import make_admin
from streams.kafka.errors import BrokerLoginError, BrokerSettingsError
from streams.kafka.login import login_mistake, oauth_callback, token_source
from streams.kafka.settings import aiokafka_arguments, confluent_config, redacted
from tests.token_server import Signer

Kafka = dict[str, str | int | float | bool]
BASE: Kafka = {
    "bootstrap.servers": "b:1",
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "OAUTHBEARER",
}
ENDPOINT: Kafka = {
    **BASE,
    "sasl.oauthbearer.token.endpoint.url": "https://issuer.test/token",
    "sasl.oauthbearer.client.id": "penstock",
    "sasl.oauthbearer.client.secret": "hunter2",
}


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("keys"))


def test_other_logins_need_no_token() -> None:
    assert token_source({"bootstrap.servers": "b:1"}) is None
    assert token_source({**BASE, "sasl.mechanism": "PLAIN"}) is None
    assert token_source({**ENDPOINT, "security.protocol": "SSL"}) is None


def test_all_clients_of_a_login_share_one_source() -> None:
    source = token_source(ENDPOINT)
    assert source is not None
    assert (
        token_source({**ENDPOINT, "group.id": "other", "sasl.mechanism": "oauthbearer"}) is source
    )
    assert token_source({**ENDPOINT, "sasl.oauthbearer.client.id": "other"}) is not source


async def test_both_libraries_get_the_token_and_its_extensions(
    tmp_path: Path, signer: Signer
) -> None:
    path = tmp_path / "token"
    path.write_text(signer.token())
    kafka: Kafka = {
        **BASE,
        "sasl.oauthbearer.token.endpoint.url": f"file://{path}",
        "sasl.oauthbearer.extensions": "logicalCluster=lkc-1, identityPoolId=pool-2",
    }
    extensions = {"logicalCluster": "lkc-1", "identityPoolId": "pool-2"}
    for role in ("consumer", "producer", "admin"):
        arguments = aiokafka_arguments(kafka, role)
        assert arguments["sasl_mechanism"] == "OAUTHBEARER"
        provider = arguments["sasl_oauth_token_provider"]
        assert await provider.token() == path.read_text()
        assert provider.extensions() == extensions
    source = token_source(kafka)
    assert source is not None
    text, expires_at, principal, sent = oauth_callback(source)(None)
    assert (text, principal, sent) == (path.read_text(), "penstock", extensions)
    assert expires_at == source.token().expires_at


def test_librdkafka_gets_no_setting_of_the_token() -> None:
    assert confluent_config(ENDPOINT, "admin") == BASE
    msk = confluent_config({**BASE, "sasl.mechanism": "AWS_MSK_IAM"}, "admin")
    assert msk["sasl.mechanism"] == "OAUTHBEARER"


def test_a_client_without_a_token_is_an_error_at_once(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/absent"
    with pytest.raises(BrokerLoginError, match=r"no token in .*/absent: No such file"):
        make_admin({**BASE, "sasl.oauthbearer.token.endpoint.url": url})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sasl.oauthbearer.token.endpoint.url": ""}, "url is missing: OAUTHBEARER needs https://"),
        ({"sasl.oauthbearer.token.endpoint.url": "issuer"}, "not a URL of a token endpoint"),
        ({"sasl.oauthbearer.token.endpoint.url": "http://a:hunter2@b/"}, "not a URL of a token"),
        ({"sasl.oauthbearer.client.id": ""}, r"client\.id is missing"),
        ({"sasl.oauthbearer.client.secret": ""}, r"client\.secret is missing"),
        ({"sasl.oauthbearer.method": "default"}, r"method is 'default': expected oidc"),
        ({"sasl.oauthbearer.extensions": "a"}, r"expected name=value"),
        ({"sasl.oauthbearer.extensions": "a=b\x01c"}, r"expected name=value"),
        ({"https.ca.location": "/absent.pem"}, r"https\.ca\.location names no file"),
    ],
)
def test_a_wrong_setting_is_an_error(changes: Kafka, message: str) -> None:
    kafka = {**ENDPOINT, **changes}
    with pytest.raises(BrokerSettingsError, match=message) as caught:
        aiokafka_arguments(kafka, "consumer")
    assert "hunter2" not in str(caught.value)
    assert str(caught.value) == "kafka: " + login_mistake(kafka)


def test_kerberos_is_refused_with_a_word() -> None:
    with pytest.raises(BrokerSettingsError, match=r"Kerberos \(GSSAPI\) is not supported, use one"):
        aiokafka_arguments({**BASE, "sasl.mechanism": "GSSAPI"}, "consumer")


def test_the_secret_is_redacted() -> None:
    assert "hunter2" not in repr(redacted(ENDPOINT))
