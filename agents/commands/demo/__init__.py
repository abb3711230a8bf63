"""`penstock demo`: run the whole job on a machine without Kafka: broker, engine and producers.

`run.py` is the run; `command.py` shows it.
"""
