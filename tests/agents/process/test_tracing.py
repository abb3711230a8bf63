"""Traces are sent only if the usual variables of OpenTelemetry ask for it."""

from __future__ import annotations

import sys

import pytest

from agents.process.tracing import is_tracing_wanted, make_tracing

_ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (_ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x/v1/traces"}, True),
        ({**_ENDPOINT, "OTEL_SDK_DISABLED": "true"}, False),
        ({**_ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_is_tracing_wanted(environment: dict[str, str], expected: bool) -> None:
    assert is_tracing_wanted(environment) is expected


def test_without_a_wish_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys\n"
        "from agents.process.tracing import make_tracing\n"
        "assert make_tracing('g', '1', {}) is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", code], check=True)


def test_absent_packages_are_a_warning_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    assert make_tracing("g", "1", _ENDPOINT) is None
    assert "pip install 'penstock[tracing]'" in caplog.text
