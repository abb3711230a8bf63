"""Private names of aiokafka and Faust: all listed, all there, and used in this folder only."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.transport import private_names
from streams.transport.private_names import (
    PRIVATE_NAMES,
    REQUIREMENTS,
    PrivateName,
    UnsupportedLibraryError,
    check_private_names,
)

REPO = Path(__file__).parents[3]
TRANSPORT = REPO / "streams" / "transport"
COMMANDS = REPO / "agents" / "commands"
#: Private only by their spelling: public in the standard library and in confluent-kafka.
PUBLIC = {"os._exit", "_asdict", "_make", "_replace"}
LIBRARIES = r"(aiokafka|faust|mode|streams\.transport)\b"


def test_the_installed_libraries_have_every_name() -> None:
    check_private_names()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            PrivateName("aiokafka.consumer.fetcher:Fetcher", "_gone", ""),
            r"aiokafka [\d.]+ has no aiokafka\.consumer\.fetcher\.Fetcher\._gone, which Penstock "
            r"uses: install 'aiokafka>=0\.14,<0\.15'",
        ),
        (PrivateName("aiokafka.gone:Class", "_name", ""), r"has no aiokafka\.gone\.Class\._name"),
        (PrivateName("faust.app.base:App", "_gone", ""), r"install 'faust-streaming>=0\.15\.3,"),
    ],
)
def test_a_missing_name_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: PrivateName, message: str
) -> None:
    monkeypatch.setattr(private_names, "PRIVATE_NAMES", (*PRIVATE_NAMES, missing))
    with pytest.raises(UnsupportedLibraryError, match=message):
        check_private_names()


def test_a_worker_without_one_ends_at_once_with_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """As after an upgrade of aiokafka in which an attribute has another name."""
    config = tmp_path / "penstock.yaml"
    config.write_text(
        "kafka: {bootstrap.servers: 127.0.0.1:1}\n"
        "agents: {score: {input: in, output: out, event: SensorReading, model: robust_zscore}}\n"
    )
    script = (
        "import aiokafka.producer.message_accumulator as module\n"
        "module.MessageAccumulator.drained = module.MessageAccumulator.__dict__['_pop_batch']\n"
        "del module.MessageAccumulator._pop_batch\n"
        "import sys\n"
        f"sys.argv[1:] = ['worker', '-c', {str(config)!r}]\n"
        "import agents.pipeline.topics as topics\n"
        "topics.require_topics = lambda *args: None  # there is no broker\n"
        "from agents.commands.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "has no aiokafka.producer.message_accumulator" in done.stderr


def test_supported_versions_are_those_of_the_project_file() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    dependencies = [re.sub(r"\[.*\]", "", line) for line in project["dependencies"]]
    for package, versions in REQUIREMENTS.items():
        assert f"{package}{versions}" in dependencies


class Names(ast.NodeVisitor):
    """The private names that a file defines, and those that it uses."""

    def __init__(self, path: Path) -> None:
        self.defined: set[str] = set()
        self.used: dict[str, str] = {}
        """Name to where it is used."""
        self._path = path
        self.visit(ast.parse(path.read_text()))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        name = node.attr
        if not name.startswith("_") or name.startswith("__"):
            return
        is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
        if isinstance(node.ctx, ast.Store) and is_own:
            self.defined.add(name)
        elif not {name, ast.unparse(node)} & PUBLIC and "KafkaError." not in ast.unparse(node):
            self.used[name] = f"{self._path.relative_to(REPO)}:{node.lineno}: {ast.unparse(node)}"

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name.startswith("_") and alias.name != "__future__":
                self.used[alias.name] = f"{self._path}: from {node.module} import {alias.name}"


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((REPO / folder).rglob("*.py"))


def test_no_other_folder_uses_private_names_of_others() -> None:
    paths = python_files("schemas", "models", "streams", "agents", "benchmarks/harness")
    files = {path: Names(path) for path in paths if TRANSPORT not in path.parents}
    defined = set().union(*(names.defined for names in files.values()))
    foreign = [
        where for names in files.values() for name, where in names.used.items()
        if name not in defined
    ]  # fmt: skip
    assert foreign == []
    # A name of a library may also be another file's own, but not where apps are at hand.
    listed = {private_name.name for private_name in PRIVATE_NAMES}
    shared = [
        where for path, names in files.items() for name, where in names.used.items()
        if COMMANDS not in path.parents and name in listed - names.defined
    ]  # fmt: skip
    assert shared == []


def test_no_other_folder_overrides_private_methods() -> None:
    overridden = [
        f"{cls.__module__}.{cls.__name__}.{name}"
        for cls in product_classes()
        for base in cls.__mro__
        if re.match(LIBRARIES, base.__module__)
        for name in vars(cls).keys() & vars(base).keys()
        if name.startswith("_") and not name.startswith("__") and callable(vars(base)[name])
    ]
    assert overridden == []


def product_classes() -> Iterator[type]:
    """The classes of files outside of this folder that import one of the libraries."""
    for path in python_files("streams", "agents"):
        text = path.read_text()
        if TRANSPORT in path.parents or not re.search(
            rf"^\s*(from|import) ({LIBRARIES})", text, re.M
        ):
            continue
        name = ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, type) and value.__module__ == name:
                yield value


def test_the_table_lists_every_private_name_in_use() -> None:
    files = [Names(path) for path in sorted(TRANSPORT.glob("*.py"))]
    listed = {private_name.name for private_name in PRIVATE_NAMES}
    unlisted = [where for names in files for name, where in names.used.items()
                if name not in names.defined | listed]  # fmt: skip
    assert unlisted == []
    mentioned = "\n".join(path.read_text() for path in TRANSPORT.glob("*.py")
                          if path.name != "private_names.py")  # fmt: skip
    assert [name for name in listed if name not in mentioned] == []
