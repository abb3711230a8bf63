"""RNN transducers: sequences in, symbols out, while the input is still coming.

A transducer (Graves, 2012, "Sequence Transduction with Recurrent Neural Networks",
arXiv:1211.3711) has three networks. The encoder reads the input: T frames. The prediction network
reads the symbols that were output so far. The joiner adds both and gives the logits of the next
symbol, or of the blank: "no more symbols at this frame".

    network.py     `Transducer`: an encoder of yours + `PredictionNetwork` + `Joiner`
    prediction.py  `PredictionNetwork`
    joiner.py      `Joiner`
    loss.py        `transducer_loss`: minus the log-probability of the targets, over all alignments
    decoder.py     `Decoder`: the protocol that decoding needs; `Transducer` satisfies it.
                   `PredictionState`, whose rows are streams; `Emissions`
    greedy.py      `greedy(decoder, frames, num_frames, states)`: the best symbol at each step
    beam.py        `beam_search(decoder, frames, num_frames, beams)`: some hypotheses, merged

Shapes: B streams, T frames, U target symbols, V symbols with the blank, J the width of the joint
space, L layers and H units of the prediction network. Symbol 0 is the blank (`BLANK`).

Training, with an encoder module that maps its input to (B, T, E):

    network = Transducer(encoder, encoder_width=E, num_symbols=V, shape=TransducerShape())
    logits = network(encoded, targets)                  # (B, T, E), (B, U) -> (B, T, U + 1, V)
    loss = transducer_loss(logits, targets, num_frames, num_targets)    # (B,)

Streaming, with chunks of many streams as one micro-batch:

    state = GreedyState.start(network, B)               # of B new streams
    frames = network.project(encoded)                   # (B, T, E) -> (B, T, J)
    emissions, state = greedy(network, frames, num_frames, state)

`emissions[b]` has the symbols of stream b, the frame of each (counted from the stream's first) and
its log-probability. `state.select(rows)` takes single streams out and `GreedyState.join` puts them
together; in every tensor of `state.prediction.memory` the streams are dimension 1. With a beam:

    beams = [Beam.start(network) for _ in range(B)]
    beams = beam_search(network, frames, num_frames, beams, width=4)
    agreed, beams[b] = beams[b].take_agreed()           # what can't change any more
    rest = beams[b].hypotheses[0].emissions()           # the likeliest reading of the rest

Decoding in chunks gives the same symbols as decoding all frames at once.
"""
