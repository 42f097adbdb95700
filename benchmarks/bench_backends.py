"""Do JAX and torch get batches as fast as from their own loaders, and as the memory bus allows?

Run:    python -m benchmarks.bench_backends [--large-rows 20000 --small-rows 60000 --repeats 5]
Prints: one JSON line per case and variant: median, min and max seconds of an epoch, us a batch,
        MB/s, versions, commit, machine; then a line for each ratio, with its target.
Cache:  warm. The rows of each variant's epoch are checked, and it runs once untimed, first. The
        variants of a case take turns in one process, whose Keras runs on the backend.
"""

import json
from typing import Any

from benchmarks import bench_feed, common, feeds

BACKENDS = ("jax", "torch")
SHAPES = (bench_feed.SHUFFLED_LARGE, bench_feed.SHUFFLED_SMALL, bench_feed.SHUFFLED_MEDIUM)
# A shape for which reading is compared with mapping only.
READ_SHAPES = (bench_feed.SHUFFLED_12_KB,)

# The backend and the shape, by case.
CASES = {
    f"{backend}: {shape}": (backend, shape)
    for backend in BACKENDS
    for shape in (*SHAPES, *READ_SHAPES)
}

# Every variant runs there.
IN_TINY = (bench_feed.SHUFFLED_LARGE,)

VARIANTS = (
    *bench_feed.READ_VARIANTS,
    feeds.ARRAYS,
    feeds.GRAIN,
    feeds.TORCH,
    feeds.TORCH_WORKERS,
    feeds.TORCH_GETITEMS,
    feeds.LIMIT_AHEAD,
)

# The loaders that the documentation of JAX and torch uses.
LOADERS = (feeds.GRAIN, feeds.TORCH, feeds.TORCH_WORKERS)
BEST_LOADER = "the best of " + ", ".join(LOADERS)

# How many times as fast keras_npy must be. None: the ratio is shown but has no target.
LOADER_TARGET = 2.0
LIMIT_TARGETS = {bench_feed.SHUFFLED_LARGE: 0.8}


def measure(title: str, large_rows: int, small_rows: int, repeats: int) -> None:
    backend, shape = CASES[title]
    common.use_backend(backend)
    case = bench_feed.READ_CASES[shape]
    num_rows = small_rows if case.row_shape == bench_feed.SMALL else large_rows
    names = VARIANTS if shape in SHAPES else bench_feed.READ_VARIANTS
    feeds.measure("backends", title, case, names, num_rows, repeats)


def ratios(title: str, medians: dict[str, float]) -> list[dict[str, Any]]:
    """The speed of keras_npy over that of each variant in its targets."""
    shape = CASES[title][1]
    read_claims = bench_feed.read_ratios(title, medians, bench_feed.READ_TARGETS.get(shape))
    if shape in READ_SHAPES:
        return read_claims
    found = [medians[name] for name in LOADERS if name in medians]
    others = {
        **({BEST_LOADER: (min(found), LOADER_TARGET)} if found else {}),
        feeds.LIMIT: (medians[feeds.LIMIT], LIMIT_TARGETS.get(shape)),
        feeds.LIMIT_AHEAD: (medians[feeds.LIMIT_AHEAD], None),
        feeds.ARRAYS: (medians[feeds.ARRAYS], None),
    }
    return read_claims + [
        common.ratio_claim(title, feeds.KERAS_NPY, name, median / medians[feeds.KERAS_NPY], target)
        for name, (median, target) in others.items()
    ]


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {"large_rows": (20_000, 200), "small_rows": (60_000, 1_000), "repeats": (5, 1)},
        one=CASES,
    )
    sizes = {name: getattr(arguments, name) for name in ("large_rows", "small_rows", "repeats")}
    if arguments.one:
        measure(arguments.one, **sizes)
        return
    claims = []
    for title, (backend, shape) in CASES.items():
        if arguments.tiny and shape not in IN_TINY:
            continue
        lines = common.run_on_backend(
            __spec__.name, backend, benchmark="backends", one=title, **sizes
        )
        if not lines:
            continue
        for line in lines:
            print(json.dumps(line), flush=True)
        claims += ratios(
            title, {line["variant"]: line["median_s"] for line in lines if "variant" in line}
        )
    common.print_claims("backends", claims)


if __name__ == "__main__":
    main()
