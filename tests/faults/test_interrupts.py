"""Ctrl-C at any stage ends what runs, and what comes after is as if it had not been."""

from pathlib import Path

import numpy as np

from tests.conftest import run_script

_INTERRUPT = """
    import os, signal, sys, threading, time, warnings
    warnings.simplefilter("ignore")
    import keras, keras_npy
    import numpy as np

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(200)
    folder = sys.argv[1]

    def press():
        os.kill(os.getpid(), signal.SIGINT)

    def make_seq():
        return keras_npy.NpySequence(
            f"{folder}/x.npy", f"{folder}/y.npy", batch_size=16, seed=0, io="read"
        )

    def make_model():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    def after_training():
        model = make_model()
        losses = model.fit(make_seq(), epochs=2, verbose=0).history["loss"]
        return losses + [float(np.sum(model.predict(make_seq(), verbose=0)))]

    class Press(keras.callbacks.Callback):
        def __init__(self, **when):
            super().__init__()
            for method, number in when.items():
                setattr(self, method, lambda at, logs=None, n=number: press() if at == n else None)

    def convert():
        keras_npy.convert(
            f"{folder}/x.npy", f"{folder}/new.npy", progress=lambda done, total: press()
        )

    stages = {
        "first batch": lambda: make_model().fit(
            make_seq(), verbose=0, callbacks=[Press(on_train_batch_begin=0)]),
        "mid-epoch": lambda: make_model().fit(
            make_seq(), verbose=0, epochs=2, callbacks=[Press(on_train_batch_end=9)]),
        "validation": lambda: make_model().fit(
            make_seq(), validation_data=make_seq(), verbose=0,
            callbacks=[Press(on_test_batch_end=2)]),
        "predict": lambda: make_model().predict(
            make_seq(), verbose=0, callbacks=[Press(on_predict_batch_end=1)]),
        "by index": lambda: [press() or batch for batch in make_seq()],
        "convert": convert,
    }
    expected = after_training()
    for name, run in stages.items():
        try:
            run()
            print(name, "went on")
        except KeyboardInterrupt:
            # The files are closed and the threads end, once nothing refers to the sequence.
            pass
        assert ["x.npy", "y.npy"] == sorted(os.listdir(folder)), name
        until = time.monotonic() + 20
        while time.monotonic() < until:
            alive = [t.name for t in threading.enumerate() if "keras_npy" in t.name]
            if not alive:
                break
            time.sleep(0.05)
        print(name, alive)
    print(after_training() == expected)
"""


def test_ctrl_c_at_any_stage_leaves_nothing_behind(tmp_path: Path) -> None:
    """It is raised as it is; no thread and no half-written file stays, and training is the same."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((640, 8), "float32"))
    np.save(tmp_path / "y.npy", np.arange(640) % 2)
    printed = run_script(_INTERRUPT, tmp_path)
    stages = ["first batch", "mid-epoch", "validation", "predict", "by index", "convert"]
    assert [*(f"{stage} []" for stage in stages), "True"] == printed.splitlines()
