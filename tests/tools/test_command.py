"""The command as a user starts it: each verb once in a process of its own, on real files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_npy
from keras_npy import ctrl_c
from keras_npy.tools import backend_noise
from keras_npy.tools.cli import VERBS, main


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["stats", "x.npy"], 0, "NpyInputLayer(scale=1/255, mean="),
        (["convert", "--dtype", "int16", "x.npy", "new.npy"], 0, "new.npy: int16 (60, 8, 9)"),
        (["convert", "x.npy", "x.npy"], 1, ""),
        (["bench", "x.npy", "--no-keras", "--seconds", "0.01"], 0, "What limits: "),
        (["preview", "x.npy"], 2, ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_command_in_a_process_of_its_own(
    tmp_path: Path, arguments: list[str], status: int, expected: str
) -> None:
    """Its exit status, no colours in a pipe, and one line for a mistake."""
    np.save(tmp_path / "x.npy", np.arange(60 * 72, dtype="uint8").reshape(60, 8, 9))
    done = subprocess.run(
        [sys.executable, "-m", "keras_npy", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(keras_npy.__file__).parents[1])},
    )
    assert status == done.returncode
    assert expected in done.stdout
    assert "\x1b" not in done.stdout
    assert (1 if status else 0) == len(done.stderr.splitlines())


def run_in_shell(arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a shell, which reads its arguments."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m keras_npy {arguments}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(keras_npy.__file__).parents[1])},
    )


def test_command_output_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    """`keras-npy inspect folder | head -1` ends without a word."""
    for number in range(40):
        np.save(tmp_path / f"x-{number}.npy", np.ones((1, number + 1)))
    done = run_in_shell(f"inspect {tmp_path}/x-?.npy {tmp_path} | true")
    assert (0, "") == (done.returncode, done.stderr)
    (tmp_path / "bad.npy").write_text("<html>")
    assert 1 == run_in_shell(f"inspect {tmp_path} | true").returncode
    np.save(tmp_path / "x.npy", np.full((9000, 3), np.nan))
    done = run_in_shell(f"check --json {tmp_path}/x.npy | head -1")
    # Findings are findings, whoever reads them.
    assert (1, "{\n", "") == (done.returncode, done.stdout, done.stderr)


def test_command_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """As the package does."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert 0 == ended.value.code
    assert f"keras-npy {keras_npy.__version__}\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        *(["check", "folder"], ["stats", "folder"], ["convert", "folder", "new.npy"]),
        *(["convert", "x.npy", "folder", "new.npy"], ["check", "samples:folder"]),
        ["bench", "windows,sequence_length=2:folder", "--no-keras"],
    ],
    ids=" ".join,
)
def test_command_folder_instead_of_a_source_is_told_of_patterns(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    """And of the command that lists what is in it."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    np.save("x.npy", np.ones(3))
    np.save("folder/x-1.npy", np.ones(3))
    assert 2 == main(arguments)
    assert (
        "keras-npy: folder: a source is a file, or a pattern of the names of files. Received: a "
        "folder. Give a pattern, such as 'folder/x-*.npy'; `keras-npy inspect folder` lists"
    ) in capsys.readouterr().err
    assert 0 == main(["inspect", "folder"])
    assert 3 == len(keras_npy.open_rows("folder/x-*.npy"))


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ["check", "x.npy", "y.npy"],
            "y.npy. X is one SOURCE: quote a pattern; labels follow --y; another set follows "
            "--against",
        ),
        (["preview", "x.npy", "y.npy"], ": quote a pattern; labels follow --y"),
        (["stats", "x.npy", "y.npy"], ": quote a pattern"),
        (["stats", "x.npy", "--axis"], "unrecognized arguments: --axis"),
        (["check", "--x", "x.npy"], "unrecognized arguments: --x. X is given without --x"),
    ],
)
def test_command_of_one_source_that_gets_several_says_how_they_are_given(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    hint: str,
) -> None:
    """Labels as `NpySequence` takes them, or a pattern that a shell has expanded."""
    monkeypatch.chdir(tmp_path)
    for name in ("x.npy", "y.npy"):
        np.save(name, np.ones(3))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code
    assert capsys.readouterr().err.endswith(f"{hint}\n")


def _no_process(*_: object, **__: object) -> None:
    raise BlockingIOError("no more processes")


def test_command_says_nothing_of_what_tensorflow_says_when_it_starts(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """But everything else that goes to the standard error, from C++ or from Python."""
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    begin = "0000 00:00:1795815844.557285    3615"
    said = [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        f"I{begin} port.cc:153] oneDNN custom operations are on.",
        f"E{begin} cuda_platform.cc:52] failed call to cuInit: INTERNAL: ... ERROR (303)",
        f"E{begin} cuda_platform.cc:52] failed call to cuInit: INTERNAL: ... ERROR (999)",
        f"W{begin} bfc_allocator.cc:1] ran out of memory",
        f"F{begin} cpu_feature_guard.cc:1] compiled to use AVX instructions",
        "Information for the user",
    ]
    with backend_noise.kept_away():
        assert "2" == os.environ["TF_CPP_MIN_LOG_LEVEL"]
        os.write(2, "".join(f"{line}\n" for line in said).encode())
    print("after", file=sys.stderr)
    assert [*said[3:], "after"] == capfd.readouterr().err.splitlines()
    monkeypatch.setattr(subprocess, "Popen", _no_process)
    with backend_noise.kept_away():
        # The answer counts more than silence.
        os.write(2, b"shown\n")
    assert "shown\n" == capfd.readouterr().err
    monkeypatch.undo()
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with backend_noise.kept_away():
        os.write(2, f"{said[1]}\n".encode())
    assert ("", "3") == (capfd.readouterr().err, os.environ["TF_CPP_MIN_LOG_LEVEL"])
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with backend_noise.kept_away():
        # Somebody who sets the level wants to see the lines.
        os.write(2, f"{said[1]}\n".encode())
    assert f"{said[1]}\n" == capfd.readouterr().err


def test_command_without_a_standard_output_or_error_runs(tmp_path: Path) -> None:
    """`keras-npy inspect x.npy >&- 2>&-`: a shell has closed both."""
    np.save(tmp_path / "x.npy", np.ones(3))
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = run_in_shell(f"inspect {tmp_path}/x.npy {closed}")
        assert (0, "") == (done.returncode, done.stderr), closed
        assert closed != "2>&-" or "x.npy" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_command_help_of_each_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what the verb does, and ends with 0."""
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert 0 == ended.value.code
    assert f"usage: keras-npy {verb}" in capsys.readouterr().out


# Each line runs in a process of its own, forked.
CTRL_C = """
import os, signal, sys
# A shell starts what runs in the background with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "/usr/bin/keras-npy"
import keras_npy
from keras_npy import ctrl_c

def press(number=1):
    for _ in range(number):
        os.kill(os.getpid(), signal.SIGINT)

def as_raised():
    ctrl_c.end_when("raise")
    try:
        press()
    except KeyboardInterrupt:
        os._exit(5)

def at_next_batch():
    ctrl_c.raise_if_pressed()
    press()
    try:
        ctrl_c.raise_if_pressed()
    except KeyboardInterrupt:
        os._exit(6)

def twice():
    ctrl_c.set_again(lambda: ": again")
    ctrl_c.raise_if_pressed()
    press(2)

for case in (press, as_raised, at_next_batch, twice):
    child = os.fork()
    if not child:
        case()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_command_ends_with_130_at_ctrl_c_from_its_first_import_on() -> None:
    """Without a traceback; and a program that imports keras_npy keeps its own handler."""
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(keras_npy.__file__).parents[1])},
    )
    assert ["130", "5", "6", "130"] == done.stdout.split()
    said = ["keras-npy: interrupted", "keras-npy: interrupted: again"]
    assert said == done.stderr.splitlines()
    assert not ctrl_c.is_watched()
