"""Every benchmark runs at a tiny size, so that none rots: its lines, never its figures."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import only_on
from tests.processes import fork_script

# In the suite of one backend, with whatever peers are installed.
pytestmark = only_on("tensorflow", reason="each benchmark sets the backend that it runs on")

ROOT = Path(__file__).resolve().parent.parent
MARKS = "before\n<!-- benchmark:start -->\nreplaced text\n<!-- benchmark:end -->\nafter\n"
KERAS_NPY, READ = "keras_npy", 'keras_npy, io="read"'
ARRAYS, PY_DATASET = "Keras, arrays in RAM", "PyDataset by hand"
LIMIT, LIMIT_AHEAD = "np.take, no framework", "np.take, four buffers in turn"
READ_LIMIT = "os.preadv, no framework"

# What each benchmark must measure, whatever peers are installed.
VARIANTS = {
    "shuffle": {
        KERAS_NPY,
        "NumPy, Generator.permutation",
        *(f"keras_npy, blocks of {size}" for size in ("16", "64", "256", "1,024", "4,096")),
    },
    "feed": {
        KERAS_NPY,
        READ,
        "keras_npy, misaligned file",
        ARRAYS,
        PY_DATASET,
        "from_tensor_slices",
        "FixedLengthRecordDataset",
        LIMIT,
        LIMIT_AHEAD,
        READ_LIMIT,
        "tf.data alone, no rows",
    },
    "backends": {KERAS_NPY, READ, ARRAYS, LIMIT, LIMIT_AHEAD, READ_LIMIT},
    "files": {
        "keras_npy, one file",
        "keras_npy, shards",
        "keras_npy, one file per sample",
        "PyDataset by hand, np.load per sample",
    },
    "map": {
        KERAS_NPY,
        "keras_npy, map",
        "from_tensor_slices, map with numpy_function",
        "PyDataset by hand, function of a batch",
    },
    "memory": {KERAS_NPY, ARRAYS},
    "cold": {KERAS_NPY, READ, PY_DATASET, "one sequential read"},
    "processes": {"1 process", "2 processes", "4 processes"},
    "start": {KERAS_NPY, ARRAYS, PY_DATASET},
    "fit": {KERAS_NPY, ARRAYS, PY_DATASET},
    "resume": {
        "fit without saves",
        'save_freq="epoch"',
        "save_freq=100",
        "save_freq=10",
        "save_freq=1",
    },
    "layer": {
        "NpyInputLayer, uint8 handed over",
        "Rescaling, uint8 handed over",
        "float32 made on the host",
    },
}
TORCH = {"torch DataLoader", "torch DataLoader, 2 workers", "torch DataLoader, __getitems__"}
TORCH_PER_SAMPLE = "torch DataLoader, np.load per sample"
# What each measures besides, if a package is installed.
PEERS = {
    "feed": {"grain": {"Grain"}, "torch": TORCH},
    "backends": {"grain": {"Grain"}, "torch": TORCH},
    "map": {"torch": {"torch DataLoader, __getitems__, function of a batch"}},
    "files": {"torch": {TORCH_PER_SAMPLE, f"{TORCH_PER_SAMPLE}, 2 workers"}},
}
# Those that take longest run once, with their peers. "map" tests what a run says of a peer that is
# not installed.
NEEDED = {"backends": ("jax", "torch"), "feed": ("grain", "torch"), "files": ("torch",)}
# What a tiny run holds its figures against.
TARGETS = {
    "shuffle": {0.0},
    "feed": {1.0, 5.0, 0.9, 2.0, 0.7, 0.5},
    "backends": {2.0, 0.8, 0.7},
    "files": {0.8},
    "map": {0.8},
    "memory": {64 + 8 * 64 * 128 * 128 * 3 / 1e6, 64 + 8 * 256 * 28 * 28 / 1e6},
    "cold": {2.5, 0.8, 0.9},
    "processes": {0.6, 0.3},
    "start": {1.0, 64.0, 2.0},
    "fit": {1.0},
    "resume": set(),
    "layer": {0.0, 4.0},
}
# Runs as in a terminal. The others run without what `python -m` itself does.
AS_USERS_RUN_IT = "resume"
# What may be nothing; all other figures measure.
MAY_BE_ZERO = ("_positions", "_pairs", "_labels", "cached_at_start", "growth_mb", "of_file")


@dataclass(frozen=True)
class Run:
    """A tiny run of one benchmark, and the folder into which it published its results."""

    benchmark: str
    folder: Path
    stderr: str

    @property
    def lines(self):
        (results,) = (self.folder / "results").iterdir()
        return json.loads(results.read_text())["lines"]

    @property
    def figures(self):
        """The numbers of each variant's line, by name."""
        return [
            {
                name: value
                for name, value in line.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            }
            for line in self.lines
            if "variant" in line
        ]


