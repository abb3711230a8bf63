"""Values whose schema is in a registry: their framing, and the codecs that read and write them.

Nothing here knows how a schema is fetched: `streams/registry/` does that, and hands it to a codec.
"""
