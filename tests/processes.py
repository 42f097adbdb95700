"""Scripts that run in a process of their own, which may crash or be killed."""

import atexit
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def run_script(script: str, *arguments: object, timeout_s: int = 300) -> str:
    """Run a script in a new interpreter, and return its output."""
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=ROOT,
    )
    assert 0 == finished.returncode, finished.stderr[-3000:]
    return finished.stdout.strip()


def run_forked(script: str, *arguments: object, timeout_s: int = 300) -> str:
    """Run a script in a new process that has imported Keras already, and return its output.

    Importing Keras and TensorFlow takes 6 s, which `run_script` pays each time. Here one process
    imports Keras, not keras_npy, and forks another for each script. What a script imports first,
    and settings that Keras reads when it is imported, need `run_script`.
    """
    status, output, errors = fork_script(script, *arguments, timeout_s=timeout_s)
    assert 0 == status, f"{status}: {errors[-3000:]}"
    return output


def fork_script(script: str, *arguments: object, timeout_s: int = 300) -> tuple[int, str, str]:
    """As `run_forked`; return the exit status, the output, and what it wrote of errors."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        order = {
            "script": textwrap.dedent(script),
            "arguments": ["-c", *map(str, arguments)],
            "environment": dict(os.environ),
            "files": [str(output), str(errors)],
            "timeout_s": timeout_s,
        }
        status = _server(os.environ.get("KERAS_BACKEND")).run(order)
        return status, output.read_text().strip(), errors.read_text()


def run_side_by_side(script: str, folder: Path, num_processes: int = 2) -> list[str]:
    """Run a script in several processes at once, forked as by `run_forked`; return their outputs.

    Its arguments are the number of its process, and an address where they may meet. If one fails,
    all are killed. None outlives this process, nor a time limit.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    run_forked(_SIDE_BY_SIDE + script, folder, num_processes, address, timeout_s=240)
    return [(folder / f"out{number}").read_text().strip() for number in range(num_processes)]


# The first process forks the others, which go on with the script, and waits for them.
_SIDE_BY_SIDE = """
import ctypes, os, signal, sys

sys.path.insert(0, os.getcwd())
os.chdir(sys.argv[1])
first, jobs = os.getpid(), {}
for number in range(int(sys.argv[2])):
    job = os.fork()
    if not job:
        break
    jobs[job] = number
else:
    while jobs:
        job, status = os.wait()
        number = jobs.pop(job)
        if status:
            for other in jobs:
                os.kill(other, signal.SIGKILL)
            raise RuntimeError(f"process {number}: {open(f'err{number}').read()[-2500:]}")
    os._exit(0)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != first:
        sys.exit("the process that started this one has ended")
for stream, name in ((1, "out"), (2, "err")):
    os.dup2(os.open(f"{name}{number}", os.O_WRONLY | os.O_CREAT), stream)
sys.argv = ["-c", str(number), sys.argv[3]]
"""


# The child leaves the loop and runs the script where a new interpreter would: at the top of the
# main module. It ends without the interpreter's own end, which takes 2 s: that would free all that
# was imported, and so copy it first. `tests/user/test_exit.py` tests how a process ends.
_SERVE = """
import gc, json, os, signal, sys, traceback
import keras

# No garbage collection of a script looks through what was imported here.
gc.collect()
gc.freeze()

print("ready", flush=True)
for line in sys.stdin:
    names = ("set_random_seed", "make_model", ".save(", "ModelCheckpoint", "run_job")
    if any(name in line for name in names):
        # These import it on each backend (Keras 3.15), for 8 s.
        import tensorflow

        gc.freeze()
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
order = json.loads(line)
for stream, path in enumerate(order["files"], 1):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.environ.clear()
os.environ.update(order["environment"])
sys.argv = order["arguments"]
# Ends a script that hangs.
signal.alarm(order["timeout_s"])
status = 1
try:
    exec(compile(order["script"], "<string>", "exec"))
    status = 0
except BaseException:
    traceback.print_exc()
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""


class _Server:
    """A process that has imported Keras, and forks. It ends when this one closes its input."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        # So that its time counts as that of this process, as `.ci/run` prints it.
        atexit.register(self._end)

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, order: dict[str, Any]) -> int:
        """Run a script; return its exit status, negative if a signal ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        # Other lines are what was printed when Keras was imported.
        while not (line := self._process.stdout.readline().strip()).lstrip("-").isdigit():
            assert line or self._process.poll() is None, "the process that forks has ended"
        return int(line)


@functools.cache
def _server(backend: str | None) -> _Server:
    """One for each backend: Keras chooses it when it is imported."""
    return _Server()
