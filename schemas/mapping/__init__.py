"""Maps values of any shape to events, as the `fields:` of a pipeline file say.

`paths` reaches into values, `conversions` and `times` turn what is there into a field's type,
`field_spec` reads `fields:`, `fields` compiles it for an event type, `where` filters records,
`envelopes` opens CloudEvents and Kafka Connect, and `reader` joins them with a codec.
"""
