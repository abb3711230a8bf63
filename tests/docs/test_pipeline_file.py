"""docs/pipeline-file.md says of every key what the settings' types say, and its files load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from agents.pipeline.file import PipelineFileError, load_pipeline
from streams import settings
from streams.kafka.settings import SETTINGS
from streams.kafka.tls import TLS_SETTINGS
from tests.agents.pipeline.bad_pipeline_files import BAD
from tests.conftest import REPO
from tests.docs.markdown import PAGES, blocks, code_spans, table

PAGE = REPO / "docs" / "pipeline-file.md"
STRUCTS = [
    settings.PipelineSettings,
    settings.AgentSettings,
    settings.ModelSettings,
    settings.BatchSettings,
    settings.IntakeSettings,
    settings.LimitSettings,
    settings.MetricsSettings,
    settings.StateSettings,
    settings.TopicSettings,
]


def default_words(field: msgspec.structs.FieldInfo) -> str:
    """A field's default as the page writes it."""
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{field.default_factory()}`"
    if isinstance(field.default, msgspec.Struct):
        return "below"
    return f"`{msgspec.json.encode(field.default).decode()}`"


def limits(hint: Any) -> set[float]:
    """The bounds in a field's annotation, or in its parts', that its type column must name."""
    parts = get_args(hint)
    bounds = [b for m in parts if isinstance(m, msgspec.Meta) for b in (m.ge, m.gt, m.le, m.lt)]
    own = {float(bound) for bound in bounds if bound is not None}
    return own.union(*(limits(part) for part in parts))


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_keys_and_defaults(struct: type[msgspec.Struct]) -> None:
    rows = table(PAGE, f"struct: {struct.__name__}")
    fields = msgspec.structs.fields(struct)
    assert [row[0] for row in rows] == [f"`{field.name}`" for field in fields]
    assert [row[2] for row in rows] == [default_words(field) for field in fields]
    hints = get_type_hints(struct, include_extras=True)
    for field, (_, kind, _, meaning) in zip(fields, rows, strict=True):
        told = {float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*", kind)}
        assert told == limits(hints[field.name]), field.name
        assert meaning


def test_every_settings_struct_has_its_table() -> None:
    public = {
        found
        for name, found in vars(settings).items()
        if isinstance(found, type) and issubclass(found, msgspec.Struct)
        and not name.startswith("_") and found.__module__ == settings.__name__
    }  # fmt: skip
    assert public == set(STRUCTS)


def test_kafka_settings() -> None:
    told = [name for row in table(PAGE, "kafka settings") for name in code_spans(row[0])]
    assert sorted(told) == sorted([*SETTINGS, *TLS_SETTINGS])


def test_errors_are_those_that_one_gets() -> None:
    """The quoted messages are held to the real ones by tests/agents/pipeline/test_file.py."""
    real = [message for _, message in BAD.values()]
    for _, quoted in table(PAGE, "errors"):
        (message,) = code_spans(quoted)
        assert any(found.endswith(f": {message}") for found in real), message


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pipeline_files_load(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        path = tmp_path / "penstock.yaml"
        path.write_text(block.text)
        assert load_pipeline(path, {"KAFKA_PASSWORD": "secret"}).agents
        if block.mark.startswith("whole file: "):
            assert block.text == (REPO / block.mark.removeprefix("whole file: ")).read_text()


def test_a_wrong_file_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("agents: {a: {input: x, output: y, modle: z}}")
    with pytest.raises(PipelineFileError, match="modle"):
        load_pipeline(path, {})
