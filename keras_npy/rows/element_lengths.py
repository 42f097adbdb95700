"""Lists of sources that are paired: whether they hold their rows in one order, by their lengths.

Two lists of 3 and 2 rows beside 2 and 3 are in another order. Of 6 and 4 beside 5 and 5, one order
may only be cut elsewhere, which the user knows.
"""

from collections.abc import Sequence

import numpy as np

from keras_npy.errors import warn
from keras_npy.names.partners import compare_names
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.rows.stored import StoredRows, StridedRows
from keras_npy.types import Indices


def check_element_lengths(leaves: Sequence[Rows]) -> None:
    """Raise if lists, or patterns, have the same lengths in another order; warn of other lengths.

    Args:
        leaves: The sources whose rows are paired, each of as many rows.
    """
    # If two lists agree with the first one of as many sources, they agree with each other.
    firsts: dict[int, tuple[Rows, Indices]] = {}
    for rows in map(_whole, leaves):
        lengths = _lengths(rows)
        if lengths is not None:
            first, first_lengths = firsts.setdefault(len(lengths), (rows, lengths))
            if not np.array_equal(lengths, first_lengths) and not _are_partners(first, rows):
                _raise_or_warn(first, first_lengths, rows, lengths)


def _whole(rows: Rows) -> Rows:
    """The list that rows are, if each of them is a row of it."""
    if isinstance(rows, ChosenRows) or not isinstance(rows, ForwardingRows):
        return rows
    return _whole(rows.source) if len(rows) == len(rows.source) else rows


def _lengths(rows: Rows) -> Indices | None:
    """The rows of each element of a list; `None` if it is none, or some of its rows are chosen."""
    if isinstance(rows, ChosenRows):
        return None
    if isinstance(rows, JoinedRows):
        return np.array([len(source) for source in rows.sources], np.int64)
    lengths = rows.shard_lengths
    return lengths if len(lengths) > 1 else None


def _are_partners(one: Rows, other: Rows) -> bool:
    """Whether the files say that rows belong together, however they are put into lists."""
    files, others = one.files, other.files
    return (
        files is not None
        and others is not None
        and np.array_equal(files.lengths, others.lengths)
        and compare_names(files.paths, others.paths).kind == "partners"
    )


def _raise_or_warn(first: Rows, lengths: Indices, other: Rows, others: Indices) -> None:
    place = int(np.flatnonzero(lengths != others)[0])
    one, partner = _name(first, lengths, place), _name(other, others, place)
    message = (
        f"{partner}: sources of two lists are paired in order, and those that belong together have "
        f"the same number of rows. Received: {one} has N={lengths[place]}, {partner} has "
        f"N={others[place]}, number {place + 1} of {len(lengths)} in their lists."
    )
    if np.array_equal(np.sort(lengths), np.sort(others)):
        raise ValueError(
            f"{message} List the sources of both in the same order; check_names=False says that "
            "the pairs are meant."
        )
    as_one = ""
    if _are_arrays(first) and _are_arrays(other):
        as_one = ", and so does np.concatenate(arrays) of each list"
    warn(
        f"{message} If the rows of both are in one order, and only cut elsewhere, "
        f"check_names=False says so{as_one}; else save both again, with the same rows in each."
    )


def _are_arrays(rows: Rows) -> bool:
    """Whether rows are a list of arrays in memory."""
    return isinstance(rows, JoinedRows) and all(
        isinstance(source, StoredRows | StridedRows) and source.files is None
        for source in rows.sources
    )


def _name(rows: Rows, lengths: Indices, place: int) -> str:
    if isinstance(rows, JoinedRows):
        return rows.sources[place].name
    return rows.file_of(int(lengths[:place].sum()))[0]
