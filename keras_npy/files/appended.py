"""Warn of values behind the data of an `.npy` file, such as rows that its header does not count."""

import os
from collections.abc import Sequence

from keras_npy.errors import NpyLayoutWarning, warn
from keras_npy.files.header import NpyHeader
from keras_npy.files.layout import convert_command, name_of_converted


class DataBehindWarning(NpyLayoutWarning):
    """There are values behind the data of a file, which are not read: given for each such file."""


def warn_of_data_behind(headers: Sequence[NpyHeader], *, are_samples: bool = False) -> None:
    """Warn, in one warning, of files with values behind their data, if there are some."""
    found = [header for header in headers if header.has_data_behind]
    if not found:
        return
    header = max(found, key=_num_rows)
    more = f" So are those of {len(found) - 1} more file{'s' * (len(found) > 2)}."
    warn(
        f"{header.name}: an .npy file ends with its data. Received: {header.trailing_bytes} bytes "
        f"behind the {header.data_bytes} that the header promises, {_what(header, are_samples)}."
        f"{more * (len(found) > 1)} They are not read. {_remedy(header)}",
        DataBehindWarning,
    )


def _num_rows(header: NpyHeader) -> int:
    """How many rows the bytes behind the data may be; 0 if they are none."""
    is_whole = header.shape and header.row_bytes and not header.trailing_bytes % header.row_bytes
    return header.trailing_bytes // header.row_bytes if is_whole and not _is_part(header) else 0


def _is_part(header: NpyHeader) -> bool:
    """Whether bytes that follow the data do not go on with it, or lie in an archive."""
    return header.fortran_order or header.name != header.place.path


def _what(header: NpyHeader, are_samples: bool) -> str:
    more = _num_rows(header)
    if not more:
        return "which are not all zeros"
    kind = "steps along axis 0" if are_samples else "rows"
    return f"as many as {more} more {kind} of {header.shape} take and not all zeros"


def _remedy(header: NpyHeader) -> str:
    if header.name != header.place.path:
        return "If they are rows, write the archive again with all rows."
    without = f"If they are none, `{convert_command(header.name)}` leaves them out."
    if not _num_rows(header):
        return f"If they are values, write the file again with all of them, in one array. {without}"
    dtype = header.dtype.name if header.dtype.isnative else header.dtype.str
    shape = (-1, *header.shape[1:])
    new = os.path.splitext(name_of_converted(header.name))[0] + "_all.npy"
    return (
        "If they are rows that were appended, write all to a new file: `from keras_npy import "
        f"convert, raw; convert(raw({header.name!r}, dtype={dtype!r}, shape={shape}, "
        f"offset={header.offset_bytes}), {new!r})`. {without}"
    )
