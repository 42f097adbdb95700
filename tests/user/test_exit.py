"""A process that fails, or stops, in the middle of a pass ends."""

import json

import numpy as np
import pytest

from tests.conftest import BACKEND, run_script

# The imports, which take longest, are done once; each child that is forked then is a process that
# trains and ends by itself. One that hangs is ended by its alarm.
_END_AGAIN_AND_AGAIN = """
    import gc, json, os, signal, sys
    import keras, keras_npy
    if keras.backend.backend() == "tensorflow":
        import tensorflow
    keras_npy.NpyDataAdapter

    gc.collect(); gc.freeze()
    folder, cases = sys.argv[1], json.loads(sys.argv[2])
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
    for method, cause in cases:
        child = os.fork()
        if not child:
            break
        endings.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if child:
        print(json.dumps(endings), flush=True)
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


# What stops a pass of which method, and the exit status that follows.
CASES = {
    "fit-changed-file": ("fit", "changed file", 1),
    "evaluate-changed-file": ("evaluate", "changed file", 1),
    "predict-changed-file": ("predict", "changed file", 1),
    "callback-raises": ("fit", "callback", 1),
    "sys-exit": ("fit", "sys.exit", 7),
    "ctrl-c": ("fit", "Ctrl-C", -2),
    "iterator-half-consumed": ("iterator", "sys.exit", 7),
}
# On TensorFlow up to half of the runs with a changed file hung. On the others none did.
NUM_RUNS = {name: 2 if BACKEND == "tensorflow" else 1 for name in CASES}
if BACKEND == "tensorflow":
    NUM_RUNS["fit-changed-file"] = 4


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """The exit statuses of each case."""
    folder = tmp_path_factory.mktemp("rows")
    for name in "xy":
        np.save(folder / f"{name}.npy", np.zeros((1_000_000, 1), "float32"))
    names = [name for name in CASES for _ in range(NUM_RUNS[name])]
    cases = json.dumps([CASES[name][:2] for name in names])
    statuses = json.loads(run_script(_END_AGAIN_AND_AGAIN, folder, cases))
    found: dict[str, list[int]] = {name: [] for name in CASES}
    for name, status in zip(names, statuses, strict=True):
        found[name].append(status)
    return found


@pytest.mark.parametrize("case", CASES)
def test_process_that_stops_in_a_pass_ends(endings: dict[str, list[int]], case: str) -> None:
    """With its own exit status."""
    assert [CASES[case][2]] * NUM_RUNS[case] == endings[case]
