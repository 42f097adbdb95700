"""`predict_to_npy` and `keras-npy predict`: what `predict` returns, as files, also after a kill."""

import errno
import fcntl
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpySequence, open_rows, predict_to_npy
from keras_npy.tools import predict_command, prediction_files
from keras_npy.tools.cli import main
from keras_npy.tools.prediction_files import PredictionFiles
from tests.conftest import Stored, make_model, only_on
from tests.processes import fork_script, run_forked


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved(array: np.ndarray) -> bytes:
    """What `np.save` writes of an array."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def files() -> list[str]:
    """Files of predictions, finished or not."""
    return sorted(path.name for path in Path().glob("p*"))


def dicts(model: keras.Model) -> keras.Model:
    """A model of two outputs and two dtypes around another."""
    x = keras.Input((6, 5), dtype="uint8", name="image")
    half = keras.layers.Dense(2, dtype="float16")(keras.layers.Flatten(dtype="float16")(x))
    brain = keras.layers.Activation("relu", dtype="bfloat16")(half)
    return keras.Model({"image": x}, {"raw": model(x), "more": [half, brain]})


# Values and order.


def test_predict_to_npy_writes_what_np_save_of_predict_writes(stored: Stored) -> None:
    """Row i is row i of the sequence, whatever its order, its parts, its map and its last batch."""
    model = make_model()
    seq = stored.sequence()
    for number, made in enumerate(
        [
            seq,
            stored.sequence(shuffle=True),
            NpySequence(stored.x, batch_size=53),
            seq.subset(slice(50, None, -3)),
            seq.replace(drop_remainder=True),
            seq.map(lambda x, y, rng: (x + rng.integers(9, size=x.shape, dtype="uint8"), y)),
        ]
    ):
        paths = predict_to_npy(model, made, f"p{number}.npy")
        assert [f"{Path.cwd()}/p{number}.npy"] == paths
        assert saved(model.predict(made, verbose=0)) == Path(paths[0]).read_bytes()
        assert 0 == made.epoch
    assert [f"p{number}.npy" for number in range(6)] == files()


def test_predict_to_npy_outputs_of_a_nest_have_files_of_their_own(stored: Stored) -> None:
    """With their names and numbers, in their own dtypes; inputs may be a dict."""
    model = dicts(make_model())
    seq = NpySequence({"image": stored.x_path}, batch_size=8)
    paths = predict_to_npy(model, seq, "p.npy")
    expected = model.predict(seq, verbose=0)
    assert ["p.more.0.npy", "p.more.1.npy", "p.raw.npy"] == [Path(path).name for path in paths]
    for array, path in zip(keras.tree.flatten(expected), paths, strict=True):
        assert saved(array) == Path(path).read_bytes()
    brain = open_rows("p.more.1.npy", stored_dtype="bfloat16")[:]
    np.testing.assert_array_equal(expected["more"][1], brain)


def test_predict_to_npy_parts_of_processes_are_shards_in_order(stored: Stored) -> None:
    """Each has a run of rows, in the batches of one process, so that no value differs by a bit."""
    model, seq = make_model(), stored.sequence()
    for process_id in (2, 0, 1):
        part = stored.sequence(num_processes=4, process_id=process_id)
        predict_to_npy(model, part, "p.npy")
    last = stored.sequence(num_processes=4, process_id=3)
    assert ["p-00003-of-00004.npy"] == [
        Path(path).name for path in predict_to_npy(model, last, "p.npy")
    ]
    assert [8, 16, 16, 13] == [len(np.load(name)) for name in files()]
    expected = model.predict(seq, verbose=0)
    np.testing.assert_array_equal(expected, open_rows("p-*.npy")[:])
    few = stored.sequence(num_processes=4, process_id=0).subset(range(24))
    with pytest.raises(
        ValueError, match=r"^Each process .* one batch\. Received: 3 batches .*=4\. Take fewer"
    ):
        predict_to_npy(model, few, "q.npy")


def test_predict_to_npy_reads_no_targets(stored: Stored) -> None:
    """Their file has changed, which reading them would notice."""
    seq = stored.sequence()
    np.save(stored.y_path, stored.y + 1)
    predict_to_npy(make_model(), seq, "p.npy")
    assert 53 == len(np.load("p.npy"))


class Terminal(io.StringIO):
    """Where progress is shown."""

    def isatty(self) -> bool:
        return True


def test_predict_to_npy_builds_a_model_of_ones_own(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no weights before its first batch. A terminal shows how far it is."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    seq = NpySequence(stored.x.astype("float32"), batch_size=8)
    predict_to_npy(model, seq, "p.npy")
    assert saved(model.predict(seq, verbose=0)) == Path("p.npy").read_bytes()
    assert re.search(r"53/53.* rows, [\d,]+/s", terminal.getvalue())


# Cut off, and gone on with.


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where each write begins. The third one of the first call is interrupted."""
    rows: list[int] = []
    write = PredictionFiles.write

    def counted(self: PredictionFiles, arrays: Any) -> None:
        rows.append(self.rows_done)
        if len(rows) == 3:
            raise KeyboardInterrupt
        write(self, arrays)

    monkeypatch.setattr(PredictionFiles, "write", counted)
    return rows


