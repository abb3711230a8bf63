"""Encode texts with Penstock in a process; see benchmarks/harness/encode.py for the job."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from models.nlu.encoder import SentenceEncoder


def main() -> None:
    """Print the seconds and CPU seconds of each encoder; write the vectors of the first."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    import torch

    torch.set_num_threads(job["threads"])
    with open(job["texts"], encoding="utf-8") as file:
        texts: list[str] = json.load(file)
    size = job["micro_batch"]
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    seconds: dict[str, list[float]] = {}
    for name, source in job["encoders"].items():
        encoder = SentenceEncoder(source)
        encoder.load()
        encoder.encode(texts[:256])
        started, cpu = time.perf_counter(), time.process_time()
        vectors = np.concatenate([encoder.encode(batch) for batch in batches])
        seconds[name] = [time.perf_counter() - started, time.process_time() - cpu]
        encoder.close()
        if len(seconds) == 1:
            np.save(job["vectors"], vectors)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
