"""The files that predictions are streamed to, and what is kept of them if that is cut off.

`p.npy.unfinished` gets its name once all rows are in it and on the disk. Until then a note,
`p.npy.unfinished.json`, says how many of its rows are, and of which model and data.
"""

import contextlib
import errno
import io
import json
import math
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from keras_npy.errors import warn
from keras_npy.files.values import dtype_named
from keras_npy.order.shares import Share
from keras_npy.rows.describe import readable
from keras_npy.tools.new_files import check_folder, lock, new_file, sync_folder
from keras_npy.types import Array, Path

_FORMAT = 1
_UNFINISHED = ".unfinished"

# The name of a part, as `name_shards` makes it: stem, number and number of parts.
_PART = re.compile(r"(.+)-(\d{5,})-of-(\d{5,})\.npy")

_REMEDY = "The rows of the last sync are kept: mend the disk, and make the same call again"
_REMEDIES = {
    errno.ENOSPC: "The rows of the last sync are kept: free space, and make the same call again",
    errno.EDQUOT: "The rows of the last sync are kept: free space, and make the same call again",
    errno.EACCES: "Choose a path in a folder that you may write to",
    errno.EROFS: "Choose a path in a folder that you may write to",
    errno.ENAMETOOLONG: "Choose a name of at most 200 bytes",
}

# How often rows are synced, unless that would take more than a share of the time.
SYNC_S = 5.0
SYNC_SHARE = 0.05


@dataclass(frozen=True)
class Output:
    """One output of a model, as it lies in its file.

    Args:
        path: Of the file, once it is complete.
        dtype: Name of its dtype.
        row_shape: tuple[int, ...] of one row.
        row_bytes: Bytes of one row.
        header: The bytes before the rows.
    """

    path: str
    dtype: str
    row_shape: tuple[int, ...]
    row_bytes: int
    header: bytes

    @classmethod
    def of(cls, path: str, dtype: np.dtype[Any], row_shape: tuple[int, ...], num_rows: int) -> Self:
        """The output with this many rows."""
        written = io.BytesIO()
        header = {
            # As np.save writes it: bfloat16, which NumPy has no name for, is `|V2`.
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (num_rows, *row_shape),
        }
        np.lib.format.write_array_header_1_0(written, header)
        row_bytes = dtype.itemsize * math.prod(row_shape)
        return cls(path, dtype.name, row_shape, row_bytes, written.getvalue())

    @property
    def unfinished_path(self) -> str:
        return self.path + _UNFINISHED

    def size(self, num_rows: int) -> int:
        """Bytes of the file with this many rows."""
        return len(self.header) + num_rows * self.row_bytes


def check_path(path: Path) -> str:
    """The absolute path of predictions, after a check that they can be written there.

    Raises:
        ValueError: If it does not end with `.npy`.
        FileNotFoundError: If its folder does not exist.
    """
    path = check_folder(path)
    if not path.endswith(".npy"):
        raise ValueError(
            f"{path}: predictions are written as .npy. Received: a path that ends otherwise. "
            "Give a path that ends with .npy."
        )
    return path


def check_num_batches(num_batches: int, share: Share) -> tuple[int, int]:
    """The first batch and the last one, exclusive, that a process predicts.

    Raises:
        ValueError: If there are none.
    """
    first, stop = share.part(num_batches)
    if first == stop:
        raise ValueError(
            "Each process predicts at least one batch. "
            f"Received: {num_batches} batches for num_processes={share.num_processes}. "
            "Take fewer processes, or a smaller batch_size."
        )
    return first, stop


def check_free(path: str) -> None:
    """Raise if the only file of predictions exists, and not because its run was cut off.

    Raises:
        FileExistsError: If it does.
    """
    if os.path.lexists(path) and not os.path.exists(note_of(path)):
        raise _exists(path)


