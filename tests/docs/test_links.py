"""Every link within the documentation leads somewhere, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.docs.markdown import PAGES, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.is_relative_to(REPO), target
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(REPO / target.partition("#")[0]).resolve() for target in links(REPO / "README.md")}
    assert set(PAGES) - {REPO / "README.md"} <= linked


def test_tests_that_hold_a_promise_exist() -> None:
    text = (REPO / "docs" / "guarantees.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 10
    for path, test in named:
        assert re.search(rf"^(async )?def {test}\(", (REPO / path).read_text(), re.M), (path, test)


def test_the_changelog_knows_the_version() -> None:
    version = re.search(r'^version = "(.*)"$', (REPO / "pyproject.toml").read_text(), re.M)
    assert version is not None
    assert f"## [{version[1]}]" in (REPO / "CHANGELOG.md").read_text()
