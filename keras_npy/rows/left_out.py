"""Which windows hold a value that spoils training, and the `indices=` that leaves them out."""

from collections.abc import Iterable

import numpy as np

from keras_npy.order.selection import to_array
from keras_npy.rows.base import Rows
from keras_npy.types import Indices

# A list of more runs is not read. Windows side by side make one.
_RUNS_MAX = 8

# The windows of so many timesteps are looked for: each may lie in thousands.
STEPS_MAX = 1000


def which_windows(
    sources: Iterable[Rows], part: Rows, steps: Indices, chosen: range | Indices | None
) -> tuple[str, str]:
    """The words for the windows that hold these rows of `part`, and what leaves them out.

    Args:
        sources: All sources of a sequence: windows and the next values are of one series.
        part: What `read_once` of one of them gave.
        steps: Rows of it, `STEPS_MAX` at most.
        chosen: The rows that are used, or `None` for all.
    """
    sources = list(sources)
    num_rows = len(sources[0])
    found = [rows.numbers_with(part, steps) for rows in sources]
    held = np.unique(np.concatenate(found))
    if chosen is not None:
        held = held[np.isin(held, to_array(chosen))]
    runs = _runs(held.tolist())
    num_used = num_rows if chosen is None else len(np.unique(to_array(chosen)))
    if len(held) == num_used:
        return f"all {num_used} windows hold", ""
    are = (
        f"windows {_named(runs)} of {num_rows} hold"
        if len(held) > 1
        else f"window {held[0]} of {num_rows} holds"
    )
    if len(runs) > _RUNS_MAX:
        return are, ", or leave these windows out with indices="
    numbers = _code(runs)
    if chosen is None:
        return are, f", or pass indices=np.delete(np.arange({num_rows}), {numbers})"
    kept = f"(rows := np.arange({num_rows})[indices])[~np.isin(rows, {numbers})]"
    return are, f", or pass indices={kept}"


def _runs(numbers: list[int]) -> list[range]:
    """Ascending numbers as ranges, as few as a walk over them finds."""
    runs: list[range] = []
    for number in numbers:
        step = number - runs[-1][-1] if runs else 0
        if runs and (len(runs[-1]) == 1 or step == runs[-1].step):
            runs[-1] = range(runs[-1][0], number + 1, step)
        else:
            runs.append(range(number, number + 1))
    return runs


def _named(runs: list[range]) -> str:
    words = [
        f"{run[0]} to {run[-1]}" + (f" in steps of {run.step}" if run.step > 1 else "")
        if len(run) > 2
        else ", ".join(map(str, run))
        for run in runs[:_RUNS_MAX]
    ]
    more = sum(map(len, runs[_RUNS_MAX:]))
    return ", ".join(words) + (f" and {more} more" if more else "")


def _code(runs: list[range]) -> str:
    """An expression of Python with these numbers."""
    if len(runs) == 1 and len(runs[0]) > 2:
        return str(runs[0])
    words = (f"*{run}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return f"[{', '.join(words)}]"
