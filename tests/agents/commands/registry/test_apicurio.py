from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.penstock_command import run_penstock, start_penstock
from tests.registries import need_registry

SCHEMA = {"schema": '{"type": "record", "name": "A", "fields": []}'}

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def start(*options: str) -> tuple[subprocess.Popen[str], str, int]:
    command = start_penstock("registry", "local", "--port", "0", "--json", *options)
    assert command.stdout is not None
    line = command.stdout.readline()
    assert line, command.communicate()[1]
    address = json.loads(line)
    return command, address["url"], address["pid"]


def test_it_keeps_schemas_in_a_folder_and_ends_with_its_command(tmp_path: Path) -> None:
    need_registry()
    command, url, pid = start("--data-dir", str(tmp_path / "kept"))
    assert url.startswith("http://127.0.0.1:")
    registered = httpx.post(f"{url}/subjects/a/versions", json=SCHEMA).json()
    command.terminate()
    command.communicate(timeout=60)
    assert command.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

    command, url, pid = start("--data-dir", str(tmp_path / "kept"))
    found = httpx.get(f"{url}/schemas/ids/{registered['id']}").json()
    assert json.loads(found["schema"]) == json.loads(SCHEMA["schema"])
    os.kill(pid, signal.SIGKILL)
    _, errors = command.communicate(timeout=60)
    assert command.returncode == 2
    assert errors == "penstock: error: the registry ended by itself: start it again\n"


def test_without_java_the_command_says_how_to_install_it(tmp_path: Path) -> None:
    done = run_penstock("registry", "local", "--port", "0", env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.startswith("penstock: error: `java` is not installed")
