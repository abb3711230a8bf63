"""Read the documentation's code blocks, tables and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPO

PAGES = [REPO / "README.md", REPO / "CHANGELOG.md", *sorted((REPO / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of code and the comment on the line before it."""

    language: str
    mark: str
    text: str


def blocks(page: Path, language: str) -> list[Block]:
    """Return the page's blocks of a language, in order."""
    matches = _BLOCK.finditer(page.read_text())
    all_blocks = [Block(m["language"], m["mark"] or "", m["text"]) for m in matches]
    return [block for block in all_blocks if block.language == language]


def prose(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Return every link's target."""
    return [m["target"] for m in _LINK.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """Return the anchors of the page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def table(page: Path, mark: str) -> list[list[str]]:
    """Return the rows, without the head, of the table below the comment `mark`.

    Raises:
        LookupError: the page has no such comment.
    """
    lines = page.read_text().splitlines()
    if (comment := f"<!-- {mark} -->") not in lines:
        raise LookupError(f"{page.name} has no {comment}")
    rows = []
    for line in lines[lines.index(comment) + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[2:]


def code_spans(cell: str) -> list[str]:
    """Return the texts in backquotes."""
    return re.findall(r"`([^`]*)`", cell)