def check_outputs(outputs: Sequence[Output], num_rows: int, overwrite: bool) -> None:
    """Raise if these files exist, or if their folder has no room for them.

    Raises:
        FileExistsError: If a file exists that may not be replaced.
        ValueError: If two outputs would have the same file.
        OSError: If the disk is too small.
    """
    _check_paths(outputs, overwrite)
    _check_room(outputs, num_rows, 0)


def warn_of_other_parts(path: str, what: str = "predictions") -> None:
    """Warn if parts of another number of processes lie beside the file of one of them.

    Args:
        path: Of this part.
        what: What such files hold.
    """
    folder, name = os.path.split(path)
    part = _PART.fullmatch(name)
    if part is None:
        return
    beside = [_PART.fullmatch(other) for other in sorted(os.listdir(folder))]
    others = [other for other in beside if other is not None and other[1] == part[1]]
    different = [other[0] for other in others if other[3] != part[3]]
    if different:
        stem, count = part[1], int(part[3])
        warn(
            f"{path}: {what} in parts of {count} are read together by their names. Received: "
            f"{different[0]} beside it, of another number of parts. Delete the "
            f"{len(different)} parts of another number; or open these alone: "
            f"open_rows('{stem}-*-of-{count:05d}.npy')."
        )


class PredictionFiles:
    """The files of all outputs of a model, as their rows come.

    Args:
        path: An absolute path, whose folder exists, from which the note has its name.
        num_rows: Rows in all.
        identity: What must be equal for rows to be kept, by what a user calls it, as JSON takes it.
        overwrite: Whether to replace files.
    """

    def __init__(
        self, path: str, num_rows: int, identity: Mapping[str, Any], *, overwrite: bool
    ) -> None:
        self.num_rows = num_rows
        self.rows_done = 0
        self.outputs: list[Output] = []
        self._path = path
        self._note_path = note_of(path)
        self._identity = dict(identity)
        self._overwrite = overwrite
        self._files: list[Any] = []
        self._next_sync_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and self._files:
                # The note of the last sync is there if this one fails, as on a full disk.
                with contextlib.suppress(OSError):
                    self._sync()
        finally:
            # What came first is what the user must see: a full disk fails here once more.
            with contextlib.suppress(*() if kind is None else (OSError,)):
                self._close()

    def resume(self) -> None:
        """Go on with rows that are kept, if there are any; `rows_done` says how many.

        Raises:
            ValueError: If they are those of another model or other data, unless files may be
                replaced. Then they are deleted, with a warning.
        """
        with _named(self._path):
            _check_name(self._note_path)
            note = _read(self._note_path)
        if note is None:
            return
        outputs = _outputs_of(note, self._path, self.num_rows)
        different = self._different(note, outputs)
        if different is not None:
            self._discard(outputs, different)
            return
        rows_done = note["rows"]
        self._check_replaced(outputs)
        _check_room(outputs, self.num_rows, rows_done)
        self._open(outputs, rows_done)

    def begin(self, outputs: Sequence[Output]) -> None:
        """Begin anew with these outputs."""
        check_outputs(outputs, self.num_rows, self._overwrite)
        self._open(outputs, 0)

    def write(self, arrays: Sequence[Array]) -> None:
        """Add the next rows of each output."""
        for output, file, array in zip(self.outputs, self._files, arrays, strict=True):
            if (array.dtype.name, array.shape[1:]) != (output.dtype, output.row_shape):
                raise ValueError(
                    f"{output.path}: all rows of an output must have one shape and one dtype. "
                    f"Received: {array.dtype} {array.shape[1:]} from row {self.rows_done} on, "
                    f"after {output.dtype} {output.row_shape}. "
                    "Make the model pad or crop what it returns, or predict rows of one size at a "
                    "time: seq.subset(...)."
                )
            with _named(output.path):
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        self.rows_done += len(arrays[0])
        if time.monotonic() >= self._next_sync_s:
            self._sync()

    def finish(self) -> list[str]:
        """Give the files their names, once all rows are on the disk; their paths."""
        if self._files:
            self._sync()
            self._check_replaced(self.outputs)
        for output in self.outputs:
            # A process that was killed here has renamed some of them.
            if self._files or os.path.lexists(output.unfinished_path):
                os.replace(output.unfinished_path, output.path)
        sync_folder(os.path.dirname(self._path))
        os.unlink(self._note_path)
        self._close()
        return [output.path for output in self.outputs]

    def _open(self, outputs: Sequence[Output], rows_done: int) -> None:
        self.outputs, self.rows_done = list(outputs), rows_done
        if rows_done == self.num_rows:
            return
        with contextlib.ExitStack() as opened:
            files = [
                opened.enter_context(_open_alone(output.unfinished_path)) for output in outputs
            ]
            opened.pop_all()
        self._files = files
        self._check_kept()
        if not rows_done:
            # Before the rows that it tells of are gone.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._note_path)
        for output, file in zip(outputs, self._files, strict=True):
            file.truncate(output.size(rows_done) if rows_done else 0)
            file.seek(0, os.SEEK_END)
            if not rows_done:
                file.write(output.header)
        self._next_sync_s = time.monotonic() + SYNC_S

    def _check_kept(self) -> None:
        """Raise if a file has fewer rows than its note, which was read before it was locked."""
        for output, file in zip(self.outputs, self._files, strict=True):
            size = os.fstat(file.fileno()).st_size
            if self.rows_done and size < output.size(self.rows_done):
                raise BlockingIOError(
                    errno.EWOULDBLOCK,
                    f"{output.path}: one process writes a file of predictions. Received: a file "
                    "that another process has just finished or begun anew. Look for it, or "
                    "predict again",
                )

    def _sync(self) -> None:
        """Bring all rows to the disk, and then note that they are there."""
        started_s = time.monotonic()
        for output, file in zip(self.outputs, self._files, strict=True):
            with _named(output.path):
                file.flush()
                os.fsync(file.fileno())
        note = {
            "format": _FORMAT,
            "identity": self._identity,
            "rows": self.rows_done,
            "outputs": [_facts(output) for output in self.outputs],
        }
        with _named(self._path), new_file(self._note_path, force=True) as file:
            file.write(json.dumps(note, indent=1).encode())
        now_s = time.monotonic()
        self._next_sync_s = now_s + max(SYNC_S, (now_s - started_s) / SYNC_SHARE)

    def _close(self) -> None:
        with contextlib.ExitStack() as closed:
            # Each one, also if another fails: an open file stays locked.
            while self._files:
                closed.callback(self._files.pop().close)

    def _different(self, note: Any, outputs: Sequence[Output]) -> str | None:
        """What differs from the run that wrote a note, or `None` if its rows can be kept."""
        if not outputs:
            return "a note of another version"
        for name, value in self._identity.items():
            if note["identity"].get(name) != value:
                return f"other {name} than those of the run that was cut off"
        if not all(_is_kept(output, note["rows"], self.num_rows) for output in outputs):
            return "a file that is gone or cut"
        return None

    def _discard(self, outputs: Sequence[Output], different: str) -> None:
        """Delete rows that are of no use now, if there are any and they may be deleted."""
        said = (
            f"{self._path}: predictions go on only with the same model and the same data. "
            f"Received: {different}."
        )
        if different.startswith("other") and not self._overwrite:
            raise ValueError(
                f"{said} Pass overwrite=True (--overwrite) to begin anew, or delete "
                f"{os.path.basename(self._note_path)}."
            )
        warn(f"{said} They begin anew.")
        for output in outputs:
            if os.path.lexists(output.unfinished_path):
                with _open_alone(output.unfinished_path):
                    os.unlink(output.unfinished_path)
        os.unlink(self._note_path)

    def _check_replaced(self, outputs: Sequence[Output]) -> None:
        """Raise for files that came while these were not finished."""
        left = [output for output in outputs if os.path.exists(output.unfinished_path)]
        _check_paths(left, self._overwrite)


