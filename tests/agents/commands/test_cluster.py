from pathlib import Path

import pytest

from agents.commands.cluster import SERVERS_VARIABLE, kafka_settings, optional_pipeline
from agents.errors import UserError

PIPELINE = """
kafka: {bootstrap.servers: "file:1", client.id: me}
agents:
  watch: {input: in, output: out, model: robust_zscore}
"""


def settings(config: Path | None = None, servers: str = "") -> dict[str, object]:
    pipeline = optional_pipeline(config, servers)
    kafka = kafka_settings(pipeline, servers)
    return {"servers": kafka["bootstrap.servers"], "client": kafka.get("client.id")}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SERVERS_VARIABLE, raising=False)


def test_without_an_address_the_error_says_how_to_give_one() -> None:
    with pytest.raises(UserError, match="no broker is named"):
        settings()


def test_with_an_address_no_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "penstock.yaml").write_text("not: a pipeline")
    assert settings(servers="hand:1") == {"servers": "hand:1", "client": None}


def test_a_given_file_or_penstock_yaml_is_read(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(PIPELINE)
    named = tmp_path / "other.yaml"
    assert settings(named) == {"servers": "file:1", "client": "me"}
    assert settings(named, "hand:1") == {"servers": "hand:1", "client": "me"}
    named.rename(tmp_path / "penstock.yaml")
    assert settings() == {"servers": "file:1", "client": "me"}


def test_the_environment_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVERS_VARIABLE, "env:1")
    assert settings() == {"servers": "env:1", "client": None}
    (tmp_path / "penstock.yaml").write_text(PIPELINE)
    assert settings() == {"servers": "env:1", "client": "me"}
    assert settings(servers="hand:1") == {"servers": "hand:1", "client": None}
