"""Every `penstock` command in the documentation exists, with its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from agents.commands.main import app
from tests.docs.markdown import PAGES, blocks, code_spans, prose

_COMMAND = re.compile(r"([A-Z_]+=\S* )*penstock( |$)")
_PLACEHOLDERS = {"COMMAND"}


def command_lines(page: Path) -> list[list[str]]:
    """Every `penstock ...` line of the page as words, from its shell blocks and its inline code."""
    spans = code_spans(prose(page).replace("\n", " "))
    lines = [*spans, *(line for block in blocks(page, "sh") for line in block.text.splitlines())]
    commands = []
    for line in lines:
        if not _COMMAND.match(line):
            continue
        words = shlex.split(line, comments=True)
        words = words[: next((i for i, w in enumerate(words) if w in ("|", "&")), len(words))]
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if len(words) > 1 and words[1] not in _PLACEHOLDERS:
            commands.append(words[1:])
    return commands


def check(words: list[str]) -> None:
    """Look up a command by its words, through groups, and then its options."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        alternatives = [command.get_command(None, name) for name in words[0].split("|")]
        assert None not in alternatives, f"no command {words[0]}"
        command, words = alternatives[0], words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"-h", "--help"}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in known, f"{command.name} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    for words in command_lines(page):
        check(words)


def test_pages_have_commands() -> None:
    assert sum(len(command_lines(page)) for page in PAGES) > 30


@pytest.mark.parametrize("words", [["wrker"], ["worker", "--speed"], ["topics", "drop"]])
def test_an_unknown_command_or_option_fails_the_check(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"no command|has no"):
        check(words)