def _is_kept(output: Output, rows_done: int, num_rows: int) -> bool:
    try:
        return os.path.getsize(output.unfinished_path) >= output.size(rows_done)
    except FileNotFoundError:
        return rows_done == num_rows and os.path.exists(output.path)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Say of an error of the disk which file it hit, what is kept, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(
            error.errno,
            f"{path}: predictions need a file that can be written. Received: "
            f"{os.strerror(error.errno)}. {_REMEDIES.get(error.errno, _REMEDY)}",
        ) from error


def _check_name(note_path: str) -> None:
    """Raise if the system takes no name as long as that of a note which is being written."""
    with contextlib.suppress(FileNotFoundError):
        os.lstat(f"{note_path}.{os.getpid():08}.partial")


def _open_alone(path: str) -> Any:
    """Open a file, as the only process that writes to it."""
    with _named(path.removesuffix(_UNFINISHED)):
        file = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
    if not (lock(file) and _is_at(file, path)):
        file.close()
        raise BlockingIOError(
            errno.EWOULDBLOCK,
            f"{path}: one process writes a file of predictions. Received: a file that another "
            "process is writing. Wait until that ends, or choose another path",
        )
    return file


def _is_at(file: Any, path: str) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def note_of(path: str) -> str:
    """The note beside a file that is not finished."""
    return path + _UNFINISHED + ".json"


