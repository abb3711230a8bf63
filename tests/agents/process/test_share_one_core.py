"""Which threads of a worker share one core, and which may use all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams.affinity import allowed_cores

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="pins threads"),
    pytest.mark.skipif(len(allowed_cores()) < 2, reason="one core is all there is"),
]

_CODE = """
import sys
from pathlib import Path
from agents.pipeline.file import load_pipeline
from agents.worker import Worker
from streams.affinity import allowed_cores
import threading

path = Path(sys.argv[1])
worker = Worker(load_pipeline(path), path.parent)
worker.load()
worker.share_one_core()
later = []
thread = threading.Thread(target=lambda: later.append(len(allowed_cores())))
thread.start()
thread.join()
pools = worker.host, worker.preparing, *(
    inference.pool._copies[0].executor for inference in worker.inferences
)
print(len(allowed_cores()), *later, *(len(pool.submit(allowed_cores).result()) for pool in pools))
"""

_MODEL = """
class Light:
    def predict_batch(self, batch): return batch

class Heavy(Light):
    def prepare_batch(self, batch): return batch
    def predict_prepared(self, prepared): return prepared
"""


def num_cores_of(folder: Path, model: str, extra: str = "") -> list[int]:
    """Cores of the main thread, one started later, the two pools, and the model's thread."""
    (folder / "mine.py").write_text(_MODEL)
    config = folder / "penstock.yaml"
    config.write_text(
        "kafka: {bootstrap.servers: '127.0.0.1:1'}\n"
        f"agents:\n  score: {{input: i, output: o, event: SensorReading, model: {model}{extra}}}\n"
    )
    command = [sys.executable, "-c", _CODE, str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize("model", ["./mine.py:Light", "robust_zscore", "half_space_trees"])
def test_a_light_model_shares_the_one_core(tmp_path: Path, model: str) -> None:
    assert num_cores_of(tmp_path, model) == [1, 1, 1, len(allowed_cores()), 1]


def test_a_model_that_prepares_has_all_cores(tmp_path: Path) -> None:
    every = len(allowed_cores())
    assert num_cores_of(tmp_path, "./mine.py:Heavy") == [1, 1, 1, every, every]


def test_several_copies_have_all_cores(tmp_path: Path) -> None:
    every = len(allowed_cores())
    found = num_cores_of(tmp_path, "./mine.py:Light", ", concurrency: 2")
    assert found == [1, 1, 1, every, every]


def test_a_model_beside_a_library_with_threads_of_its_own_has_all_cores(tmp_path: Path) -> None:
    every = len(allowed_cores())
    model = "./heavy.py:Model"
    (tmp_path / "heavy.py").write_text(
        "import sys, types\nsys.modules['torch'] = types.ModuleType('torch')\n"
        "class Model:\n    def predict_batch(self, batch): return batch\n"
    )
    assert num_cores_of(tmp_path, model) == [1, 1, 1, every, every]
