"""The command `keras-npy`, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_npy.tools import cli
from keras_npy.tools.demo import run
from keras_npy.tools.demo.data_of_user import open_images
from keras_npy.tools.demo.run import run_demo
from tests.conftest import only_on

SAVED_MODEL = only_on("tensorflow", "jax", reason="Keras exports no SavedModel")


@only_on("tensorflow", reason="The next test runs on JAX too, and each takes a minute there")
def test_demo_trains_saves_and_serves_real_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The packaged images are learned, and served as they were predicted."""
    result = run_demo(out=str(tmp_path / "out"), epochs=3)
    assert 0.4 < result.test_accuracy
    assert 1e-5 > result.served_difference
    assert result.keras_path.is_file()
    assert (result.saved_model_path / "saved_model.pb").is_file()
    assert (500, 10) == np.load(tmp_path / "out" / "served_predictions.npy").shape
    printed = capsys.readouterr().out
    for part in ("test accuracy", "RssAnon", "500 predictions", str(tmp_path / "out")):
        assert part in printed


@SAVED_MODEL
def test_command_demo_takes_the_users_files(tmp_path: Path) -> None:
    """16-bit colour images in two files, with class numbers as floats; some of the rows."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = (rng.integers(0, 20_000, (60, 9, 7, 3)) + y[:, None, None, None] * 40_000).astype("uint16")
    np.save(tmp_path / "x-0.npy", x[:20])
    np.save(tmp_path / "x-1.npy", np.concatenate([x[20:], x[:5]]))
    np.save(tmp_path / "y.npy", y.astype("float32"))
    paths = [str(tmp_path / name) for name in ("x-*.npy[0:60]", "y.npy", "out 1")]
    command = [sys.executable, "-m", "keras_npy", "demo", "--epochs", "2"]
    finished = subprocess.run(
        [*command, "--x", paths[0], "--y", paths[1], "--out", paths[2]],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 0 == finished.returncode, finished.stderr[-3000:]
    assert "54 samples" in finished.stdout
    assert "6 predictions" in finished.stdout
    assert paths[2] in finished.stdout


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        pytest.param(np.zeros((20, 4)), np.zeros(20, int), r"images must be real", id="rank"),
        pytest.param(
            np.zeros((20, 4, 4)), np.eye(20), r"class numbers must be numbers of shape (N,)", id="y"
        ),
        pytest.param(
            np.zeros((20, 4, 4)), np.arange(20) / 2, r"row 1: a value must stay", id="half"
        ),
        pytest.param(np.zeros((5, 4, 4)), np.zeros(5, int), r"needs ten images", id="few"),
        pytest.param(np.zeros((20, 4, 4)), -np.ones(20, int), r"0 <= class", id="negative"),
        pytest.param(np.zeros((20, 4, 4)), np.zeros(19, int), r"same number of samples", id="len"),
    ],
)
def test_command_demo_refuses_what_it_cannot_use(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    x: np.ndarray,
    y: np.ndarray,
    message: str,
) -> None:
    """One line on standard error, and exit status 1."""
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    monkeypatch.setattr(run, "run_demo", lambda *_, **__: pytest.fail("Keras was imported"))
    arguments = ["demo", "--x", str(tmp_path / "x.npy"), "--y", str(tmp_path / "y.npy")]
    assert 1 == cli.main([*arguments, "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().err
    assert printed.startswith("keras-npy: ")
    assert 1 == printed.count("\n")
    assert message in printed
    assert not (tmp_path / "out").exists()


def test_demo_reads_class_numbers_as_integers(tmp_path: Path) -> None:
    """As NumPy saves them from a table: floats that are whole. Brackets choose rows."""
    np.save(tmp_path / "x.npy", np.zeros((30, 4, 4)))
    np.save(tmp_path / "y.npy", np.arange(30, dtype="float32") % 3)
    images, labels = open_images(f"{tmp_path}/x.npy[10:]", f"{tmp_path}/y.npy[10:]")
    assert ((20, 4, 4), "int64") == (images.shape, labels.dtype)
    np.testing.assert_array_equal(np.arange(10, 30) % 3, labels[:])


def test_command_demo_replaces_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with what an earlier one wrote is refused before Keras is imported."""
    begun: list[object] = []
    monkeypatch.setattr(run, "run_demo", lambda *_, out, epochs: begun.append(out))
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("")
    assert 0 == cli.main(["demo", "--out", str(out)])
    assert [str(out)] == begun
    (out / "model.keras").write_text("trained for days")
    assert 1 == cli.main(["demo", "--out", str(out)])
    assert "model.keras: the demo replaces no file" in capsys.readouterr().err
    assert "trained for days" == (out / "model.keras").read_text()
    assert 1 == len(begun)


def test_command_out_that_tensorflow_reads_as_a_pattern_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """TensorFlow cannot load a SavedModel from such a folder, so it is refused at the start."""
    assert 1 == cli.main(["demo", "--out", str(tmp_path / "run[1]")])
    assert "without any of *?[]" in capsys.readouterr().err
    assert not (tmp_path / "run[1]").exists()


def test_command_missing_file_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path is named."""
    path = str(tmp_path / "none.npy")
    assert 1 == cli.main(["demo", "--x", path, "--y", path])
    assert path in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["demo", "--x", "only.npy"], ["demo", "--epochs", "0"], ["nothing"]),
        *(["convert", "--shards", "0", "x.npy", "y.npy"], ["check", "--classes", "-4", "x.npy"]),
        *(["bench", "x.npy", "--seconds", "0"], ["bench", "x.npy", "--step-ms", "nan"]),
    ],
    ids=" ".join,
)
def test_command_wrong_use_exits_with_2(arguments: list[str]) -> None:
    """argparse says how to use it."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)


@pytest.mark.parametrize("command", [["--help"], ["convert", "--help"], ["demo", "--help"]])
def test_command_help_names_the_command(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The name that it is installed under, also where Python runs the package."""
    with pytest.raises(SystemExit, match="0"):
        cli.main(command)
    assert capsys.readouterr().out.startswith("usage: keras-npy ")
