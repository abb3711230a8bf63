"""Every function that docs/architecture.md names exists in the file that it names."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import REPO

PAGE = REPO / "docs" / "architecture.md"
#: `path/to/file.py:Class.method` or `path/to/file.py:function`.
PLACES = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", PAGE.read_text())))


def names_in(source: str) -> set[str]:
    """Return the functions, the classes and, as `Class.method`, the methods of a file."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return names


@pytest.mark.parametrize(("path", "name"), PLACES)
def test_the_function_exists(path: str, name: str) -> None:
    assert name in names_in((REPO / path).read_text()), f"{PAGE.name} names {path}:{name}"


def test_the_page_names_functions() -> None:
    assert len(PLACES) > 30


def test_every_folder_is_described() -> None:
    folders = {path.parent for top in ("agents", "streams") for path in (REPO / top).rglob("*.py")}
    tops = {folder.relative_to(REPO).parts[:2] for folder in folders}
    page = PAGE.read_text()
    missing = [top for top in sorted("/".join(parts) for parts in tops) if f"`{top}/`" not in page]
    assert not missing
