"""Files that are one sample each: the header of one, and the error that names all without."""

import itertools
import os
import time
from collections.abc import Sequence
from typing import TypeAlias

from keras_npy.errors import NpyFileError
from keras_npy.files.archive import MEMBER_MARK, read_header, split_member
from keras_npy.files.header import NpyHeader
from keras_npy.files.members import open_member
from keras_npy.files.place import local_path, open_regular
from keras_npy.types import Path

# A message of more lines is not read.
FAULTS_NAMED_MAX = 50

# Of more axes there are too many orders to try.
_AXES_MAX = 5

# A file, and what is wrong with it.
Fault: TypeAlias = tuple[str, Exception]


def absolute_path(path: Path) -> str:
    """The absolute path of a file, or of an archive with the member behind it."""
    archive, member = split_member(path)
    absolute = os.path.abspath(archive)
    return absolute if member is None else f"{absolute}{MEMBER_MARK}{member}"


def read_first(path: str, stored_dtype: str | None) -> tuple[NpyHeader, bytes, bool]:
    """The header of a sample, the bytes before its data, and whether it is compressed."""
    archive, member = split_member(path)
    if member is None:
        header = read_header(path, is_sample=True, stored_dtype=stored_dtype)
        with open_regular(header.place.path) as file:
            return header, file.read(header.offset_bytes), False
    archive = local_path(archive)
    with (
        open_regular(archive) as file,
        open_member(file, archive, member, stored_dtype) as opened,
    ):
        header = opened.header
        head_bytes = header.offset_bytes - header.place.start_bytes
        return header, opened.start[:head_bytes], opened.is_compressed


def turning(path: str, order: Sequence[int]) -> str:
    """The code that saves a sample again with its axes in this order."""
    how = ".T" if list(order) == [1, 0] else f".transpose({', '.join(map(str, order))})"
    if split_member(path)[1] is not None:
        return f"save the archive again, with array{how}.copy() as this member"
    return f"np.save(path, np.load(path){how}.copy()) turns a file"


def turned_remedy(header: NpyHeader, like: Sequence[int | None]) -> str:
    """What to try first if a sample has another shape, but with its axes in another order.

    Args:
        header: That of the sample.
        like: The size that each axis must have, or `None` for any.
    """
    num_axes = len(header.shape)
    if num_axes != len(like) or num_axes > _AXES_MAX:
        return ""
    for order in itertools.permutations(range(num_axes)):
        sizes = [header.shape[axis] for axis in order]
        if all(want in (None, size) for want, size in zip(like, sizes, strict=True)):
            if list(order) == sorted(order):
                break
            return f"Look whether its axes are swapped first: {turning(header.name, order)}. "
    return ""


def unreadable_at_begin(
    paths: Sequence[Path], stored_dtype: str | None, limit_s: float | None
) -> list[Fault]:
    """The files before the first one that can be read, which sets the shape and dtype of all.

    Raises:
        NpyFileError: If none can be read, or none within `limit_s`.
        OSError: As `raise_faults` raises it.
    """
    faults: list[Fault] = []
    start_s = time.perf_counter()
    for path in map(os.fsdecode, paths):
        try:
            read_first(path, stored_dtype)
        except (NpyFileError, OSError) as error:
            faults.append((absolute_path(path), error))
        else:
            return faults
        if limit_s is not None and time.perf_counter() - start_s > limit_s:
            break
    raise_faults(faults, [], len(paths))
    return []


def raise_faults(before: Sequence[Fault], behind: Sequence[Fault], num_files: int) -> None:
    """Raise one error that names all files that cannot be samples, if there are some.

    Args:
        before: Those before the first file that can be read, which sets the shape and dtype.
        behind: Those behind it.
        num_files: How many files there are in all.

    Raises:
        NpyFileError: If there are several; it names `FAULTS_NAMED_MAX` at most.
        OSError: If that is the fault of a single file, or the same kind of fault of all.
    """
    faults = [*before, *behind]
    if not faults:
        return
    error = faults[0][1]
    if len(faults) == 1:
        raise error
    if isinstance(error, OSError) and all(type(other) is type(error) for _, other in faults):
        # What the system refuses alike, such as files that are missing, can be caught by its name.
        more = len(faults) - 1
        error.add_note(
            f"So {'is' if more == 1 else 'are'} {more} more of {num_files} files, "
            f"such as {faults[1][0]}."
        )
        raise error
    named = "\n".join(f"  {error}" for _, error in faults[:FAULTS_NAMED_MAX])
    more = len(faults) - FAULTS_NAMED_MAX
    doubt = ", so the first file may be the odd one" if 2 * len(behind) > num_files else ""
    raise NpyFileError(
        f"{faults[0][0]}: each sample must be a whole .npy of the shape and dtype of the first "
        f"file. Received: {len(faults)} of {num_files} files that are not{doubt}:\n{named}\n"
        + (f"  and {more} more.\n" if more > 0 else "")
        + "Convert or copy these again, leave them out, or pass length= if only sizes differ."
    )
