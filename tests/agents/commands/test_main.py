from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from agents.commands.lazy import COMMANDS
from agents.commands.main import app
from agents.errors import UserError, error_lines


def imported(*arguments: str) -> set[str]:
    """Return the modules that the command line imported, in a process of its own."""
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
    found = CliRunner().invoke(app, ["--help"])
    assert found.exit_code == 0
    assert all(f"  {name} " in found.output for name in COMMANDS)
    modules = imported("--help")
    assert not {f"agents.commands.{name}" for name in COMMANDS} & modules
    heavy = {"rich", "torch", "numpy", "matplotlib", "confluent_kafka", "msgspec", "yaml"}
    assert not heavy & modules


def test_version() -> None:
    found = CliRunner().invoke(app, ["--version"])
    assert found.output.startswith("penstock 0.")


def test_no_arguments_show_help() -> None:
    assert "Commands:" in CliRunner().invoke(app, []).output


def test_an_unknown_command_is_told_in_one_line() -> None:
    found = CliRunner().invoke(app, ["chekc"])
    assert found.exit_code == 2
    assert found.stderr == "penstock: error: no command 'chekc': did you mean check?\n"


def test_a_wrong_option_is_told_without_traceback() -> None:
    found = CliRunner().invoke(app, ["check", "--no-such"])
    assert found.exit_code == 2
    assert "No such option: --no-such" in found.stderr
    assert "Traceback" not in found.stderr


def test_the_console_script_tells_an_expected_error_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[1:] = ['check', '-c', 'no.yaml']\n"
         "from agents.commands.main import main; main()"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 2
    hint = "name a pipeline file with -c FILE or PENSTOCK_CONFIG"
    assert done.stderr == f"penstock: error: no.yaml: no such file: {hint}\n"


def test_what_would_act_on_a_terminal_is_escaped() -> None:
    assert error_lines(UserError("a\x1b[2Jb\nc")) == [
        "penstock: error: a\\x1b[2Jb",
        "penstock: error: c",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_has_help(name: str) -> None:
    found = CliRunner().invoke(app, [name, "--help"])
    assert found.exit_code == 0
    (usage,) = [line for line in found.output.splitlines() if "Usage:" in line]
    assert name in usage
