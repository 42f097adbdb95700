"""Is an epoch from .npy files as fast as one from arrays in RAM, and as the memory bus allows?

Run:    python -m benchmarks.bench_feed [--large-rows 20000 --small-rows 60000 --repeats 5]
Prints: one JSON line per case and variant: median, min and max seconds of an epoch, us a batch,
        MB/s, versions, commit, machine; then a line for each ratio, with its target.
Cache:  warm. The rows of each variant's epoch are checked, and it runs once untimed, first. The
        variants of a case take turns in one process.
"""

import json
from typing import Any

from benchmarks import common, feeds
from benchmarks.feeds import EpochCase

LARGE, SMALL = (128, 128, 3), (28, 28)
SHUFFLED_LARGE = "64x128x128x3 shuffled"
SHUFFLED_SMALL = "32x28x28 shuffled"
SHUFFLED_MEDIUM = "256x28x28 shuffled"
ORDERED_LARGE = "64x128x128x3 file order"

CASES = {
    SHUFFLED_LARGE: EpochCase(64, LARGE),
    SHUFFLED_SMALL: EpochCase(32, SMALL),
    SHUFFLED_MEDIUM: EpochCase(256, SMALL),
    ORDERED_LARGE: EpochCase(64, LARGE, shuffle=False),
}

# Files that are read by position are compared with mapped ones for rows of this size too.
SHUFFLED_12_KB = "64x64x64x3 shuffled"
READ_CASES = {**CASES, SHUFFLED_12_KB: EpochCase(64, (64, 64, 3))}
READ_VARIANTS = (feeds.KERAS_NPY, feeds.READ, feeds.LIMIT, feeds.READ_LIMIT)

# The code of the other cases is that of these.
IN_TINY = (SHUFFLED_LARGE, ORDERED_LARGE, SHUFFLED_12_KB)

# How fast reading must be, where mapping is 1.
READ_TARGETS = {SHUFFLED_LARGE: 0.7, SHUFFLED_12_KB: 0.5}

# How many times as fast keras_npy must be. None: the ratio is shown but has no target.
TARGETS: dict[str, dict[str, float | None]] = {
    SHUFFLED_LARGE: {feeds.ARRAYS: 1.0, feeds.PY_DATASET: 5.0, feeds.LIMIT: 0.9},
    SHUFFLED_SMALL: {feeds.ARRAYS: 1.1, feeds.PY_DATASET: 4.0, feeds.LIMIT: None},
    SHUFFLED_MEDIUM: {feeds.ARRAYS: 1.1, feeds.PY_DATASET: 4.0, feeds.LIMIT: None},
    ORDERED_LARGE: {feeds.ARRAYS: 2.0, feeds.PY_DATASET: None, feeds.FIXED_LENGTH: None},
}


def read_ratios(
    title: str, medians: dict[str, float], target: float | None
) -> list[dict[str, Any]]:
    """The speed of reading over mapping: by keras_npy, and what the system allows."""
    pairs = ((feeds.READ, feeds.KERAS_NPY, target), (feeds.READ_LIMIT, feeds.LIMIT, None))
    return [
        common.ratio_claim(title, read, mapped, medians[mapped] / medians[read], least)
        for read, mapped, least in pairs
    ]


def ratios(case: str, medians: dict[str, float]) -> list[dict[str, Any]]:
    """The speed of keras_npy over that of each variant in its targets."""
    read_claims = read_ratios(case, medians, READ_TARGETS.get(case))
    if case not in CASES:
        return read_claims
    return [
        *read_claims,
        *(
            common.ratio_claim(
                case, feeds.KERAS_NPY, name, medians[name] / medians[feeds.KERAS_NPY], target
            )
            for name, target in {
                **TARGETS[case],
                feeds.LIMIT_AHEAD: None,
                feeds.FLOOR: None,
            }.items()
        ),
        *(
            common.ratio_claim(
                case, feeds.MISALIGNED, name, medians[name] / medians[feeds.MISALIGNED]
            )
            for name in (feeds.ARRAYS, feeds.PY_DATASET)
        ),
    ]


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {"large_rows": (20_000, 200), "small_rows": (60_000, 1_000), "repeats": (5, 1)},
        one=READ_CASES,
    )
    if arguments.one:
        case = READ_CASES[arguments.one]
        num_rows = arguments.small_rows if case.row_shape == SMALL else arguments.large_rows
        names = feeds.FEEDS if arguments.one in CASES else READ_VARIANTS
        feeds.measure("feed", arguments.one, case, names, num_rows, arguments.repeats)
        return
    sizes = {name: getattr(arguments, name) for name in ("large_rows", "small_rows", "repeats")}
    claims = []
    for case in READ_CASES:
        if arguments.tiny and case not in IN_TINY:
            continue
        # Each case gets a new process, because TensorFlow keeps its arrays until the process ends.
        lines = common.run_in_process(__spec__.name, one=case, **sizes)
        for line in lines:
            print(json.dumps(line), flush=True)
        claims += ratios(
            case, {line["variant"]: line["median_s"] for line in lines if "variant" in line}
        )
    common.print_claims("feed", claims)


if __name__ == "__main__":
    main()
