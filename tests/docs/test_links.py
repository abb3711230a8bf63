"""Every link within the documentation has a target, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.docs.markdown import PAGES, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_have_targets(page: Path) -> None:
    for target in links(page):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.is_relative_to(REPO), target
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(REPO / target.partition("#")[0]).resolve() for target in links(REPO / "README.md")}
    runbooks = REPO / "docs" / "runbooks"
    assert {page for page in PAGES if page.parent != runbooks} - {REPO / "README.md"} <= linked
    assert runbooks / "README.md" in linked


def test_every_runbook_is_linked_from_their_list() -> None:
    runbooks = REPO / "docs" / "runbooks"
    linked = {(runbooks / target).resolve() for target in links(runbooks / "README.md")}
    assert set(runbooks.glob("*.md")) - {runbooks / "README.md"} <= linked


def test_tests_named_in_the_guarantees_exist() -> None:
    text = (REPO / "docs" / "guarantees.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 10
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (REPO / path).exists()
        or not re.search(rf"^(async )?def {test}\(", (REPO / path).read_text(), re.M)
    ]
    assert missing == []


def test_the_changelog_has_the_version() -> None:
    version = re.search(r'^version = "(.*)"$', (REPO / "pyproject.toml").read_text(), re.M)
    assert version is not None
    assert f"## [{version[1]}]" in (REPO / "CHANGELOG.md").read_text()
