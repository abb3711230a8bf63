"""Models of this task; named in `models/registry.py`."""
