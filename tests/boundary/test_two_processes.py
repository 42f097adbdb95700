"""Two real processes on this machine give the values of one, bit for bit or to float tolerance.

Each engine starts its two processes once, since each start takes seconds, and checks all it can.
"""

import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpySequence, ResumeTraining
from tests.conftest import only_on
from tests.processes import run_forked, run_side_by_side

DOCS = Path(__file__).parent.parent.parent / "docs" / "processes.md"
(TRAIN,) = re.findall(
    r"^```python train\.py\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """60 rows to train on, of which the last batch of 16 is short; and 65 rows to evaluate."""
    rng = np.random.default_rng(0)
    for name, num_rows in (("", 60), ("_test", 65)):
        np.save(tmp_path / f"x{name}.npy", rng.random((num_rows, 4), "float32"))
        np.save(tmp_path / f"y{name}.npy", np.arange(num_rows) % 3)
    return tmp_path


# What a process does after the block of the page, whose model goes on. Here it runs in one process.
FURTHER = """
import time
from keras_npy.callbacks import backups
values = {"fit": history.history}
values["class_weight"] = model.fit(
    train, epochs=1, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, verbose=0
).history
values["steps"] = model.fit(
    train, epochs=2, steps_per_epoch=3, validation_data=test, validation_steps=2, verbose=0
).history
values["evaluate"] = model.evaluate(test, verbose=0)
resume = keras_npy.ResumeTraining(train, "run", save_freq=3, verbose=0)
class Stop(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 3:
            raise KeyboardInterrupt
try:
    model.fit(train, epochs=1, callbacks=[resume, Stop()], verbose=0)
except KeyboardInterrupt:
    resume.end()
values["epoch"] = train.epoch
# The second `fit` begins before the first process has written the last save of the first one.
write = backups.Backups.write
backups.Backups.write = lambda self, tree: time.sleep(1) or write(self, tree)
again = keras_npy.ResumeTraining(train, "again", verbose=0)
model.fit(train, epochs=1, callbacks=[again], verbose=0)
values["again"] = model.fit(train, epochs=2, callbacks=[again], verbose=0).history
backups.Backups.write = write
"""


# Calls that differ between the processes, each of which is refused in both.
UNLIKE = """
number = int(sys.argv[1])
for fit in (
    lambda: model.fit(train.replace(seed=number), verbose=0),
    lambda: model.fit(train, class_weight={0: 1.0, 1: 2.0 + number, 2: 1.0}, verbose=0),
    lambda: model.fit(train, class_weight={0: 2.0, 1: 1.0, 2: 1.0} if number else None, verbose=0),
    lambda: model.fit(train, validation_data=test if number else None, verbose=0),
    lambda: model.fit(train, steps_per_epoch=2 + number, verbose=0),
    lambda: model.fit(train, validation_data=test.replace(batch_size=30 + 2 * number), verbose=0),
    lambda: model.fit(train.subset(slice(40 + number)), verbose=0),
    lambda: model.fit(train, epochs=1 + number, verbose=0),
    lambda: (model.evaluate if number else model.fit)(train, verbose=0),
    lambda: model.fit(train.replace(num_processes=1) if number else train, verbose=0),
):
    try:
        fit()
    except ValueError as error:
        unlike.append(str(error))
"""


def assert_unlike(messages: list[str]) -> None:
    """One message for each call of `UNLIKE`, which says what differs."""
    differing = (
        "seed=0 in process 0, and 1 in process 1",
        "class_weight={0: 1.0, 1: 2.0, 2: 1.0} in",
        "class_weight=None in process 0, and {0: 2.0, 1: 1.0, 2: 1.0} in process 1",
        "validation_data=NoneType in process 0, and NpySequence in process 1",
        "steps_per_epoch=2 in process 0, and 3",
        "validation_data: batch_size=30 in process 0, and 32",
        "num_samples=40 in",
        "epochs=1 in process 0, and 2",
        "method=fit in process 0, and evaluate in process 1",
        "num_processes=2 in process 0, and 1 in",
    )
    for text, message in zip(differing, messages, strict=True):
        assert text in message


@only_on("jax", reason="Keras's fit trains in several processes on it")
def test_two_processes_of_jax_train_as_one(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of the page word for word; and then whatever `fit` and `evaluate` take."""
    outputs = run_side_by_side(
        f"""
import json, warnings
warnings.simplefilter("error", UserWarning)
{TRAIN}
{FURTHER}
try:
    model.predict(test)
except ValueError as error:
    values["predict"] = str(error)
values["unlike"] = unlike = []
{UNLIKE}
print(json.dumps(values))
        """,
        folder=files,
    )
    one, other = (json.loads(output.splitlines()[-1]) for output in outputs)
    for process_id, values in enumerate((one, other)):
        assert_unlike(values.pop("unlike"))
        assert f"predict in process {process_id} of 2" in values.pop("predict")
    assert one == other
    monkeypatch.chdir(files)
    keras.utils.set_random_seed(0)
    train = NpySequence("x.npy", "y.npy", batch_size=16, seed=0)
    test = NpySequence("x_test.npy", "y_test.npy", batch_size=32)
    model = keras.Sequential(
        [
            keras_npy.Input(train),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(train, validation_data=test, epochs=2, verbose=0)
    saved = keras.models.load_model("model-0.keras")
    for expected, weights in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_allclose(expected, weights, rtol=1e-5, atol=1e-6)
    session: dict[str, Any] = {
        **{"model": model, "train": train, "test": test, "history": history},
        **{"keras": keras, "keras_npy": keras_npy},
    }
    one_run = Path("run").rename("run of two")
    exec(FURTHER, session)
    for key, expected in session["values"].items():
        keras.tree.map_structure(
            lambda value, given: np.testing.assert_allclose(value, given, rtol=1e-4),
            expected,
            one[key],
        )
    # The run of the two processes goes on in this one, with the batch that is next.
    resumed = NpySequence("x.npy", "y.npy", batch_size=16, seed=0)
    ends = []
    for seq, run in ((resumed, one_run), (train, Path("run"))):
        begun: list[int] = []
        seen = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs, begun=begun: begun.append(batch)
        )
        resume = ResumeTraining(seq, run, save_freq=3, verbose=0)
        model.fit(seq, epochs=1, callbacks=[resume, seen], verbose=0)
        ends.append((begun, model.get_weights()))
    assert [3] == ends[0][0] == ends[1][0]
    for expected, weights in zip(ends[1][1], ends[0][1], strict=True):
        np.testing.assert_allclose(expected, weights, rtol=1e-4, atol=1e-5)


@only_on("jax", reason="Keras distributes over the devices of JAX")
def test_two_devices_of_jax_give_the_values_of_all_rows() -> None:
    """65 rows in batches of 32 (keras #21167), of which two devices cannot share the last one."""
    run_forked(
        """
        import jax, keras, numpy as np
        import keras_npy

        jax.config.update("jax_num_cpu_devices", 2)
        x, y = np.arange(65 * 2, dtype="float32").reshape(65, 2) / 130, np.arange(65) % 2

        def model():
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse", metrics=["mae"])
            return model

        expected = model()
        values, predictions = expected.evaluate(x, y, verbose=0), expected.predict(x, verbose=0)
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        assert 2 == len(jax.devices())
        seq = keras_npy.NpySequence(x, y, batch_size=32)
        two = model()
        np.testing.assert_allclose(values, two.evaluate(seq, verbose=0), rtol=1e-5)
        np.testing.assert_allclose(predictions, two.predict(seq, verbose=0), rtol=1e-5)
        one_batch = keras_npy.NpySequence(x[:1], y[:1])
        np.testing.assert_allclose(predictions[:1], two.predict(one_batch, verbose=0), rtol=1e-5)
        """,
        timeout_s=120,
    )


LOOP = """
model = new_model()
net = make_net(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
train = keras_npy.NpySequence("x.npy", "y.npy", batch_size=16, seed=0, shuffle=True)
for epoch in range(2):
    for x, y in train:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimizer.step()
values = {"loop": [weights.tolist() for weights in model.get_weights()]}
"""

FIT = """
model = new_model()
test = keras_npy.NpySequence("x_test.npy", "y_test.npy", batch_size=30)
weights = {0: 1.0, 1: 2.0, 2: 0.5}
values["fit"] = model.fit(
    train, epochs=2, validation_data=test, class_weight=weights, verbose=0
).history
values["steps"] = model.fit(train, epochs=2, steps_per_epoch=3, verbose=0).history
values["evaluate"] = model.evaluate(test, verbose=0)
"""

NEW_MODEL = """
import keras, torch
import keras_npy

def new_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model
"""


@only_on("torch", reason="torch's own")
def test_two_processes_of_torch_train_as_one(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a loop of one's own on every Keras, and through `fit` if Keras combines processes."""
    outputs = run_side_by_side(
        f"""
import datetime, json, sys
{NEW_MODEL}
torch.distributed.init_process_group(
    "gloo",
    init_method=f"tcp://{{sys.argv[2]}}",
    rank=int(sys.argv[1]),
    world_size=2,
    timeout=datetime.timedelta(seconds=100),
)
make_net = torch.nn.parallel.DistributedDataParallel
{LOOP}
if hasattr(model, "ddp_model"):
    exec({FIT!r})
    try:
        model.predict(test)
    except ValueError as error:
        assert "predict serves one process" in str(error)
    try:
        model.evaluate(test.replace(batch_size=32))
    except ValueError as error:
        assert "a batch of 1 rows, in evaluate of 65 samples" in str(error)
    values["unlike"] = unlike = []
    exec({UNLIKE!r})
print(json.dumps(values))
        """,
        folder=files,
    )
    one, other = (json.loads(output.splitlines()[-1]) for output in outputs)
    assert one == other
    if "unlike" in one:
        assert_unlike(one.pop("unlike"))
    monkeypatch.chdir(files)
    session: dict[str, Any] = {}
    exec(NEW_MODEL, session)
    exec("make_net = lambda model: model" + LOOP, session)
    if "fit" in one:
        exec(FIT, session)
    assert session["values"].keys() == one.keys()
    keras.tree.map_structure(
        lambda value, given: np.testing.assert_allclose(value, given, rtol=1e-4, atol=1e-6),
        session["values"],
        one,
    )
