"""Recognize speech with a public transducer: a folder of three ONNX files, or of transformers."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from models.base import ModelError
from models.content_hash import folder_content_version
from models.options import check_option
from models.speech.recognizer import SpeechRecognizer
from models.speech.stream_network import StreamNetwork
from models.transducer_folder.onnx_files import find_files
from models.transducer_folder.transformers_folder import is_transformers_folder


class TransducerFolder(SpeechRecognizer):
    """Writes down speech with weights of yours. All but the network is `SpeechRecognizer`'s.

    Three ONNX files, of icefall's and sherpa-onnx's layout, or transformers' Nemotron for streams:
    text comes while it is said. transformers' Parakeet is heard at the end of each utterance.

    It remembers at most `max_streams` open streams in a partition. Each has the encoder's state,
    some MB for a large one; with Parakeet the sound of the open utterance, 64 KB for each second.
    Not thread-safe.

    Args:
        path: the folder: encoder, decoder and joiner as ONNX files and tokens.txt; or config.json
            with one of the model types of `transformers_folder.py`, safetensors and tokenizer.json.
        int8: take the files `*.int8.onnx` where there are others too.
        streams_per_call: streams in one call of an ONNX encoder; fewer streams are filled up.
        threads: of one operator of ONNX Runtime; 0: one for each core.
        silence_seconds: as of `SpeechRecognizer`, and so are those below.
        max_utterance_seconds: an utterance ends at this length.
        max_chunk_seconds: of sound in one record.
        resample: whether other sample rates than 16 kHz are converted; else they are refused.
        mix: whether several channels are averaged; else they are refused.
        max_streams: open streams remembered in a partition.

    Source: Graves, 2012, arXiv:1211.3711; Yao et al., 2023, "Zipformer", arXiv:2310.11230; Xu et
    al., 2023, arXiv:2304.06795; Noroozi et al., 2024, arXiv:2312.17279.
    """

    name = "transducer_folder"

    def __init__(
        self,
        path: str,
        int8: bool = False,
        streams_per_call: int = 4,
        threads: int = 1,
        silence_seconds: float = 0.64,
        max_utterance_seconds: float = 30.0,
        max_chunk_seconds: float = 30.0,
        resample: bool = True,
        mix: bool = True,
        max_streams: int = 1000,
    ) -> None:
        self._int8 = int8
        self._rows = int(check_option("streams_per_call", streams_per_call, 1, 256))
        self._threads = int(check_option("threads", threads, 0, 256))
        super().__init__(
            str(Path(path).expanduser()),
            1,
            silence_seconds,
            max_utterance_seconds,
            max_chunk_seconds,
            resample,
            mix,
            max_streams,
        )

    def _weights_version(self) -> str:
        try:
            if is_transformers_folder(self._folder):
                return folder_content_version(self._folder)
            return find_files(self._folder, int8=self._int8).version()
        except ModelError:
            return "incomplete"  # loading says what is wrong

    def _open(self, device: str) -> StreamNetwork:
        if is_transformers_folder(self._folder):
            return _open_transformers(self._folder, device)
        return _open_onnx(self._folder, self._int8, device, self._threads, self._rows)


@lru_cache(maxsize=4)
def _open_onnx(folder: Path, int8: bool, device: str, threads: int, rows: int) -> StreamNetwork:
    """Open three files once: all partitions share the sessions."""
    from models.transducer_folder.onnx_network import load_onnx

    return load_onnx(find_files(folder, int8=int8), device, threads, rows)


@lru_cache(maxsize=4)
def _open_transformers(folder: Path, device: str) -> StreamNetwork:
    """Load a folder once, for all partitions."""
    from models.transducer_folder.streaming_network import StreamingNetwork
    from models.transducer_folder.transformers_folder import open_folder
    from models.transducer_folder.utterance_network import UtteranceNetwork

    opened = open_folder(folder, device)
    if opened.model.config.model_type == "nemotron_asr_streaming":
        return StreamingNetwork(opened)
    return UtteranceNetwork(opened)
