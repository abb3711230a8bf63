"""Draw how a sentence was spoken: its spectrogram, and where the attention was.

    python -m models.synthesis.pictures --out docs/images

speaks a sentence with the shipped voice and draws it as `synthesis.png`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from models.synthesis.mel import AudioFormat, log_mel
from models.synthesis.text import normalized, symbols_of
from models.synthesis.voice import SpokenSentence, Voice
from models.synthesis.voice_folder import load_voice

WEIGHTS = Path(__file__).parent / "weights"
TEXT = "Warning, pressure on pump 7 is too high."


def draw_speech(text: str, spoken: SpokenSentence, audio: AudioFormat, path: Path) -> bool:
    """Draw a sentence as a PNG file; return False, and draw nothing, without matplotlib.

    Args:
        text: for the title.
        spoken: by a `Voice`.
        audio: the format of its frames.
        path: of the picture.
    """
    import torch

    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    frames = log_mel(torch.from_numpy(spoken.samples)[None], audio)[0].numpy()
    seconds = len(spoken.samples) / audio.sample_rate
    figure, (above, below) = pyplot.subplots(2, 1, figsize=(8, 6))
    above.imshow(frames, origin="lower", aspect="auto", extent=(0, seconds, 0, audio.num_mels))
    above.set(title=text, xlabel="seconds", ylabel="mel band")
    below.imshow(spoken.alignment.T, origin="lower", aspect="auto", vmin=0, vmax=1)
    below.set(xlabel="step of the decoder", ylabel="character")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
    return True


def main() -> None:
    """Draw the picture of the documentation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    network, audio, characters = load_voice(arguments.weights)
    (spoken,) = Voice(network, audio).speak([symbols_of(normalized(TEXT), characters)])
    draw_speech(TEXT, spoken, audio, arguments.out / "synthesis.png")


if __name__ == "__main__":
    main()
