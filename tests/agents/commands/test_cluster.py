from pathlib import Path

import pytest

from agents.commands.cluster import SERVERS_VARIABLE, kafka_settings, optional_pipeline
from agents.errors import UserError

PIPELINE = """
kafka: {bootstrap.servers: "file:1", client.id: me}
agents:
  watch: {input: in, output: out, model: robust_zscore}
"""


def found(config: Path | None = None, servers: str = "") -> dict[str, object]:
    pipeline = optional_pipeline(config, servers)
    kafka = kafka_settings(pipeline, servers)
    return {"servers": kafka["bootstrap.servers"], "client": kafka.get("client.id")}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SERVERS_VARIABLE, raising=False)


def test_nothing_said_is_an_error_that_says_how() -> None:
    with pytest.raises(UserError, match="no broker is named"):
        found()


def test_an_address_by_hand_needs_no_file_and_looks_at_none(tmp_path: Path) -> None:
    (tmp_path / "penstock.yaml").write_text("not: a pipeline")
    assert found(servers="hand:1") == {"servers": "hand:1", "client": None}


def test_a_file_is_taken_if_it_is_named_or_lies_here(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(PIPELINE)
    named = tmp_path / "other.yaml"
    assert found(named) == {"servers": "file:1", "client": "me"}
    assert found(named, "hand:1") == {"servers": "hand:1", "client": "me"}
    named.rename(tmp_path / "penstock.yaml")
    assert found() == {"servers": "file:1", "client": "me"}


def test_the_environment_goes_before_the_file_and_does_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVERS_VARIABLE, "env:1")
    assert found() == {"servers": "env:1", "client": None}
    (tmp_path / "penstock.yaml").write_text(PIPELINE)
    assert found() == {"servers": "env:1", "client": "me"}
    assert found(servers="hand:1") == {"servers": "hand:1", "client": None}
