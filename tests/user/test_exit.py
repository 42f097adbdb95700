"""A process that fails, or stops, in the middle of a pass ends."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import BACKEND, run_script

# The imports, which take longest, are done once; each child that is forked then is a process that
# trains and ends by itself. One that hangs is ended by its alarm.
_END_AGAIN_AND_AGAIN = """
    import os, signal, sys
    import keras, keras_npy
    if keras.backend.backend() == "tensorflow":
        import tensorflow
    keras_npy.NpyDataAdapter

    folder, method, cause, num_runs = *sys.argv[1:4], int(sys.argv[4])
    x, y = f"{folder}/x.npy", f"{folder}/y.npy"

    class Stop(keras.callbacks.Callback):
        def stop(self, batch, logs=None):
            if batch == 20 and cause == "callback":
                raise ZeroDivisionError("of the user's")
            if batch == 20 and cause == "sys.exit":
                sys.exit(7)
            if batch == 20 and cause == "Ctrl-C":
                os.kill(os.getpid(), signal.SIGINT)

        on_train_batch_end = on_test_batch_end = on_predict_batch_end = stop

    def iterator_of(seq):
        adapter = keras_npy.NpyDataAdapter(seq, shuffle=True)
        if keras.backend.backend() == "tensorflow":
            return iter(adapter.get_tf_dataset())
        if keras.backend.backend() == "torch":
            return iter(adapter.get_torch_dataloader())
        return adapter.get_jax_iterator()

    endings = []
    for _ in range(num_runs):
        child = os.fork()
        if not child:
            break
        endings.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if child:
        print(endings)
        os._exit(0)

    signal.alarm(100)
    # A shell has its background jobs ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seq = keras_npy.NpySequence(x, y, batch_size=256, seed=0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    if cause == "changed file":
        # To a time that no other child has set.
        os.utime(x, (1, os.getpid()))
    if method == "iterator":
        iterator = iterator_of(seq)
        next(iterator)
        sys.exit(7)
    getattr(model, method)(seq, verbose=0, callbacks=[Stop()])
"""


@pytest.mark.parametrize(
    ("method", "cause", "expected"),
    [
        pytest.param("fit", "changed file", 1, id="fit-changed-file"),
        pytest.param("evaluate", "changed file", 1, id="evaluate-changed-file"),
        pytest.param("predict", "changed file", 1, id="predict-changed-file"),
        pytest.param("fit", "callback", 1, id="callback-raises"),
        pytest.param("fit", "sys.exit", 7, id="sys-exit"),
        pytest.param("fit", "Ctrl-C", -2, id="ctrl-c"),
        pytest.param("iterator", "sys.exit", 7, id="iterator-half-consumed"),
    ],
)
def test_process_that_stops_in_a_pass_ends(
    tmp_path: Path, method: str, cause: str, expected: int
) -> None:
    """With its own exit status; on TensorFlow up to half of them hung."""
    for name in "xy":
        np.save(tmp_path / f"{name}.npy", np.zeros((1_000_000, 1), "float32"))
    num_runs = 4 if BACKEND == "tensorflow" and (method, cause) == ("fit", "changed file") else 2
    endings = run_script(_END_AGAIN_AND_AGAIN, tmp_path, method, cause, num_runs)
    assert str([expected] * num_runs) == endings
