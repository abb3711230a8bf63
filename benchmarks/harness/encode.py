"""`penstock bench encode`: sentence vectors of MiniLM, beside sentence-transformers.

Penstock gets the texts as micro-batches in the order in which they arrive, as a worker does;
sentence-transformers gets all at once, which lets it sort them by length, with several batch sizes
of which the best counts. Each runs in a process with as many threads, in turn. Both tokenize.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.environments import UnavailableError, python_of, version_in
from benchmarks.harness.running import RunError

_PEER = "sentence-transformers"
BATCH_SIZES = (16, 32, 64, 128)
MICRO_BATCH = 256
#: Batches of other sizes add floating point numbers in another order.
_TOLERANCE = 1e-4


#: Each way to encode -> for each round the seconds and CPU seconds of all texts.
Seconds = dict[str, list[tuple[float, float]]]


class EncodeResult(msgspec.Struct, frozen=True):
    """One way to encode the texts. `--json` prints these."""

    name: str
    texts_per_second: float
    """Median over the rounds."""
    lowest: float
    highest: float
    cpu_ms_per_text: float
    """Median CPU time of all threads: nearly the same on a busy machine, unlike the rates."""
    ratio: float | None
    """To the best median of sentence-transformers; None for its own rows, or if it can't run."""


def read_texts(path: Path, count: int) -> list[str]:
    """Return the first texts of a file of JSON lines with the field `text`, such as CLINC150's.

    They are taken in a fixed order that mixes the intents, as texts of many people arrive.
    """
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open()
    with opened as lines:
        texts = [json.loads(line)["text"] for line in lines]
    order = np.random.default_rng(0).permutation(len(texts))[:count]
    return [texts[index] for index in order]


def encoders(folder: Path, with_onnx: bool) -> dict[str, str]:
    """Return name and source of Penstock's encoders; the ONNX file is exported to `folder`."""
    named = {"safetensors": "minilm"}
    if with_onnx:
        from models.nlu.model_files import find_model
        from models.nlu.onnx_export import export_onnx

        made = export_onnx(find_model("minilm"), folder / "onnx", "encoder")
        named["ONNX"] = str(made)
    return named


def measure_encoding(
    texts: Sequence[str], folder: Path, threads: int, rounds: int, encoders: dict[str, str]
) -> tuple[list[EncodeResult], str]:
    """Measure all contenders in turn.

    Args:
        texts: to encode, in order.
        folder: for files of the run; existing.
        threads: of each process.
        rounds: times that each process runs.
        encoders: name and source of each of Penstock's encoders, the first in full precision.

    Returns:
        The results, and why sentence-transformers can't run ("" if it can).

    Raises:
        RunError: the vectors of Penstock and of sentence-transformers differ.
    """
    (folder / "texts.json").write_text(json.dumps(list(texts)), encoding="utf-8")
    job = {"texts": str(folder / "texts.json"), "threads": threads, "encoders": encoders,
           "micro_batch": MICRO_BATCH, "batch_sizes": BATCH_SIZES}  # fmt: skip
    penstock_vectors, peer_vectors = folder / "penstock.npy", folder / "peer.npy"
    commands = {penstock_vectors: [sys.executable, "-m", "benchmarks.harness.encode_texts"]}
    reason, peer = "", _PEER
    try:
        python = python_of(BENCHMARKS / _PEER / "requirements.lock")
        peer = f"{_PEER} {version_in(python, _PEER)}"
        commands[peer_vectors] = [str(python), str(BENCHMARKS / _PEER / "run.py")]
    except UnavailableError as error:
        reason = str(error)
    seconds: Seconds = {}
    for _ in range(rounds):
        for vectors, command in commands.items():
            prefix = "penstock" if vectors is penstock_vectors else peer
            for name, value in _run(command, {**job, "vectors": str(vectors)}, threads).items():
                seconds.setdefault(f"{prefix}, {name}", []).append(value)
    if not reason:
        check_vectors(np.load(penstock_vectors), np.load(peer_vectors))
    return summarize_encoding(seconds, len(texts), peer), reason


def check_vectors(penstock_vectors: Any, peer_vectors: Any) -> None:
    """Raise `RunError` if two arrays of vectors differ."""
    difference = (
        float(np.abs(penstock_vectors - peer_vectors).max())
        if penstock_vectors.shape == peer_vectors.shape
        else np.inf
    )
    if not difference <= _TOLERANCE:
        raise RunError(f"the vectors differ by up to {difference:g}: the rates mean nothing")


def summarize_encoding(seconds: Seconds, count: int, peer: str) -> list[EncodeResult]:
    """Return the rates of `count` texts, from the seconds of each way in each round."""
    rates = {name: [count / wall for wall, _ in values] for name, values in seconds.items()}
    peers = [median(values) for name, values in rates.items() if name.startswith(peer)]
    best = max(peers, default=None)
    return [
        EncodeResult(
            name,
            median(values),
            min(values),
            max(values),
            1000 * median(cpu for _, cpu in seconds[name]) / count,
            None if best is None or name.startswith(peer) else median(values) / best,
        )
        for name, values in rates.items()
    ]


def encode_table(results: Sequence[EncodeResult]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows."""
    columns = [
        "encoder",
        "texts/s",
        "lowest",
        "highest",
        "CPU ms a text",
        "times sentence-transformers' best",
    ]
    return columns, [
        [r.name, f"{r.texts_per_second:,.0f}", f"{r.lowest:,.0f}", f"{r.highest:,.0f}",
         f"{r.cpu_ms_per_text:.2f}", "" if r.ratio is None else f"{r.ratio:.2f}"]
        for r in results
    ]  # fmt: skip


def _run(command: list[str], job: dict[str, Any], threads: int) -> dict[str, tuple[float, float]]:
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [*command, json.dumps(job)],
        capture_output=True,
        text=True,
        check=False,
        cwd=BENCHMARKS.parent,
        env={**os.environ, **limits, "TOKENIZERS_PARALLELISM": "true"},
    )
    if done.returncode != 0:
        raise RunError(f"{command[-1]} failed: {done.stderr.strip()[-300:]}")
    result: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return result
