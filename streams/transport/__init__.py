"""Faust's transport on aiokafka; the only folder that uses private names of the two libraries.

`private_names.py` lists each private name and override with its use.
"""
