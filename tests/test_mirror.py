"""Tests lie as the product does: tests/agents/test_worker.py is about agents/worker.py."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import REPO

MIRRORED = ("agents", "streams", "models", "schemas", "benchmarks")
#: Test files about several product files, with what they are about.
CROSS_CUTTING = {
    "tests/agents/commands/broker/test_brokers.py": "both brokers",
    "tests/benchmarks/harness/test_heavy_inputs.py": "workloads b and c and their right answers",
    "tests/models/test_contract.py": "every registered model",
    "tests/models/test_gpu.py": "every model that runs on a GPU",
    "tests/models/test_online_contract.py": "every online model",
    "tests/models/test_text_contract.py": "every registered model that reads texts",
    "tests/models/test_version_contract.py": "every registered model that reads files",
    "tests/models/transducer_folder/test_transformers_networks.py": "streamed and whole, each kind",
    "tests/models/vision/test_hostile_pictures.py": "every registered model that reads frames",
    "tests/schemas/mapping/test_properties.py": "every part of the mapping, on any value",
    "tests/streams/kafka/test_security.py": "TLS and passwords on Apache Kafka",
    "tests/streams/test_engine_properties.py": "the whole engine, on random worlds",
    "tests/streams/test_no_cycles.py": "reference cycles in the whole engine",
    "tests/streams/test_policies.py": "deadlines and priorities in the whole engine",
    "tests/streams/test_several_events.py": "records with several events in the whole engine",
    "tests/streams/test_state_after_crashes.py": "online models in the whole engine, with crashes",
    "tests/streams/transport/test_generations.py": "fetches during a rebalance",
}


def has_product_file(test: Path) -> bool:
    """Return whether the product has a module or package at the test file's place.

    A test file named after its folder is about that package.
    """
    name = test.stem.removeprefix("test_")
    folder = REPO / test.parent.relative_to(REPO / "tests")
    is_package = (folder / name / "__init__.py").is_file()
    return (folder / f"{name}.py").is_file() or is_package or name == folder.name


def test_each_test_file_has_its_product_file() -> None:
    tests = [test for top in MIRRORED for test in (REPO / "tests" / top).rglob("test_*.py")]
    assert len(tests) > 100
    without = {str(test.relative_to(REPO)) for test in tests if not has_product_file(test)}
    unexpected = sorted(without - CROSS_CUTTING.keys())
    assert not unexpected, (
        "these test files have no product file of their name: rename or move them, or list them "
        f"in CROSS_CUTTING: {unexpected}"
    )
