"""Metrics, liveness and readiness of a worker, and their HTTP server."""
