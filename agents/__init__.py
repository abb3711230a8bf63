"""What happens: the agents, the worker that runs them, the pipeline file and the command line."""
