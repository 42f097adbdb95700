"""Guess the format of a file that is not `.npy` from its first bytes, with a remedy."""

from keras_npy.errors import cut

# Any bytes may be values. These starts are short, or those of common values.
_RAW = (
    "If it holds bare values, as ndarray.tofile writes them, pass "
    "keras_npy.raw(path, dtype=..., shape=...)."
)

# First bytes of other formats, the format's name, and the remedy.
_FOREIGN_STARTS = (
    (b"version https://git-lfs", "a git-lfs pointer", "Fetch the file with `git lfs pull`."),
    (b"PK\x03\x04", "a zip archive (.npz)", 'Name its member: "data.npz::x".'),
    (b"PK\x05\x06", "an empty zip archive (.npz)", "Save the array with np.save."),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "Read it with h5py and np.save the data set."),
    (b"\x1f\x8b", "a gzip file", "Unpack it with gunzip."),
    (b"BZh", "a bzip2 file", "Unpack it with bunzip2."),
    (b"\xfd7zXZ", "an xz file", "Unpack it with unxz."),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "Unpack it with unzstd."),
    (b"\x89PNG", "a PNG image", "Decode it and np.save the pixels."),
    (b"\xff\xd8\xff", "a JPEG image", "Decode it and np.save the pixels."),
    (
        b"\x00\x00\x08",
        "an IDX file (as MNIST has)",
        "Read it with keras_npy.raw(path, dtype='uint8', shape=(-1, 28, 28), offset=16) for images "
        "of 28x28, or shape=(-1,), offset=8 for labels.",
    ),
    (b"ARROW1", "an Arrow file", "Read it with pyarrow and np.save the column."),
    (b"PAR1", "a Parquet file", "Read it with pyarrow and np.save the column."),
)


def identify(start: bytes) -> tuple[str, str]:
    r"""The likely format of a file with these first bytes, and the remedy.

    Example:

    >>> identify(b"PK\x03\x04")[0]
    'a zip archive (.npz)'
    """
    for signature, name, remedy in _FOREIGN_STARTS:
        if start.startswith(signature):
            return name, remedy
    if _is_pickle(start):
        return "a Python pickle", "Load it where you trust it and np.save the array."
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "an HTML page", "Download the file itself, not the page about it."
    if not start.strip(b"\0"):
        remedy = f"Copy the file again if its contents were never written. {_RAW}"
        return "zeros at the beginning", remedy
    if _is_text(start):
        return f"text: {cut(start)}", _remedy_of_text(start.decode("utf-8", "ignore"))
    return f"{start[:8]!r}", f"Save the array with np.save. {_RAW}"


def _is_pickle(start: bytes) -> bool:
    # Protocols 4 and 5 begin with a frame, or like 2 and 3 with the letter of an operation.
    protocol = start[1:2]
    if start[:1] != b"\x80" or protocol not in (b"\2", b"\3", b"\4", b"\5"):
        return False
    return start[2:3] == b"\x95" or b" " < start[2:3] < b"\x7f"


def _remedy_of_text(text: str) -> str:
    if text.lstrip()[:1] in ("[", "{"):
        return (
            "If it is JSON: np.save(new, np.asarray(json.loads(pathlib.Path(path).read_text())))."
        )
    lines = text.splitlines()
    if len(lines) < 2:
        return f"Read it with np.loadtxt and np.save the array. {_RAW}"
    for delimiter, argument in ((",", ", delimiter=','"), (";", ", delimiter=';'"), (None, "")):
        rows = [_are_numbers(line, delimiter) for line in lines[:2]]
        if rows[1]:
            header = "" if rows[0] else ", skiprows=1"
            return f"np.save(new, np.loadtxt(path{argument}{header}))."
    return "Pass the file that holds the array."


def _are_numbers(line: str, delimiter: str | None) -> bool:
    try:
        return bool([float(value) for value in line.split(delimiter)])
    except ValueError:
        return False


def _is_text(start: bytes) -> bool:
    # `start` may end in the middle of a character, which "ignore" drops. Nothing else may be lost.
    decoded = start.decode("utf-8", "ignore")
    is_whole = len(decoded.encode()) > len(start) - 4
    return is_whole and all(char in "\t\n\r" or char.isprintable() for char in decoded)
