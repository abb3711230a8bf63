"""Faust's transport on aiokafka: the only folder that uses private names of the two."""
