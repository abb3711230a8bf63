"""Random forests: one that learns from late labels, and trained ones from scikit-learn."""
