"""docs/pipeline-file.md describes every key as the settings' types do, and its files load."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from agents import AGENTS
from agents.pipeline.file import PipelineFileError, load_pipeline
from agents.pipeline.yaml_lines import read_document, write_document
from streams import settings
from streams.constraints import Bounds
from streams.kafka.settings import OTHER_SETTINGS, SETTINGS
from tests.agents.pipeline.bad_pipeline_files import BAD
from tests.conftest import REPO
from tests.docs.markdown import PAGES, blocks, code_spans, table

PAGE = REPO / "docs" / "pipeline-file.md"
CLASSES = [
    settings.PipelineSettings,
    settings.AgentSettings,
    settings.ModelSettings,
    settings.EventTimeSettings,
    settings.BatchSettings,
    settings.IntakeSettings,
    settings.LimitSettings,
    settings.MetricsSettings,
    settings.RegistrySettings,
    settings.StateSettings,
    settings.TopicSettings,
]


def default_words(field: dataclasses.Field[Any]) -> str:
    """A field's default as the page writes it."""
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()}`"
    if field.default is dataclasses.MISSING:
        return "required"
    if dataclasses.is_dataclass(field.default):
        return "below"
    return f"`{json.dumps(field.default)}`"


def limits(hint: Any) -> set[float]:
    """The bounds in a field's annotation, or in its parts', that its type column must name."""
    parts = get_args(hint)
    ranges = [part for part in parts if isinstance(part, Bounds)]
    bounds = {float(b) for r in ranges for b in (r.ge, r.gt, r.le) if b is not None}
    return bounds.union(*(limits(part) for part in parts))


@pytest.mark.parametrize("settings_class", CLASSES, ids=lambda cls: cls.__name__)
def test_keys_and_defaults(settings_class: Any) -> None:
    rows = table(PAGE, f"settings: {settings_class.__name__}")
    fields = dataclasses.fields(settings_class)
    assert [row[0] for row in rows] == [f"`{field.name}`" for field in fields]
    assert [row[2] for row in rows] == [default_words(field) for field in fields]
    hints = get_type_hints(settings_class, include_extras=True)
    for field, (_, kind, _, meaning) in zip(fields, rows, strict=True):
        written = {float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*", kind)}
        assert written == limits(hints[field.name]), field.name
        assert meaning


def test_every_settings_class_has_its_table() -> None:
    assert {v for k, v in vars(settings).items() if k.endswith("Settings") and k[0] != "_"} == set(
        CLASSES
    )


def test_kafka_settings() -> None:
    written = [name for row in table(PAGE, "kafka settings") for name in code_spans(row[0])]
    assert sorted(written) == sorted([*SETTINGS, *OTHER_SETTINGS])


def test_quoted_errors_are_the_real_ones() -> None:
    """tests/agents/pipeline/test_file.py compares the messages in BAD with the real ones."""
    real = [message for _, message in BAD.values()]
    for _, quoted in table(PAGE, "errors"):
        (message,) = code_spans(quoted)
        assert any(text.endswith(f": {message}") for text in real), message


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pipeline_files_load(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        path = tmp_path / "penstock.yaml"
        path.write_text(block.text)
        secrets = dict.fromkeys(("KAFKA_PASSWORD", "KAFKA_CLIENT_SECRET", "SCORES_TOKEN"), "s")
        assert load_pipeline(path, secrets).agents
        if block.mark.startswith("whole file: "):
            assert block.text == (REPO / block.mark.removeprefix("whole file: ")).read_text()


def test_a_wrong_file_would_fail(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("agents: {a: {input: x, output: y, modle: z}}")
    with pytest.raises(PipelineFileError, match="modle"):
        load_pipeline(path, {})


def test_shipped_agents_are_the_declared_ones(tmp_path: Path) -> None:
    agents = {}
    for name, *keys, also in table(PAGE, "shipped agents"):
        stated = dict(zip(("input", "output", "event", "model"), keys, strict=True))
        stated = {key: text.strip("`") for key, text in stated.items() if "`" in text}
        agents[name.strip("`")] = stated
        for span in code_spans(also):
            agents[name.strip("`")] |= read_document(span).value
    path = tmp_path / "penstock.yaml"
    # Under other names, which inherit nothing.
    path.write_text(write_document({"agents": {f"my_{k}": v for k, v in agents.items()}}))
    assert load_pipeline(path, {}).agents == {f"my_{k}": v for k, v in AGENTS.items()}
