"""The work that every Python contender does: decode, model, encode, the same functions for all.

Imported by path (`PYTHONPATH=benchmarks`); nothing here imports Penstock, so that it runs in each
peer's own environment. The light workloads need msgspec alone.
"""
