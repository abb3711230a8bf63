"""Models that follow objects over the frames of a camera. Names: `models/registry.py`."""
