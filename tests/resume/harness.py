"""Run a job whole, run it again with kills, and compare what the two have left.

Run:    KERAS_BACKEND=jax python -m tests.resume.harness --kills 100 --seed 1
Prints: one line for each run, and the number of kills. Exit status 1 if a value differs.
"""

import argparse
import pickle
import random
import signal
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tests.processes import fork_script
from tests.resume.job import LIMIT_S, Job, Kill, read_results, write_data

# What a process of a job runs, in a fork of one that has imported Keras and TensorFlow.
_RUN_JOB = """
import pickle, sys
from tests.resume.job import run_job
run_job(*pickle.loads(bytes.fromhex(sys.argv[1])))
"""

JOBS = (
    Job(),
    Job(callbacks=("early", "plateau", "csv", "decay", "checkpoint", "batches"), epochs=4),
    Job(optimizer="ema", callbacks=("csv_append", "swap"), save_freq="epoch"),
    Job(optimizer="accumulation", data="file", class_weight=True, save_freq=1),
    Job(optimizer="loss_scale", data="shards", validates=False, save_freq=5),
    Job(optimizer="schedule", data="windows", steps_per_epoch=4, callbacks=("csv", "batches")),
    Job(steps_per_execution=2, data="file", callbacks=("early", "csv"), epochs=4),
    Job(steps_per_epoch=5, steps_per_execution=2, save_freq=3, shuffle=False, data="file"),
    Job(shuffle="batch", save_freq=7, steps_per_epoch=9, callbacks=("batches",)),
)

# Keras 3.16 takes `steps_per_execution` on torch too.
HAS_EXECUTIONS = keras.backend.backend() != "torch" or keras.__version__ >= "3.16"

CHOSEN_KILLS = (
    [Kill("batch", 0)],
    [Kill("batch", 3)],
    [Kill("batch", 5)],
    [Kill("validation", 1)],
    [Kill("write", 2)],
    [Kill("fsync", 3)],
    [Kill("replace", 1)],
    [Kill("epoch_end", 0)],
    [Kill("epoch_begin", 1)],
    [Kill("end", 0)],
    [Kill("batch", 3), Kill("batch", 3)],
    [Kill("batch", 4)] * 10,
    [Kill("batch", 0), Kill("epoch_begin", 1), Kill("end")],
    [Kill("batch", 9), Kill("batch", 4)],
    [Kill("batch", 16), Kill("validation", 1)],
)


def run_whole(job: Job, folder: Path) -> dict[str, Any]:
    """What a job leaves that is never interrupted, and that does not save."""
    return _run(job, folder, None, "whole", None) or {}


def run_killed(job: Job, folder: Path, kills: Iterable[Kill]) -> tuple[dict[str, Any], int]:
    """What a job leaves that is killed once for each of `kills`, and how often it was killed."""
    left, num_killed = None, 0
    for kill in [*kills, None]:
        left = _run(job, folder, folder / "run", "killed", kill)
        num_killed += left is None
        if left is not None and kill is not None:
            # The job has ended before it could be killed.
            break
    return left or {}, num_killed


def differences(whole: dict[str, Any], killed: dict[str, Any]) -> list[str]:
    """The names of what differs, in any bit."""
    names = sorted(set(whole) | set(killed))
    return [name for name in names if not _is_same(whole.get(name), killed.get(name))]


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    return type(one) is type(other) and bool(one == other)


def _run(
    job: Job, folder: Path, run: Path | None, results: str, kill: Kill | None
) -> dict[str, Any] | None:
    """Run a job in a new process. Return what it has left, or `None` if it was killed."""
    arguments = (job, folder, run, folder / results, kill)
    status, _, errors = fork_script(_RUN_JOB, pickle.dumps(arguments).hex(), timeout_s=LIMIT_S)
    if status == 0:
        return read_results(folder / results)
    if status != -signal.SIGKILL:
        raise RuntimeError(f"{job.name}, {kill}: exit status {status}: {errors[-2000:]}")
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill jobs at chosen points, then at random times, until there were enough kills."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args(arguments)
    rng = random.Random(parsed.seed)
    num_killed, num_wrong = 0, 0
    wholes: dict[Job, dict[str, Any]] = {}
    while num_killed < parsed.kills:
        job = rng.choice([job for job in JOBS if HAS_EXECUTIONS or job.steps_per_execution == 1])
        kills = rng.choice(CHOSEN_KILLS) if rng.random() < 0.6 else _random_kills(rng)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_data(folder)
            if job not in wholes:
                wholes[job] = run_whole(job, folder)
            killed, count = run_killed(job, folder, kills)
            wrong = differences(wholes[job], killed)
        num_killed += count
        num_wrong += bool(wrong)
        print(f"{job.name}; killed {count} times at {kills}: {wrong or 'equal'}", flush=True)
    print(f"{num_killed} kills, {num_wrong} runs differ")
    return int(num_wrong > 0)


def _random_kills(rng: random.Random) -> list[Kill]:
    return [Kill("random", rng.randrange(100, 5000)) for _ in range(rng.randrange(1, 6))]


if __name__ == "__main__":
    sys.exit(main())