@pytest.fixture(scope="module", params=VARIANTS)
def run(request, tmp_path_factory):
    for package in NEEDED.get(request.param, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"bench_{request.param} runs with its peers: {package} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("README.md", "TOP_README.md"):
        (folder / name).write_text(MARKS)
    # A cache of its own: files of an older version of the benchmarks must not help.
    options = ("--tiny", "--only", f"bench_{request.param}", "--out", str(folder))
    if request.param == AS_USERS_RUN_IT:
        ended = run_all(*options, TMPDIR=str(folder))
        assert ended.returncode == 0, ended.stderr[-5000:]
        return Run(request.param, folder, ended.stderr)
    _, stderr = run_benchmark("benchmarks.run_all", *options, folder=folder)
    return Run(request.param, folder, stderr)


def run_all(*options, **environment):
    return run_python("-m", "benchmarks.run_all", *options, **environment)


def run_python(*options, **environment):
    return subprocess.run(
        [sys.executable, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.fspath(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# Runs a module as `python -m` does, and forks the processes that it starts: each would import Keras
# and TensorFlow, for 6 s. One that wants another backend begins anew.
FORKED = """
import json, os, runpy, subprocess, sys, tempfile, traceback
folder, *command = sys.argv[1:]
tempfile.tempdir = os.environ["TMPDIR"] = folder
import keras
from benchmarks import common

def run(command):
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)

def run_command(command):
    with tempfile.TemporaryFile("w+") as output:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            end_with(command[2:])
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        subprocess.CompletedProcess(command, status).check_returncode()
        output.seek(0)
        return [json.loads(line) for line in output if line.startswith("{")]

def end_with(command):
    status = 1
    try:
        run(command)
        sys.stdout.flush()
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)

def use_backend(backend):
    if backend != keras.backend.backend():
        os.environ["KERAS_BACKEND"] = backend
        module = sys.modules["__main__"].__spec__.name
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])

common.run_command, common.use_backend = run_command, use_backend
run(command)
"""


def run_benchmark(module, *options, folder):
    """The lines of results, and what people read."""
    status, output, stderr = fork_script(FORKED, folder, module, *options, timeout_s=600)
    assert status == 0, stderr[-5000:]
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")], stderr


def test_tiny_run_names_every_variant(run):
    """A line for each variant that can run here, and a line that says so for each that cannot."""
    expected, left_out = set(VARIANTS[run.benchmark]), set()
    for package, names in PEERS.get(run.benchmark, {}).items():
        (expected if importlib.util.find_spec(package) else left_out).update(names)
    assert {run.benchmark} == {line["benchmark"] for line in run.lines}
    assert expected == {line["variant"] for line in run.lines if "variant" in line}
    skipped = {line["skipped"]: line["reason"] for line in run.lines if "skipped" in line}
    assert left_out <= skipped.keys()
    assert all("is not installed" in skipped[name] for name in left_out)
    assert all(f"{name} is left out: " in run.stderr for name in left_out)


def test_tiny_run_gives_positive_finite_figures(run):
    """No figure is missing, negative or not a number, and least <= median <= most."""
    assert run.figures
    for figures in run.figures:
        assert len(figures) >= 2
        for name, value in figures.items():
            assert math.isfinite(value), (name, figures)
            assert value > 0 or (value == 0 and name.endswith(MAY_BE_ZERO)), (name, figures)
            unit = name.removeprefix("median_")
            if unit != name:
                assert figures[f"min_{unit}"] <= value <= figures[f"max_{unit}"]


def test_tiny_run_shows_every_target(run):
    """Each figure that the package must reach has a line, with the measured one beside it."""
    if any(line.get("skipped") == "every ratio" for line in run.lines):
        pytest.skip("The page cache of this file system cannot be dropped.")
    claims = [line for line in run.lines if "figure" in line]
    targets = {line["target"] for line in claims if line["target"] is not None}
    assert sorted(TARGETS[run.benchmark]) == pytest.approx(sorted(targets))
    assert all(math.isfinite(line["value"]) for line in claims)
    assert all((line["reached"] is None) == (line["target"] is None) for line in claims)


def test_run_all_writes_the_tables_between_the_marks_only(run):
    """The rest of both files stays, what stood between the marks goes; the top one is shorter."""
    for name, has_all_feeds in (("README.md", True), ("TOP_README.md", False)):
        text = (run.folder / name).read_text()
        assert has_all_feeds == ("\n| Grain |" in text)
        assert text.startswith("before\n<!-- benchmark:start -->\n")
        assert text.endswith("\n<!-- benchmark:end -->\nafter\n")
        assert "replaced text" not in text
        assert f"| **{KERAS_NPY}** |" in text
        assert "A tiny run: its figures say nothing." in text


def test_run_all_draws_the_picture(run):
    """A PNG where matplotlib is installed, a line that says so where it is not."""
    picture = run.folder / "throughput_memory.png"
    if importlib.util.find_spec("matplotlib"):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert (run.benchmark == "shuffle") == (run.folder / "shuffle.png").exists()
    else:
        assert not picture.exists()
        assert "matplotlib is not installed" in run.stderr


@pytest.mark.parametrize("name", ["README.md", "benchmarks/README.md"])
def test_published_readmes_hold_the_marks(name):
    """One pair each, so that a run can put its table there."""
    text = (ROOT / name).read_text()
    assert 1 == text.count("<!-- benchmark:start -->") == text.count("<!-- benchmark:end -->")
    assert text.index("<!-- benchmark:start -->") < text.index("<!-- benchmark:end -->")


def test_published_tables_are_those_of_the_results():
    """None is left of older results, and none was changed by hand."""
    program = """if True:
        import json, pathlib
        from benchmarks import report, report_disks, report_gpu, run_all
        top, page = (pathlib.Path(name).read_text() for name in ("README.md", "docs/gpu.md"))
        whole = (run_all.HERE / "README.md").read_text()
        runs = report.load_all(run_all.HERE / "results")
        cards = report.load_all(report_gpu.FOLDER)
        assert runs and cards
        assert f"\\n\\n{report.full_markdown(runs)}\\n\\n" in whole
        assert f"\\n\\n{report.short_markdown(runs)}\\n\\n" in top
        for card in cards:
            assert f"\\n\\n{report_gpu.full_markdown(card)}\\n\\n" in whole
            assert f"\\n\\n{report_gpu.short_markdown(card)}\\n\\n" in page
        disks = report.load_all(report_disks.FOLDER)
        assert {"blocks", "scale"} == {lines[0]["benchmark"] for lines in disks}
        for lines in disks:
            assert f"\\n\\n{report_disks.TABLES[lines[0]['benchmark']](lines)}\\n\\n" in whole
    """
    ended = run_python("-c", program)
    assert 0 == ended.returncode, ended.stderr


@pytest.mark.parametrize("without", ["README.md", "TOP_README.md"])
def test_run_all_publish_without_marks_raises(tmp_path, without):
    """A table that would be lost in silence is an error; the results are saved all the same."""
    for name in ("README.md", "TOP_README.md"):
        (tmp_path / name).write_text("no marks\n" if name == without else MARKS)
    # Another process: the benchmarks choose the backend when they are imported.
    program = """if True:
        import pathlib, sys
        from benchmarks import run_all
        folder = run_all.HERE = pathlib.Path(sys.argv[1])
        environment = {"machine": "none", "versions": {}, "commit": "none"}
        results = {"is_tiny": True, "environment": environment, "lines": []}
        run_all.publish(results, folder, folder / "TOP_README.md")
    """
    ended = run_python("-c", program, str(tmp_path))
    assert 1 == ended.returncode
    assert "must have the two marks" in ended.stderr
    assert f"Received: {tmp_path / without}, which has no" in ended.stderr
    assert (tmp_path / "results" / "none.json").exists()


def test_publish_shows_machines_side_by_side(tmp_path):
    """A run replaces what its own kind of machine measured, and joins what another measured."""
    for name in ("README.md", "TOP_README.md"):
        (tmp_path / name).write_text(MARKS)
    program = """if True:
        import pathlib, sys
        from benchmarks import common, report, run_all
        folder = pathlib.Path(sys.argv[1])

        def publish(machine, us, speed):
            case = "64x128x128x3 shuffled"
            feed = {"benchmark": "feed", "case": case, "variant": "keras_npy"}
            feed |= {f"{which}_us_per_batch": us for which in ("median", "min", "max")}
            claim = common.ratio_claim(case, "keras_npy", "arrays", speed, 2.0)
            memory = {"case": case, "variant": "keras_npy", "growth_mb": us / 10, "file_mb": 983}
            lines = [feed, {"benchmark": "feed", **claim}, {"benchmark": "memory", **memory}]
            environment = {"machine": machine, "versions": {}, "commit": "abc"}
            results = {"is_tiny": False, "environment": environment, "lines": lines}
            run_all.publish(results, folder, folder / "TOP_README.md")

        publish("AMD EPYC, 2 cores, 24 GiB", 400, 2.5)
        publish("Intel(R) Xeon(R) Processor, 2 cores, 24 GiB", 999, 1.0)
        publish("Intel(R) Xeon(R) Processor, 2 cores, 8 GiB", 500, 1.5)
    """
    ended = run_python("-c", program, str(tmp_path))
    assert 0 == ended.returncode, ended.stderr
    files = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert files == ["amd-epyc-2-cores.json", "intel-xeon-2-cores.json"]
    top, whole = ((tmp_path / name).read_text() for name in ("TOP_README.md", "README.md"))
    assert "| **keras_npy** | **400 to 500 us** |" in top
    assert "| **40 to 50 MB** |" in top
    assert "AMD EPYC, 2 cores: value | Intel Xeon, 2 cores: value |" in whole
    assert "at least 2x | 2.50x, yes | 1.50x, **no** |" in whole


def test_compare_names_what_fell_by_more_than_its_spread(tmp_path):
    """More us or fewer MB/s is slower; ranges that overlap, and peers, are no fall."""

    def save(name, times):
        lines = [
            {"benchmark": "feed", "case": "c", "variant": variant}
            | dict(zip((f"min_{unit}", f"median_{unit}", f"max_{unit}"), values, strict=True))
            for (variant, unit), values in times.items()
        ]
        (tmp_path / name).write_text(json.dumps({"lines": lines}))
        return os.fspath(tmp_path / name)

    slower, rate = ("keras_npy", "us_per_batch"), ("keras_npy, one file", "mb_per_s")
    close, peer = ("NpyInputLayer", "us_per_step"), ("PyDataset by hand", "us_per_batch")
    old = {slower: (9, 10, 11), rate: (9, 10, 11), close: (9, 10, 12), peer: (9, 10, 11)}
    new = {slower: (19, 20, 21), rate: (4, 5, 6), close: (11, 12, 13), peer: (19, 20, 21)}
    paths = save("old.json", old), save("new.json", new)
    ended = run_python("-m", "benchmarks.compare", *paths)
    assert 1 == ended.returncode, ended.stderr
    assert ended.stdout.splitlines() == [
        "keras_npy: 3 figures, median speed 0.50x",
        "peers: 1 figures, median speed 0.50x",
        "2 of keras_npy fell by more than their spread.",
        "feed c keras_npy us_per_batch 10.0 (9.00 to 11.0) 20.0 (19.0 to 21.0) 0.50x "
        "beyond the spread",
        "feed c keras_npy, one file mb_per_s 10.0 (9.00 to 11.0) 5.00 (4.00 to 6.00) 0.50x "
        "beyond the spread",
    ]
    same = run_python("-m", "benchmarks.compare", paths[1], paths[1])
    assert 0 == same.returncode
    assert "0 of keras_npy fell" in same.stdout


def test_bench_gpu_tiny_proves_the_batches_and_times_every_variant(tmp_path):
    """On the CPU, each backend and shape; `run_all` leaves it out, since it needs a GPU."""
    for package in ("jax", "torch"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"bench_gpu runs on JAX and torch: {package} is not installed.")
    lines, stderr = run_benchmark("benchmarks.bench_gpu", "--tiny", folder=tmp_path)
    names = {ARRAYS, PY_DATASET, KERAS_NPY, 'keras_npy, cache="device"', "the same batch, resident"}
    for backend in ("jax", "torch"):
        timed = [line for line in lines if line.get("backend") == backend]
        assert 3 * len(names) == len(timed)
        assert names == {line["variant"] for line in timed}
    assert 12 == stderr.count("all right in flight")
    assert {0.7, 0.88, 0.9, 1.25, 1.4, 2.0, None} == {
        line["target"] for line in lines if "figure" in line
    }


def test_bench_iterator_tiny_times_iterators_and_their_epochs(tmp_path):
    """`run_all` leaves it out: its question is one of TensorFlow's cost, not of a feed's speed."""
    ended = run_python("-m", "benchmarks.bench_iterator", "--tiny", TMPDIR=str(tmp_path))
    assert ended.returncode == 0, ended.stderr[-5000:]
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert 8 == sum("variant" in line for line in lines)
    assert [10.0, None] == [line["target"] for line in lines if "figure" in line]


def test_bench_windows_tiny_trains_alike_from_windows_and_views(tmp_path):
    """`run_all` leaves it out: its question is one layout's. Losses are compared first."""
    ended = run_python("-m", "benchmarks.bench_windows", "--tiny", TMPDIR=str(tmp_path))
    assert ended.returncode == 0, ended.stderr[-5000:]
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    names = ["keras_npy", "sliding_window_view, array in RAM", "timeseries_dataset_from_array"]
    assert names == [line["variant"] for line in lines if "variant" in line]
    assert 2 == sum("figure" in line for line in lines)


def test_bench_super_batches_tiny_times_every_variant_on_two_versions_of_keras(tmp_path):
    """`run_all` leaves it out, since it needs two; here the same one stands for both."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("bench_super_batches runs on JAX, which is not installed.")
    newer = str(Path(importlib.util.find_spec("keras").origin).parents[1])
    module = "benchmarks.bench_super_batches"
    ended = run_python("-m", module, "--tiny", TMPDIR=str(tmp_path), NEWER_KERAS=newer)
    assert ended.returncode == 0, ended.stderr[-5000:]
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    timed = [line["variant"] for line in lines if "variant" in line]
    assert [KERAS_NPY, ARRAYS, "the same batches, resident"] == [
        name.removesuffix(", Keras 3.16") for name in timed[:3]
    ]
    assert [f"{KERAS_NPY}, Keras 3.15", f"{ARRAYS}, Keras 3.15"] == timed[3:]
    assert [1.0, 3.0, None] == [line["target"] for line in lines if "figure" in line]


def test_bench_shuffle_finds_bad_shuffles():
    """Steps around a circle, and a network of two rounds, which is known to be too few.

    What shuffles well passes the same tests, so that they say something.
    """
    program = """if True:
        from benchmarks import bench_shuffle
        from keras_npy.order import permutation

        def least(num_rows, make):
            looked = bench_shuffle.looked_at(num_rows, make(num_rows), 600_000)
            figures = bench_shuffle.measure(looked)
            return min(value for name, value in figures.items() if name.startswith("p_value"))

        for num_rows in (1_009, 65_537):
            print(least(num_rows, bench_shuffle.by_affine) < bench_shuffle.P_MIN)
        print(least(65_537, bench_shuffle.by_keras_npy) < bench_shuffle.P_MIN)
        permutation.FEISTEL_ROUNDS = 2
        print(least(65_537, bench_shuffle.by_keras_npy) < bench_shuffle.P_MIN)
        print(round(bench_shuffle.chance_of_more(3.841, 1), 4))
        print(round(bench_shuffle.chance_of_more(300, 255), 4))
    """
    ended = run_python("-c", program)
    assert ["True"] * 2 + ["False", "True", "0.05", "0.0277"] == ended.stdout.split(), ended.stderr


def test_scale_tiny_checks_its_predictions(tmp_path):
    """Each has a measured value beside it; what is given is not measured."""
    options = ("--tiny", "--stream-mb-s", "100", "--random-rows-per-s", "50", "--memory-gb", "10")
    (first, *lines), _ = run_benchmark("benchmarks.scale", *options, folder=tmp_path)
    assert (100, 50, 10) == tuple(first["machine_has"].values())[:3]
    checks = [line for line in lines if "predicted" in line]
    assert 8 == len(checks)
    assert all(
        line["ratio"] * line["predicted"] == pytest.approx(line["measured"]) for line in checks
    )
    far = {(line["case"], line["variant"]): line for line in lines if "epoch_hours" in line}
    assert 12 == len(far)
    # By hand: 1e12 / 49,152 rows, of which 1 % are in memory, 50 a second; and 1e6 blocks of 1 MB.
    uniform, blocks = far["1 TB", "uniform"], far["1 TB", "blocks"]
    assert uniform["epoch_hours"] == pytest.approx(1e12 / 49_152 * 0.99 / 50 / 3_600)
    assert blocks["epoch_hours"] == pytest.approx(1e6 * 0.99 / 50 / 3_600)
    assert ("disk", "disk") == (uniform["slowest"], blocks["slowest"])


def test_bench_blocks_tiny_reads_from_the_simulated_disk(tmp_path):
    """Or says why it cannot."""
    lines, _ = run_benchmark("benchmarks.bench_blocks", "--tiny", folder=tmp_path)
    if "skipped" in lines[0]:
        assert {"a FUSE file system needs root"} == {line.get("reason") for line in lines}
        return
    assert {"uniform", "blocks of 1 MB"} == {line["variant"] for line in lines if "variant" in line}
    assert 1 == sum("figure" in line for line in lines)


def test_run_all_tiny_without_out_is_refused():
    """Figures of a tiny run must not replace the published ones."""
    ended = run_all("--tiny")
    assert ended.returncode == 2
    assert "give --out with these" in ended.stderr


@pytest.mark.parametrize("name", ["new", "file"])
def test_run_all_prepares_the_folder_before_it_measures(tmp_path, name):
    """It is made if it is not there, and refused by its name if it is a file."""
    (tmp_path / "file").touch()
    # The benchmarks are not what is tested here.
    program = """if True:
        import sys
        from benchmarks import run_all
        run_all.run_benchmarks = lambda names, is_tiny: {"folder": "was there in time"}
        run_all.publish = lambda results, out, top: print(results["folder"], out.is_dir())
        sys.argv = ["run_all", "--tiny", "--out", sys.argv[1]]
        run_all.main()
    """
    ended = run_python("-c", program, str(tmp_path / name))
    if name == "new":
        assert "was there in time True" == ended.stdout.strip()
    else:
        assert ended.returncode == 2
        assert f"--out must be a folder. Received: {tmp_path / name}." in ended.stderr
