"""HTTP servers of `/metrics` and probes, with an error for a port that is taken."""

from __future__ import annotations

import logging
from pathlib import Path

from prometheus_client import CollectorRegistry

from agents.errors import UserError
from streams.health.health import Health
from streams.health.http_server import Probes, serve, serve_locally
from streams.settings import MetricsSettings

#: What sets the port of a worker's metrics, in messages.
PORT_SETTING = "metrics.port in the pipeline file"

logger = logging.getLogger(__name__)


def serve_metrics(settings: MetricsSettings, registry: CollectorRegistry, health: Health) -> None:
    """Start the worker's server in a thread.

    Raises:
        UserError: the address is taken or does not belong to this machine.
    """
    probes = {"/live": health.live, "/ready": health.ready}
    serve_registry(settings.host, settings.port, registry, probes, PORT_SETTING)


def serve_metrics_locally(path: Path, registry: CollectorRegistry, health: Health) -> None:
    """Start the server of one of several processes, for the process that started it."""
    serve_locally(path, registry, {"/live": health.live, "/ready": health.ready})


def serve_registry(
    host: str, port: int, registry: CollectorRegistry, probes: Probes, port_setting: str
) -> None:
    """Start a server in a thread, and log its address.

    Args:
        host: a name or an address, IPv4 or IPv6.
        port: 0 for any free port.
        registry: the metrics of `/metrics`.
        probes: by path.
        port_setting: what sets the port, for the error.

    Raises:
        UserError: the address is taken or does not belong to this machine.
    """
    try:
        port = serve(host, port, registry, probes)
    except OSError as error:
        raise UserError(
            f"can't serve metrics at {host}:{port}: {error.strerror}: set {port_setting}, or 0 for "
            "any free one"
        ) from error
    shown_host = f"[{host}]" if ":" in host else host
    logger.info("metrics at http://%s:%d/metrics", shown_host, port)
