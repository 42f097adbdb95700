"""What the headers of a source say, how it will train, and a few of its values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_npy.files import mounts
from keras_npy.files.header import NpyHeader
from keras_npy.files.layout import ALIGNMENT_BYTES, Files, oddities, remedy_of
from keras_npy.files.residency import share_in_cache
from keras_npy.files.sample_files import read_first
from keras_npy.rows.base import Rows
from keras_npy.rows.sources import is_pattern
from keras_npy.tools import output
from keras_npy.tools.source import Index, SpelledSource, remarks
from keras_npy.tools.usage import UsageError
from keras_npy.types import Array

# Headers of a source of many files that are read once more, for its layout.
HEADERS_MAX = 256

# A row of Fortran order is gathered from as many places as it has values.
SCATTERED_VALUES_MAX = 100_000

# A slice is printed, so nobody needs a larger one.
SLICE_BYTES_MAX = 256 << 20

# Values to show of each of the first rows.
ROWS_SHOWN = 3
VALUES_SHOWN = 6


@dataclass(frozen=True)
class Inspected:
    """What is known of a source without reading its data."""

    spelled: SpelledSource
    rows: Rows
    headers: Sequence[NpyHeader]
    """Of some of its files, the first among them; none for bare values."""
    num_files: int
    is_compressed: bool
    said: Sequence[str]
    """What opening it said of its layout."""

    @property
    def first(self) -> NpyHeader | None:
        return self.headers[0] if self.headers else None

    @property
    def trains_by(self) -> tuple[str, str]:
        """How batches are made, `"map"`, `"copy"` or `"read"`, and why."""
        first = self.first
        if self.spelled.kind == "images":
            return "read", "images are decoded; to train from them, convert them first"
        if self.spelled.kind == "samples":
            unpacked = " and unpacked" if self.is_compressed else ""
            return "read", f"each file is one sample, which is read{unpacked} into the batch"
        if self.rows.io == "read":
            return "read", "on a network or FUSE mount, or where files cannot be mapped"
        if any(header.fortran_order for header in self.headers):
            return "copy", "Fortran order: rows are gathered value by value"
        if first is not None and any(not header.dtype.isnative for header in self.headers):
            return "copy", f"{first.dtype.str}: bytes are swapped in every batch"
        return "map", "on a local disk, in C order and this machine's byte order"

    @property
    def improvements(self) -> list[str]:
        """What would make it faster, with the command."""
        if not self.headers:
            return list(self.said)
        found: dict[str, str] = {}
        for header in self.headers:
            for kind, message in oddities(header, self._alignment_matters, self.is_compressed):
                remedy = remedy_of(header, self._files, self.spelled.kind == "samples")
                found.setdefault(kind, f"{header.name}: {message} {remedy}")
        return list(found.values())

    @property
    def _alignment_matters(self) -> bool:
        return self.num_files == 1 and self.rows.io == "map"

    @property
    def _files(self) -> Files | None:
        return self.spelled.path if is_pattern(self.spelled.path) else None

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        rows, first = self.rows, self.first
        trains_by, why = self.trains_by
        return {
            "source": self.spelled.text,
            "name": rows.name,
            "shape": rows.shape,
            "dtype": rows.dtype.name,
            "order": _order(self.headers),
            "byte_order": _byte_order(self.headers),
            "rows": len(rows),
            "row_bytes": rows.row_bytes,
            "bytes": rows.nbytes,
            "stored_bytes": rows.stored_bytes,
            "files": self.num_files,
            "data_offset": None if first is None else first.offset_bytes,
            "is_aligned": _is_aligned(self.headers),
            "trailing_bytes": sum(header.trailing_bytes for header in self.headers),
            "has_data_behind": any(header.has_data_behind for header in self.headers),
            "share_in_page_cache": self._share_in_cache(),
            "mount": self._mount(),
            "trains_by": trains_by,
            "why": why,
            "faster": self.improvements,
            "first_values": self._first_values(),
        }

    def _share_in_cache(self) -> float | None:
        return None if self.is_compressed else share_in_cache(self.headers)

    def _mount(self) -> dict[str, Any] | None:
        if self.first is None:
            return None
        place = self.first.place
        mount = mounts.find_mount(mounts.list_mounts(), place.path, place.fingerprint.device)
        if mount is None:
            return None
        return {"type": mount.fs_type, "point": mount.point, "is_remote": mount.is_remote}

    def _first_values(self) -> list[Any]:
        is_scattered = any(header.fortran_order for header in self.headers)
        if is_scattered and self.rows.row_bytes // self.rows.dtype.itemsize > SCATTERED_VALUES_MAX:
            return []
        first = self.rows[:ROWS_SHOWN]
        shown: list[Any] = first.reshape(len(first), -1)[:, :VALUES_SHOWN].tolist()
        return shown


def inspect(spelled: SpelledSource) -> Inspected:
    """Look at a source.

    Raises:
        NpyFileError: If it cannot be streamed.
        OSError: If the system refuses access; `FileNotFoundError` is one.
    """
    with remarks() as said:
        rows = spelled.open()
        files = rows.files
        paths = [] if files is None else files.paths
        step = max(1, len(paths) // HEADERS_MAX)
        headers, is_compressed = [], False
        if spelled.has_headers:
            for path in paths[::step]:
                header, _, is_packed = read_first(path, spelled.arguments.get("stored_dtype"))
                is_compressed |= is_packed
                headers.append(header)
    return Inspected(spelled, rows, headers, len(paths), is_compressed, said)


def read_slice(inspected: Inspected) -> Array:
    """The values that the brackets of a source choose.

    Raises:
        UsageError: If they are too many to print, or if there are no such values.
    """
    rows, index = inspected.rows, inspected.spelled.index or (slice(None),)
    try:
        return _read(rows, index, inspected.spelled.text)
    except IndexError as error:
        raise UsageError(
            f"{inspected.spelled.text}: brackets choose values that there are. Received: "
            f"[{', '.join(map(_spelled, index))}] for {output.count(rows.ndim, 'axis', 'axes')} of "
            f"{output.shape(rows.shape)}. Give at most an index for each axis, which counts from 0."
        ) from error


def _spelled(index: Any) -> str:
    if isinstance(index, slice):
        parts = (index.start, index.stop, *([] if index.step is None else [index.step]))
        return ":".join("" if part is None else str(part) for part in parts)
    return "..." if index is Ellipsis else str(index)


def _read(rows: Rows, index: Index, text: str) -> Array:
    # `...` stands for all rows here, and for axes of them behind it.
    first, others = (slice(None), index) if index[0] is Ellipsis else (index[0], index[1:])
    if isinstance(first, int):
        return np.asarray(rows[first][others])
    num_rows = len(first if isinstance(first, list) else range(*first.indices(len(rows))))
    if num_rows * rows.row_bytes > SLICE_BYTES_MAX:
        raise UsageError(
            f"{text}: a slice is printed, and its rows may take "
            f"{output.size(SLICE_BYTES_MAX)}. Received: {output.count(num_rows, 'row')} of "
            f"{output.size(rows.row_bytes)}. Choose fewer rows, such as [0:5]."
        )
    return np.asarray(rows[first][(slice(None), *others)])


def describe(facts: dict[str, Any]) -> dict[str, str]:
    """The facts in words, without their name."""
    lines = {
        "rows": f"{facts['rows']:,} of {output.shape(facts['shape'][1:])}, {facts['dtype']}",
        "size": f"{output.size(facts['bytes'])}, {output.size(facts['row_bytes'])} a row",
        "stored": _stored(facts),
        "trains by": f"{facts['trains_by']} ({facts['why']})",
    }
    share, mount = facts["share_in_page_cache"], facts["mount"]
    if share is not None:
        lines["in page cache"] = f"{share:.0%}"
    if mount is not None:
        kind = "network or FUSE" if mount["is_remote"] else "local"
        lines["mount"] = f"{kind}, {mount['type']} at {mount['point']}"
    for at, values in enumerate(facts["first_values"]):
        more = ", ..." if len(values) == VALUES_SHOWN else ""
        shown = ", ".join(output.number(v) if isinstance(v, float) else str(v) for v in values)
        lines[f"row {at}"] = f"{shown}{more}"
    for at, remark in enumerate(facts["faster"]):
        lines["faster" if at == 0 else f"faster {at + 1}"] = remark
    return lines


def _stored(facts: dict[str, Any]) -> str:
    parts = [output.count(facts["files"], "file")] if facts["files"] else ["in memory"]
    if facts["order"] is not None:
        parts += [facts["order"], facts["byte_order"]]
        aligned = "64-byte aligned" if facts["is_aligned"] else "not 64-byte aligned"
        parts.append(f"data at byte {facts['data_offset']} ({aligned})")
    if facts["trailing_bytes"]:
        kind = "" if facts["has_data_behind"] else " of zeros"
        parts.append(f"{facts['trailing_bytes']:,} trailing bytes{kind}")
    return ", ".join(parts)


def _order(headers: Sequence[NpyHeader]) -> str | None:
    found = {"Fortran order" if header.fortran_order else "C order" for header in headers}
    return " and ".join(sorted(found)) or None


def _byte_order(headers: Sequence[NpyHeader]) -> str | None:
    found = {_name_of_byte_order(header.dtype) for header in headers}
    return " and ".join(sorted(found)) or None


def _name_of_byte_order(dtype: np.dtype[Any]) -> str:
    if dtype.itemsize == 1:
        return "single bytes"
    is_little = (dtype.byteorder == "<") or (dtype.isnative and np.little_endian)
    return "little-endian" if is_little else "big-endian"


def _is_aligned(headers: Sequence[NpyHeader]) -> bool | None:
    if not headers:
        return None
    return all(header.offset_bytes % ALIGNMENT_BYTES == 0 for header in headers)
