"""The work of every Python contender: decode, model, encode. The same functions for all.

Imported by path (`PYTHONPATH=benchmarks`); nothing here imports Penstock, so that it runs in each
peer's own environment. The light workloads need msgspec alone.
"""
