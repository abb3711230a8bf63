"""The bench: Penstock and its peers on the same work. `penstock bench` runs it from a checkout."""

from pathlib import Path

#: The folder of the contenders and of the workloads that they share.
BENCHMARKS = Path(__file__).parents[1]
