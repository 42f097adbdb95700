"""Warn of windows that jump over rows of a series, or cross from one series to the next."""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import warn
from keras_npy.names.alternating import num_alternating
from keras_npy.names.series import begins_of_series, gaps
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.types import Indices

# Stretches without a gap that a message names.
_STRETCHES_NAMED_MAX = 4


class Begins(Protocol):
    """The row of a series at which each window begins."""

    def __len__(self) -> int: ...

    def at(self, indices: Indices) -> Indices: ...


def warn_of_jumps(series: Rows, starts: Begins, span: int) -> None:
    """Warn of windows whose timesteps do not lie at equal distances where they were picked out.

    Args:
        series: The series, of which each file and source is one of its own.
        starts: Where the windows begin.
        span: Rows from the first one of a window to its last one.
    """
    are_jumps = _jumps(series)
    if are_jumps is None or not are_jumps.any():
        return
    found = _crossing(are_jumps, starts, span)
    if found is None:
        return
    num_jumping, at = found
    path, row = series.file_of(at)
    next_path, next_row = series.file_of(at + 1)
    follows = f"row {next_row}" if next_path == path else f"row {next_row} of {next_path}"
    warn(
        f"{series.name}: timesteps of a window follow each other at equal distances, as they lie "
        f"in the file. Received: rows that were picked out, and {num_jumping} of {len(starts)} "
        f"windows that jump, such as from row {row} of {path} to {follows}. Make windows of all "
        "rows, and cut those by time: NpySequence(windows(path, ...)).split(0.2, in_order=True). "
        f"{_JOIN if len(series.shard_lengths) == 1 else _JOIN_EACH}"
    )


_JOIN = "join=True says that the rows make one series as they are."
# It would also join the series to each other.
_JOIN_EACH = (
    "If the rows of each file make one series as they are, pass a list with the windows of each, "
    "as [windows(take(path, rows), ..., join=True) for path, rows in ...]."
)


def warn_of_crossings(series: Rows, starts: Begins, span: int, sampling_rate: int) -> None:
    """Warn of windows over files of one timestep each that cross to another series, or a gap.

    They lie in several folders, or take turns, or their names begin to count again, or leave
    numbers out.

    Args:
        series: The series, of which each file and source is one of its own.
        starts: Where the windows begin.
        span: Rows from the first one of a window to its last one.
        sampling_rate: Rows from one of a window to its next one.
    """
    for first, paths in _files_of_timesteps(series):
        folders = [*map(os.path.dirname, paths)]
        borders = [at for at in range(1, len(paths)) if folders[at] != folders[at - 1]]
        are_in_one = not borders
        borders = borders or begins_of_series(paths)
        num_series = 1 if borders else num_alternating(paths)
        if num_series > 1 and sampling_rate % num_series:
            borders = [*range(1, len(paths))]
        missing = [] if borders or num_series > 1 else gaps(paths)
        if not borders and not missing:
            continue
        are_borders = np.zeros(len(series) - 1, bool)
        are_borders[np.array(borders or missing) + first - 1] = True
        found = _crossing(are_borders, starts, span)
        if found is None:
            continue
        received = found[0], len(starts), paths[found[1] - first :][:2]
        if missing:
            # Of rows that were picked out, `warn_of_jumps` speaks.
            if _steps(series) is None:
                warn(_cross_gap(series.name, *received, missing, len(paths) == len(series)))
        elif num_series > 1:
            warn(_cross_back_and_forth(series.name, *received, num_series))
        elif are_in_one:
            warn(_cross_names(series.name, *received))
        else:
            warn(_cross_folders(series.name, [*dict.fromkeys(folders)]))
        return


def _cross_folders(name: str, folders: Sequence[str]) -> str:
    return (
        f"{name}: of samples each file is one timestep, and windows cross from folder to folder. "
        f"Received: {len(folders)} folders, such as {folders[0]} and {folders[1]}. Pass a list "
        f"with the windows of each folder, as {_LIST}; join=True says that all are one series."
    )


def _cross_names(name: str, num: int, num_windows: int, paths: Sequence[str]) -> str:
    path, next_path = paths
    return (
        f"{name}: of samples each file is one timestep, and windows cross to another series where "
        f"the names begin to count again. Received: {num} of {num_windows} windows that do, such "
        f"as from {path} to {next_path}. Pass a list with the windows of each series, as {_LIST}; "
        "join=True says that all are one series."
    )


def _cross_back_and_forth(
    name: str, num: int, num_windows: int, paths: Sequence[str], num_series: int
) -> str:
    path, next_path = paths
    return (
        f"{name}: of samples each file is one timestep, and files of {num_series} series take "
        f"turns. Received: {num} of {num_windows} windows with several of these, such as {path} "
        f"and {next_path}. Pass a list with the windows of each series: [windows(take(frames, "
        f"slice(first, None, {num_series})), ...) for first in range({num_series})], in which "
        "frames are these samples; join=True says that all are one series."
    )


