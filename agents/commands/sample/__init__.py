"""Reads the newest records of topics: what an agent would make of them, and where fields may be.

`newest` reads them, `decoded` decodes them as a worker would, `matching` finds paths that match
nothing, and `report` prints what `penstock check --sample` shows.
"""
