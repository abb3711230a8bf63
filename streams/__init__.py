"""How it travels: transport, batching, executor, offsets, producing, metrics. Knows no model."""
