"""How many threads gather batches: as many as help, on the cores that this process may use."""

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# One thread gathers about 5 GB/s, two 8 and four 12 (16 cores beside an H100). But threads take the
# interpreter from the one that dispatches steps. With a batch of 3 MB a second thread gains nothing
# there, with one of 12 MB it gathers twice as many batches.
BATCH_BYTES_OF_TWO = 6 << 20
# The model, its dispatch and the system need cores too.
CORES_OF_TWO = 4

CGROUPS = Path("/sys/fs/cgroup")


def num_readers(batch_bytes: int) -> int:
    """The number of threads that read batches of this size ahead."""
    is_large = batch_bytes >= BATCH_BYTES_OF_TWO
    return 2 if is_large and usable_cores() >= CORES_OF_TWO else 1


@functools.cache
def usable_cores() -> int:
    """The cores that this process may use, by its affinity and the quota of its control group."""
    # macOS has no affinity (Python 3.13).
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, int(min(cores, quota_in_cores(CGROUPS, _own_group()))))


def quota_in_cores(cgroups: Path, group: str) -> float:
    """The processor time that a control group may use in a second; infinite without a limit.

    Args:
        cgroups: Where the file system of control groups is mounted.
        group: Path of the group in it.
    """
    quotas = [_quota(folder) for folder in _folders(cgroups, group)]
    # Version 1 has a file system for each resource.
    quotas += [_quota_of_version_1(folder) for folder in _folders(cgroups / "cpu", group)]
    return min(quotas)


def _folders(root: Path, group: str) -> Iterator[Path]:
    """The folder of a group, and those of all groups around it. A container sees only the last."""
    path = PurePosixPath(group.lstrip("/"))
    for part in (path, *path.parents):
        yield root / part


def _quota(folder: Path) -> float:
    quota, period = (_read(folder / "cpu.max").split() or ["max", "1"])[:2]
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_of_version_1(folder: Path) -> float:
    quota = int(_read(folder / "cpu.cfs_quota_us") or -1)
    period = int(_read(folder / "cpu.cfs_period_us") or 1)
    return math.inf if quota < 0 else quota / period


def _own_group() -> str:
    """The path of the group of this process: `0::/path` in version 2, `3:cpu,cpuacct:/path`."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            return path
    return "/"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
