"""Tables of names in the documentation hold just the names that the code has."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields

import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.commands.audit import AgentReport, Problem
from agents.commands.lag.exporting import LagExporter
from models.detection.layouts import LAYOUTS
from models.registry import model_class, model_names
from schemas import EVENT_TYPES, RESULT_TYPES, InputError, Result, SensorReading, errors, make_codec
from schemas.dead_letter import ERROR_PREFIX
from schemas.header_schemas import HEADER_SCHEMAS
from streams.decoding import Decoder
from streams.health.gpu_metrics import GpuMetrics
from streams.health.metrics import Metrics
from streams.offsets import OffsetTracker
from tests.conftest import REPO
from tests.docs.markdown import code_spans, table
from tests.fakes import record_batch
from tests.streams.health.test_gpu_metrics import FakeNvml

DOCS = REPO / "docs"
TRAVELS = DOCS / "producing-and-consuming.md"
OPERATIONS = DOCS / "operations.md"


def test_metrics() -> None:
    registry = CollectorRegistry()
    Metrics(registry).for_agent("a", ["t"], "m")
    found = {family.name: family.type for family in registry.collect()}
    documented = {code_spans(row[0])[0]: row[1] for row in table(OPERATIONS, "metrics")}
    assert documented == found


def test_labels_of_metrics() -> None:
    metrics = Metrics(CollectorRegistry())
    labels = {
        metric._name: list(metric._labelnames)
        for metric in vars(metrics).values()
        if hasattr(metric, "_labelnames")
    }
    documented = {code_spans(row[0])[0]: code_spans(row[2]) for row in table(OPERATIONS, "metrics")}
    assert len(labels) >= 12
    assert {name: documented[name] for name in labels} == labels


def test_metrics_of_gpus() -> None:
    families = GpuMetrics(FakeNvml(), CollectorRegistry(), None).collect()
    found = {family.name: list(family._labelnames) for family in families}
    rows = table(OPERATIONS, "gpu metrics")
    assert {code_spans(row[0])[0]: code_spans(row[2]) for row in rows} == found


def test_metrics_of_the_lag() -> None:
    families = LagExporter([], 1.0, 1.0).collect()
    found = {family.name: list(family._labelnames) for family in families}
    rows = table(OPERATIONS, "lag metrics")
    assert {code_spans(row[0])[0]: code_spans(row[1]) for row in rows} == found


def test_alerts() -> None:
    files = sorted((REPO / "deploy/prometheus/rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    found = [(rule["alert"], rule["labels"]["severity"]) for rule in rules]
    documented = [(code_spans(row[0])[0], row[1]) for row in table(OPERATIONS, "alerts")]
    assert documented == found


def test_problems_of_an_audit() -> None:
    documented = [code_spans(row[0])[0] for row in table(DOCS / "guarantees.md", "audit problems")]
    assert documented == [problem.value for problem in Problem]


def test_fields_of_an_audit() -> None:
    documented = [
        n for row in table(DOCS / "guarantees.md", "audit fields") for n in code_spans(row[0])
    ]
    assert sorted(documented) == sorted(["verdict", *(f.name for f in fields(AgentReport))])


def _input_errors() -> dict[str, type[InputError]]:
    """Return every class of `schemas/errors.py` by its name."""
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: cls for name, cls in classes if issubclass(cls, InputError)}


def test_docs_list_every_dead_letter_reason() -> None:
    documented = [code_spans(row[0])[0] for row in table(TRAVELS, "reasons")]
    assert sorted(documented) == sorted({cls.reason for cls in _input_errors().values()})


def test_docstring_draws_the_whole_tree_of_input_errors() -> None:
    lines = re.findall(r"^([│├└─ ]*)([A-Z]\w+Error) +(\w+)", errors.__doc__ or "", re.MULTILINE)
    drawn = {name: (len(indent) // 4, reason) for indent, name, reason in lines}
    depth = {
        name: len(cls.__mro__) - len(InputError.__mro__) for name, cls in _input_errors().items()
    }
    assert drawn == {name: (depth[name], cls.reason) for name, cls in _input_errors().items()}


def test_no_input_error_is_defined_outside_of_schemas_errors() -> None:
    derived = re.compile(rf"^class (\w+)\((?:{'|'.join(_input_errors())})\)", re.MULTILINE)
    sources = [p for d in ("models", "streams", "agents") for p in (REPO / d).rglob("*.py")]
    assert len(sources) > 100
    assert {str(p): names for p in sources if (names := derived.findall(p.read_text()))} == {}


@pytest.mark.parametrize("row", table(TRAVELS, "sensor values"), ids=lambda row: row[0])
def test_what_a_value_becomes(row: list[str]) -> None:
    (value,) = code_spans(row[0])
    decoder: Decoder[SensorReading] = Decoder(make_codec("json", SensorReading), 1_000_000)
    batch = record_batch(
        [value.encode()], tracker=OffsetTracker(), keys=[b"pump-1"], headers=[[]], topic="t"
    )
    decoded = decoder.decode(batch)
    reasons = [f"`{error.reason}`" for _, error in decoded.failed]
    assert (reasons or ["an event"]) == [row[1]]


@pytest.mark.parametrize("name", ["Result", *RESULT_TYPES])
def test_result_fields(name: str) -> None:
    cls = Result if name == "Result" else RESULT_TYPES[name]
    base = () if cls is Result else Result.__struct_fields__
    documented = [f for row in table(TRAVELS, f"result: {name}") for f in code_spans(row[0])]
    assert sorted(documented) == sorted(f for f in cls.__struct_fields__ if f not in base)


def test_result_headers() -> None:
    documented = [code_spans(row[0])[0] for row in table(TRAVELS, "result headers")]
    assert sorted(documented) == sorted(HEADER_SCHEMAS["ResultHeaders"]["properties"])


def test_dead_letter_headers() -> None:
    documented = [
        n
        for row in table(DOCS / "dead-letters.md", "dead letter headers")
        for n in code_spans(row[0])
    ]
    found = HEADER_SCHEMAS["DeadLetterHeaders"]["properties"]
    assert sorted(ERROR_PREFIX + name for name in documented) == sorted(found)


@pytest.mark.parametrize("name", model_names())
def test_model_options(name: str) -> None:
    pages = [page for page in DOCS.glob("*.md") if f"<!-- options: {name} -->" in page.read_text()]
    (page,) = pages
    rows = table(page, f"options: {name}")
    parameters = inspect.signature(model_class(name)).parameters
    assert [row[0] for row in rows] == [f"`{p}`" for p in parameters]
    for row, parameter in zip(rows, parameters.values(), strict=True):
        assert row[1] == _default_words(parameter), parameter.name


def test_layouts_of_detectors() -> None:
    rows = table(DOCS / "detectors.md", "layouts")
    assert [code_spans(row[0])[0] for row in rows] == list(LAYOUTS)


def _default_words(parameter: inspect.Parameter) -> str:
    special = {"weights": "the shipped folder"}
    if parameter.name in special:
        return special[parameter.name]
    return "required" if parameter.default is parameter.empty else f"`{parameter.default!r}`"


def test_event_fields_are_told() -> None:
    text = TRAVELS.read_text()
    for cls in EVENT_TYPES.values():
        for field in msgspec.structs.fields(cls):
            assert f"| `{field.name}` |" in text, (cls.__name__, field.name)