@pytest.mark.parametrize(
    "steps", [1, pytest.param(2, marks=only_on("tensorflow", "jax", reason="torch takes 1"))]
)
def test_predict_to_npy_goes_on_after_ctrl_c(stored: Stored, begun: list[int], steps: int) -> None:
    """The model is as it was, the file has no name yet, and whole batches are kept."""
    model, seq = make_model(), stored.sequence()
    expected = model.predict(seq, verbose=0)
    model.compile(steps_per_execution=steps)
    with pytest.raises(KeyboardInterrupt):
        predict_to_npy(model, seq, "p.npy")
    assert ["p.npy.unfinished", "p.npy.unfinished.json"] == files()
    np.testing.assert_array_equal(expected, model.predict(seq, verbose=0))
    again = stored.sequence(shuffle=True, seed=9)
    predict_to_npy(model, again, "p.npy")
    assert [*range(0, 24 * steps, 8 * steps), *range(16 * steps, 53, 8 * steps)] == begun
    assert saved(expected) == Path("p.npy").read_bytes()
    assert ["p.npy"] == files()


@pytest.mark.parametrize("other", ["weights", "data", "batch_size", "a file"])
def test_predict_to_npy_of_something_else_begins_anew_if_told_to(
    stored: Stored, begun: list[int], other: str
) -> None:
    """What is kept has no use then, but may have taken hours."""
    model, seq = make_model(), stored.sequence()
    with pytest.raises(KeyboardInterrupt):
        predict_to_npy(model, seq, "p.npy")
    if other == "weights":
        model.set_weights([weight + 1 for weight in model.get_weights()])
    elif other == "data":
        np.save(stored.x_path, stored.x[::-1])
        seq = stored.sequence()
    elif other == "batch_size":
        seq = seq.replace(batch_size=9)
    else:
        os.truncate("p.npy.unfinished", 200)
    kept = {name: Path(name).read_bytes() for name in files()}
    if other != "a file":
        with pytest.raises(
            ValueError,
            match=rf"p\.npy: predictions go .* Received: other {other} than .*overwrite=True.*"
            r"delete p\.npy\.unfinished\.json\.$",
        ):
            predict_to_npy(model, seq, "p.npy")
        assert kept == {name: Path(name).read_bytes() for name in files()}
    with pytest.warns(UserWarning, match=rf"Received: (other )?{other}.* They begin anew\.$"):
        predict_to_npy(model, seq, "p.npy", overwrite=other != "a file")
    assert ([3, 0], ["p.npy"]) == ([begun.index(0, 1), begun[3]], files())
    assert saved(model.predict(seq, verbose=0)) == Path("p.npy").read_bytes()


