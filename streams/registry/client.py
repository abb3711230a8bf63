"""Requests to a schema registry that speaks Confluent's API; thread-safe, and it blocks.

Source: docs.confluent.io, "Schema Registry API Reference".
"""

from __future__ import annotations

import json
import logging
import ssl
from http import HTTPStatus
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx

from schemas.registry.framing import SchemaKey
from schemas.registry.registered import (
    MAX_REFERENCES,
    MAX_SCHEMA_BYTES,
    RegisteredSchema,
    UnusableSchemaError,
)
from streams.registry.errors import (
    IncompatibleSchemaError,
    RegistryLoginError,
    RegistrySettingsError,
    RegistryUnreachableError,
)
from streams.settings import RegistrySettings

# It logs each request at the level INFO.
logging.getLogger("httpx").setLevel(logging.WARNING)

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
#: Of an answer: a schema is escaped in it.
_MAX_ANSWER_BYTES = 4 * MAX_SCHEMA_BYTES
#: Confluent's codes for what is not there: subject, version, schema.
_ABSENT_CODES = (40401, 40402, 40403)
#: HTTP status 422: the schema is not valid, or has an unknown reference.
_UNPROCESSABLE = 422
_MAX_MESSAGE_CHARS = 300


class _Answer(NamedTuple):
    status: int
    content: Any
    """Decoded JSON, None: it is not JSON."""

    @property
    def is_absent(self) -> bool:
        """Whether the registry says that something is not there."""
        is_object = isinstance(self.content, dict)
        return self.status == HTTPStatus.NOT_FOUND and is_object and (
            self.content.get("error_code") in _ABSENT_CODES
        )  # fmt: skip

    @property
    def message(self) -> str:
        """The registry's error message."""
        message = self.content.get("message", "") if isinstance(self.content, dict) else ""
        return str(message)[:_MAX_MESSAGE_CHARS] or f"HTTP status {self.status}"


