"""Whether crops of samples that belong together show the same: one place, in files of one size."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import warn
from keras_npy.files.fitted_samples import Fit
from keras_npy.order.selection import to_array
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.rows.odd_sizes import SURE_SHARE, Sides, odd_size, swapped_axes
from keras_npy.rows.samples import FittedRows
from keras_npy.rows.scaled_crops import ALIKE, FRAMES_APART
from keras_npy.types import Indices, Mask

_SIZES_ALIKE = (", whose sizes and crops are in one ratio", ", of the same sizes")


def check_crops(leaves: Sequence[Rows]) -> None:
    """Warn if samples that belong together are cropped in different places.

    Args:
        leaves: The sources whose rows are paired.
    """
    message = _odd_kind(leaves)
    if message is None:
        found = [(rows, _sizes(rows)) for rows in leaves]
        messages = (_odd(*one, *other) for one, other in itertools.combinations(found, 2))
        message = next(filter(None, messages), None)
    if message is not None:
        warn(message)


def _odd_kind(leaves: Sequence[Rows]) -> str | None:
    """What to say if one leaf is cropped at random, and another one, to the same size, is not."""
    fits = [set(_crops(rows)) for rows in leaves]
    for (rows, ours), (other, theirs) in itertools.permutations(zip(leaves, fits, strict=True), 2):
        for sizes, crop in ours:
            others = {name for size, name in theirs if size == sizes}
            if crop == "random" and others and ours.isdisjoint(theirs):
                return _of_two_kinds(rows, crop, other, others.pop())
    return None


def _of_two_kinds(one: Rows, crop: str, other: Rows, other_crop: str, more: str = "") -> str:
    return (
        f"{other.name}: samples that belong together must be cropped in the same place. Received: "
        f"crop={other_crop!r} for these, and crop={crop!r} for {one.name}{more}. Pass "
        f"crop={crop!r} to both calls of samples; check_names=False says that the crops are meant."
    )


def _crops(rows: Rows) -> Iterator[tuple[tuple[int, ...], str]]:
    """The sizes to which samples are cropped, and where."""
    if isinstance(rows, JoinedRows):
        for source in rows.sources:
            yield from _crops(source)
    elif isinstance(rows, ForwardingRows):
        yield from _crops(rows.source)
    elif isinstance(rows, FittedRows):
        yield tuple(size for _, size in rows.fit.lengths), rows.fit.crop


class _Sizes(NamedTuple):
    """How rows are cropped, and what from."""

    fit: Fit
    stored: Indices
    """The sizes of each sample as it is stored, `(N, axes)`, and -1 where no header was read."""


def _sizes(rows: Rows) -> _Sizes | None:
    """The sizes of samples, if all are cropped alike."""
    if isinstance(rows, FittedRows):
        return _Sizes(rows.fit, rows.stored_lengths)
    if isinstance(rows, ChosenRows):
        found = _sizes(rows.source)
        return found and found._replace(stored=found.stored[to_array(rows.indices)])
    if isinstance(rows, JoinedRows):
        parts = [sizes for source in rows.sources if (sizes := _sizes(source)) is not None]
        ways = {(part.fit.lengths, part.fit.crop) for part in parts}
        if len(parts) == len(rows.sources) and len(ways) == 1:
            return _Sizes(parts[0].fit, np.concatenate([part.stored for part in parts]))
    return None


def _odd(one: Rows, ours: _Sizes | None, other: Rows, theirs: _Sizes | None) -> str | None:
    """What to say if files of two sources, of which one is cropped or padded, show two places."""
    sides = _sides(one, ours, other, theirs)
    if sides is None:
        return None
    if ours is None or theirs is None:
        # What is taken whole may have been padded before, like its partners here.
        return swapped_axes(sides)
    pair = _pair(one, ours, other, theirs)
    return swapped_axes(sides) or (_odd_pair(pair) if pair else None) or odd_size(sides)


def _sides(one: Rows, ours: _Sizes | None, other: Rows, theirs: _Sizes | None) -> Sides | None:
    """Two sources of which one is cropped or padded, with the sizes that tell."""
    ours, theirs = ours or _whole(one, theirs), theirs or _whole(other, ours)
    if ours is None or theirs is None:
        return None
    return Sides(one, other, ours.fit, theirs.fit, ours.stored, theirs.stored)


def _whole(rows: Rows, partners: _Sizes | None) -> _Sizes | None:
    """The sizes of rows that are taken whole, if their partners are cropped to the same."""
    if partners is None or not all(
        axis < len(rows.row_shape) and rows.row_shape[axis] == size
        for axis, size in partners.fit.lengths
    ):
        return None
    sizes = [size for _, size in partners.fit.lengths]
    return partners._replace(stored=np.broadcast_to(sizes, partners.stored.shape))


class _Pair(NamedTuple):
    """Two sources of which something is cropped, and the sizes of the files that tell."""

    one: Rows
    other: Rows
    crops: tuple[str, str]
    lengths: Indices
    other_lengths: Indices
    rows: Indices
    """Row numbers of these files."""
    stored: Indices
    others: Indices


def _pair(one: Rows, ours: _Sizes, other: Rows, theirs: _Sizes) -> _Pair | None:
    """Two sources, if their crops could show different places."""
    lengths, other_lengths = (
        np.array([size for _, size in sizes.fit.lengths], np.int64) for sizes in (ours, theirs)
    )
    crops = ours.fit.crop, theirs.fit.crop
    if len(lengths) != len(other_lengths) or set(crops) == {"start"}:
        return None
    known = _cropped(ours.stored, theirs.stored, lengths, other_lengths)
    return _Pair(one, other, crops, lengths, other_lengths, *known) if known[0].size else None


def _odd_pair(pair: _Pair) -> str | None:
    """What to say if crops of two sources show different places."""
    return _odd_sizes(pair) if len(set(pair.crops)) == 1 else _odd_places(pair)


def _odd_places(pair: _Pair) -> str | None:
    """What to say if files of the same sizes, or of two resolutions, are cropped in two places."""
    are_scaled = np.array_equal(pair.stored * pair.other_lengths, pair.others * pair.lengths)
    is_same = np.array_equal(pair.lengths, pair.other_lengths)
    # Files of several sizes, the same on both sides, belong together, and so do images of which
    # those of one side are as many times larger. Two views of one file may differ.
    are_many = len(np.unique(pair.stored, axis=0)) > 1 or (not is_same and len(pair.lengths) > 1)
    is_cropped = np.any(pair.stored > pair.lengths + 1)
    if not (are_scaled and are_many and is_cropped) or _share_files(pair.one, pair.other):
        return None
    crop, other_crop = pair.crops
    if other_crop == "random":
        return _of_two_kinds(pair.other, other_crop, pair.one, crop, _SIZES_ALIKE[is_same])
    return _of_two_kinds(pair.one, crop, pair.other, other_crop, _SIZES_ALIKE[is_same])


def _odd_sizes(pair: _Pair) -> str | None:
    """What to say if the sizes of files make crops of one kind begin in other places."""
    find = _odd_at_random if pair.crops[0] == "random" else _odd_at_center
    odd = np.flatnonzero(find(pair.stored, pair.others, pair.lengths, pair.other_lengths))
    if not odd.size:
        return None
    row = int(pair.rows[odd[0]])
    path, partner = pair.other.file_of(row)[0], pair.one.file_of(row)[0]
    more = f", and {odd.size - 1} more pair{'s' * (odd.size > 2)}" if odd.size > 1 else ""
    return (
        f"{path}: {pair.crops[0]} crops that belong together need one length= for files of one "
        f"size, or else begin in other places. Received: length {_tuple(pair.other_lengths)} of "
        f"{_tuple(pair.others[odd[0]])} here, beside {_tuple(pair.lengths)} of "
        f"{_tuple(pair.stored[odd[0]])} in {partner}, pair {row + 1} of {len(pair.one)}{more}. "
        f"{_remedy(pair, odd.size)}; check_names=False says that the crops are meant."
    )


def _remedy(pair: _Pair, num_odd: int) -> str:
    if 2 * num_odd <= len(pair.rows):
        return (
            "Look whether these two belong together: save them again so that they do, or leave "
            "both out"
        )
    if np.array_equal(pair.lengths, pair.other_lengths):
        return "Make files that belong together of one size"
    return "Give both the same length="


def _share_files(one: Rows, other: Rows) -> bool:
    files, others = one.files, other.files
    return bool(files and others and not set(files.paths).isdisjoint(others.paths))


def _tuple(sizes: Indices) -> tuple[int, ...]:
    return tuple(sizes.tolist())


def _cropped(
    stored: Indices, others: Indices, lengths: Indices, other_lengths: Indices
) -> tuple[Indices, Indices, Indices]:
    """The pairs of known sizes of which something is left out; padding begins at one place.

    Of files whose headers were not read, the known ones stand for all.
    """
    is_known = (stored >= 0).all(axis=1) & (others >= 0).all(axis=1)
    is_cropped = (stored > lengths).any(axis=1) | (others > other_lengths).any(axis=1)
    rows = np.flatnonzero(is_known & is_cropped if is_known.all() else is_known)
    return rows, stored[rows], others[rows]


def _odd_at_random(
    stored: Indices, others: Indices, lengths: Indices, other_lengths: Indices
) -> Mask:
    """Pairs of which random crops begin in other places.

    Where files and crops of one source are in all axes as many times larger, as an image is than
    its mask, `scaled_crops` lets crops begin at one place.
    """
    if np.array_equal(lengths, other_lengths):
        # Of crops of one size, those of a file that is 2 longer begin up to 2 later.
        is_alike = stored == others
    else:
        is_alike = _are_as_many_times(stored, others, lengths / other_lengths)
    is_odd: Mask = ~np.all(is_alike, axis=1)
    return is_odd


def _odd_at_center(
    stored: Indices, others: Indices, lengths: Indices, other_lengths: Indices
) -> Mask:
    """The few pairs of which the middle lies elsewhere than in all others.

    Where the files of one source are longer by one number, as images are that lose their edges in
    convolutions, or as many times longer, their middles show the same.
    """
    ratio = np.median(stored / np.maximum(others, 1), axis=0)
    if np.array_equal(lengths, other_lengths):
        begins = np.maximum(stored - lengths, 0) // 2 - np.maximum(others - lengths, 0) // 2
        ways = [begins == 0, begins == np.median(begins, axis=0)]
        if (np.maximum(ratio, 1 / np.maximum(ratio, ALIKE)) >= 1.5).any():
            ways.append(_are_as_many_times(stored, others, ratio))
        least = 0.5
    else:
        ways = [_are_as_many_times(stored, others, one) for one in (ratio, lengths / other_lengths)]
        ways.append(stored - others == np.median(stored - others, axis=0))
        least = SURE_SHARE
    agree = max((np.all(way, axis=1) for way in ways), key=np.count_nonzero)
    is_sure = 1 < len(agree) and np.count_nonzero(agree) >= least * len(agree)
    return ~agree if is_sure else np.zeros(len(agree), bool)


def _are_as_many_times(stored: Indices, others: Indices, ratio: NDArray[np.float64]) -> Mask:
    """Whether files are so many times longer than their partners, but for some frames."""
    apart = np.abs(stored - others * ratio)
    is_alike: Mask = apart <= FRAMES_APART * np.maximum(ratio, 1)
    return is_alike | (apart <= ALIKE * np.maximum(stored, others * ratio))
