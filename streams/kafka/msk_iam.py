"""Tokens for AWS MSK with IAM: a signed URL that says who connects.

The brokers take it through OAUTHBEARER. botocore finds the credentials (environment, profile, web
identity, instance role) and renews them. Source: AWS, "aws-msk-iam-sasl-signer", the same URL in
each of its languages.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any

from streams.kafka.errors import BrokerLoginError, BrokerSettingsError, TokenUnavailableError
from streams.kafka.tokens import REFRESH_AT, Token

#: How long the brokers accept a token; what AWS's own signers use.
_LIFE_SECONDS = 900
_SERVICE = "kafka-cluster"
#: b-1.name.id.c2.kafka.eu-west-1.amazonaws.com, boot-id.c1.kafka-serverless.eu-west-1.amazonaws.com
_HOST = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com")
_INSTALL = "sasl.mechanism AWS_MSK_IAM needs botocore: pip install 'penstock[msk]'"


class MskIam:
    """Signs tokens with the credentials that AWS's tools would use here."""

    def __init__(self, servers: str, session: Any = None) -> None:
        """Find the region.

        Args:
            servers: `bootstrap.servers`; the region is in Amazon's names.
            session: a botocore session; None: a new one.

        Raises:
            BrokerSettingsError: botocore is not installed, or the region is unknown.
        """
        self._session = session or _session()
        named = _HOST.search(servers)
        region = named[1] if named else self._session.get_config_variable("region")
        if not region:
            raise BrokerSettingsError(
                "kafka: the AWS region is neither in bootstrap.servers nor set: set AWS_REGION"
            )
        self._region = region

    def fetch(self) -> Token:
        """Sign a token.

        Raises:
            BrokerLoginError: there are no credentials.
            TokenUnavailableError: the service that issues the credentials does not answer.
        """
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._session.get_credentials()
            credentials = None if found is None else found.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise TokenUnavailableError(f"no AWS credentials: {error}") from None
        if credentials is None:
            raise BrokerLoginError(
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "AWS_PROFILE, or give this machine or pod a role"
            )
        now = time.time()
        url = f"https://kafka.{self._region}.amazonaws.com/"
        request = AWSRequest("GET", url, params={"Action": f"{_SERVICE}:Connect"})
        SigV4QueryAuth(credentials, _SERVICE, self._region, _LIFE_SECONDS).add_auth(request)
        signed = f"{request.url}&User-Agent=penstock"
        text = base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")
        refresh_at = now + REFRESH_AT * _LIFE_SECONDS
        return Token(text, now + _LIFE_SECONDS, refresh_at, credentials.access_key)


def _session() -> Any:
    try:
        from botocore.session import Session
    except ImportError:
        raise BrokerSettingsError(f"kafka: {_INSTALL}") from None
    return Session()
