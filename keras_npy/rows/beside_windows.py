"""What to do with rows that do not belong to windows one by one: the remedies of errors."""

from collections.abc import Iterator

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import JoinedRows, sources_of
from keras_npy.types import Indices

_WINDOWS_LOOKED_AT = 1000


def remedy_beside_windows(first: Rows, second: Rows) -> str | None:
    """A remedy if one of two sources is of windows, and it is clear what the other one counts."""
    for windows, others in ((first, second), (second, first)):
        series = [*_series_of(windows)]
        if series and not any(_series_of(others)):
            lengths = np.concatenate([rows.shard_lengths for rows in series])
            remedy = _of_steps(windows, others, lengths) or _of_counts(windows, others, lengths)
            if remedy:
                return remedy
    return _of_ends(first, second)


def _series_of(rows: Rows) -> Iterator[Rows]:
    """The series of windows; nothing if rows are none."""
    if isinstance(rows, JoinedRows):
        for source in rows.sources:
            yield from _series_of(source)
    elif isinstance(rows, ForwardingRows) and not isinstance(rows, ChosenRows):
        begins, ends, _ = rows.timesteps(np.zeros(1, np.int64))
        if ends[0] - begins[0] > 1:
            yield rows.source


def _of_steps(windows: Rows, others: Rows, lengths: Indices) -> str | None:
    """What to do with a row for each timestep of several files, or of those that windows begin."""
    stride = _stride(windows)
    if isinstance(others, JoinedRows):
        return _of_steps_of_each(others, lengths, stride)
    source, named = others, others.name
    shift = "which takes those that windows begin with"
    if isinstance(others, ChosenRows):
        part = others.indices
        if not isinstance(part, range) or part.step not in (1, stride):
            return None
        source = others.source
        if part.start:
            named = f"take(y, slice({part.start}, None)), in which y are all of these rows,"
            shift = "which counts in each file for itself"
        elif len(part) < len(source):
            named = "all of its rows"
    if len(lengths) < 2 or not np.array_equal(source.shard_lengths, lengths):
        return None
    return (
        f"{source.name} has a row for each timestep, and each file has fewer windows: pass "
        f"{named} as targets= of windows, {shift}."
    )


def _of_steps_of_each(others: JoinedRows, lengths: Indices, stride: int) -> str | None:
    """As `_of_steps`, where each file was opened, and its rows chosen, by itself."""
    parts = [source for source in others.sources if isinstance(source, ChosenRows)]
    ranges = [part.indices for part in parts if isinstance(part.indices, range)]
    if len(ranges) < max(2, len(others.sources)):
        return None
    begins = {(one.start, one.step) for one in ranges}
    start, step = begins.pop()
    of_files = np.concatenate([part.source.shard_lengths for part in parts])
    if begins or step not in (1, stride) or not np.array_equal(of_files, lengths):
        return None
    labels = f"take(labels, slice({start}, None))" if start else "labels"
    return (
        f"{parts[0].source.name} has a row for each timestep, and its series fewer windows: pairs "
        f"= [windows(path, ..., targets={labels}) for path, labels in ...], then "
        "NpySequence([one.x for one in pairs], [one.y for one in pairs])."
    )


def _of_ends(first: Rows, second: Rows) -> str | None:
    """What to do with windows of one series, or of one each, of which those of one side are more.

    A forecast, whose targets begin behind its inputs and so reach the end of the series earlier.
    """
    sides = [*sources_of(first)], [*sources_of(second)]
    if len(sides[0]) != len(sides[1]):
        return None
    pairs = [*zip(*sides, strict=True)]
    steps = set()
    for one, other in pairs:
        if not (any(_series_of(one)) and any(_series_of(other))):
            return None
        lengths = one.shard_lengths, other.shard_lengths
        ends = [rows.timesteps(np.zeros(1, np.int64)).num_steps for rows in (one, other)]
        strides = {_stride(rows) for rows in (one, other)}
        if max(map(len, lengths)) > 1 or ends[0] != ends[1] or len(strides) > 1:
            return None
        more = max(one, other, key=len)
        if more.timesteps(np.array([len(more) - 1])).ends[0] <= ends[0] - max(strides):
            # An end_index= was given, of which nobody knows what it is to be.
            return None
        steps.add((len(one) - len(other)) * strides.pop())
    if len(steps) > 1 or steps <= {0}:
        return None
    num_more = steps.pop()
    longer = first if num_more > 0 else second
    return (
        f"{longer.name} are more windows, of the same series: end these {abs(num_more)} timesteps "
        f"earlier, windows(path, ..., end_index=len(keras_npy.open_rows(path)) - {abs(num_more)})"
        f"{' for each path' if len(pairs) > 1 else ''}."
    )


def _stride(windows: Rows) -> int:
    """Timesteps between the begins of two windows of one file."""
    begins = windows.timesteps(np.arange(min(_WINDOWS_LOOKED_AT, len(windows)))).begins
    # The first file may have a single one.
    steps = np.diff(begins)
    return int(steps[steps > 0].min(initial=np.iinfo(np.int64).max))


def _of_counts(windows: Rows, others: Rows, lengths: Indices) -> str | None:
    """What to do with a row for each file, or for each window of the files as one series."""
    num_files = len(windows.shard_lengths)
    if num_files > 1 and len(others) in (num_files, len(lengths)):
        remedy = repeat_for_each("y")
        if num_files < len(others):
            remedy = f"leave out those of files that are too short for a window; {remedy}"
        return f"{others.name} has a row for each file of the windows: {remedy}."
    begins, ends, num_steps = windows.timesteps(np.arange(len(windows)))
    span, stride = ends[0] - begins[0], begins[1:2].sum() - begins[0]
    if len(lengths) < 2 or stride < 1 or np.any(begins[1:] <= begins[:-1]):
        return None
    num_joined = -(-(num_steps - begins[0] - span + 1) // stride)
    if num_joined != len(others) or len(others) <= len(windows):
        return None
    remedy = "pass join=True to windows if the files are one series"
    if begins[0] == 0 and stride == 1:
        remedy += (
            "; else leave out the rows of windows that would cross from file to file, with "
            "take(y, x.timesteps(np.arange(len(x))).begins), in which x are the windows"
        )
    return f"{others.name} has a row for each window of the files joined, {len(others)}: {remedy}."


def repeat_for_each(labels: str) -> str:
    """How to give each window of a file the label of the file."""
    return (
        "if it is the label of all windows of the file, pass "
        f"np.repeat({labels}, x.shard_lengths), in which x are the windows"
    )
