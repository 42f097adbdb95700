"""What this process may use of the machine: cores and memory, within its control groups."""

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


@functools.cache
def usable_cores() -> int:
    """The cores that this process may use, by its affinity and the quota of its control group."""
    # macOS has no affinity (Python 3.13).
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, int(min(cores, quota_in_cores(CGROUPS, _own_group("cpu")))))


def free_memory_bytes() -> float:
    """Bytes that this process may still allocate; infinite where the system does not say."""
    found = [_available_bytes(_read(MEMINFO)), room_in_bytes(CGROUPS, _own_group("memory"))]
    return min(found)


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


def room_in_bytes(cgroups: Path, group: str) -> float:
    """Bytes that a control group may still allocate; infinite without a limit."""
    rooms = [
        _room(folder, "memory.max", "memory.current", "") for folder in _folders(cgroups, group)
    ]
    rooms += [
        _room(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        for folder in _folders(cgroups / "memory", group)
    ]
    return min(rooms)


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


def _room(folder: Path, limit_name: str, used_name: str, prefix: str) -> float:
    limit = _read(folder / limit_name).strip() or "max"
    if limit == "max":
        return math.inf
    # Pages of files count as used, but the kernel takes them back when memory is short.
    counts = dict(line.split() for line in _read(folder / "memory.stat").splitlines())
    names = (f"{prefix}inactive_file", f"{prefix}active_file")
    of_files = sum(int(counts.get(name, 0)) for name in names)
    return max(0, int(limit) - int(_read(folder / used_name) or 0) + of_files)


def _available_bytes(meminfo: str) -> float:
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return math.inf


def _own_group(resource: str) -> str:
    """The path of the group of this process: `0::/path` in version 2, `3:cpu,cpuacct:/path`."""
    lines = [line.split(":", 2) for line in _read(Path("/proc/self/cgroup")).splitlines()]
    paths = {names: path for _, names, path in lines}
    of_resource = [path for names, path in paths.items() if resource in names.split(",")]
    return (of_resource or [paths.get("", "/")])[0]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
