"""The errors for what is no source: what to make of it, by its kind."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from keras_npy.rows.arrays import dense_of, holds_paths
from keras_npy.rows.base import Rows

RULE = "A source must be the path of an .npy file, a list of sources, or a NumPy array."


def no_source(received: object) -> TypeError:
    """The error for an object, or a list with an object, that is no source."""
    odd = _first(received, lambda item: not _is_path_or_rows(item) and not _is_data(item))
    return TypeError(
        f"{RULE} Received: {_described(received, odd)}. {_remedy(odd, odd is not received)}"
    )


EACH_A_SAMPLE = (
    "If each is one sample, save each in a file of its own, in a new folder: `for at, one in "
    "enumerate(source): os.makedirs('each', exist_ok=at > 0); np.save(f'each/{at}.npy', "
    "keras_npy.open_rows(one)[:])`; then pass keras_npy.samples('each/*.npy', length=...)."
)


def no_paths(caller: str, received: object) -> TypeError:
    """The error for what names no files, where only files will do."""
    odd = _first(received, lambda item: not isinstance(item, str | os.PathLike | list))
    remedy = _remedy(odd, odd is not received)
    if isinstance(odd, Rows | np.ndarray) and not holds_paths(odd):
        remedy = f"Pass paths to {caller}, or these rows to NpySequence as they are."
        if caller == "samples" and isinstance(received, list):
            remedy += f" {EACH_A_SAMPLE}"
    return TypeError(
        f"{caller} takes a path, a pattern or a list of paths. "
        f"Received: {_described(received, odd)}. {remedy}"
    )


def _first(received: object, is_odd: Callable[[object], bool]) -> object:
    """The first odd item of a list, or else the object itself."""
    return next(filter(is_odd, received), received) if isinstance(received, list) else received


def _is_path_or_rows(item: object) -> bool:
    return isinstance(item, str | os.PathLike | list | Rows)


def _is_data(item: object) -> bool:
    return isinstance(item, np.ndarray) and not holds_paths(item)


def _described(received: object, odd: object) -> str:
    return type(odd).__name__ if odd is received else f"a list with {type(odd).__name__}"


def _remedy(source: object, is_item: bool = False) -> str:
    if source is None and is_item:
        return "Leave None out of the list."
    if isinstance(source, bytes):
        return "Pass os.fsdecode(source)."
    if isinstance(source, np.lib.npyio.NpzFile):
        return f'Name a member of the archive in its path, as in "data.npz::{source.files[0]}".'
    if is_item and dense_of(source, "one") is not None:
        return f"Pass [{dense_of(source, 'one')} for one in source]."
    if (dense := dense_of(source, "source")) is not None:
        return f"Pass {dense}, since rows of a sparse array have no place of their own."
    if isinstance(source, Mapping):
        return f"Pass one of its values, such as source[{next(iter(source), None)!r:.50}]."
    if holds_paths(source):
        return "Pass the paths as a list: source.tolist()."
    if isinstance(source, set | frozenset):
        return "Pass the paths in an order: sorted(source)."
    if isinstance(source, tuple):
        return _remedy_of_tuple(source)
    if isinstance(source, Iterator):
        return "Pass sorted(source) of paths, or np.asarray(list(source)) of numbers."
    return "Pass the path of a file, or np.asarray(source) of the data."


def _remedy_of_tuple(source: tuple[Any, ...]) -> str:
    if all(isinstance(one, Rows) for one in source):
        return "Pass one of these rows, such as source[0]."
    if all(isinstance(one, str | os.PathLike) for one in source):
        return "Pass the paths as a list: list(source)."
    return "Pass the path of a file, or np.asarray(source) of the data."
