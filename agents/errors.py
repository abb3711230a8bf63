"""Errors for people: one line on stderr, exit code 2, never a traceback.

The exceptions that end a command this way, whoever raises them:

UserError             a command's own: a wrong option, a file that is absent
PipelineFileError     agents.pipeline.file: the pipeline file is not right
ModelError            models.base: a model can't be made or loaded
BrokerError           streams.kafka.errors: the broker can't be reached or refuses us
UnsupportedLibraryError  streams.transport.private_names: aiokafka or Faust lacks a name in use
"""

from __future__ import annotations

#: Of a command that could not do what it was asked to, for a reason that its user can remedy.
EXIT_CODE = 2
#: Characters of one line, at most: a record may hold a megabyte.
MAX_CHARACTERS = 500


class UserError(Exception):
    """What a command's user got wrong; the message says what, where and what to do.

    Not a `click.ClickException`: Typer carries a Click of its own, which doesn't catch that one.
    """

    exit_code = EXIT_CODE


def expected_errors() -> tuple[type[Exception], ...]:
    """Return every exception that is told in one line.

    Meant for an `except` clause, which asks only once something was raised: nothing is imported
    before.
    """
    from agents.pipeline.file import PipelineFileError
    from models.base import ModelError
    from streams.kafka.errors import BrokerError
    from streams.transport.private_names import UnsupportedLibraryError

    return UserError, PipelineFileError, ModelError, BrokerError, UnsupportedLibraryError


def error_lines(error: Exception) -> list[str]:
    """Return what to print: a line for each line of the message, made safe for a terminal."""
    return [f"penstock: error: {printable(line)}" for line in str(error).splitlines()]


def printable(text: str) -> str:
    """Return text with everything that a terminal might act on as an escape sequence.

    Cut to `MAX_CHARACTERS`. Besides control characters, these are the ones that reorder or hide
    text (bidirectional marks, zero-width ones) and unpaired surrogates.
    """
    cut = text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "..."
    return "".join(c if c.isprintable() else _escaped(c) for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
