"""The wheel, installed outside of the checkout: it has all its files, and does the job."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

PACKAGES = ("schemas", "models", "streams", "agents")
#: Files beside the code that only people and `penstock train` in a checkout read.
_NOT_SHIPPED = (".md", ".yaml")
_SECONDS = 300.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy: setuptools keeps its last build in the folder."""
    folder = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        shutil.copytree(REPO / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, folder)
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "build", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--offline", "-q"], cwd=folder, check=True)
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def penstock(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a fresh environment that sees this one's packages, but not the checkout."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A .pth adds a folder, without that folder's own .pth, which names the checkout.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    uv = str(Path(sys.executable).parent / "uv")
    install = [
        uv,
        "pip",
        "install",
        "-q",
        "--offline",
        "--no-deps",
        "--python",
        str(folder),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    return folder / "bin" / "penstock"


def run(penstock: Path, folder: Path, *arguments: str) -> str:
    """Run a command in a folder and return what it prints."""
    done = subprocess.run(
        [penstock, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_that_the_code_reads_is_in_the_wheel(wheel: Path) -> None:
    listed = ["git", "ls-files", "-z", *PACKAGES]
    tracked = subprocess.run(listed, cwd=REPO, capture_output=True, text=True, check=True).stdout
    expected = {f for f in tracked.split("\0") if f and not f.endswith(_NOT_SHIPPED)}
    assert len(expected) > 300
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_commands_run_outside_of_the_checkout(penstock: Path, tmp_path: Path) -> None:
    shutil.copy(REPO / "examples" / "penstock.yaml", tmp_path)
    where = "import agents, models; print(agents.__file__, models.__file__)"
    python = penstock.parent / "python"
    found = subprocess.run(
        [python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert found.count(str(penstock.parent.parent)) == 2
    assert "worker" in run(penstock, tmp_path, "--help")
    assert "traffic_detector" in run(penstock, tmp_path, "models")
    assert "penstock.yaml: ok" in run(penstock, tmp_path, "check", "--offline")


def test_a_worker_answers_and_stops(
    penstock: Path, embedded_bootstrap: str, tmp_path: Path
) -> None:
    (tmp_path / "penstock.yaml").write_text(
        f"kafka: {{bootstrap.servers: '{embedded_bootstrap}', group.id: wheel}}\n"
        "agents:\n  score_anomalies: {input: wheel.readings, output: wheel.anomalies}\n"
        "metrics: {port: 0}\n"
    )
    log = tmp_path / "worker.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen([penstock, "worker"], cwd=tmp_path, stderr=stderr) as worker,
    ):
        try:
            wait_until("metrics are served", lambda: "metrics at " in log.read_text(), _SECONDS)
            address = log.read_text().partition("metrics at ")[2].split()[0]
            ready = address.replace("/metrics", "/ready")
            wait_until("the worker is ready", lambda: is_ok(ready), _SECONDS)
            source = ("produce", "sensor", "demo:water-flow", "--topic", "wheel.readings")
            run(penstock, tmp_path, *source, "--limit", "50")
            wanted = ("tail", "wheel.anomalies", "--from-beginning", "--limit", "50")
            assert len(run(penstock, tmp_path, *wanted).splitlines()) == 50
        finally:
            worker.send_signal(signal.SIGTERM)
    assert worker.returncode == 0, log.read_text()


def is_ok(address: str) -> bool:
    """Whether a probe answers 200."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
