"""`penstock schemas`: export the contract of a pipeline's topics."""
