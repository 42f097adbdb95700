"""The files of a folder and of those in it, in natural order, without what programs leave there."""

import glob
import os
from collections.abc import Iterator

from keras_npy.errors import warn
from keras_npy.rows.sources import natural_order

# Folders that programs leave behind: macOS in archives, Python, Synology and ext4.
LEFT_BEHIND = frozenset({"__MACOSX", "__pycache__", "@eaDir", "lost+found"})


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or no user made it."""
    return name.startswith(".") or name in LEFT_BEHIND


def other_suffix(suffix: str) -> str:
    """What to do if the files are of the other kind."""
    if suffix == ".npy":
        return "for .npz files pass member= too"
    return "for .npy files leave member= out"


def warn_of_other_suffix(folder: str, member: str | None, *, follow_links: bool = False) -> None:
    """Warn if the folder of a class, without samples, has files of the other kind."""
    suffix, other = (".npy", ".npz") if member is None else (".npz", ".npy")
    path = next(npy_files(folder, follow_links, other), None)
    if path is None:
        return
    paths = os.path.join(glob.escape(folder), "**", f"*{other}")
    save = "np.save(path[:-1] + 'y', np.load(path)[np.load(path).files[0]])"
    if member is not None:
        save = f"np.savez(path[:-1] + 'z', **{{{member!r}: np.load(path)}})"
    warn(
        f"{path}: only {suffix} files are read {'without' if member is None else 'with'} "
        f"member=. Received: the folder {folder}, which has {other} files and none of these, so "
        f"that its class has no samples. Save them again, [{save} for path in "
        f"glob.glob({paths!r}, recursive=True)], or move the folder away."
    )


def npy_files(folder: str, follow_links: bool = False, suffix: str = ".npy") -> Iterator[str]:
    """Yield the files of a folder in natural order, then those of each folder in it."""
    for root, folders, files in os.walk(folder, onerror=_raise, followlinks=follow_links):
        # os.walk continues with the folders that remain in this list, in its order.
        folders[:] = [
            name
            for name in natural_order(folders)
            if not is_ignored(name) and not (follow_links and _leads_back(root, name))
        ]
        for name in natural_order(files):
            if not is_ignored(name) and name.lower().endswith(suffix):
                yield os.path.join(root, name)


def _leads_back(root: str, name: str) -> bool:
    # os.walk would follow a link to a folder above again and again, until the path is too long.
    target = os.path.realpath(os.path.join(root, name))
    return os.path.commonpath([target, os.path.realpath(root)]) == target


def _raise(error: OSError) -> None:
    # Without this, os.walk silently skips a folder that it may not read.
    raise error
