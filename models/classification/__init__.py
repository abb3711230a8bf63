"""Image classification: what a frame shows as a whole."""
