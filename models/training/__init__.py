"""Training of models: one file a task, and what the tasks share.

`penstock train TASK` calls `tasks.train_task`. A run has a folder of its own (`run_folder.py`): the
settings, the checkpoint, the figures of each step, a plot, and the trained model with its card.
"""
