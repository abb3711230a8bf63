"""Image segmentation: which pixels of a frame belong to which class or object."""