class RegistryClient:
    """One registry. It connects with the first request."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Keep the settings.

        Raises:
            RegistrySettingsError: a TLS file can't be used.
        """
        self.url = settings.url.rstrip("/")
        headers = {"Accept": f"{_CONTENT_TYPE}, application/json", "Content-Type": _CONTENT_TYPE}
        if settings.token:
            headers["Authorization"] = f"Bearer {settings.token}"
        login = (settings.username, settings.password) if settings.username else None
        # No redirects: the login is for this address alone.
        self._client = httpx.Client(
            auth=login,
            headers=headers,
            timeout=settings.timeout_seconds,
            verify=_tls(settings),
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def probe(self) -> None:
        """Check that the registry answers and takes the login.

        Raises:
            RegistryError: it does not.
        """
        self._ask("GET", "/schemas/types")

    def schema(self, key: SchemaKey) -> RegisteredSchema | None:
        """Return a schema with everything that it refers to; None: the registry has none.

        Raises:
            RegistryError: the registry does not answer, or refuses the login.
            UnusableSchemaError: the schema is over a limit.
        """
        kind = "ids" if isinstance(key, int) else "guids"
        answer = self._ask("GET", f"/schemas/{kind}/{key}")
        if answer.is_absent:
            return None
        content = self._content(answer)
        found: dict[str, str] = {}
        self._add_references(content, found, ())
        text = str(content["schema"])
        if len(text) + sum(map(len, found.values())) > MAX_SCHEMA_BYTES:
            raise UnusableSchemaError(f"it has more than {MAX_SCHEMA_BYTES:,} bytes")
        return RegisteredSchema(
            str(content.get("schemaType") or "AVRO"), text, tuple(found.items())
        )

    def _add_references(
        self, content: dict[str, Any], found: dict[str, str], above: tuple[str, ...]
    ) -> None:
        """Add what a schema refers to, those first that others need."""
        for reference in content.get("references") or ():
            name = str(reference["name"])
            if name in found or name in above:
                continue
            if len(found) + len(above) >= MAX_REFERENCES:
                raise UnusableSchemaError(f"it refers to more than {MAX_REFERENCES} schemas")
            path = f"/subjects/{_quoted(reference['subject'])}/versions/{reference['version']}"
            answer = self._ask("GET", path)
            if answer.is_absent:
                raise UnusableSchemaError(f"it refers to {name}, which the registry lacks")
            below = self._content(answer)
            self._add_references(below, found, (*above, name))
            found[name] = str(below["schema"])

    def id_of(self, subject: str, schema: RegisteredSchema) -> int | None:
        """Return the id of a schema under a subject; None: it is not registered there.

        Raises:
            RegistryError: the registry does not answer, or refuses the login.
        """
        answer = self._ask("POST", f"/subjects/{_quoted(subject)}", _body(schema))
        return None if answer.is_absent else int(self._content(answer)["id"])

    def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject; none: there is no such subject."""
        answer = self._ask("GET", f"/subjects/{_quoted(subject)}/versions")
        return [] if answer.is_absent else list(self._content(answer, list))

    def compatibility(self, subject: str) -> str:
        """Return what new schemas of a subject must be compatible with; NONE: nothing."""
        answer = self._ask("GET", f"/config/{_quoted(subject)}")
        if answer.status == HTTPStatus.NOT_FOUND and answer.content is not None:
            return "NONE"  # the subject has no rule; the registry may have one for all subjects
        return str(self._content(answer).get("compatibilityLevel") or "NONE")

    def require_compatibility(self, subject: str, level: str) -> None:
        """Set what new schemas of a subject must be compatible with."""
        answer = self._ask("PUT", f"/config/{_quoted(subject)}", {"compatibility": level})
        self._content(answer)

    def check_compatible(self, subject: str, schema: RegisteredSchema) -> None:
        """Check a schema against the latest of a subject.

        Raises:
            IncompatibleSchemaError: it can't read what that one wrote.
        """
        path = f"/compatibility/subjects/{_quoted(subject)}/versions/latest?verbose=true"
        content = self._content(self._ask("POST", path, _body(schema)))
        if not content.get("is_compatible"):
            messages = "; ".join(map(str, content.get("messages") or ()))[:_MAX_MESSAGE_CHARS]
            raise IncompatibleSchemaError(
                f"subject {subject}: the new schema is not compatible with the latest one"
                + (f": {messages}" if messages else "")
            )

    def register(self, subject: str, schema: RegisteredSchema) -> int:
        """Register a schema under a subject and return its id.

        Raises:
            IncompatibleSchemaError: the registry refuses it.
        """
        answer = self._ask("POST", f"/subjects/{_quoted(subject)}/versions", _body(schema))
        if answer.status in (HTTPStatus.CONFLICT, _UNPROCESSABLE):
            raise IncompatibleSchemaError(f"subject {subject}: {answer.message}")
        return int(self._content(answer)["id"])

    def _ask(self, method: str, path: str, body: Any = None) -> _Answer:
        """Send a request.

        Raises:
            RegistryUnreachableError: no answer.
            RegistryLoginError: the login is refused.
        """
        data = None if body is None else json.dumps(body).encode()
        try:
            with self._client.stream(method, self.url + path, content=data) as response:
                content = _read(response)
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise RegistryUnreachableError(
                f"the schema registry at {self.url} does not answer: {reason}"
            ) from error
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise RegistryLoginError(
                f"the schema registry at {self.url} refuses the login (HTTP status {status}): "
                "check registry.username and registry.password, or registry.token, and its rights"
            )
        try:
            return _Answer(status, json.loads(content))
        except (ValueError, RecursionError):
            return _Answer(status, None)

    def _content(self, answer: _Answer, kind: type = dict) -> Any:
        """Return what a successful request answers.

        Raises:
            RegistryUnreachableError: it was not successful.
        """
        if answer.status == HTTPStatus.OK and isinstance(answer.content, kind):
            return answer.content
        hint = ": is registry.url right?" if answer.status == HTTPStatus.NOT_FOUND else ""
        raise RegistryUnreachableError(
            f"the schema registry at {self.url} does not answer as one: {answer.message}{hint}"
        )


def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > _MAX_ANSWER_BYTES:
            raise UnusableSchemaError(f"it has more than {_MAX_ANSWER_BYTES:,} bytes")
    return bytes(content)


def _body(schema: RegisteredSchema) -> dict[str, Any]:
    return {"schema": schema.text, "schemaType": schema.kind}


def _quoted(subject: object) -> str:
    return quote(str(subject), safe="")


def _tls(settings: RegistrySettings) -> ssl.SSLContext | bool:
    if not settings.url.lower().startswith("https"):
        return True
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate_file:
            # Without a password, OpenSSL would ask on the terminal.
            context.load_cert_chain(
                settings.certificate_file,
                settings.key_file or None,
                password=lambda: settings.key_password,
            )
    except (OSError, ssl.SSLError) as error:
        raise RegistrySettingsError(
            "registry: ca_file, certificate_file or key_file can't be used: "
            f"{error.strerror or error}"
        ) from None
    return context
