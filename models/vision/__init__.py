"""What classifiers and segmenters share: pictures to a network's input, and networks."""
