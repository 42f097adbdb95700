"""Jobs that are killed leave what jobs leave that are not, in every bit.

The first job is killed on each backend, each other one where it says, since every process of a job
imports and compiles anew. `tests/resume/harness.py` kills many more on each, at random.
"""

from pathlib import Path

import pytest

from tests.conftest import BACKEND, only_on
from tests.resume import harness
from tests.resume.job import Job, Kill, write_data

ELSEWHERE = "It is killed on another backend"

# Each job has other features, each list of kills other places. Both have all of theirs once.
CASES = [
    pytest.param(
        Job(callbacks=("early", "plateau", "csv", "decay", "checkpoint", "batches"), epochs=4),
        # The last is in the middle of the third epoch. On JAX each process compiles for 15 s.
        [
            Kill("batch", 4),
            *([] if BACKEND == "jax" else [Kill("epoch_end"), Kill("validation", 1)]),
            Kill("batch", 12),
        ],
        id="callbacks",
    ),
    pytest.param(
        Job(optimizer="ema", callbacks=("csv_append", "swap"), save_freq="epoch"),
        [Kill("batch", 0), Kill("epoch_begin", 1)],
        id="ema",
        marks=only_on("tensorflow", reason=ELSEWHERE),
    ),
    pytest.param(
        Job(optimizer="accumulation", data="file", class_weight=True, save_freq=1),
        [Kill("write", 2), Kill("replace", 1)],
        id="accumulation-while-saving",
        marks=only_on("torch", reason=ELSEWHERE),
    ),
    pytest.param(
        Job(optimizer="loss_scale", data="shards", validates=False, save_freq=5),
        [Kill("batch", 6)],
        id="loss-scale-shards",
        marks=only_on("tensorflow", reason=ELSEWHERE),
    ),
    pytest.param(
        Job(optimizer="schedule", data="windows", steps_per_epoch=4, callbacks=("batches",)),
        [Kill("batch", 3), Kill("batch", 3)],
        id="schedule-windows-steps",
        marks=only_on("torch", reason=ELSEWHERE),
    ),
    pytest.param(
        Job(steps_per_epoch=5, steps_per_execution=2, save_freq=3, shuffle=False, data="file"),
        [Kill("batch", 4)],
        id="executions-of-two-steps",
        marks=only_on("jax", reason=ELSEWHERE),
    ),
]


@pytest.mark.parametrize(("job", "kills"), CASES)
def test_killed_job_leaves_what_a_whole_one_leaves(
    job: Job, kills: list[Kill], tmp_path: Path
) -> None:
    """Weights, seeds, optimizer, metrics, history, callbacks and their files."""
    write_data(tmp_path)
    whole = harness.run_whole(job, tmp_path)
    killed, num_killed = harness.run_killed(job, tmp_path, kills)
    assert len(kills) == num_killed
    assert [] == harness.differences(whole, killed)
    assert {"lock"} == {path.name for path in (tmp_path / "run").glob("*")} - {
        path.name for path in (tmp_path / "run").glob("resume-*.zip")
    }


@only_on("tensorflow", reason="No backend compares files")
def test_harness_sees_what_differs(tmp_path: Path) -> None:
    """Two jobs that train one epoch more and less differ in weights and history."""
    write_data(tmp_path)
    one = harness.run_whole(Job(epochs=1, validates=False), tmp_path)
    assert [] == harness.differences(one, dict(one))
    other = harness.run_whole(Job(epochs=2, validates=False), tmp_path)
    assert {"v0", "history", "log.csv"} < set(harness.differences(one, other))
