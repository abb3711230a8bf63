from __future__ import annotations

from pathlib import Path

import pytest

from agents.pipeline.file import PipelineFileError, load_pipeline

AGENT = "agents: {score_anomalies: {input: i, codec: avro}}\n"


def load(folder: Path, text: str, **env: str) -> str:
    """Return the mistakes in a file."""
    path = folder / "penstock.yaml"
    path.write_text(text)
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, env)
    return str(caught.value)


def test_a_codec_that_needs_a_registry(tmp_path: Path) -> None:
    assert "codec: avro needs a schema registry: add `registry: {url: ...}`" in load(
        tmp_path, AGENT
    )
    output = "agents: {score_anomalies: {output_codec: json_schema}}\n"
    assert "output_codec: json_schema needs a schema registry" in load(tmp_path, output)


@pytest.mark.parametrize(
    ("registry", "words"),
    [
        ("{url: 'registry:8081'}", "expected a URL such as https://registry:8081"),
        ("{url: 'http://'}", "expected a URL"),
        ("{url: 'http://r:port'}", "expected a URL"),
        ("{url: 'http://me:a-secret@r'}", "the login belongs in username and password"),
        ("{url: 'http://r?a=a-secret'}", "expected a URL without"),
        ("{url: 'http://r', token: a-secret, username: me}", "registry.token: not with username"),
        ("{url: 'http://r', password: a-secret}", "registry.password: needs username"),
        ("{url: 'http://r', key_file: k.pem}", "registry.key_file: needs certificate_file"),
        ("{url: 'http://r', pasword: a-secret}", "did you mean 'password'?"),
        ("{username: me}", "the key 'url' is missing"),
    ],
)
def test_mistakes_never_show_a_secret(tmp_path: Path, registry: str, words: str) -> None:
    mistakes = load(tmp_path, f"registry: {registry}\n{AGENT}")
    assert words in mistakes
    assert "a-secret" not in mistakes
    assert "penstock.yaml:1:" in mistakes


def test_values_come_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("registry: {url: 'http://r', username: me, password: '${P}'}\n" + AGENT)
    env = {"P": "a-secret", "PENSTOCK_REGISTRY__URL": "https://other:8081"}
    registry = load_pipeline(path, env).registry
    assert registry is not None
    assert (registry.url, registry.password) == ("https://other:8081", "a-secret")
