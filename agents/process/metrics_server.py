"""The worker's HTTP server: `/metrics`, `/live` and `/ready`."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry

from agents.errors import UserError
from streams.health.health import Health
from streams.health.http_server import serve
from streams.settings import MetricsSettings

logger = logging.getLogger(__name__)


def serve_metrics(settings: MetricsSettings, registry: CollectorRegistry, health: Health) -> None:
    """Start the server in a thread.

    Raises:
        UserError: the address is taken or does not belong to this machine.
    """
    host, port = settings.host, settings.port
    try:
        port = serve(host, port, registry, {"/live": health.live, "/ready": health.ready})
    except OSError as error:
        raise UserError(
            f"can't serve metrics at {host}:{port}: {error.strerror}: set metrics.port in the "
            "pipeline file, or 0 for any free one"
        ) from error
    shown_host = f"[{host}]" if ":" in host else host
    logger.info("metrics at http://%s:%d/metrics", shown_host, port)
