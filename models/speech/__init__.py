"""Speech recognition on streams, and what trains and judges it."""
