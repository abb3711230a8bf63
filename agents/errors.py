"""Errors for people: one line on stderr, exit code 2, never a traceback.

These exceptions end a command this way, whatever code raises them:

UserError                agents.errors: a wrong option, a missing file
PipelineFileError        agents.pipeline.file: the pipeline file is wrong
ModelError               models.base: a model can't be made or loaded
BrokerError              streams.kafka.errors: the broker can't be reached or refuses a request
RegistryError            streams.registry.errors: the schema registry can't be used
UnsupportedLibraryError  streams.transport.private_names: aiokafka or Faust lacks a name in use
"""

from __future__ import annotations

#: Exit code of a command that failed for a reason its user can remove.
EXIT_CODE = 2
#: Longest line to print, in characters: a record may hold a megabyte.
MAX_CHARACTERS = 500


class UserError(Exception):
    """A mistake of the command's user; the message says what, where and what to do.

    Not a `click.ClickException`: Typer has its own copy of Click, which doesn't catch that class.
    """

    exit_code = EXIT_CODE


def expected_errors() -> tuple[type[Exception], ...]:
    """Return every exception that is printed in one line.

    For an `except` clause, which calls this only after something was raised: until then nothing is
    imported.
    """
    from agents.pipeline.file import PipelineFileError
    from models.base import ModelError
    from streams.kafka.errors import BrokerError
    from streams.registry.errors import RegistryError
    from streams.transport.private_names import UnsupportedLibraryError

    return (
        UserError,
        PipelineFileError,
        ModelError,
        BrokerError,
        RegistryError,
        UnsupportedLibraryError,
    )


def error_lines(error: Exception) -> list[str]:
    """Return the lines to print: one for each line of the message, safe for a terminal."""
    return [f"penstock: error: {printable(line)}" for line in str(error).splitlines()]


def printable(text: str) -> str:
    """Return text, cut to `MAX_CHARACTERS`, with an escape sequence for each unsafe character.

    Unsafe are control characters, characters that reorder or hide text (bidirectional marks,
    zero-width ones) and unpaired surrogates.
    """
    cut = text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "..."
    return "".join(c if c.isprintable() else _escaped(c) for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
