"""How a worker lives on a machine: its processes, their share of it, and how they end."""