KILLED = """
import os, signal, sys
import keras, numpy as np
from keras_npy import NpySequence, predict_to_npy
from keras_npy.tools import predict_command, prediction_files
from keras_npy.tools.prediction_files import PredictionFiles

prediction_files.SYNC_S, prediction_files.SYNC_SHARE = 0, float("inf")
begun, write = [], PredictionFiles.write

def counted(self, arrays):
    begun.append(self.rows_done)
    if is_child and len(begun) == 3:
        # As between two syncs.
        self._next_sync_s = float("inf")
    write(self, arrays)
    if is_child and len(begun) == 4:
        # 16 rows that no note knows of.
        for file in self._files:
            file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

PredictionFiles.write = counted
is_child = os.fork() == 0
if not is_child:
    assert signal.SIGKILL == os.WTERMSIG(os.wait()[1])
    assert ["p.npy.unfinished", "p.npy.unfinished.json"] == sorted(os.listdir("."))
    assert 128 + 32 * 8 == os.path.getsize("p.npy.unfinished")
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
seq = NpySequence(np.arange(123, dtype="float32").reshape(41, 3), batch_size=8)
predict_to_npy(model, seq, "p.npy")
assert [16, 24, 32, 40] == begun, begun
np.save("q.npy", model.predict(seq, verbose=0))
with open("p.npy", "rb") as one, open("q.npy", "rb") as other:
    assert one.read() == other.read()
"""


@only_on("tensorflow", reason="What is killed is writing, in which no backend takes part")
def test_predict_to_npy_goes_on_after_sigkill(tmp_path: Path) -> None:
    """In another process, with the batch after the last one that was synced."""
    run_forked(f"import os; os.chdir({str(tmp_path)!r})\n{KILLED}", timeout_s=120)
    assert ["p.npy", "q.npy"] == sorted(os.listdir(tmp_path))