def _cross_gap(
    name: str,
    num: int,
    num_windows: int,
    paths: Sequence[str],
    missing: Sequence[int],
    is_alone: bool,
) -> str:
    path, next_path = paths
    cuts = [0, *missing]
    stretches = [*pairwise(cuts), (cuts[-1], None)]
    named = str(stretches) if is_alone and len(stretches) <= _STRETCHES_NAMED_MAX else "stretches"
    return (
        f"{name}: of samples each file is one timestep, and those of a window follow each other "
        f"at equal distances. Received: numbers that are left out, and {num} of {num_windows} "
        f"windows that jump over them, such as from {path} to {next_path}. Add the files that are "
        "missing, or pass a list with the windows of each stretch: [windows(take(frames, "
        f"slice(first, stop)), ...) for first, stop in {named}], in which frames are these "
        "samples; join=True says that they make one series as they are."
    )


_LIST = "[windows(samples(pattern), ...) for pattern in patterns]"


def _files_of_timesteps(rows: Rows, first: int = 0) -> Iterator[tuple[int, Sequence[str]]]:
    """The files of each series that has one for each timestep, and the row of the first of them."""
    if isinstance(rows, JoinedRows):
        for source in rows.sources:
            yield from _files_of_timesteps(source, first)
            first += len(source)
    # Files of one row each that are no samples are series of their own.
    elif len(rows.shard_lengths) == 1 < len(rows) and (paths := rows.file_paths) is not None:
        yield first, paths


def _crossing(are_borders: NDArray[np.bool_], starts: Begins, span: int) -> tuple[int, int] | None:
    """The number of windows that cross from a row to the next where there is a border.

    Args:
        are_borders: Whether there is one behind each row but the last.
        starts: Where the windows begin.
        span: Rows from the first one of a window to its last one.

    Returns:
        It, and the row in front of the first border that a window crosses; `None` if none does.
    """
    if not are_borders.any():
        return None
    begins = starts.at(np.arange(len(starts)))
    before = np.cumsum(np.append(False, are_borders))
    crossing = np.flatnonzero(before[begins + span] > before[begins])
    if not len(crossing):
        return None
    at = int(begins[crossing[0]])
    return len(crossing), at + int(np.argmax(are_borders[at:]))


def _jumps(series: Rows) -> NDArray[np.bool_] | None:
    """Where the next row lies at another distance than most do; `None` if none was picked out."""
    steps = _steps(series)
    if steps is None:
        return None
    # No window crosses from one file to the next.
    are_borders = np.zeros(len(steps), bool)
    lengths = series.shard_lengths
    are_borders[np.cumsum(lengths[lengths > 0])[:-1] - 1] = True
    inside = steps[~are_borders]
    if not len(inside) or np.all(inside == inside[0]):
        return None
    files = np.cumsum(np.append(False, are_borders))
    is_uneven = _are_uneven(np.cumsum(np.append(0, steps)), files)
    if not is_uneven.any():
        return None
    values, counts = np.unique(inside, return_counts=True)
    usual = values[np.argmax(counts)]
    jumps: NDArray[np.bool_] = (steps != usual) & ~are_borders & is_uneven[files[1:]]
    return jumps


def _are_uneven(numbers: Indices, files: Indices) -> NDArray[np.bool_]:
    """Of which files some rows were left out or come twice.

    If every second row was picked out, or rows were sorted by time, none is missing.
    """
    # One number for both: np.lexsort takes several times as long.
    width = int(numbers.max()) - int(numbers.min()) + 1
    placed = np.sort(files * width + (numbers - numbers.min()))
    of_files = placed // width
    is_inside = of_files[1:] == of_files[:-1]
    distances, at = np.diff(placed)[is_inside], of_files[1:][is_inside]
    least = np.full(int(files[-1]) + 1, np.iinfo(np.int64).max)
    most = np.zeros_like(least)
    np.minimum.at(least, at, distances)
    np.maximum.at(most, at, distances)
    are_uneven: NDArray[np.bool_] = (least < most) | (least == 0)
    return are_uneven


def _steps(rows: Rows) -> Indices | None:
    """From each row to the next one, in what they were picked from; `None` if none was."""
    if isinstance(rows, JoinedRows):
        found = [_steps(source) for source in rows.sources]
        if all(steps is None for steps in found):
            return None
        # Behind each source lies a border, whatever stands there.
        padded = [
            np.ones(len(source), np.int64) if steps is None else np.append(steps, 1)
            for source, steps in zip(rows.sources, found, strict=True)
        ]
        return np.concatenate(padded)[:-1]
    chosen = []
    while isinstance(rows, ChosenRows):
        chosen.append(rows)
        rows = rows.source
    # A range has equal distances, and its numbers would take 8 bytes each.
    if all(isinstance(each.indices, range) for each in chosen):
        return None
    numbers = np.arange(len(chosen[0]))
    for each in chosen:
        numbers = each.source_indices(numbers)
    return np.diff(numbers)
