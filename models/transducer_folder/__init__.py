"""Public transducers for speech, read from a folder: three ONNX files, or transformers' classes.

kaldi_features.py   log-mel frames as Kaldi computes them, which most public models expect
pieces.py           tokens.txt: the symbols, and words with times out of them
onnx_files.py       the three files encoder, decoder and joiner of a folder
onnx_encoder.py     a streaming encoder whose states are arrays, rows of streams
onnx_decoder.py     decoder and joiner as a `Decoder` of `models/transducer/`
onnx_network.py     the three as one network: blocks of sound in, symbols out, states as rows
"""
