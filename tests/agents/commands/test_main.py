from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from agents.commands.main import COMMANDS, app
from agents.errors import UserError, error_lines
from tests.penstock_command import run_penstock


def imported(*arguments: str) -> set[str]:
    """Return the modules that the command line imports, in another process."""
    code = (
        "import json, sys\n"
        "from agents.commands.main import app\n"
        "try:\n"
        f"    app({list(arguments)!r})\n"
        "except SystemExit:\n"
        "    print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_lists_every_command_and_imports_none() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(f"  {name} " in result.output for name in COMMANDS)
    modules = imported("--help")
    assert not {f"agents.commands.{name}" for name in COMMANDS} & modules
    heavy = {"rich", "torch", "numpy", "matplotlib", "confluent_kafka", "msgspec", "pydantic"}
    heavy |= {"ruamel.yaml", "yaml", "faust"}
    assert not heavy & modules


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.output.startswith("penstock 0.")


def test_no_arguments_show_help() -> None:
    assert "Commands:" in CliRunner().invoke(app, []).output


def test_an_unknown_command_is_an_error_in_one_line() -> None:
    result = CliRunner().invoke(app, ["chekc"])
    assert result.exit_code == 2
    assert result.stderr == "penstock: error: no command 'chekc': did you mean check?\n"


def test_a_wrong_option_is_an_error_without_traceback() -> None:
    result = CliRunner().invoke(app, ["check", "--no-such"])
    assert result.exit_code == 2
    assert "No such option: --no-such" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_console_script_prints_an_expected_error_in_one_line() -> None:
    done = run_penstock("check", "-c", "no.yaml")
    assert done.returncode == 2
    hint = "name a pipeline file with -c FILE or PENSTOCK_CONFIG"
    assert done.stderr == f"penstock: error: no.yaml: no such file: {hint}\n"


def test_control_characters_in_an_error_are_escaped() -> None:
    assert error_lines(UserError("a\x1b[2Jb\nc")) == [
        "penstock: error: a\\x1b[2Jb",
        "penstock: error: c",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    (usage,) = [line for line in result.output.splitlines() if "Usage:" in line]
    assert name in usage
