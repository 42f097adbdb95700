"""Ctrl-C at any stage, of `convert` too, ends what runs, and what comes after is as it was."""

from pathlib import Path

import numpy as np

from tests.processes import run_forked

_INTERRUPT = """
    import gc, os, signal, sys, threading, time, warnings
    warnings.simplefilter("ignore")
    import keras, keras_npy
    import numpy as np

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(200)
    folder, saves = sys.argv[1:]

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

    def pressed_in(owner, name, run):
        call = getattr(owner, name)
        def pressing(*given, **named):
            setattr(owner, name, call)
            press()
            return call(*given, **named)
        setattr(owner, name, pressing)
        try:
            run()
        finally:
            setattr(owner, name, call)

    def fit(*callbacks):
        make_model().fit(make_seq(), verbose=0, callbacks=list(callbacks))

    def fit_and_resume():
        seq = make_seq()
        resume = keras_npy.ResumeTraining(seq, f"{saves}/run", verbose=0)
        make_model().fit(seq, epochs=2, verbose=0, callbacks=[resume])

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
        "end of convert": lambda: pressed_in(os, "fsync", lambda: keras_npy.convert(
            f"{folder}/x.npy", f"{folder}/new.npy")),
        "save": lambda: pressed_in(keras.layers.Dense, "save_own_variables", lambda: fit(
            keras.callbacks.ModelCheckpoint(f"{saves}/model.keras"))),
        "save of a run": lambda: pressed_in(os, "fsync", fit_and_resume),
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
            # ResumeTraining, its model and its thread refer to each other.
            gc.collect()
        print(name, alive)
    print(after_training() == expected)
    fit(keras.callbacks.ModelCheckpoint(f"{saves}/model.keras"))
    keras.saving.load_model(f"{saves}/model.keras")
    fit_and_resume()
    print(sorted(name for name in os.listdir(saves) if "tmp" in name or "partial" in name))
"""


def test_ctrl_c_at_any_stage_leaves_nothing_behind(tmp_path: Path) -> None:
    """It is raised as it is; no thread and no half-written file stays, and training is the same."""
    tmp_path = tmp_path / "rows"
    tmp_path.mkdir()
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((640, 8), "float32"))
    np.save(tmp_path / "y.npy", np.arange(640) % 2)
    saves = tmp_path.with_name("saves")
    saves.mkdir()
    printed = run_forked(_INTERRUPT, tmp_path, saves)
    stages = ["first batch", "mid-epoch", "validation", "predict", "by index"]
    stages += ["convert", "end of convert", "save", "save of a run"]
    assert [*(f"{stage} []" for stage in stages), "True", "[]"] == printed.splitlines()
