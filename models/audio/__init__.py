"""Sound: decoding, mixing and resampling of what arrives in records."""
