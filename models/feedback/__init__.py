"""Late labels: copying them to the model that learns from them, and joining them with events."""