def _exists(path: str) -> FileExistsError:
    return FileExistsError(
        f"{path}: predictions replace a file only if they are told to. Received: "
        "the path of a file that exists. Choose another path, or pass overwrite=True "
        "(--overwrite)."
    )


def _check_paths(outputs: Sequence[Output], overwrite: bool) -> None:
    for output in outputs:
        if os.path.lexists(output.path) and not overwrite:
            raise _exists(output.path)
        if os.path.isdir(output.path):
            raise IsADirectoryError(
                errno.EISDIR,
                f"{output.path}: predictions replace files, no folders. Received: a folder. "
                "Choose another path",
            )
    paths = [output.path for output in outputs]
    if len(set(paths)) < len(paths):
        raise ValueError(
            f"Each output must have a file of its own. Received: {', '.join(paths):.200}. "
            "Give the outputs of the model other names."
        )


def _check_room(outputs: Sequence[Output], num_rows: int, rows_done: int) -> None:
    """Raise if the disk has no room for the rows that are still to come."""
    # What is there of a run that was cut off is written over.
    needed = sum(output.size(num_rows) - _size(output.unfinished_path) for output in outputs)
    for output in outputs[:1]:
        usage = shutil.disk_usage(os.path.dirname(output.path))
        # A file system that does not know its size says 0.
        if usage.total and needed > usage.free:
            raise OSError(
                errno.ENOSPC,
                f"{output.path}: the disk must have room for all predictions. Received: "
                f"{readable(needed)} needed for {num_rows - rows_done} rows, "
                f"{readable(usage.free)} free. Free some space, or choose a path on another disk",
            )


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def _facts(output: Output) -> dict[str, Any]:
    name = os.path.basename(output.path)
    return {"file": name, "dtype": output.dtype, "row_shape": list(output.row_shape)}


def _outputs_of(note: Any, path: str, num_rows: int) -> list[Output]:
    """The outputs of a note; none if this version did not write it."""
    folder = os.path.dirname(path)
    try:
        if note["format"] != _FORMAT or not {"identity", "rows"} <= note.keys():
            return []
        return [
            Output.of(
                os.path.join(folder, os.path.basename(facts["file"])),
                dtype_named(facts["dtype"]),
                tuple(facts["row_shape"]),
                num_rows,
            )
            for facts in note["outputs"]
        ]
    except (AttributeError, KeyError, TypeError):
        return []


def _read(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError:
        # It is there, and nobody can read it.
        return {}
