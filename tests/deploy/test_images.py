"""The images: no Docker runs here, so what can be checked of their files without it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator

import pytest

from streams.settings import MetricsSettings
from tests.conftest import REPO
from tests.deploy.chart import tool

DOCKERFILE = (REPO / "deploy" / "Dockerfile").read_text()
#: PyPI's files of these need CUDA; the CPU image has them from elsewhere.
REPLACED = {"torch", "torchvision", "onnxruntime-gpu"}


def pins(lock: str) -> dict[str, str]:
    """The version of each package of a lock."""
    return dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[.+\])?==(\S+)", lock, re.MULTILINE))


def image_lock() -> dict[str, str]:
    return pins((REPO / "deploy" / "image.lock").read_text())


def cpu_lock() -> dict[str, str]:
    """What the CPU image installs from the lock: the Dockerfile runs this command."""
    assert "deploy/cpu-lock deploy/image.lock > cpu.lock" in DOCKERFILE
    command = ["deploy/cpu-lock", "deploy/image.lock"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    names = re.findall(r"^\S+==\S+.* \\\n    --hash=sha256:", done.stdout, re.MULTILINE)
    assert len(names) == len(pins(done.stdout))
    return pins(done.stdout)


def test_hadolint_finds_nothing() -> None:
    command = [tool("python/bin/hadolint"), REPO / "deploy" / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_cpu_image_has_no_cuda_and_lacks_nothing_else() -> None:
    left_out = set(image_lock()) - set(cpu_lock())
    cuda = {name for name in left_out if re.match(r"nvidia-|cuda-|triton$", name)}
    assert len(cuda) > 10
    assert left_out - cuda == REPLACED
    assert not any(re.search("cuda|nvidia|-cu1", name) for name in cpu_lock())


def test_the_cpu_image_replaces_what_it_leaves_out_by_the_same_versions() -> None:
    lock = image_lock()
    named = dict(re.findall(r" (torch|torchvision|onnxruntime)==(\S+)", DOCKERFILE))
    assert named == {
        "torch": lock["torch"],
        "torchvision": lock["torchvision"],
        "onnxruntime": lock["onnxruntime-gpu"],
    }
    assert "--torch-backend=cpu torch==" in DOCKERFILE


def test_images_have_the_versions_that_are_tested() -> None:
    tested = pins((REPO / "requirements.lock").read_text())
    others = {name: version for name, version in image_lock().items()
              if tested.get(name, version) != version}  # fmt: skip
    assert others == {}, "run `make lock` again"
    # The tests' own packages have no place in an image; GPU metrics need no GPU package in tests.
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & set(image_lock())
    assert set(image_lock()) - set(tested) <= {"nvidia-ml-py", "nvidia-curand"}


def test_images_have_all_that_penstock_needs() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["vision"], *extras["tracing"], *extras["gpu"]]
    names = {re.split(r"[\[<>=; ]", text)[0].replace(".", "-") for text in needed}
    assert names - set(image_lock()) == set(), "run `make lock` again"


def test_the_lock_has_hashes_and_no_addresses() -> None:
    lock = (REPO / "deploy" / "image.lock").read_text()
    assert "://" not in lock
    hashed = re.findall(r"^\S+==\S+.* \\\n    --hash=sha256:", lock, re.MULTILINE)
    assert len(hashed) == len(image_lock()) > 50
    assert DOCKERFILE.count("--require-hashes") == 2


def stages() -> Iterator[tuple[str, str, str]]:
    """Each stage: what it is from, its name, its lines."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)[1:]
    yield from zip(parts[::3], parts[1::3], parts[2::3], strict=True)


def test_both_images_are_a_runtime_with_packages_and_the_last_is_for_cpus() -> None:
    *_, cuda, cpu = stages()
    assert cuda[:2] == ("runtime", "cuda")
    assert cpu[:2] == ("runtime", "cpu")
    for _, name, lines in (cuda, cpu):
        assert lines.split() == ["COPY", f"--from=build-{name}", "/opt/penstock", "/opt/penstock"]


def test_an_image_does_not_run_as_root_and_says_whether_it_is_alive() -> None:
    (runtime,) = (lines for _, name, lines in stages() if name == "runtime")
    assert re.findall(r"^USER (\S+)$", runtime, re.MULTILINE) == ["10001"]
    check = re.search(r"HEALTHCHECK .*\\\n\s+CMD (\[.+\])", runtime)
    assert check is not None
    assert f":{MetricsSettings().port}/live" in json.loads(check[1])[-1]
    compile(json.loads(check[1])[-1], "the health check", "exec")


def test_the_image_copies_files_that_exist_and_are_not_ignored() -> None:
    lines = DOCKERFILE.splitlines()
    copies = [shlex.split(line)[1:-1] for line in lines if line.startswith("COPY ")]
    sources = [s for copy in copies if not copy[0].startswith("--from") for s in copy]
    ignored = (REPO / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert {"deploy/image.lock", "deploy/cpu-lock", "agents"} <= set(sources)
    assert [s for s in sources if not (REPO / s).exists() or f"!{s}" not in ignored] == []


@pytest.mark.slow
def test_the_bill_of_materials_is_the_images_lock_with_hashes() -> None:
    """As `make sbom` writes it; cyclonedx-py checks it against CycloneDX's schema."""
    tool("python/bin/cyclonedx-py")
    planned = subprocess.run(
        ["make", "sbom"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert planned.returncode == 0, planned.stdout + planned.stderr
    document = json.loads((REPO / "out" / "sbom.cdx.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "penstock"
    found = {c["name"]: c for c in document["components"]}
    assert {name: c["version"] for name, c in found.items()} == image_lock()
    for component in found.values():
        references = component["externalReferences"]
        assert any(h["alg"] == "SHA-256" for r in references for h in r.get("hashes", []))
