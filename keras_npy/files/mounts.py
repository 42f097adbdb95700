"""Decide whether files are mapped or read, by the file system that they lie on.

A mapped file has no way to report an error but to end the process (SIGBUS). On a local disk that
takes a failing disk or a cut file; on a network or FUSE mount, a lost connection is enough.
"""

import errno
import functools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keras_npy.errors import NpyLayoutWarning, warn_once

if TYPE_CHECKING:
    from keras_npy.files.header import NpyHeader

# Each line describes a mount (proc_pid_mountinfo(5)). Only Linux has this file.
MOUNTINFO = "/proc/self/mountinfo"

# File systems whose data lie on another machine, or with the host of a virtual one. Those that a
# program serves are called fuse, fuseblk or fuse.NAME.
REMOTE_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "vmhgfs", "drvfs"),
        *("ceph", "lustre", "gpfs", "beegfs", "glusterfs", "orangefs", "pvfs2", "panfs", "wekafs"),
        *("afs", "coda", "ncpfs", "gfs2", "ocfs2", "davfs", "acfs", "prl_fs"),
    }
)

# Why the system refuses a mapping, where it would allow a read: the file system has none (ENODEV,
# and EACCES or EPERM by a policy), or there are no addresses left (RLIMIT_AS, vm.max_map_count).
MAP_REFUSED = frozenset({errno.ENODEV, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EAGAIN})


@dataclass(frozen=True)
class Mount:
    """A mounted file system."""

    device: int
    point: str
    fs_type: str

    @property
    def is_remote(self) -> bool:
        """Whether reading its files can fail without a fault of this machine's disks."""
        is_fuse = self.fs_type in ("fuse", "fuseblk") or self.fs_type.startswith("fuse.")
        return is_fuse or self.fs_type in REMOTE_TYPES


def should_read(headers: "Iterable[NpyHeader]") -> bool:
    """Whether any of these files lies on a network or FUSE mount; say so once if one does."""
    by_device = {header.place.fingerprint.device: header for header in headers}
    mounts = list_mounts()
    for device, header in by_device.items():
        mount = find_mount(mounts, header.place.path, device)
        if mount is not None and mount.is_remote:
            warn_once(
                "io: mount",
                f"{header.name}: files on network and FUSE mounts are read, not mapped, because a "
                "mapping turns a lost connection into the end of the process (SIGBUS). "
                f"Received: a mount of type {mount.fs_type} at {mount.point}. "
                "Pass io='read' or io='map' to choose yourself.",
                NpyLayoutWarning,
            )
            return True
    return False


def may_fall_back(error: OSError, name: str) -> bool:
    """Whether files are read because the system refused to map them; say so once if they are."""
    if error.errno not in MAP_REFUSED:
        return False
    warn_once(
        "io: refused",
        f"{name}: a file that cannot be mapped is read. Received: {os.strerror(error.errno)}. "
        "Pass io='read' to choose that yourself.",
        NpyLayoutWarning,
    )
    return True


def is_remote(path: str, device: int) -> bool:
    """Whether a file lies on a network or FUSE mount."""
    mount = find_mount(list_mounts(), path, device)
    return mount is not None and mount.is_remote


def list_mounts() -> list[Mount]:
    """The mounts of this process, or none if the system does not list them."""
    try:
        with open(MOUNTINFO, "rb") as file:
            text = file.read()
    except OSError:
        return []
    return _parse_all(text)


# Mounts seldom change, and to parse 30 lines takes as long as opening a file.
@functools.lru_cache(maxsize=1)
def _parse_all(text: bytes) -> list[Mount]:
    lines = os.fsdecode(text).splitlines()
    return [mount for mount in map(_parse, lines) if mount is not None]


def find_mount(mounts: list[Mount], path: str, device: int) -> Mount | None:
    """The mount that holds a file: that of its device, otherwise the innermost around its path."""
    of_device = [mount for mount in mounts if mount.device == device]
    if of_device:
        return of_device[-1]
    # btrfs and overlayfs give files devices of their own.
    real = os.path.realpath(path)
    around = [mount for mount in mounts if _holds(mount.point, real)]
    # Of several mounts on one point, the last covers the others, and max() returns the first.
    return max(reversed(around), key=lambda mount: len(mount.point), default=None)


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _parse(line: str) -> Mount | None:
    # 36 35 98:0 /root /point options [optional fields] - type source options
    before, mark, after = line.partition(" - ")
    fields = before.split(" ")
    if not mark or len(fields) < 5:
        return None
    major, _, minor = fields[2].partition(":")
    point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
    return Mount(os.makedev(int(major), int(minor)), point, after.split(" ", 1)[0])
