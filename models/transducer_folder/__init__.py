"""Public transducers for speech, read from a folder: three ONNX files, or transformers' classes.

kaldi_features.py         log-mel frames as Kaldi computes them, which icefall's models expect
pieces.py                 tokens.txt: the symbols, and words with times out of them
onnx_files.py             the three files encoder, decoder and joiner of a folder
onnx_encoder.py           a streaming encoder whose states are arrays, rows of streams
onnx_decoder.py           decoder and joiner as a `Decoder` of `models/transducer/`
onnx_network.py           the three as one network: blocks of sound in, symbols out, states as rows

nemo_features.py          log-mel frames as NeMo computes them, which Parakeet and Nemotron expect
transformers_folder.py    weights, tokenizer and settings of a folder of transformers
transformers_decoder.py   its prediction network and joiner as a `Decoder`
utterance_network.py      Parakeet: whole utterances, by transformers' own `generate`
streaming_network.py      Nemotron: blocks of sound in, symbols out, transformers' caches as rows
encoder_caches.py         these caches as rows of numbers
"""
