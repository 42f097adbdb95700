"""Guess the format of a file that is not `.npy` from its first bytes, with a remedy."""

from keras_npy.errors import cut

# Any bytes may be values. These starts are short, or those of common values.
_RAW = (
    " If it holds bare values, as ndarray.tofile writes them, pass "
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
    (b"\x80", "a Python pickle", f"Load it where you trust it and np.save the array.{_RAW}"),
    (b"ARROW1", "an Arrow file", "Read it with pyarrow and np.save the column."),
    (b"PAR1", "a Parquet file", "Read it with pyarrow and np.save the column."),
)


def identify(start: bytes) -> tuple[str, str]:
    """The likely format of a file with these first bytes, and the remedy.

    Example:

    >>> identify(b"PK\\x03\\x04")[0]
    'a zip archive (.npz)'
    """
    for signature, name, remedy in _FOREIGN_STARTS:
        if start.startswith(signature):
            return name, remedy
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "an HTML page", "Download the file itself, not the page about it."
    if not start.strip(b"\0"):
        return "zeros only", f"Copy the file again; its contents were never written.{_RAW}"
    if _is_text(start):
        return f"text: {cut(start)}", f"Read it with np.loadtxt and np.save the array.{_RAW}"
    return f"{start[:8]!r}", f"Save the array with np.save.{_RAW}"


def _is_text(start: bytes) -> bool:
    # `start` may end in the middle of a character, which "ignore" drops. Nothing else may be lost.
    decoded = start.decode("utf-8", "ignore")
    is_whole = len(decoded.encode()) > len(start) - 4
    return is_whole and all(char in "\t\n\r" or char.isprintable() for char in decoded)
