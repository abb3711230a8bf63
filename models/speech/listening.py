"""Hear chunks of many streams together: each call of the network has a block of each stream."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from models.speech.blocks import Step
from models.speech.hearing import Heard, HearingRules, hear
from models.speech.stream_network import StreamNetwork
from models.speech.stream_state import Ear, Mind, StreamState, transcript
from models.speech.voice_activity import BLOCK_SAMPLES, BLOCK_SECONDS, CutRules, Verdict, watch
from schemas import AudioChunk, InputError, Transcript, TranscriptNote

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rules:
    """The options of a recognizer."""

    hearing: HearingRules
    cuts: CutRules
    beam: int = 1
    """Hypotheses of the search that reads an utterance again at its end; 1: it is not."""


class Outcome(NamedTuple):
    """What became of one chunk."""

    answer: list[Transcript] | InputError
    state: StreamState | None
    """Of the stream after it; None: there is no such stream any more."""


class _Taken(NamedTuple):
    """A chunk that was taken in, with the spectrograms (16, 80) of its blocks."""

    heard: Heard
    spectrograms: list[Floats]
    is_end: bool


#: Gives spectrograms with the network's state before them, takes what the network made of them.
_Following: TypeAlias = Generator[tuple[Floats, Floats], Step, list[Outcome]]


class Listener:
    """Hears chunks with one network and one set of rules; keeps nothing."""

    def __init__(self, network: StreamNetwork, rules: Rules) -> None:
        self._network, self._rules = network, rules
        self._keeps_vectors = rules.beam > 1 or network.hears_at_end

    def listen(
        self, streams: Sequence[tuple[StreamState | None, Sequence[AudioChunk]]]
    ) -> list[list[Outcome]]:
        """Hear the chunks of different streams.

        Args:
            streams: of each its state, None for a new one, and its next chunks, in order.

        Returns:
            The outcome of each chunk. They do not depend on the other streams, nor on how the
            chunks of a stream are spread over calls.
        """
        taken = [self._take_in(state, chunks) for state, chunks in streams]
        chunks = [one for some in taken for one in some if isinstance(one, _Taken)]
        frames = self._network.spectrograms([w for one in chunks for w in one.heard.windows])
        for one in chunks:
            count = len(one.heard.windows)
            one.spectrograms.extend(frames[:count])
            frames = frames[count:]
        return self._run([
            self._follow(state, some) for (state, _), some in zip(streams, taken, strict=True)
        ])  # fmt: skip

    def _take_in(
        self, state: StreamState | None, chunks: Sequence[AudioChunk]
    ) -> list[_Taken | InputError]:
        ear, taken = Ear() if state is None else state.ear, list[_Taken | InputError]()
        for chunk in chunks:
            try:
                heard = hear(ear, chunk, self._rules.hearing)
            except InputError as error:  # the stream goes on as if the chunk were missing
                taken.append(error)
                continue
            taken.append(_Taken(heard, [], chunk.is_end))
            ear = Ear() if chunk.is_end else heard.ear
        return taken

    def _run(self, followings: list[_Following]) -> list[list[Outcome]]:
        """Let all streams go on, a block of each at a time."""
        outcomes: list[list[Outcome]] = [[] for _ in followings]
        steps: dict[int, Step | None] = dict.fromkeys(range(len(followings)))
        while steps:
            asked: dict[int, tuple[Floats, Floats]] = {}
            for index, step in steps.items():
                try:
                    asked[index] = followings[index].send(step)  # type: ignore[arg-type]
                except StopIteration as done:
                    outcomes[index] = done.value
            made = self._network.step(
                [frames for frames, _ in asked.values()], [state for _, state in asked.values()]
            )
            steps = dict(zip(asked, made, strict=True))
        return outcomes

    def _follow(self, state: StreamState | None, chunks: list[_Taken | InputError]) -> _Following:
        """Follow one stream through its chunks."""
        outcomes: list[Outcome] = []
        for chunk in chunks:
            if isinstance(chunk, InputError):
                outcomes.append(Outcome(chunk, state))
                continue
            mind = Mind(self._network.start) if state is None else state.mind
            answer: list[Transcript] = []
            ear, notes = chunk.heard.ear, chunk.heard.notes
            if chunk.heard.restarts:
                answer += self._finals(mind, ear, [])
                mind = Mind(self._network.start)
            for window, frames in zip(chunk.heard.windows, chunk.spectrograms, strict=True):
                verdict = watch(
                    mind.activity, window[:BLOCK_SAMPLES], self._rules.cuts, len(mind.lead)
                )
                mind = yield from self._hear_block(mind, frames, verdict)
                if verdict.ends:
                    cut = TranscriptNote("cut", round(mind.num_vectors / 4 * BLOCK_SECONDS))
                    answer += self._finals(mind, ear, [cut] if verdict.is_cut else [])
                    mind = mind.closed(self._network.start)
            if chunk.is_end:
                answer += self._finals(mind, ear, [])
            if not answer or (mind.activity.is_speaking and not chunk.is_end):
                answer.append(transcript(mind, ear, self._network.symbols, [], is_final=False))
            answer[0].notes = notes + answer[0].notes
            state = None if chunk.is_end else StreamState(ear, mind)
            outcomes.append(Outcome(answer, state))
        return outcomes

    def _hear_block(
        self, mind: Mind, frames: Floats, verdict: Verdict
    ) -> Generator[tuple[Floats, Floats], Step, Mind]:
        if not verdict.is_fed:
            return mind.held_back(frames, verdict.activity)
        fed = [frames]
        if verdict.starts:
            fed = [*mind.lead, frames]
            mind = mind.opened(self._network.start)
        for one in fed:
            step = yield one, mind.network
            mind = mind.after_step(step, keeps_vectors=self._keeps_vectors)
        is_open = replace(verdict.activity, is_speaking=True)
        activity = is_open if verdict.ends else verdict.activity
        return replace(mind, num_blocks=mind.num_blocks + 1, activity=activity, lead=())

    def _finals(self, mind: Mind, ear: Ear, notes: list[TranscriptNote]) -> list[Transcript]:
        """Return the final transcript of the open utterance, if there is one."""
        if not mind.activity.is_speaking:
            return []
        if self._keeps_vectors:
            said = self._network.reread(mind.vectors, self._rules.beam)
            mind = replace(mind, said=said)
        else:
            mind = mind.with_said(self._network.finish(mind.network))
        return [transcript(mind, ear, self._network.symbols, notes, is_final=True)]
