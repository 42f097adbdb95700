"""Lists of sources that are paired: one by one they have as many rows, or rows are paired wrongly.

Two lists of as many rows in all may hold them in another order: 3 and 2 rows beside 2 and 3.
"""

from collections.abc import Sequence

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.rows.partners import compare_names
from keras_npy.types import Indices


def check_element_lengths(leaves: Sequence[Rows]) -> None:
    """Raise if lists, or patterns, of as many sources have other lengths, one by one.

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
                raise _differ(first, first_lengths, rows, lengths)


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


def _differ(first: Rows, lengths: Indices, other: Rows, others: Indices) -> ValueError:
    place = int(np.flatnonzero(lengths != others)[0])
    one, partner = _name(first, lengths, place), _name(other, others, place)
    remedy = "Save both again, with the same rows"
    if np.array_equal(np.sort(lengths), np.sort(others)):
        remedy = "List the sources of both in the same order"
    return ValueError(
        f"{partner}: sources of two lists belong together in order, and must have the same number "
        f"of rows. Received: {one} has N={lengths[place]}, {partner} has N={others[place]}, number "
        f"{place + 1} of {len(lengths)}. {remedy}; check_names=False says that the pairs are meant."
    )


def _name(rows: Rows, lengths: Indices, place: int) -> str:
    if isinstance(rows, JoinedRows):
        return rows.sources[place].name
    return rows.file_of(int(lengths[:place].sum()))[0]
