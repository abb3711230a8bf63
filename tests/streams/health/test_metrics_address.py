"""Metrics are served on loopback unless the pipeline file says otherwise."""

from __future__ import annotations

import socket

import pytest
from prometheus_client import CollectorRegistry

from streams.health.http_server import serve
from streams.settings import MetricsSettings


def test_only_this_very_address_is_served() -> None:
    host = MetricsSettings().host
    assert host == "127.0.0.1"
    port = serve(host, 0, CollectorRegistry(), {})
    socket.create_connection((host, port), timeout=2).close()
    # Every address of 127/8 is this machine's: one that listens to all would answer here too.
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=2)
