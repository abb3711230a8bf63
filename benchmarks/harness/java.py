"""Java contenders: built by Maven on first use into the cache folder."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.harness.environments import UnavailableError, cache_folder, one_at_a_time

_STAMP = ".complete"


def built(project: Path) -> Path:
    """Return the folder of a Maven project's jars; build them if absent.

    Raises:
        UnavailableError: Java or Maven is absent, or the build failed.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is absent: `make tools` installs it")
    folder = cache_folder() / f"{project.name}-{_fingerprint(project)}"
    with one_at_a_time(folder):
        if not (folder / _STAMP).is_file():
            _build(project, folder)
    return folder / "jars"


def version_among(jars: Path, artifact: str) -> str:
    """Return a library's version from its jar's name."""
    for jar in jars.glob(f"{artifact}-*.jar"):
        if match := re.fullmatch(rf"{re.escape(artifact)}-(\d[\w.]*)\.jar", jar.name):
            return match[1]
    raise UnavailableError(f"{artifact} is not among {jars}")


def _fingerprint(project: Path) -> str:
    files = sorted([project / "pom.xml", *(project / "src").rglob("*.java")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _build(project: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    jars = folder / "jars"
    command = ["mvn", "-q", "-B", "-f", str(project / "pom.xml"), f"-Dout={folder / 'target'}"]
    command += ["package", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    command.append("-DincludeScope=runtime")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise UnavailableError(f"Maven can't build {project.name}: {' '.join(errors[:2])[:300]}")
    contender = folder / "target" / "contender.jar"
    if contender.is_file():
        shutil.copy(contender, jars)
    (folder / _STAMP).touch()
