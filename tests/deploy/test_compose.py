"""docker-compose.yml agrees with the code (without Docker); test_images.py is about the image."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from agents.commands.lag.command import LAG_PORT
from agents.pipeline.file import load_pipeline
from streams.settings import PipelineSettings
from tests.conftest import REPO


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file."""
    document: dict[str, Any] = yaml.safe_load((REPO / "docker-compose.yml").read_text())
    return dict(document["services"])


@pytest.fixture(scope="module")
def settings(services: dict[str, Any]) -> PipelineSettings:
    """The pipeline as the worker's container reads it: the mounted file and its environment."""
    (mount,) = services["worker"]["volumes"]
    return load_pipeline(REPO / mount.split(":")[0], services["worker"]["environment"])


def mounts(service: dict[str, Any]) -> list[str]:
    volumes: list[str] = service.get("volumes", [])
    return [volume for volume in volumes if volume.startswith("./")]


def test_every_mounted_path_and_build_file_exists(services: dict[str, Any]) -> None:
    paths = [mount.split(":")[0] for service in services.values() for mount in mounts(service)]
    paths += [s["build"]["dockerfile"] for s in services.values() if "build" in s]
    assert len(paths) >= 5
    assert [path for path in paths if not (REPO / path).exists()] == []


def test_mounts_are_read_only(services: dict[str, Any]) -> None:
    for service in services.values():
        assert all(mount.endswith(":ro") for mount in mounts(service))


def test_services_depend_on_services_that_exist(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            needs_check = condition["condition"] == "service_healthy"
            assert not needs_check or "healthcheck" in services[name]
            assert name in services


def test_ports_are_published_on_loopback(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_environment_reaches_the_pipeline(
    services: dict[str, Any], settings: PipelineSettings
) -> None:
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INTERNAL://{settings.kafka['bootstrap.servers']}," in advertised
    assert settings.metrics.host == "0.0.0.0"


def test_commands_name_the_mounted_file(services: dict[str, Any]) -> None:
    for name in ("topics", "worker", "lag"):
        mounted = services[name]["volumes"][0].split(":")[1]
        assert services[name]["command"][-1] == mounted


def test_docker_waits_longer_than_the_worker_s_shutdown_timeout(
    services: dict[str, Any], settings: PipelineSettings
) -> None:
    grace = float(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.shutdown_timeout_seconds


def test_prometheus_scrapes_the_workers_and_the_lag(
    services: dict[str, Any], settings: PipelineSettings
) -> None:
    folder = REPO / mounts(services["prometheus"])[0].split(":")[0]
    jobs = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    ports = {"penstock": settings.metrics.port, "penstock-lag": LAG_PORT}
    assert {job["job_name"] for job in jobs} == set(ports)
    for job in jobs:
        (discovery,) = job["dns_sd_configs"]
        assert set(discovery["names"]) <= set(services)
        assert discovery["port"] == ports[job["job_name"]]


def test_the_broker_version_is_the_one_of_the_tests(services: dict[str, Any]) -> None:
    pom = (REPO / "deploy" / "kafka" / "pom.xml").read_text()
    version = re.search(r"<kafka\.version>(.+)</kafka\.version>", pom)
    assert version is not None
    assert services["kafka"]["image"].endswith(f":{version[1]}")