def test_predict_to_npy_killed_while_files_get_their_names_ends_that(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row is predicted again, and a file that is complete is not refused as one that exists."""
    model = dicts(make_model())
    seq = NpySequence({"image": stored.x_path}, batch_size=8)
    replace = os.replace

    def replace_one(source: str, target: str) -> None:
        if target.endswith("p.raw.npy"):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace_one)
        with pytest.raises(KeyboardInterrupt):
            predict_to_npy(model, seq, "p.npy")
    assert "p.more.0.npy" in files()
    monkeypatch.setattr(PredictionFiles, "write", None)
    paths = predict_to_npy(model, seq, "p.npy")
    assert [Path(path).name for path in paths] == files()
    np.testing.assert_array_equal(model.predict(seq, verbose=0)["raw"], np.load("p.raw.npy"))


def test_predict_to_npy_on_a_disk_that_fills_up_goes_on_later(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is seen, and no file stays locked, though its error holds all frames."""
    model = dicts(make_model())
    seq = NpySequence({"image": stored.x_path}, batch_size=8)
    sync, calls = os.fsync, [0]

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(prediction_files, "SYNC_S", 0)
    monkeypatch.setattr(prediction_files, "SYNC_SHARE", math.inf)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(
            OSError, match=r"p\.more\.1\.npy: pred.*Received: No space.*are kept: free.*same call"
        ) as caught:
            predict_to_npy(model, seq, "p.npy")
    assert caught.value.errno == errno.ENOSPC
    expected = keras.tree.flatten(model.predict(seq, verbose=0))
    for array, path in zip(expected, predict_to_npy(model, seq, "p.npy"), strict=True):
        assert saved(array) == Path(path).read_bytes()


@pytest.mark.parametrize("gone", ["deleted", "finished by another"])
def test_predict_to_npy_whose_file_is_taken_away_is_an_error(
    stored: Stored, begun: list[int], monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """It does not say that it has written a file, nor take zeros for rows."""
    model, seq = make_model(), stored.sequence()
    with pytest.raises(KeyboardInterrupt):
        predict_to_npy(model, seq, "p.npy")
    if gone == "deleted":
        finish = PredictionFiles.finish

        def finish_late(self: PredictionFiles) -> list[str]:
            os.unlink("p.npy.unfinished")
            return finish(self)

        monkeypatch.setattr(PredictionFiles, "finish", finish_late)
        with pytest.raises(FileNotFoundError, match="unfinished"):
            predict_to_npy(model, seq, "p.npy")
        return
    opened = prediction_files._open_alone

    def open_late(path: str) -> Any:
        os.unlink(path)
        return opened(path)

    monkeypatch.setattr(prediction_files, "_open_alone", open_late)
    with pytest.raises(BlockingIOError, match=r"p\.npy: one .* just finished .*predict again"):
        predict_to_npy(model, seq, "p.npy")
    assert 16 > len(Path("p.npy.unfinished").read_bytes())


# Refused.


def test_predict_to_npy_replaces_a_file_only_if_told_to(stored: Stored) -> None:
    """The file stays as it is."""
    model, seq = make_model(), stored.sequence()
    Path("p.npy").write_text("mine")
    with pytest.raises(
        FileExistsError, match=r"p\.npy: predictions replace .* Received: .* overwrite=True"
    ):
        predict_to_npy(model, seq, "p.npy")
    assert (["p.npy"], "mine") == (files(), Path("p.npy").read_text())
    predict_to_npy(model, seq, "p.npy", overwrite=True)
    assert (["p.npy"], (53, 3)) == (files(), np.load("p.npy").shape)


class Ragged(keras.Model):
    """Returns as many columns as the first value of a batch says, or the mean of its rows."""

    def __init__(self, *, is_mean: bool = False) -> None:
        super().__init__()
        self.is_mean = is_mean

    def call(self, x: Any) -> Any:
        if self.is_mean:
            return keras.ops.mean(x, axis=0, keepdims=True)
        return x[:, : int(keras.ops.convert_to_numpy(x[0, 0]))]


@pytest.mark.parametrize("declares", [True, False])
def test_predict_to_npy_refuses_a_small_disk_before_it_writes(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, declares: bool
) -> None:
    """Before a step is compiled, if the model says what it returns."""
    usage = SimpleNamespace(total=10**9, used=10**9, free=700)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    if declares:
        model, seq = make_model(), stored.sequence()
        monkeypatch.setattr(model, "predict", None)
    else:
        model, seq = Ragged(), NpySequence(np.full((53, 3), 3, "float32"), batch_size=8)
        model.compile(run_eagerly=True)
    with pytest.raises(
        OSError,
        match=r"p\.npy: the disk .* Received: 764 B needed for 53 rows, 700 B free\. Free some",
    ) as caught:
        predict_to_npy(model, seq, "p.npy")
    assert (errno.ENOSPC, []) == (caught.value.errno, files())


def test_predict_to_npy_refuses_rows_of_another_shape(stored: Stored) -> None:
    """The first batch decides it; and no row may be missing."""
    x = np.repeat(np.array([[3, 3, 3], [2, 2, 2]], "float32"), 8, axis=0)
    seq = NpySequence(x, batch_size=8)
    model = Ragged()
    model.compile(run_eagerly=True)
    with pytest.raises(
        ValueError,
        match=r"p\.npy: all rows .* Received: float32 \(2,\) from row 8 on, after .*\(3,\)\. Make",
    ):
        predict_to_npy(model, seq, "p.npy")
    model = Ragged(is_mean=True)
    model.compile(run_eagerly=True)
    with pytest.raises(
        ValueError, match=r"q\.npy: each output .* Received: .* shape \(1, 3\) for 8 rows\. Leave"
    ):
        predict_to_npy(model, seq, "q.npy")


def test_predict_to_npy_of_two_processes_at_one_path_is_refused(stored: Stored) -> None:
    """Until the first one ends."""
    model, seq = make_model(), stored.sequence()
    with open("p.npy.unfinished", "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(
            BlockingIOError, match=r"p\.npy\.unfinished: one process .* Received: .* Wait until"
        ):
            predict_to_npy(model, seq, "p.npy")
    predict_to_npy(model, seq, "p.npy")
    assert ["p.npy"] == files()


@pytest.mark.parametrize(
    ("path", "error", "match"),
    [
        ("p.dat", ValueError, r"p\.dat: predictions .* Received: .* ends with \.npy\.$"),
        ("no/p.npy", FileNotFoundError, r"the folder of a new file must exist"),
        (None, TypeError, r"^predict_to_npy takes .* Received: .* and str\. Pass NpySequence\(x\)"),
    ],
)
def test_predict_to_npy_refuses_other_arguments(
    stored: Stored, path: str | None, error: type[Exception], match: str
) -> None:
    """Before anything is read."""
    seq = stored.sequence() if path else "x.npy"
    with pytest.raises(error, match=match):
        predict_to_npy(make_model(), seq, path or "p.npy")


@pytest.mark.parametrize(
    "others", [["p-00001-of-00003.npy"], ["p-00000-of-00001.npy", "p.npy.old"]]
)
def test_predict_to_npy_beside_parts_of_another_number_gives_a_warning(
    stored: Stored, others: list[str]
) -> None:
    """`open_rows("p-*.npy")` would read both as one; other names are nobody's parts."""
    for name in [*others, "q-00000-of-00003.npy", "p-00000-of-00002.npy.unfinished"]:
        Path(name).write_bytes(b"")
    part = stored.sequence(num_processes=2, process_id=1)
    with pytest.warns(UserWarning, match=rf"parts of 2 .*Received: {others[0]} beside.*Delete"):
        predict_to_npy(make_model(), part, "p.npy", verbose=0)
    os.unlink(others[0])
    predict_to_npy(make_model(), part, "p.npy", overwrite=True, verbose=0)


def test_predict_to_npy_takes_verbose_as_predict_does(stored: Stored) -> None:
    """A call of `predict` that is rewritten may have "auto"; other words are refused."""
    seq, unknown = NpySequence(stored.x, batch_size=53), {"verbose": "no"}
    predict_to_npy(make_model(), seq, "p.npy", verbose="auto")
    with pytest.raises(TypeError, match=r"verbose must be an integer.*'no'"):
        predict_to_npy(make_model(), seq, "q.npy", **unknown)


def test_predict_to_npy_where_nobody_may_write_names_the_file(stored: Stored) -> None:
    """A superuser may write anywhere, so the system's refusal is made up."""
    seq, model = NpySequence(stored.x, batch_size=53), make_model()

    def refuse(*arguments: Any) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    message = r"p\.npy: pred.*Permission denied\. .*may write to"
    # Not for longer: pytest opens the folders that it removes behind a test.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(PermissionError, match=message):
            predict_to_npy(model, seq, "p.npy")


@pytest.mark.parametrize("length", [225, 245])
def test_predict_to_npy_to_a_name_that_is_too_long_is_refused_first(
    stored: Stored, length: int
) -> None:
    """What is unfinished has longer names, the note the longest."""
    seq, model = NpySequence(stored.x, batch_size=53), make_model()
    with pytest.raises(OSError, match=r"ppp\.npy: pred.*File name too long\. .* 200 bytes"):
        predict_to_npy(model, seq, "p" * length + ".npy")
    assert [] == files()
    if length == 225:
        predict_to_npy(model, seq, "p" * 196 + ".npy")


class Half(keras.Model):
    def call(self, x: Any) -> Any:
        return {"a": x[:, :1], "b": None}


def test_predict_to_npy_of_an_output_that_is_none_names_it() -> None:
    """It has no rows, which says nothing to a user."""
    seq = NpySequence(np.zeros((4, 3), "float32"), batch_size=2)
    with pytest.raises(ValueError, match=r"p\.npy: each.*Received: None for output 'b'\. Leave it"):
        predict_to_npy(Half(), seq, "p.npy")
    assert [] == files()


def test_predict_to_npy_onto_a_folder_is_refused_first(stored: Stored) -> None:
    """Not after hours, when the file gets its name."""
    Path("p.npy").mkdir()
    with pytest.raises(IsADirectoryError, match=r"p\.npy: .*Received: a folder\. Choose another"):
        predict_to_npy(make_model(), stored.sequence(), "p.npy", overwrite=True)
    assert ["p.npy"] == files()


# The command.


@only_on("tensorflow", reason="No process takes another backend otherwise than this one")
def test_command_predict_in_a_process_of_its_own(stored: Stored) -> None:
    """A saved model, rows in brackets, JSON alone on standard output, and no colours."""
    model = make_model()
    model.save("m.keras")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "keras_npy", "predict", "m.keras", f"{stored.x_path}[3:20]"),
            *("-o", "p.npy", "--batch-size", "8", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            **{name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
            "PYTHONPATH": str(Path(keras_npy.__file__).parents[1]),
        },
    )
    # TensorFlow says nothing of itself either.
    assert (0, "") == (done.returncode, done.stderr)
    (facts,) = json.loads(done.stdout)["files"]
    assert (["p.npy"], [17, 3], "float32") == (files(), facts["shape"], facts["dtype"])
    expected = model.predict(NpySequence(stored.x[3:20], batch_size=8), verbose=0)
    np.testing.assert_array_equal(expected, np.load("p.npy"))


def test_command_predict_part_and_refusals(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error for a mistake, which names the remedy."""
    make_model().save("m.keras")
    Path("old.h5").write_text("")
    common = [str(stored.x_path), "-o", "p.npy", "--batch-size", "8"]
    parts = ["--num-processes", "2", "--process-id"]
    assert 0 == main(["predict", "m.keras", *common, *parts, "1"])
    assert re.search(r"p-00001-of-00002\.npy: float32 \(29, 3\), 476 B", capsys.readouterr().out)
    for status, remedy, arguments in [
        (1, "--overwrite", ["m.keras", *common, *parts, "1"]),
        (2, "0 <= K < 2", ["m.keras", *common, *parts, "2"]),
        (2, "from 0 to 1, one in each", ["m.keras", *common, *parts[:2]]),
        (2, "0 <= K < 1", ["m.keras", *common, "--process-id", "1"]),
        (2, "predict_to_npy", ["old.h5", *common]),
        (2, "SavedModel", [".", *common]),
        (2, ".npy", ["m.keras", str(stored.x_path), "-o", "p"]),
        (1, "no.keras", ["no.keras", *common]),
        (1, "no.npy", ["m.keras", "no.npy", "-o", "p.npy"]),
        (2, "one source for each input", ["m.keras", common[0], common[0], "-o", "q.npy"]),
        (1, "must have the axes", ["m.keras", str(stored.y_path), "-o", "q.npy"]),
        (1, "replace no file", ["m.keras", common[0], "-o", common[0], "--overwrite"]),
    ]:
        assert status == main(["predict", *arguments])
        said = capsys.readouterr().err.splitlines()
        assert 1 == len(said), said
        assert remedy in said[0]
    np.testing.assert_array_equal(stored.x, np.load(stored.x_path))


def test_command_predict_refuses_what_the_saved_model_says_without_keras(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its import takes seconds. A model of several outputs writes other files than `p.npy`."""
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    dense = keras.layers.Dense(2)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save("s.keras")
    keras.Model(one, dense(one)).save("f.keras")
    keras.Model([one, two], dense(one + two)).save("two.keras")
    keras.Model(one, [dense(one), one]).save("outputs.keras")
    np.save("x.npy", np.ones((60, 3), "float32"))
    np.save("short.npy", np.ones((59, 3), "float32"))
    np.save("flat.npy", np.ones(60))
    np.save("p.npy", 0)
    np.save("p-00001-of-00002.npy", 0)
    Path("left.npy").write_text("")
    Path("left.npy.unfinished.json").write_text("")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(predict_command, "_predict", interrupted)
    parts, first = (["--num-processes", "2", "--process-id", one] for one in "10")
    for remedy, arguments in [
        ("--overwrite", ["s.keras", "x.npy", "-o", "p.npy"]),
        ("--overwrite", ["f.keras", "x.npy", "-o", "p.npy"]),
        ("--overwrite", ["two.keras", "x.npy", "x.npy", "-o", "p.npy"]),
        ("--overwrite", ["s.keras", "x.npy", "-o", "p.npy", *parts]),
        ("1 in all", ["s.keras", "x.npy", "x.npy", "-o", "q.npy"]),
        ("1 in all", ["outputs.keras", "x.npy", "x.npy", "-o", "q.npy"]),
        ("2 in all", ["two.keras", "x.npy", "-o", "q.npy"]),
        ("same number of samples", ["two.keras", "x.npy", "short.npy", "-o", "q.npy"]),
        ("takes, (3,)", ["s.keras", "flat.npy", "-o", "q.npy"]),
        ("takes, (3,)", ["f.keras", "flat.npy", "-o", "q.npy"]),
        ("at least one batch", ["s.keras", "x.npy", "-o", "q.npy", *first, "--batch-size", "60"]),
        ("batch_size=8", ["s.keras", "x.npy", "-o", "q.npy", *parts, "--batch-size", "7"]),
    ]:
        assert main(["predict", *arguments]) in (1, 2), arguments
        assert remedy in capsys.readouterr().err, arguments
    for arguments in (
        ["outputs.keras", "x.npy", "-o", "p.npy"],
        ["s.keras", "x.npy", "-o", "p.npy", "--overwrite"],
        ["s.keras", "x.npy", "-o", "left.npy"],
        ["two.keras", "x.npy", "x.npy", "-o", "q.npy"],
    ):
        assert 130 == main(["predict", *arguments]), arguments
        goes_on = "interrupted: the same command goes on" in capsys.readouterr().err
        assert goes_on == ("left.npy" in arguments)


@pytest.mark.parametrize(
    ("dtype", "rows", "is_said"),
    [
        ("uint8", [[0.5, 0.7]], True),
        ("uint8", [[3.0, 255.0]], False),
        ("float32", [[3, 255]], False),
        ("float32", [[0.5, 0.7]], False),
    ],
    ids=["fractions", "whole-floats", "bytes", "floats"],
)
def test_command_predict_says_if_fractions_are_cut_off(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dtype: str,
    rows: list[list[float]],
    is_said: bool,
) -> None:
    """Before Keras is imported; a model of floats that gets bytes is the usual one."""
    keras.Sequential([keras.Input((2,), dtype=dtype), keras.layers.Rescaling(2)]).save("m.keras")
    np.save("x.npy", np.array(rows))
    monkeypatch.setattr(predict_command, "_predict", lambda *_: [])
    assert 0 == main(["predict", "m.keras", "x.npy", "-o", "p.npy"])
    said = "takes uint8, and Keras cuts off fractions. Received: float64" in capsys.readouterr().err
    assert said == is_said


PRESSED = """
import os, signal, sys
# A shell starts what runs in the background with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "keras-npy"
import keras
import numpy as np
from keras_npy.tools.cli import main
from keras_npy.tools.prediction_files import PredictionFiles

os.chdir(sys.argv[1])
keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save("m.keras")
np.save("x.npy", np.ones((60, 3), "float32"))
write = PredictionFiles.write

def write_and_press(self, arrays):
    write(self, arrays)
    if self.rows_done == 16:
        os.kill(os.getpid(), signal.SIGINT)

PredictionFiles.write = write_and_press
main(["predict", "m.keras", "x.npy", "-o", "p.npy", "--batch-size", "8"])
"""


def test_command_predict_stops_at_the_batch_where_ctrl_c_was_pressed(tmp_path: Path) -> None:
    """No exception is raised where JAX would drop it; the rows of that batch are kept."""
    status, _, errors = fork_script(PRESSED, tmp_path)
    assert 130 == status
    assert "interrupted: the same command goes on where this one stopped" in errors
    assert 16 == json.loads(Path("p.npy.unfinished.json").read_text())["rows"]
    assert 0 == main(["predict", "m.keras", "x.npy", "-o", "p.npy", "--batch-size", "8"])
    assert (60, 2) == np.load("p.npy").shape


def test_command_predict_rows_of_other_sizes_are_named_beside_what_keras_says(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line without colours, of which the first half is the same for all backends."""
    make_model().save("m.keras")
    np.save("wide.npy", np.repeat(stored.x, 2, axis=2))
    assert 1 == main(["predict", "m.keras", "wide.npy", "-o", "p.npy"])
    (said,) = capsys.readouterr().err.splitlines()
    assert re.search(
        r"wide\.npy: a row must have the shape that m\.keras takes, \(6, 5\)\. "
        r"Received: rows of shape \(6, 10\)\. .* Keras says: [ -~]+$",
        said,
    )
    assert [] == files()


@pytest.mark.parametrize(
    ("rows", "taken", "fits"),
    [
        ((6, 5), (6, 5), True),
        ((6, 5), (None, None), True),
        ((6, 5, 1), (6, 5), True),
        ((6, 5), (6, 5, 1), True),
        ((), (1,), True),
        ((6, 5), (6, 5, 3), False),
        ((), (6, 5), False),
    ],
)
def test_rows_that_fit_are_those_that_keras_takes(
    rows: tuple[int, ...], taken: tuple[int | None, ...], fits: bool
) -> None:
    """So none that Keras takes is refused, and a last axis of 1 is no matter."""
    inputs = keras.Input(taken)
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    np.save("rows.npy", np.zeros((2, *rows), "float32"))
    model.save("identity.keras")
    with warnings.catch_warnings(action="ignore"):
        try:
            model.predict(np.zeros((2, *rows), "float32"), verbose=0)
            taken_by_keras = True
        except ValueError:
            taken_by_keras = False
    assert fits == taken_by_keras
    status = main(["predict", "identity.keras", "rows.npy", "-o", "out.npy"])
    assert status == int(not fits)
