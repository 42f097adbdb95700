"""`keras-npy bench`: what is timed, and what is said to limit. No time is asserted."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy.tools import bench
from keras_npy.tools.bench import Rate, Timed
from keras_npy.tools.cli import main


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.arange(300 * 40, dtype="uint8").reshape(300, 40))
    np.save("y.npy", np.arange(300))


def facts_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert 0 == main(["bench", "--json", "--seconds", "0.02", *arguments])
    return json.loads(capsys.readouterr().out)


def test_command_bench_times_what_keras_is_handed(capsys: pytest.CaptureFixture[str]) -> None:
    """On this backend, beside the rows themselves."""
    facts = facts_of(capsys, "x.npy", "--y", "y.npy", "--batch-size", "50", "--step-ms", "1000")
    assert (300, 48, 50) == tuple(facts[name] for name in ("num_rows", "row_bytes", "batch_size"))
    for name in ("cold", "warm", "in_memory", "fed"):
        rate = facts[name]
        assert rate["bytes_per_s"] == pytest.approx(48 * rate["rows_per_s"])
    assert set(facts["waits_ms"].values()) == {0.0}


@pytest.mark.parametrize(
    "source", ["x.npy[0:7]", "windows,sequence_length=4:x.npy", "d.npz::x", "samples:s-*.npy"]
)
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_command_bench_any_source_without_keras(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """Fewer rows than a batch, too; and in words."""
    np.savez("d.npz", x=np.load("x.npy"))
    for number in range(3):
        np.save(f"s-{number}.npy", np.arange(5))
    facts = facts_of(capsys, source, "--no-keras")
    assert facts["fed"] is None
    assert facts["warm"]["rows_per_s"] > 0
    assert 0 == main(["bench", source, "--no-keras", "--seconds", "0.02", "--step-ms", "50"])
    printed = capsys.readouterr().out
    assert "What limits: gather" in printed
    assert "A model of 50 ms a step does not wait (warm)" in printed


def test_command_bench_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """2, as of any verb; 1 for a file that is not there."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "x.npy", "--batch-size", "0"])
    assert 2 == ended.value.code
    assert 1 == main(["bench", "none.npy"])
    assert "none.npy" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--no-keras"]], ids=" ".join)
def test_command_bench_labels_that_do_not_belong_are_refused_before_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """Nothing is timed, and Keras not imported."""
    monkeypatch.setattr(bench, "_drop", lambda paths: pytest.fail("timed"))
    np.save("y.npy", np.arange(7))
    assert 1 == main(["bench", "x.npy", "--y", "y.npy", *options])
    assert "y.npy: x, y and sample_weight must have the same number" in capsys.readouterr().err
    assert 1 == main(["bench", "x.npy[5:12]", "--y", "x.npy", *options])
    assert "with the same brackets for the command" in capsys.readouterr().err


def test_command_bench_of_few_rows_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Batches are no larger than the rows, all of which are asked of the disk at once."""
    facts = facts_of(capsys, "x.npy", "--no-keras", "--batch-size", "1000", "--step-ms", "0.001")
    assert (300, True) == (facts["batch_size"], facts["is_small"])
    assert 300 == round(facts["cold"]["rows_per_s"] * facts["cold"]["batch_ms"] / 1000)
    assert ["warm"] == list(facts["waits_ms"])
    monkeypatch.setattr(bench, "_is_resident", lambda path: False)
    assert 0 == main(["bench", "x.npy", "--no-keras", "--batch-size", "1000", "--seconds", "0.02"])
    printed = capsys.readouterr()
    assert "batches hold all 300" in printed.err
    assert "cold, too small to tell" in printed.out
    assert "disk is slower" not in printed.out


def rate(rows_per_s: float) -> Rate:
    return Rate(rows_per_s, rows_per_s * 10, 32 / rows_per_s * 1000)


@pytest.mark.parametrize(
    ("cold", "warm", "fed", "free", "limit"),
    [
        (100, 1000, 900, 10**9, "gather"),
        (100, 1000, 900, 10, "disk"),
        (900, 1000, 300, 10, "hand-over"),
        (900, 1000, 900, 10, "gather"),
        (100, 1000, 200, 10**9, "hand-over"),
        (100, 1000, None, math.inf, "gather"),
    ],
)
def test_limit_is_the_slowest_that_each_batch_goes_through(
    monkeypatch: pytest.MonkeyPatch, cold: float, warm: float, fed: Any, free: Any, limit: str
) -> None:
    """The disk only if it is read again in each epoch."""
    monkeypatch.setattr(bench, "free_memory_bytes", lambda: free)
    timed = Timed(1000, 10, 32, is_cold=True, cold=rate(cold), warm=rate(warm))
    timed.fed = None if fed is None else rate(fed)
    assert limit == timed.limit[0]


def test_waits_are_what_a_step_does_not_cover() -> None:
    """A batch of 32 ms, and steps of 30 or 40."""
    timed = Timed(10**8, 10, 32, is_cold=True, cold=rate(500), warm=rate(2000), fed=rate(1000))
    assert {"warm": 2.0, "cold": 34.0} == timed.waits(30)
    assert {"warm": 0.0, "cold": 24.0} == timed.waits(40)
