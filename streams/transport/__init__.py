"""Faust's transport on aiokafka; the only folder that uses private names of the two libraries.

`private_names.py` lists each private name and override with its use.

The partition tuples of Faust, aiokafka and `streams.records` are equal and have equal hashes. They
are converted only for calls that check the class, such as aiokafka's `commit`.
"""
