"""A small language model: bytes of a text, read as windows from one file of tokens.

Run:   python docs/examples/language.py     (a minute on two cores)
Data:  the chapters on the language that Python's own `help()` shows: real English.
"""

import pydoc_data.topics

import keras
import numpy as np

import keras_npy

LENGTH = 64


def write_file(num_tokens: int) -> None:
    """Bare bytes, without a header, as many token files are."""
    text = "\n".join(pydoc_data.topics.topics.values()).encode("ascii", "replace")
    np.frombuffer(text, "uint8")[:num_tokens].tofile("text.bin")


def make_model(windows: keras_npy.NpySequence) -> keras.Model:
    """A causal convolution over the embedded tokens; no layer scales what are names, not values."""
    model = keras.Sequential([keras_npy.Input(windows), keras.layers.Embedding(128, 64)])
    options = {"padding": "causal", "activation": "relu", "data_format": "channels_last"}
    for dilation_rate in (1, 2, 4):
        model.add(keras.layers.Conv1D(128, 3, dilation_rate=dilation_rate, **options))
    model.add(keras.layers.Dense(128))
    model.compile(
        keras.optimizers.Adam(0.002),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def main(epochs: int = 2, num_tokens: int = 400_000) -> tuple[float, float]:
    """Train, and return the bits a byte on text that was held out: before and after."""
    write_file(num_tokens)
    tokens = keras_npy.raw("text.bin", dtype="uint8", shape=(-1,))
    windows = keras_npy.NpySequence(
        keras_npy.windows(
            tokens, predict_next=True, sequence_length=LENGTH, sequence_stride=LENGTH
        ),
        batch_size=32,
        seed=0,
    )
    train, held_out = windows.split(0.1, in_order=True)  # the end of the text, never seen before
    model = make_model(train)
    before = model.evaluate(held_out, verbose=0)
    model.fit(train, validation_data=held_out, epochs=epochs)
    return before / np.log(2), model.evaluate(held_out, verbose=0) / np.log(2)


if __name__ == "__main__":
    print("Bits a byte: {:.2f} before, {:.2f} after".format(*main()))
