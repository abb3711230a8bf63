"""Export of models: to ONNX, then to fewer bits, each step compared with the one before.

`penstock export` calls `exporting.export_model`. What is exported is a `Source`: it writes the
float32 ONNX file, makes inputs from data, and compares answers (`text_source.py`,
`picture_source.py`).
"""
