"""The main job on a machine that has nothing yet: broker, engine, producers, and what came of it.

`run.py` is the whole run; `penstock demo` shows it.
"""
